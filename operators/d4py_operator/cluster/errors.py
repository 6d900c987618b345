# SPDX-License-Identifier: Apache-2.0
"""What a cluster answers where it does not do what it was asked."""

from __future__ import annotations

import json
from typing import Any

from d4py.errors import D4pyError


class ClusterError(D4pyError, OSError):
    """No cluster can be reached, or it cannot be used as asked."""


class ApiError(ClusterError):
    """An answer that is no success."""

    def __init__(self, status: int, reason: str, message: str, fields: tuple[str, ...] = ()) -> None:
        super().__init__(f"{reason or status}: {message}")
        self.status, self.reason, self.text, self.fields = status, reason, message, fields

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.status, self.reason, self.text, self.fields)

    @property
    def refusal(self) -> str:
        """Say what was wrong with an object without saying what it holds: a value may be secret."""
        if self.fields:
            return "; ".join(self.fields[:5])
        return f"{self.reason or self.status}"


def api_error(status: int, body: bytes) -> ApiError:
    """Read the answer."""
    try:
        data = json.loads(body)
    except ValueError:
        data = {}
    if not isinstance(data, dict):
        data = {}
    return ApiError(status, str(data.get("reason", "")), str(data.get("message", ""))[:2000], _fields(data))


def _fields(data: dict[str, Any]) -> tuple[str, ...]:
    """Return which fields are wrong, each with the kind of its fault."""
    causes = (data.get("details") or {}).get("causes") or ()
    return tuple(
        f"{cause.get('field', '')}: {_words(cause.get('reason', ''))}" for cause in causes if cause.get("field")
    )


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
