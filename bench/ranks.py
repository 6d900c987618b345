# SPDX-License-Identifier: Apache-2.0
"""Cases of the mapping mpi: the same work on ranks of a job, beside stream-d4py's on the same MPI."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from bench.cases import OURS, PLAIN, Case, Contestant, Goal
from bench.peers import STREAM

LOOP = Contestant(system=PLAIN)


PAIRS = Case(
    key="mpi-pairs",
    title="An hour of 64 stations correlated by all pairs, on 4 ranks of an MPI job",
    workload="pairs",
    items=2_016,
    tiny=28,
    unit="pairs/s",
    against="share",
    contestants=(
        LOOP,
        Contestant(system=STREAM, mapping="mpi", processes=4),
        Contestant(system=OURS, mapping="mpi", processes=4, label="dispel4py's file unchanged", unchanged=True),
        Contestant(system=OURS, mapping="mpi", processes=4, style="pairs"),
        Contestant(system=OURS, mapping="mpi", processes=4, style="tiles"),
    ),
)


def on_ranks(chain: Case, keyed: Case, arrays: Case, latency: Case) -> tuple[Case, ...]:
    """Return these cases on ranks."""
    bare = Contestant(system=PLAIN, mapping="mpi", processes=2, label="bare mpi4py")
    return (
        _on_ranks(chain, 4, LOOP, Goal(figure="over stream-d4py", must=5)),
        _on_ranks(keyed, 4, LOOP, Goal(figure="over stream-d4py", must=5)),
        _on_ranks(arrays, 2, bare, Goal(figure="over stream-d4py", must=2), Goal(figure="share", must=0.6)),
        _on_ranks(latency, 2, latency.contestants[0]),
        PAIRS,
    )


def _on_ranks(base: Case, ranks: int, first: Contestant, *goals: Goal) -> Case:
    mpi = partial(Contestant, mapping="mpi", processes=ranks)
    return replace(
        base,
        key=f"mpi-{base.key}",
        title=f"{base.title}, on {ranks} ranks of an MPI job",
        contestants=(
            first,
            mpi(system=STREAM, part=0.1 if goals else 1.0),
            mpi(system=OURS, style="functions", goals=goals),
            mpi(system=OURS, style="classes", goals=goals),
            mpi(system=OURS, label="dispel4py's file unchanged", unchanged=True, goals=goals),
        ),
    )
