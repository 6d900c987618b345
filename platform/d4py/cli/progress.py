# SPDX-License-Identifier: Apache-2.0
"""Progress of a run on stderr: a live display on a terminal, a line now and then elsewhere. Runs in a thread that reads the board."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sized
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from d4py.cli.table import lasting
from d4py.graph import inputs as given
from d4py.runs.counts import Counts, counted

if TYPE_CHECKING:
    from d4py.graph.graph import WorkflowGraph
    from d4py.plan import Plan
    from d4py.runs import State
    from d4py.runs.board import Board

PATIENCE = 0.4  # seconds before a live display: a short run needs none, and what draws it is not imported
REFRESH = 0.25
FIRST_LINE = 5.0
_SLOWER = 0.1  # of the time passed, between lines
_LONGEST = 60.0


@dataclass(slots=True)
class View:
    """How far a run is, with rates over the last seconds."""

    totals: dict[str, int]  # items that a source is known to give, by PE
    sources: frozenset[str] = frozenset()
    feeders: dict[str, tuple[str, ...]] = field(default_factory=dict)  # PE -> PEs whose every write it reads once
    counts: Counts = field(default_factory=dict)
    seconds: float = 0.0
    _past: list[tuple[float, Counts]] = field(default_factory=list)

    def update(self, counts: Counts, seconds: float) -> None:
        """Take new counts."""
        self.counts, self.seconds = counts, seconds
        self._past.append((seconds, counts))
        while len(self._past) > 2 and self._past[1][0] < seconds - FIRST_LINE:
            del self._past[0]

    def done(self, pe: str) -> int:
        """Return how many items a PE is through with."""
        return self._moved(self.counts[pe], pe)

    def rate(self, pe: str) -> float:
        """Return items per second of a PE."""
        then, counts = self._past[0]
        since = self.seconds - then
        before = self._moved(counts[pe], pe) if since > 0 else 0
        return (self.done(pe) - before) / (since or self.seconds or 1.0)

    def left(self) -> float | None:
        """Return about how many seconds the sources still need, or None where that can't be known."""
        times = []
        for pe, total in self.totals.items():
            rate = self.rate(pe)
            missing = total - self.done(pe)
            if missing > 0 and not rate:
                return None
            times.append(max(0, missing) / rate if missing > 0 else 0.0)
        return max(times) if times else None

    def waiting(self, pe: str) -> int | None:
        """Return how many items are on their way to a PE, or None where the counts don't tell."""
        feeders = self.feeders.get(pe)
        if not feeders:
            return None
        return max(0, sum(self.counts[feeder]["written"] for feeder in feeders) - self.counts[pe]["read"])

    def _moved(self, count: dict[str, int], pe: str) -> int:
        return count["written"] if pe in self.sources and not self.counts[pe]["read"] else count["read"]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a run before it begins."""

    totals: dict[str, int] = field(default_factory=dict)  # items that sources will give, by PE
    single: frozenset[str] = frozenset()  # PEs with one output


class Progress:
    """An observer."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self, plan: Plan, board: Board, state: State) -> None:
        """Watch the board."""
        view = View(self._known.totals, sources(plan), feeders(plan, self._known.single))
        began = time.monotonic()

        def look() -> View:
            view.update(counted(plan, board), time.monotonic() - began)
            return view

        show = self._live if live(sys.stderr) else self._lines
        self._thread = threading.Thread(target=show, args=(look, state), name="d4py-progress", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Take the display away."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _live(self, look: Callable[[], View], state: State) -> None:
        if self._over.wait(PATIENCE):
            return
        from d4py.cli.live import Display

        display = Display(state)
        try:
            while not self._over.wait(REFRESH):
                display.show(look())
        except OSError:  # the terminal is gone
            return
        finally:
            display.end()

    def _lines(self, look: Callable[[], View], state: State) -> None:
        wait = FIRST_LINE
        while not self._over.wait(wait):
            view = look()
            try:
                print(told(view), file=sys.stderr, flush=True)
            except OSError:
                return
            wait = min(_LONGEST, max(FIRST_LINE, _SLOWER * view.seconds))


def live(stream: Any) -> bool:
    """Return whether a stream is a terminal on which a display can be redrawn."""
    return bool(stream.isatty()) and os.environ.get("TERM", "dumb") not in ("", "dumb")


def known(graph: WorkflowGraph, inputs: Any) -> Known:
    """Return what is known of a graph: how many items its sources give, by their input data, their iterations or their `len()`."""
    calls = given.resolve(graph, inputs)
    lengths = {pe.id or "": len(pe) for pe in graph.roots() if isinstance(pe, Sized) and calls.get(pe.id or "") == 1}
    return Known({**of_calls(calls), **lengths}, single_outputs(graph))


def of_calls(calls: dict[str, given.Calls]) -> dict[str, int]:
    """Return how many items the sources are known to give by their calls; one call may give any number."""
    totals = {pe: call if isinstance(call, int) else len(call) for pe, call in calls.items()}
    return {pe: total for pe, total in totals.items() if total > 1 or not isinstance(calls[pe], int)}


def sources(plan: Plan) -> frozenset[str]:
    """Return the PEs that nothing feeds."""
    return frozenset(instance.pe for instance in plan.instances) - {route.reader for route in plan.routes}


def single_outputs(graph: WorkflowGraph) -> frozenset[str]:
    """Return the PEs all of whose writes go to one output."""
    return frozenset(pe.id or "" for pe in graph.pes if len(pe.outputconnections) == 1)


def feeders(plan: Plan, single: frozenset[str]) -> dict[str, tuple[str, ...]]:
    """Return, where counts per PE tell it, whose every write each PE reads once. single: PEs with one output."""
    routes = [route for route in plan.routes if route.grouping != "merge"]
    found: dict[str, tuple[str, ...]] = {}
    for reader in dict.fromkeys(route.reader for route in routes):
        arriving = [route for route in routes if route.reader == reader]
        if all(route.grouping != "all" and route.writer in single for route in arriving):
            found[reader] = tuple(route.writer for route in arriving)
    return found


def told(view: View) -> str:
    """Return progress as one line."""
    parts = []
    for pe in view.counts:
        total = view.totals.get(pe)
        of = f" of {total:,}" if total is not None and total >= view.done(pe) else ""
        kept = f", {view.counts[pe]['quarantined']:,} quarantined" if view.counts[pe]["quarantined"] else ""
        parts.append(f"{pe} {view.done(pe):,}{of} ({per_second(view.rate(pe))}{kept})")
    left = view.left()
    ahead = f", about {lasting(left)} left" if left else ""
    return f"d4py: after {lasting(view.seconds)}{ahead}: {'; '.join(parts)}"


def per_second(rate: float) -> str:
    """Return a rate as people say it."""
    return f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s"
