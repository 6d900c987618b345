# SPDX-License-Identifier: Apache-2.0
"""What a registry, or the way to it, says against a push or a pull: one line each, with the remedy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d4py.errors import BuildError, D4pyError, ImageError

if TYPE_CHECKING:
    import requests

    from d4py.packaging.registry import Place

_DENIED, _ABSENT = (401, 403), 404
_REMEDIES = {
    400: "Choose another name with -t.",
    405: "It takes nothing at present; ask who runs it.",
    413: "The image has a layer that is too large for it; leave data out and mount it.",
    429: "Wait, or log in: registered users may do more.",
}
_FULL = ("no space left", "quota")


def told(error: Exception, place: Place, act: str, *, known: bool) -> Exception:
    """Return what an error means. act: what was tried. known: whether there was a password."""
    import requests
    from dxf.exceptions import DXFAuthInsecureError, DXFDigestMismatchError, DXFUnauthorizedError

    match error:
        case D4pyError():
            return error
        case DXFUnauthorizedError():
            return _denied(place, act, known=known)
        case DXFAuthInsecureError():
            return BuildError(f"{place.host} wants a password without TLS.", hint="Give it a certificate.")
        case DXFDigestMismatchError():
            return BuildError(f"{place.host} sent another blob than it was asked for.", hint="Do not trust it.")
        case requests.HTTPError() if error.response is not None:
            return _answered(error.response, place, act, known=known)
        case requests.RequestException():
            return _unreachable(error, place)
        case _:
            return error


def _unreachable(error: requests.RequestException, place: Place) -> BuildError:
    import requests

    if isinstance(error, requests.exceptions.SSLError):
        return BuildError(
            f"The certificate of {place.server} is not trusted{_reason(error)}.",
            hint="Give the certificate of its authority with --ca FILE.",
        )
    if isinstance(error, requests.Timeout):
        return BuildError(f"{place.server} does not answer.", hint="Try again; what it has is not sent twice.")
    return BuildError(
        f"{place.server} cannot be reached{_reason(error)}.", hint="Check its name, its port and the network."
    )


def _denied(place: Place, act: str, *, known: bool) -> BuildError:
    who = "the user that docker login left" if known else "somebody without a password"
    return BuildError(
        f"{place.host} does not let {who} {act} {place.repository}.", hint=f"Log in: docker login {place.host}."
    )


def _answered(response: requests.Response, place: Place, act: str, *, known: bool) -> D4pyError:
    status, said = response.status_code, _said(response)
    if status in _DENIED:
        return _denied(place, act, known=known)
    if status == _ABSENT and act == "pull from":
        return ImageError(f"There is no image {place}.", hint="Check its name and its tag.")
    remedy = _REMEDIES.get(status, "Try again later; what it has is not sent twice.")
    if any(word in response.text.lower() for word in _FULL):
        remedy, said = "Make room there.", said or "it is full"
    return BuildError(
        f"{place.host} answers {status}{f' ({said})' if said else ''} to {act} {place.repository}.", hint=remedy
    )


def _said(response: requests.Response) -> str:
    """Return what a registry says in an answer, as far as it can be shown."""
    try:
        first = response.json()["errors"][0]
        text = f"{first['message']}: {first['detail']}" if isinstance(first.get("detail"), str) else first["message"]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return ""
    return "".join(letter for letter in str(text) if letter.isprintable())[:200].strip()


def _reason(error: Exception) -> str:
    """Return the last word of what the libraries below say."""
    text = str(error).lower()
    reasons = {
        "name or service not known": "there is no such host",
        "temporary failure in name resolution": "its name is not found",
        "no address associated": "there is no such host",
        "connection refused": "nobody listens there",
        "wrong_version_number": "it does not speak TLS",
        "hostname mismatch": "it is for another host",
        "doesn't match": "it is for another host",
        "expired": "it has expired",
        "unable to get local issuer": "its authority is not known",
        "self-signed": "it is signed by itself",
        "self signed": "it is signed by itself",
        "unreachable": "there is no way to it",
        "connection reset": "it broke off",
        "broken pipe": "it broke off",
    }
    return next((f": {reason}" for word, reason in reasons.items() if word in text), "")
