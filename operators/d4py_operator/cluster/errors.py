# SPDX-License-Identifier: Apache-2.0
"""What a cluster answers where it does not do what it was asked."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any

from d4py.errors import D4pyError

_WRONG = (400, 413, 422)
_DENIED = re.compile(r"\bdenied (the )?request\b")
_GONE = re.compile(r'namespaces "[^"]*" not found')
_UNDECLARED = re.compile(r"(\.\S+: field not declared in schema)")
_SHOWN = 500
_LONGEST = 60.0  # seconds
_NO_FIELD = (None, "", "<nil>")  # rules that could not be looked at for a fault that is told, too


class ClusterError(D4pyError, OSError):
    """No cluster can be reached, or it cannot be used as asked."""

    wait = 0.0  # seconds after which it may be asked again, where it says so


class ApiError(ClusterError):
    """An answer that is no success. fields: which are wrong, and how. causes: words for why."""

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        fields: tuple[str, ...] = (),
        *,
        causes: tuple[str, ...] = (),
        wait: float = 0.0,
    ) -> None:
        super().__init__(f"{reason or status}: {message}")
        self.status, self.reason, self.text, self.fields = status, reason, message, fields
        self.causes, self.wait = causes, wait

    def __reduce__(self) -> tuple[object, ...]:
        return partial(type(self), causes=self.causes, wait=self.wait), (
            self.status,
            self.reason,
            self.text,
            self.fields,
        )

    @property
    def refusal(self) -> str:
        """Say what was wrong with an object without saying what it holds: a value may be secret."""
        if self.fields:
            return "; ".join(self.fields[:5])
        return f"{self.reason or self.status}"

    @property
    def told(self) -> str:
        """Say what the cluster says, in its own words where they are not about values."""
        words = self.refusal if self.fields else self.text
        return ": ".join(filter(None, [self.reason, words])) or f"{self.status}"

    @property
    def denied(self) -> bool:
        """Whether somebody's rule speaks against it, and not Kubernetes' own: a policy, or a webhook, which may answer with any code."""
        return _DENIED.search(self.text) is not None

    @property
    def lasting(self) -> bool:
        """Whether the object is at fault as it is: asked again, it would be refused again."""
        known = bool(self.fields) or self.reason in ("BadRequest", "RequestEntityTooLarge")
        return self.status in _WRONG and known and not self.denied

    @property
    def undeclared(self) -> str:
        """Name what was applied and is not in the definition; nothing where that is not the fault. An API server answers 500 to it."""
        return "; ".join(dict.fromkeys(_UNDECLARED.findall(self.text)))[:_SHOWN]

    @property
    def ending(self) -> bool:
        """Whether its namespace is being deleted, or is gone."""
        return "NamespaceTerminating" in self.causes or (self.status == 404 and _GONE.match(self.text) is not None)


def api_error(status: int, body: bytes, wait: str | None = None) -> ApiError:
    """Read the answer. wait: after how many seconds it may be asked again."""
    try:
        data = json.loads(body)
    except ValueError:
        data = {}
    if not isinstance(data, dict):
        data = {}
    causes = tuple(str(cause.get("reason", "")) for cause in _causes(data))
    seconds = float(wait) if wait and wait.isascii() and wait.isdigit() else 0.0
    reason, message = str(data.get("reason") or ""), str(data.get("message") or "")[:2000]
    return ApiError(status, reason, message, _fields(data), causes=causes, wait=min(seconds, _LONGEST))


def _causes(data: dict[str, Any]) -> list[dict[str, Any]]:
    found = (data.get("details") or {}).get("causes") or ()
    return [cause for cause in found if isinstance(cause, dict)]


def _fields(data: dict[str, Any]) -> tuple[str, ...]:
    """Return which fields are wrong, each once, with the kind of its fault; what is asked for is no secret, and is said."""
    named = [cause for cause in _causes(data) if cause.get("field") not in _NO_FIELD]
    return tuple(dict.fromkeys(f"{cause['field']}: {_fault(cause)}" for cause in named))


def _fault(cause: dict[str, Any]) -> str:
    if ".resources." in cause["field"] and cause.get("message"):
        return str(cause["message"])
    return _words(cause.get("reason", ""))


def _words(reason: str) -> str:
    return {
        "FieldValueInvalid": "is not valid",
        "FieldValueRequired": "is missing",
        "FieldValueForbidden": "is not allowed",
        "FieldValueNotSupported": "has a value that is not supported",
        "FieldValueTooLong": "is too long",
        "FieldValueDuplicate": "is there twice",
        "FieldValueTypeInvalid": "is of another type",
    }.get(reason, reason)
