# SPDX-License-Identifier: Apache-2.0
"""What is decided about an object: what is to be there, what is to go, what is told. Data; `reconcile` obeys it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from d4py_operator.objects import Key, Object


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What people see under an object in `kubectl describe`."""

    reason: str
    message: str
    warning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """An object that is to go; `uid` keeps a newer one of the same name."""

    key: Key
    uid: str


@dataclass(slots=True, kw_only=True)
class Decision:
    """In the order in which it is obeyed: the status is written before anything is made, so that nothing is made twice."""

    status: dict[str, Any] | None = None  # None: it stays as it is
    delete: list[Deletion] = field(default_factory=list)
    create: list[Object] = field(default_factory=list)  # objects that never change once they are there
    apply: list[Object] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    again: float | None = None  # seconds until it is to be looked at again, whatever happens
