# SPDX-License-Identifier: Apache-2.0
"""What was seen of one case: all that the checker judges by."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.faults.case import Case, Strike


@dataclass(slots=True, kw_only=True)
class Hit:
    """One fault that was dealt, with the proof that the run was going on when it was."""

    strike: Strike
    start: int  # which start of the run it hit: 0 is the first
    generation: int
    time: float  # monotonic
    running: bool  # the run said so, and its supervisor lived
    alive: bool  # so did every victim
    final: bool  # the last checkpoint was there already: only sinks had yet to commit
    pids: frozenset[int]
    instances: frozenset[tuple[str, int]]  # stages and ranks in the victims' processes
    struck: bool = False  # the effect was seen: gone, stopped, full
    deadly: bool = False  # the effect is that victims are gone
    trouble: str = ""  # what the act itself found wrong
    seconds: float | None = None  # until an instance of the victim began anew
    alone: bool | None = None  # whether that was in the same generation

    @property
    def counts(self) -> bool:
        """Whether the run was going on when it hit, and it did hit."""
        return self.running and self.alive and self.struck and (not self.final or self.strike.moment.during == "commit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """One command from its start to its end."""

    command: str  # run or resume
    exit_code: int | None  # None: it had to be ended
    seconds: float
    told: str  # on stderr
    error: str  # as the run's state has it
    warnings: tuple[str, ...]
    left: tuple[str, ...] = ()  # what it left behind
    ended_at: float = 0.0  # seconds of the wall clock by which its end was told, less those by ours


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A case, and everything seen of it."""

    case: Case
    starts: tuple[Start, ...]
    hits: tuple[Hit, ...]
    doubt: dict[str, set[int]]  # by source whose world gives each number once: what it died on, about to write it
    wrote: dict[str, set[int]]  # by source: the numbers of its journal
    reads: dict[str, int]  # by stage: calls, repeated ones too
    generations: int = 0
    committed: Counter[Any] = field(default_factory=Counter)  # in the files of sinks
    outputs: Counter[Any] = field(default_factory=Counter)  # in the run's own spools
    order: tuple[Any, ...] = ()  # the same as they come
    in_order: bool = False  # one instance each and one source: order is promised
    balanced: bool = False
    audited: bool = False  # an audit finds the same books
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    quarantined: tuple[tuple[str, int], ...] = ()  # stage, origin
    growth: tuple[str, ...] = ()  # of what supervisor and nursery hold, from the first fault to the last

    @property
    def counted(self) -> int:
        """How many faults count; none of a run that hung, which may have been struck by one poison for ever."""
        hung = any(start.exit_code is None for start in self.starts)
        return 0 if hung else sum(hit.counts for hit in self.hits)
