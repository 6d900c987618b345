# SPDX-License-Identifier: Apache-2.0
"""What is measured: five kinds of work, who does each, and what d4py is to reach."""

from __future__ import annotations

from dataclasses import dataclass, field

PLAIN = "plain Python"
PEER = "stream-d4py"
OURS = "d4py"
ANSWERS = "answers"  # a case that is timed by the marks of its workload, which also give the answer
START = "start"  # a case that is timed from the command's start to the first result


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """Who does the work, and how."""

    system: str
    mapping: str = ""
    processes: int = 1
    workers: int = 1  # processes that do the work whose CPU time is told
    style: str = ""  # how the PEs are written, where there is a choice
    share: float | None = None  # goal: of the plain loop's rate
    factor: float | None = None  # goal: over stream-d4py with the same mapping
    efficiency: float | None = None  # goal: CPU time of the tasks over workers x wall time

    @property
    def name(self) -> str:
        """How the table names it."""
        how = f" -n {self.processes}" if self.processes > 1 else ""
        style = f", {self.style}" if self.style else ""
        return f"{self.system} {self.mapping}".rstrip() + how + style

    @property
    def peer_mapping(self) -> str:
        """The mapping of stream-d4py that it is compared with: in one process, or over several."""
        return "simple" if self.mapping == "simple" else "multi"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One kind of work."""

    key: str
    title: str
    workload: str  # name of the files in workloads/
    items: int
    unit: str
    per_item: float = 1.0  # units
    kind: str = ANSWERS
    numpy: bool = False
    contestants: tuple[Contestant, ...] = field(default=())


def _peers(processes: int, workers: int = 1) -> tuple[Contestant, ...]:
    return (
        Contestant(system=PLAIN),
        Contestant(system=PEER, mapping="simple"),
        Contestant(system=PEER, mapping="multi", processes=processes, workers=workers),
    )


def _ours(mapping: str, style: str = "functions", *, processes: int = 1, **goals: float) -> Contestant:
    return Contestant(
        system=OURS,
        mapping=mapping,
        style=style,
        processes=processes,
        factor=goals.get("factor"),
        efficiency=goals.get("efficiency"),
        workers=2 if "efficiency" in goals else 1,
    )


CASES = (
    Case(
        key="a",
        title="Ints through four trivial PEs",
        workload="ints",
        items=100_000,
        unit="items/s",
        contestants=(
            *_peers(4),
            _ours("simple", factor=3),
            _ours("simple", "classes", factor=3),
            _ours("multi", processes=4, factor=5),
            _ours("multi", "classes", processes=4, factor=5),
        ),
    ),
    Case(
        key="b",
        title="Words counted by key, 2 counters",
        workload="words",
        items=200_000,
        unit="words/s",
        contestants=(
            *_peers(4),
            _ours("simple", factor=3),
            _ours("simple", "classes", factor=3),
            _ours("multi", processes=4, factor=5),
            _ours("multi", "classes", processes=4, factor=5),
            _ours("multi", "merge", processes=4, factor=5),
        ),
    ),
    Case(
        key="c",
        title="Arrays of 0.8 MB from one process to another, summed",
        workload="arrays",
        items=2_000,
        unit="GB/s",
        per_item=0.8e-3,
        numpy=True,
        contestants=(
            *_peers(2),
            _ours("simple", factor=3),
            _ours("threads", processes=2, factor=8),
            _ours("multi", processes=2, factor=8),
            _ours("multi", "classes", processes=2, factor=8),
        ),
    ),
    Case(
        key="d",
        title="Tasks of about 5 ms on 2 workers",
        workload="tasks",
        items=500,
        unit="tasks/s",
        contestants=(
            *_peers(4, workers=2),
            _ours("simple"),
            _ours("multi", processes=4, efficiency=0.93),
            _ours("multi", "classes", processes=4, efficiency=0.93),
            _ours("multi", processes=2, efficiency=0.93),
        ),
    ),
    Case(
        key="e",
        title="Start of the command to the first result",
        workload="tiny",
        items=1,
        unit="starts/s",
        kind=START,
        contestants=(
            Contestant(system=PLAIN),
            Contestant(system=PEER, mapping="simple"),
            Contestant(system=PEER, mapping="multi", processes=2),
            Contestant(system=OURS, mapping="simple"),
            Contestant(system=OURS, mapping="multi", processes=2),
        ),
    ),
)
