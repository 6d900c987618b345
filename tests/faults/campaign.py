# SPDX-License-Identifier: Apache-2.0
"""Plays cases of one seed, some at once, until so many faults have hit."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from tests.faults import draw
from tests.faults.checker import Complaint, judge
from tests.faults.evidence import Evidence
from tests.faults.runner import play

_ENOUGH = 20  # cases that went wrong: more of them tell nothing new


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A case, what was seen of it, and what was wrong."""

    evidence: Evidence
    complaints: tuple[Complaint, ...]

    def __str__(self) -> str:
        case = self.evidence.case
        lines = [str(case), *(f"  {complaint}" for complaint in self.complaints)]
        return "\n".join([*lines, f"  again: {case.replay}"] if self.complaints else lines)


def campaign(seed: str, faults: int, *, folder: Path, at_once: int, first: int = 0) -> Iterator[Verdict]:
    """Yield verdicts until so many faults were dealt, or very much is wrong. What is wrong keeps its folder."""
    dealt, wrong, numbers = 0, 0, count(first)
    with ThreadPoolExecutor(at_once, thread_name_prefix="case") as pool:
        playing: set[Future[Verdict]] = set()
        try:
            while dealt < faults and wrong < _ENOUGH:
                while len(playing) < at_once:
                    playing.add(pool.submit(verdict, seed, next(numbers), folder))
                done, playing = wait(playing, return_when=FIRST_COMPLETED)
                for future in done:
                    dealt += future.result().evidence.counted
                    wrong += bool(future.result().complaints)
                    yield future.result()
        finally:
            for future in playing:
                future.cancel()
        for future in playing:
            if not future.cancelled():
                yield future.result()


def verdict(seed: str, number: int, folder: Path) -> Verdict:
    """Play one case, and judge it."""
    place = folder / str(number)
    evidence = play(draw.case(seed, number), place)
    complaints = tuple(judge(evidence))
    if not complaints:
        shutil.rmtree(place)
    return Verdict(evidence=evidence, complaints=complaints)
