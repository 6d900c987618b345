# SPDX-License-Identifier: Apache-2.0
"""Names and passwords for registries, from where `docker login` puts them: its configuration, or the store that it names."""

from __future__ import annotations

import warnings

from d4py.errors import UsageError


def credentials_of(host: str) -> tuple[str, str] | None:
    """Return the user and the password for a registry; None where none are kept. Raises UsageError."""
    from docker import auth
    from docker.errors import DockerException

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a store that is not there is also told as an error
            known = auth.load_config().resolve_authconfig(host) or {}
    except DockerException as error:
        raise _unreadable(host, str(error.__cause__ or error)) from None
    except (ValueError, OSError):
        raise _unreadable(host, "its configuration is damaged") from None
    user, password = (known.get(name) or known.get(name.title()) for name in ("username", "password"))
    return (user, password) if user and password else None


def _unreadable(host: str, reason: str) -> UsageError:
    return UsageError(
        f"What docker keeps for {host} cannot be read: {reason[:200]}.", hint=f"Log in again: docker login {host}."
    )
