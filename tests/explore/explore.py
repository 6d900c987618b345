# SPDX-License-Identifier: Apache-2.0
"""Visit every state of a system, breadth first, and tell the shortest way to one that must not be: explore.py [--large] [--output FILE]."""

from __future__ import annotations

import argparse
import gc
import sys
import time
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "platform"))

from network import ENDED, Label, State
from rules import Rules, Violation
from story import told
from succeeding import Succeeding
from systems import System
from world import World


@dataclass(slots=True, kw_only=True)
class Report:
    """What an exploration found."""

    system: System
    states: int = 0
    moves: int = 0
    depth: int = 0
    seconds: float = 0.0
    fixpoint: bool = True  # every state that can be was visited
    violation: str = ""
    story: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        reach = "to a fixpoint" if self.fixpoint else "stopped at the limit"
        line = f"{self.system.name}: {self.states:,} states, {self.moves:,} moves, {reach}, {self.seconds:.1f} s ({self.system.bounds})"
        return "\n".join([line, *([f"  VIOLATION: {self.violation}"] if self.violation else []), *self.story])


class Search:
    """Breadth first, so that the first violation has the shortest story."""

    def __init__(self, system: System, rules: Rules | None = None, *, limit: int = 10**9) -> None:
        self.world = (Succeeding if system.alone else World)(system, rules)
        self.limit = limit
        self.report = Report(system=system)
        first = self.world.first()
        self.numbers: dict[State, int] = {first: 0}
        self.parents, self.ordinals = array("l", [0]), array("l", [0])
        self.sources, self.targets = array("l"), array("l")  # moves that need no trouble

    def run(self) -> Report:
        """Explore; a violation ends it."""
        began = time.perf_counter()
        collecting = gc.isenabled()
        gc.disable()  # millions of tuples, none in a cycle
        try:
            self._search()
        finally:
            if collecting:
                gc.enable()
        self.report.seconds = time.perf_counter() - began
        return self.report

    def _search(self) -> None:
        report = self.report
        states = list(self.numbers)
        while states and not report.violation and report.fixpoint:
            states = self._layer(states)
            report.depth += 1
        report.states = len(self.numbers)
        if not report.violation and report.fixpoint:
            self._check_end()

    def _layer(self, states: Iterable[State]) -> list[State]:
        """Visit the states at one distance from the start; return those one step further."""
        world, numbers, report = self.world, self.numbers, self.report
        parents, ordinals, sources, targets = self.parents, self.ordinals, self.sources, self.targets
        further: list[State] = []
        for state in states:
            number = numbers[state]
            try:
                moves = world.successors(state)
            except Violation as violation:
                self._tell(number, str(violation), [world.now])
                return []
            report.moves += len(moves)
            for ordinal, (_, after, trouble) in enumerate(moves):
                known = numbers.setdefault(after, len(parents))
                if known == len(parents):
                    parents.append(number)
                    ordinals.append(ordinal)
                    further.append(after)
                if not trouble:
                    sources.append(number)
                    targets.append(known)
            if len(parents) >= self.limit:
                report.fixpoint = False
                return []
        return further

    def _check_end(self) -> None:
        """From each state the end must be near without any more trouble: no deadlock, no endless loop."""
        ends = bytearray(len(self.numbers))
        if ENDED in self.numbers:
            ends[self.numbers[ENDED]] = 1
        changed = True
        while changed:
            changed = False
            for index in range(len(self.sources) - 1, -1, -1):
                if ends[self.targets[index]] and not ends[self.sources[index]]:
                    ends[self.sources[index]] = changed = True
        stuck = ends.find(0)
        if stuck >= 0:
            self._tell(stuck, "The run can't end from here.", self._onwards(stuck))

    def _onwards(self, number: int) -> list[Label]:
        """Follow a state that can't end until nothing happens any more, so that the story shows who waits."""
        state = list(self.numbers)[number]
        path: list[Label] = []
        seen = {state}
        while len(path) < 100:
            moves = [move for move in self.world.successors(state) if not move[2] and move[1] not in seen]
            if not moves:
                break
            label, state, _ = moves[0]
            seen.add(state)
            path.append(label)
        return path

    def _tell(self, number: int, violation: str, last: list[Label]) -> None:
        """Fill in the story of a violation: the moves from the start to a state, and the last ones."""
        self.report.violation = violation
        path: list[int] = []
        while number:
            path.append(self.ordinals[number])
            number = self.parents[number]
        labels: list[Label] = []
        state = self.world.first()
        for ordinal in reversed(path):
            label, state, _ = self.world.successors(state)[ordinal]
            labels.append(label)
        self.report.story = told(self.world, [*labels, *last])


def explore(system: System, rules: Rules | None = None, *, limit: int = 10**9) -> Report:
    """Explore a system under the engine's rules, or others."""
    return Search(system, rules, limit=limit).run()


def main(arguments: list[str]) -> int:
    """Explore the systems of the test run, or larger ones, and write what was found."""
    from replacing import REPLACED, REPLACED_LARGE
    from systems import LARGE, SMALL

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="the large systems, which take minutes")
    parser.add_argument("--output", type=Path, help="where to write the result (with --large: bench/explore.md)")
    parser.add_argument("--only", help="the systems whose name has this in it")
    parser.add_argument("--limit", type=int, default=10**9, help="give up a system after so many states")
    options = parser.parse_args(arguments)
    all_of_them = (*LARGE, *REPLACED_LARGE) if options.large else (*SMALL, *REPLACED)
    systems = [system for system in all_of_them if (options.only or "") in system.name]
    if not systems:
        parser.error(f"no system has {options.only!r} in its name")
    reports = []
    for system in systems:
        reports.append(explore(system, limit=options.limit))
        print(reports[-1], flush=True)
    output = options.output or (
        Path(__file__).parents[2] / "bench" / "explore.md" if options.large and not options.only else None
    )
    if output is not None:
        output.write_text(page(reports), encoding="utf-8")
    return 1 if any(report.violation for report in reports) else 0


def page(reports: list[Report]) -> str:
    """Return the result as a page."""
    states, seconds = sum(report.states for report in reports), sum(report.seconds for report in reports)
    lines = [
        "# The engine's states, explored",
        "",
        "Made by `make explore`. The engine's own state machines, not a model of them, within the bounds of each system. Every commit must be",
        "complete, balanced and right, and from every state the run must still be able to end without further trouble. Orders of events that can't",
        "differ in what they lead to (steps of one cell that no other can see, stale letters, credit that decides nothing) are visited once, except",
        "where it says every interleaving.",
        "",
        f"{states:,} distinct states in {seconds:,.0f} s; {sum(bool(report.violation) for report in reports)} violations.",
        "",
        "| system | bounds | states | moves | deepest | seconds | fixpoint | violations |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- | --- |",
    ]
    lines += [
        f"| {report.system.name} | {report.system.bounds} | {report.states:,} | {report.moves:,} | {report.depth} | {report.seconds:.0f} "
        f"| {'yes' if report.fixpoint else 'no, stopped at the limit'} | {report.violation or 'none'} |"
        for report in reports
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
