# SPDX-License-Identifier: Apache-2.0
"""The state of a run, as told to anyone who asks: one small file, replaced whole."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

_WARNINGS = 40  # of an endless run with a death an hour, say
_LEFT_OUT = re.compile(r"\((\d+) more are in ")


class Status(str, Enum):
    """Where a run is in its life."""

    QUEUED = "queued"  # sent somewhere, and not begun
    STARTING = "starting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"  # resumable
    CANCELLED = "cancelled"
    LOST = "lost"  # its process is gone without a word; resumable

    @property
    def over(self) -> bool:
        """Whether nothing will change any more by itself."""
        return self not in (Status.QUEUED, Status.STARTING, Status.RUNNING)


@dataclass(slots=True)
class State:
    """What a run's state file holds."""

    run: str
    status: Status = Status.STARTING
    mapping: str = ""
    workflow: str = ""
    pid: int = 0
    pid_start: str = ""  # tells a process from a later one with the same number
    host: str = ""
    created: str = ""  # UTC, ISO 8601
    started: str = ""
    ended: str = ""
    seconds: float = 0.0  # of running, all starts together
    generation: int = 0
    epoch: int = 0  # of the last commit
    live: bool = False  # a source never ends by itself: a run that is cancelled drains
    further: bool = True  # than where its last start began; else one like that would come no further either
    exit_code: int | None = None
    error: str = ""
    traceback: str = ""
    warnings: list[str] = field(default_factory=list)
    output: str = ""

    def warn(self, text: str) -> None:
        """Add a warning. Of very many the first and the last stay; the run's log has all."""
        self.warnings.append(text)
        if len(self.warnings) > _WARNINGS:
            middle = _WARNINGS // 2
            known = _LEFT_OUT.match(self.warnings[middle])
            number = int(known[1]) + 1 if known else 2
            self.warnings[middle : middle + 2] = [f"({number} more are in logs/run.log.)"]

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {**asdict(self), "status": self.status.value}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> State:
        """Read back what `to_json` gave; what is unknown is left out."""
        known = {name: value for name, value in data.items() if name in cls.__dataclass_fields__}
        blank = cls(run="")
        for name, value in known.items():
            kinds: tuple[type, ...] = (type(getattr(blank, name)),) if name != "exit_code" else (int, type(None))
            if not isinstance(value, (*kinds, int) if float in kinds else kinds) and name != "status":
                raise ValueError(f"{name} is {value!r:.60}")
        return cls(**{**known, "status": Status(data["status"])})
