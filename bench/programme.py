# SPDX-License-Identifier: Apache-2.0
"""All cases, with what d4py is to reach."""

from __future__ import annotations

import os
import shutil

from bench.cases import OURS, PLAIN, Case, Contestant, Goal, Kind
from bench.peers import BYTEWAX, RAY, STREAM
from bench.ranks import on_ranks

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

LOOP = Contestant(system=PLAIN)


def least(figure: str, must: float, moonshot: float | None = None) -> Goal:
    return Goal(figure=figure, must=must, moonshot=moonshot)


def most(figure: str, must: float, moonshot: float | None = None) -> Goal:
    return Goal(figure=figure, must=must, moonshot=moonshot, most=True)


def stream(mapping: str, processes: int = 1, *, workers: int = 1, part: float = 1.0) -> Contestant:
    return Contestant(system=STREAM, mapping=mapping, processes=processes, workers=workers, part=part)


def bytewax(batch: int, processes: int = 1, *, workers: int = 1, part: float = 1.0) -> Contestant:
    style = f"batches of {batch}" if batch > 1 else "default batches"
    return Contestant(
        system=BYTEWAX, style=style, settings=(str(batch),), processes=processes, workers=workers, part=part
    )


def ours(
    mapping: str, style: str = "", *goals: Goal, processes: int = 1, fused: bool = True, known: bool = False
) -> Contestant:
    return Contestant(
        system=OURS,
        mapping=mapping,
        style=style,
        processes=processes,
        options=("--metrics", "0") if fused else ("--metrics", "0", "--no-fuse"),
        label="ran before" if known else "" if fused else "every PE apart",
        known=known,
        goals=goals,
    )


def unchanged(mapping: str, processes: int, faster: float) -> Contestant:
    return Contestant(
        system=OURS,
        mapping=mapping,
        processes=processes,
        label="dispel4py's file unchanged",
        unchanged=True,
        goals=(least("over stream-d4py", faster),),
    )


def tasking(style: str, processes: int, workers: int, *goals: Goal) -> Contestant:
    return Contestant(
        system=OURS,
        mapping="multi",
        style=style,
        processes=processes,
        settings=(f"workers={workers}",),
        label=f"{workers} workers",
        workers=min(workers, CORES),
        options=("--metrics", "0"),
        goals=goals,
    )


CHAIN = Case(
    key="chain",
    title="Ints through four trivial PEs",
    workload="ints",
    items=1_000_000,
    tiny=20_000,
    unit="items/s",
    against="share",
    contestants=(
        LOOP,
        stream("simple", part=0.1),
        stream("multi", 4, part=0.05),
        bytewax(1000, part=0.5),
        bytewax(1, part=0.1),
        ours("simple", "functions", least("share", 0.6, 0.9)),
        ours("simple", "classes", least("share", 0.3, 0.35)),
        ours("multi", "functions", processes=2),
        ours("multi", "functions", least("share", 0.6, 0.9), processes=2, known=True),
        ours("multi", "functions", least("share", 0.2, 0.4), processes=4, fused=False),
        ours("multi", "classes", least("share", 0.2, 0.4), processes=4, fused=False),
        unchanged("simple", 1, 2),
        unchanged("multi", 4, 5),
    ),
)

KEYED = Case(
    key="keyed",
    title="Words counted by key on 2 counters",
    workload="words",
    items=1_000_000,
    tiny=20_000,
    unit="words/s",
    against="share",
    contestants=(
        LOOP,
        stream("simple", part=0.2),
        stream("multi", 4, part=0.1),
        bytewax(100, 2, part=0.3),
        bytewax(1, 2, part=0.1),
        ours("simple", "functions"),
        ours("multi", "functions", least("share", 0.25, 0.45), processes=2),
        ours("multi", "functions", least("share", 0.25, 0.45), processes=4),
        ours("multi", "classes", least("share", 0.25, 0.45), processes=4),
        ours("multi", "merge", least("share", 0.5, 0.8), processes=2),
        ours("multi", "merge", least("share", 0.5, 0.8), processes=4),
        unchanged("simple", 1, 2),
        unchanged("multi", 4, 5),
    ),
)

ARRAYS = Case(
    key="arrays",
    title="Arrays of 0.8 MB from one process to another, summed",
    workload="arrays",
    items=4_000,
    tiny=200,
    unit="GB/s",
    per_item=0.8e-3,
    against="share",
    contestants=(
        LOOP,
        stream("simple", part=0.25),
        stream("multi", 2, part=0.25),
        bytewax(10, 2, part=0.25),
        Contestant(system=RAY, style="compiled graph", part=0.5),
        ours("simple", "functions"),
        ours("threads", "functions", processes=2),
        ours("multi", "functions", least("GB/s", 8, 12), processes=2),
        ours("multi", "classes", least("GB/s", 8, 12), processes=2),
        ours("multi", "in place", least("GB/s", 16, 20), processes=2),
        unchanged("simple", 1, 2),
        unchanged("multi", 2, 5),
    ),
)

EFFICIENT = least("efficiency", 0.95, 0.97)
TASKS = Case(
    key="tasks",
    title="Tasks of about 5 ms",
    workload="tasks",
    items=500,
    tiny=20,
    unit="tasks/s",
    against="share",
    columns=("efficiency",),
    contestants=(
        LOOP,
        stream("multi", 4, workers=2),
        bytewax(1, 2, workers=2),
        tasking("functions", 2, 2, EFFICIENT),
        tasking("functions", 4, 2, EFFICIENT),
        tasking("classes", 4, 2, EFFICIENT),
        tasking("functions", 4, 4, EFFICIENT),
    ),
)

SKEWED = Case(
    key="skewed",
    title="Tasks of 5 ms in the mean, one in ten 50 times as long as the others",
    workload="tasks",
    variant="skewed",
    items=500,
    tiny=20,
    unit="tasks/s",
    against="share",
    columns=("efficiency",),
    contestants=(
        LOOP,
        bytewax(1, 2, workers=2),
        tasking("functions", 2, 2, EFFICIENT),
        tasking("functions", 4, 2, EFFICIENT),
    ),
)

START = Case(
    key="start",
    title="Start of the command to the first result",
    workload="tiny",
    kind=Kind.START,
    columns=("ms",),
    against="above ms",
    contestants=(
        LOOP,
        stream("simple"),
        stream("multi", 2),
        bytewax(1),
        Contestant(system=OURS, mapping="simple", goals=(most("ms", 130, 100),)),
        Contestant(system=OURS, mapping="multi", processes=2, goals=(most("ms", 160, 120),)),
    ),
)


def watching(mapping: str, processes: int) -> tuple[Contestant, ...]:
    """Return the same run three ways. Counting and books can't be switched off: they are in all three."""

    def run(label: str, *options: str, watched: bool = False, goals: tuple[Goal, ...] = ()) -> Contestant:
        return Contestant(
            system=OURS,
            mapping=mapping,
            processes=processes,
            style="functions",
            label=label,
            options=options,
            watched=watched,
            goals=goals,
        )

    never = ("--checkpoint", "86400")
    costs = (most("cost", 0.1, 0.03),)
    return (
        run("all off", "--quiet", *never),
        run("progress", *never, watched=True, goals=costs),
        run("progress, metrics, checkpoints each second", "--checkpoint", "1", watched=True, goals=costs),
    )


COST = Case(
    key="cost",
    title="What progress on a terminal, metrics and checkpoints cost: ints through four PEs in one process",
    workload="ints",
    items=8_000_000,
    tiny=20_000,
    unit="items/s",
    against="cost",
    contestants=watching("simple", 1),
)

COST_ARRAYS = Case(
    key="cost-arrays",
    title="What they cost: arrays of 0.8 MB between two processes",
    workload="arrays",
    items=30_000,
    tiny=200,
    unit="GB/s",
    per_item=0.8e-3,
    against="cost",
    contestants=watching("multi", 2),
)

SOON = (most("p50 us", 100, 40), most("p99 us", 2000))
LATENCY = Case(
    key="latency",
    title="Age of an item after one hop, one sent each millisecond",
    workload="delays",
    items=2_000,
    tiny=200,
    columns=("p50 us", "p99 us"),
    contestants=(
        Contestant(system=PLAIN, label="a pipe by hand"),
        stream("multi", 2),
        ours("multi", "functions", *SOON, processes=2),
        ours("multi", "classes", *SOON, processes=2),
        ours("threads", "functions", *SOON, processes=2),
        ours("threads", "classes", *SOON, processes=2),
    ),
)

STEADY = (most("growth", 1.2),)
MEMORY = Case(
    key="memory",
    title="A writer of 1 KB items and a reader 1,000 times slower: the writer's memory over its size after 2 s",
    workload="flood",
    items=1_000_000,
    tiny=300,
    kind=Kind.GROWTH,
    columns=("growth", "MB at first", "MB at most"),
    seconds=20.0,
    rounds=1,
    contestants=(
        stream("multi", 2),
        ours("simple", "functions", *STEADY),
        ours("threads", "functions", *STEADY, processes=2),
        ours("multi", "functions", *STEADY, processes=2),
        ours("multi", "classes", *STEADY, processes=2),
    ),
)

FLAT = Case(
    key="flat",
    title="Ten million ints through one process: its memory over its size after a tenth of the time",
    workload="ints",
    items=10_000_000,
    tiny=20_000,
    kind=Kind.GROWTH,
    columns=("growth", "MB at first", "MB at most"),
    seconds=60.0,
    rounds=1,
    contestants=(
        ours("simple", "functions", most("growth", 1.05)),
        ours("simple", "classes", most("growth", 1.05)),
    ),
)


def instances(style: str) -> tuple[Contestant, ...]:
    """Return the same work on more and more instances, each in a process of its own."""
    return tuple(
        Contestant(
            system=OURS,
            mapping="multi",
            processes=number + 2,
            style=style,
            settings=(f"instances={number}",),
            label=f"{number} instances",
            options=("--metrics", "0"),
            goals=(most("CPU", 1.3),) if number > FEWEST else (),
        )
        for number in (FEWEST, 16, 64)
    )


FEWEST = 8
SCALE = Case(
    key="scale",
    title="CPU time of all workers for an item that is shuffled over 8, 16 and 64 instances, and gathered by one",
    workload="many",
    items=1_500_000,
    tiny=10_000,
    unit="items/s",
    columns=("CPU us an item",),
    against="CPU",
    contestants=instances("shuffled"),
)
SCALE_KEYED = Case(
    key="scale-keyed",
    title="The same, grouped by one of 1,000 keys",
    workload="many",
    items=1_500_000,
    tiny=10_000,
    unit="items/s",
    columns=("CPU us an item",),
    against="CPU",
    contestants=instances("keyed"),
)

PLAN = Case(
    key="plan",
    title="`d4py plan` of 1,000 PEs for 64 processes, the whole command",
    workload="large",
    items=1_000,
    tiny=50,
    kind=Kind.WHOLE,
    columns=("ms",),
    contestants=tuple(
        Contestant(system=OURS, mapping="multi", processes=64, style=style, goals=(most("ms", 1000),))
        for style in ("chain", "fan", "layers")
    ),
)

IMPORT = Case(
    key="import",
    title="`import d4py`, above bare Python",
    workload="",
    kind=Kind.IMPORT,
    columns=("import ms",),
    against="above ms",
    contestants=(LOOP, Contestant(system=OURS, goals=(most("import ms", 25, 20),))),
)

CASES = (
    CHAIN,
    KEYED,
    ARRAYS,
    TASKS,
    SKEWED,
    START,
    COST,
    COST_ARRAYS,
    LATENCY,
    MEMORY,
    FLAT,
    SCALE,
    SCALE_KEYED,
    PLAN,
    IMPORT,
    *(on_ranks(CHAIN, KEYED, ARRAYS, LATENCY) if shutil.which("mpiexec") else ()),
)
