# SPDX-License-Identifier: Apache-2.0
"""All contestants of a case, in turn, several times; comparisons are of runs that were made side by side."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.cases import OURS, Case, Contestant, Kind
from bench.measure import Figures, measure
from bench.peers import PEERS, STREAM
from bench.running import WrongRun

Told = Callable[[str], None]
RIVALS = frozenset(peer.name for peer in PEERS)
_WARM = (Kind.START, Kind.WHOLE, Kind.IMPORT)  # once uncounted, so that byte code and files are there for all


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A median with its bounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """Return the spread of some values."""
        return cls(median=median(values), least=min(values), most=max(values))


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What came of one contestant. trouble: why a peer did no round, or no more."""

    contestant: Contestant
    items: int
    figures: dict[str, Spread]
    trouble: str = ""


def compete(
    case: Case, *, rounds: int, items: int, peers: Mapping[str, Path], seconds: float, told: Told
) -> list[Score]:
    """Run every contestant once a round; a peer that fails is left out from then on. told: hears what was just run."""
    present = [one for one in case.contestants if one.system in peers or one.system not in RIVALS]
    numbers = {one.name: max(1, int(items * one.part)) for one in present}
    kept: dict[str, list[Figures]] = {one.name: [] for one in present}
    troubles: dict[str, str] = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        homes = {one.name: Path(folder) / str(index) for index, one in enumerate(present) if one.known}

        def once(one: Contestant, when: str) -> Figures | None:
            name = one.name
            if name in troubles:
                return None
            try:
                return measure(case, one, items=numbers[name], peers=peers, seconds=seconds, home=homes.get(name))
            except WrongRun as error:
                if one.system not in RIVALS:
                    raise WrongRun(f"{name} on {case.key} {error}") from None
                troubles[name] = f"{when} {error}".strip()
                told(f"{case.key} {name}: {troubles[name]}")
                return None

        for one in present:
            if one.known or case.kind in _WARM:
                once(one, "")
        for number in range(rounds):
            this: dict[str, Figures] = {}
            for one in present:
                if figures := once(one, f"in round {number + 1}" if number else ""):
                    this[one.name] = figures
                    told(f"{case.key} {number + 1}/{rounds} {one.name}: {brief(figures)}")
            for one in present:
                if one.name in this:
                    kept[one.name].append(this[one.name] | compared(case, one, present, this))
    return [
        Score(
            contestant=one,
            items=numbers[one.name],
            figures=spreads(kept[one.name]),
            trouble=troubles.get(one.name, ""),
        )
        for one in present
    ]


def compared(case: Case, one: Contestant, present: list[Contestant], this: Mapping[str, Figures]) -> Figures:
    """Compare a contestant with the first, and ours with the peers, within a round."""
    mine, first = this[one.name], this.get(present[0].name)
    found: Figures = {}
    if first is None:
        pass
    elif case.against == "share":
        found["share"] = mine["rate"] / first["rate"]
    elif case.against == "cost":
        found["cost"] = first["rate"] / mine["rate"] - 1
    elif case.against == "CPU":
        found["CPU"] = mine["CPU us an item"] / first["CPU us an item"]
    elif case.against:
        found[case.against] = mine["ms"] - first["ms"]
    if one.system == OURS:
        for peer in PEERS:
            rivals = [
                this[rival.name]
                for rival in present
                if rival.system == peer.name and rival.name in this and fair(rival, one)
            ]
            if rivals and "rate" in mine:
                found[f"over {peer.name}"] = mine["rate"] / max(rival["rate"] for rival in rivals)
            elif rivals and "ms" in mine:
                found[f"over {peer.name}"] = min(rival["ms"] for rival in rivals) / mine["ms"]
    return found


def fair(rival: Contestant, ours: Contestant) -> bool:
    """Whether two are to be compared: stream-d4py with the same mapping, in one process or over several; others at their best."""
    return rival.system != STREAM or rival.alone == ours.alone


def spreads(runs: list[Figures]) -> dict[str, Spread]:
    """Return the spread of each figure over the rounds that have it."""
    names = dict.fromkeys(name for run in runs for name in run)
    return {name: Spread.of([run[name] for run in runs if name in run]) for name in names}


def brief(figures: Figures) -> str:
    """Return figures in one line."""
    return ", ".join(f"{name} {value:,.4g}" for name, value in figures.items() if name != "rate")
