# SPDX-License-Identifier: Apache-2.0
"""All contestants of a case, in turn, several times; the ratios are of runs that were made side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.cases import PEER, PLAIN, START, Case, Contestant
from bench.measure import Time, measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A median with its bounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: list[float]) -> Spread | None:
        """Return the spread of some values; of none, nothing."""
        return cls(median=median(values), least=min(values), most=max(values)) if values else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What came of one contestant."""

    contestant: Contestant
    seconds: Spread
    share: Spread | None  # of the plain loop's rate
    factor: Spread | None  # over stream-d4py's rate, with the same mapping
    efficiency: Spread | None


def compete(case: Case, *, repeats: int, items: int, peer: Path | None) -> Iterator[str | list[Score]]:
    """Run every contestant once a round. Yields what was just run, and at last the scores."""
    contestants = [contestant for contestant in case.contestants if contestant.system != PEER or peer is not None]
    times: dict[str, list[Time]] = {contestant.name: [] for contestant in contestants}
    if case.kind == START:  # once uncounted, so that byte code and files are in place for all
        for contestant in contestants:
            measure(case, contestant, items=items, peer=peer)
    for number in range(repeats):
        for contestant in contestants:
            time = measure(case, contestant, items=items, peer=peer)
            times[contestant.name].append(time)
            yield f"{case.key} {number + 1}/{repeats} {contestant.name}: {1000 * time.seconds:.0f} ms"
    yield [score(contestant, times) for contestant in contestants]


def score(contestant: Contestant, times: dict[str, list[Time]]) -> Score:
    """Compare a contestant's runs with the others' of the same round."""
    mine = times[contestant.name]
    seconds = Spread.of([time.seconds for time in mine])
    assert seconds is not None
    rival = next((name for name in times if name.startswith(f"{PEER} {contestant.peer_mapping}")), None)
    return Score(
        contestant=contestant,
        seconds=seconds,
        share=ratio(times[PLAIN], mine),
        factor=ratio(times[rival], mine) if rival and contestant.system not in (PEER, PLAIN) else None,
        efficiency=Spread.of([time.efficiency for time in mine if time.efficiency is not None]),
    )


def ratio(other: list[Time], mine: list[Time]) -> Spread | None:
    """Return how many times as fast as the other, round by round."""
    return Spread.of([theirs.seconds / ours.seconds for theirs, ours in zip(other, mine, strict=True)])
