# SPDX-License-Identifier: Apache-2.0
"""What a target keeps in a run's folder of what it was sent: the jobs that are to run it, in order."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from d4py.errors import StateError
from d4py.runs import atomic
from d4py.runs.state import State, Status

if TYPE_CHECKING:
    from pathlib import Path

_FILE = "submission.json"


@dataclass(slots=True, kw_only=True)
class Submission:
    """A run that was sent somewhere."""

    run: str
    target: str
    workflow: str
    mapping: str
    created: str
    profile: str = ""
    jobs: list[str] = field(default_factory=list)  # ids, the newest last
    options: dict[str, Any] = field(default_factory=dict)  # of the job
    cancelled: bool = False  # before it began
    generation: int = 0  # that the newest job was sent to begin; the state of an older one is of the past
    version: int = 1
    member: int | None = None  # of a sweep: its number, which is also that of its task in the arrays that are its jobs

    def renew(self, job: str, generation: int) -> None:
        """Take in a further job, which is to begin a generation."""
        self.jobs.append(job)
        self.generation, self.cancelled = generation, False

    def write(self, folder: Path, *, durable: bool = True) -> None:
        """Keep it."""
        atomic.write_json(folder / _FILE, asdict(self), durable=durable)

    @property
    def state(self) -> State:
        """The state of a run that has not begun."""
        status = Status.CANCELLED if self.cancelled else Status.QUEUED
        return State(
            run=self.run,
            status=status,
            mapping=self.mapping,
            workflow=self.workflow,
            created=self.created,
            exit_code=5 if self.cancelled else None,
        )


def submission(folder: Path) -> Submission | None:
    """Return what was sent; None for a run that was not."""
    try:
        data = json.loads((folder / _FILE).read_text(encoding="utf-8"))
        return Submission(**data)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise StateError(
            f"{folder / _FILE} is damaged: {error}.", hint="Look at the folder; its job may still run."
        ) from None


def submitted(folder: Path) -> bool:
    """Whether a folder holds a run that was sent somewhere."""
    return (folder / _FILE).is_file()
