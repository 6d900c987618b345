# SPDX-License-Identifier: Apache-2.0
"""What is measured: a case is one kind of work, done by several contestants, some of which have goals."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

PLAIN = "plain Python"
OURS = "d4py"


class Kind(Enum):
    """How a run is measured."""

    ANSWERS = "from the first item to the last sink's end, by the marks of the workload"
    START = "from the command's start to the first result"
    GROWTH = "resident memory of the writer, watched for a while"
    WHOLE = "the whole command"
    IMPORT = "what `python -X importtime` says of the package"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a figure is to reach: at least, or at most where `most` is set."""

    figure: str
    must: float
    moonshot: float | None = None
    most: bool = False

    def reached(self, value: float) -> str:
        """Say how far a value got."""
        for name, bound in (("moonshot", self.moonshot), ("must", self.must)):
            if bound is not None and (value <= bound if self.most else value >= bound):
                return name
        return "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """Who does the work, and how."""

    system: str
    mapping: str = ""
    processes: int = 1
    workers: int = 1  # that do the tasks, for their efficiency
    style: str = ""  # how the PEs are written or what the source hands over at once, where there is a choice
    settings: tuple[str, ...] = ()  # further parameters of the workflow: name=value
    options: tuple[str, ...] = ()  # further arguments
    known: bool = False  # it ran before, so that d4py knows what its PEs cost
    unchanged: bool = False  # it runs stream-d4py's file as it is, by the old command
    watched: bool = False  # on a terminal, with metrics that are fetched every second
    part: float = 1.0  # of the items: who is slow does fewer; ratios are of rates
    label: str = ""
    goals: tuple[Goal, ...] = ()

    @property
    def name(self) -> str:
        """How the table names it."""
        how = f" -n {self.processes}" if self.processes > 1 else ""
        further = ", ".join(filter(None, (self.style, self.label)))
        return f"{self.system} {self.mapping}".rstrip() + how + (f", {further}" if further else "")

    @property
    def alone(self) -> bool:
        """Whether one process does all."""
        return self.mapping == "simple"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kind of work. The first contestant is what the others are compared with."""

    key: str
    title: str
    workload: str  # name of the files in workloads/
    contestants: tuple[Contestant, ...]
    items: int = 1
    tiny: int = 1  # items where only the answers count
    kind: Kind = Kind.ANSWERS
    unit: str = ""  # of a rate
    per_item: float = 1.0  # units
    columns: tuple[str, ...] = ()  # figures to show beside goals, ratios and rates
    against: str = ""  # what a comparison with the first is called: "share" of its rate, "cost" over its time, "above" its milliseconds, "CPU"
    variant: str = ""  # of the workload
    seconds: float = 0.0  # how long memory is watched
    rounds: int | None = None  # where the usual number would take too long
