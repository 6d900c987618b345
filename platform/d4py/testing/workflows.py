# SPDX-License-Identifier: Apache-2.0
"""The contract's workflows, as any workflow is named: by a module with `configure`, so that every worker of every mapping can load them.

`shape` chooses one; `scratch` is a folder that all of the run's processes see.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from d4py.graph import GenericPE, WorkflowGraph
from d4py.testing import tamper
from d4py.testing.faults import Fault, Numbers
from d4py.testing.feeds import Dice, Pipe, Stream, Tape
from d4py.testing.pes import (
    Ceremony,
    Count,
    Endless,
    Hold,
    Key,
    Lock,
    Notes,
    Nth,
    Open,
    Opener,
    Relay,
    Sieve,
    Sink,
    Spectrum,
    Spoil,
    Stamp,
    Stutter,
    Sum,
    Swallow,
    Tap,
    Total,
    Values,
)

NAME = "d4py.testing.workflows"


def configure(
    shape: str,
    scratch: str,
    items: int = 20,
    faults: Sequence[dict[str, Any]] = (),
    tampering: str = "",
    width: int = 1,
    **other: Any,
) -> WorkflowGraph:
    """Draw a workflow. faults: the fields of each Fault. tampering: what befalls frames, once in the run. width: numprocesses of what may have several."""
    if tampering:
        tamper.install(tampering, scratch)
    planted = [Fault(scratch=scratch, **fault) for fault in faults]
    return SHAPES[shape](Draft(scratch, items, planted, width, other))


class Draft:
    """A graph in the making."""

    def __init__(self, scratch: str, items: int, faults: Sequence[Fault], width: int, other: dict[str, Any]) -> None:
        self.scratch, self.items, self.faults, self.width, self.other = scratch, items, faults, width, other
        self.graph = WorkflowGraph()

    def numbers(self, name: str = "numbers", first: int = 0) -> Numbers:
        """Make the source; what it has written is noted in `written`."""
        return Numbers(name, self.items, self.faults, first=first, notes=f"{self.scratch}/written")

    def sink(self, name: str = "sink", **options: Any) -> Sink:
        """Make the sink; what it has seen is noted in `seen`."""
        return Sink(name, self.faults, notes=f"{self.scratch}/seen", **options)

    def line(self, *pes: GenericPE) -> WorkflowGraph:
        """Connect PEs one after another."""
        for writer, reader in pairwise(pes):
            self.graph.connect(writer, "output", reader, "input")
        return self.graph


def line(draft: Draft) -> WorkflowGraph:
    """Numbers through a stateless PE to a sink."""
    return draft.line(draft.numbers(), Relay("relay", draft.faults), draft.sink())


def total(draft: Draft) -> WorkflowGraph:
    """Numbers through a stateless PE to a sum, and that to a sink."""
    return draft.line(draft.numbers(), Relay("relay", draft.faults), Total("total", draft.faults), draft.sink())


def crossing(draft: Draft) -> WorkflowGraph:
    """Two sources of one sum, one of them through another PE."""
    sum_of_both = Total("total", draft.faults)
    draft.line(draft.numbers(), Relay("relay", draft.faults), sum_of_both, draft.sink())
    return draft.line(draft.numbers("more", first=1000), sum_of_both)


def whole(draft: Draft) -> WorkflowGraph:
    """Everything at once: a diamond, three writers on one input, all groupings, state, partial sums, postprocess."""
    faults, graph = draft.faults, draft.graph
    numbers, more = draft.numbers(), draft.numbers("more", first=100)
    even, odd = Sieve("even", faults, modulus=2, remainder=0), Sieve("odd", faults, modulus=2, remainder=1)
    key, count = Key("key", faults), Count("count", faults)
    for writer in (even, odd, more):
        graph.connect(writer, "output", key, "input")
    draft.line(numbers, even)
    draft.line(numbers, odd)
    draft.line(key, count)
    draft.line(numbers, Total("total", faults, grouping="global"))
    draft.line(numbers, Sum("sum", faults))
    draft.line(numbers, Total("all", faults, grouping="all"))
    draft.line(more, draft.sink())
    return graph


def every(draft: Draft) -> WorkflowGraph:
    """A sum of which each instance gets all items."""
    copies = Total("total", draft.faults, grouping="all")
    copies.numprocesses = draft.width
    return draft.line(draft.numbers(), copies)


def stamped(draft: Draft) -> WorkflowGraph:
    """Items that tell which instance wrote them."""
    return draft.line(draft.numbers(), Stamp("stamp", draft.faults), draft.sink())


def equal(draft: Draft) -> WorkflowGraph:
    """Items that are all the same."""
    return draft.line(Values("values", ["tick"] * draft.items), Nth("nth", draft.faults), Sink("sink"))


def several(draft: Draft) -> WorkflowGraph:
    """A sum whose instances add theirs up."""
    return draft.line(draft.numbers(), Sum("sum", draft.faults))


def merged(draft: Draft) -> WorkflowGraph:
    """Numbers through a stateless PE to a sum that declares merge(), whatever the `grouping` of its input."""
    grouping = draft.other.get("grouping")
    partial = Sum("sum", draft.faults, grouping=grouping)
    partial.numprocesses = draft.width if grouping == "all" else 1
    return draft.line(draft.numbers(), Relay("relay", draft.faults), partial, draft.sink())


def keys(draft: Draft) -> WorkflowGraph:
    """Counts of keys that compare equal."""
    import numpy as np

    values = [(key, None) for key in (1, 1.0, True, np.int64(1), "one", "one", (1, "a"), (1.0, "a"))]
    return draft.line(Values("values", values), Count("count", draft.faults, numprocesses=draft.width))


def spoiled(draft: Draft) -> WorkflowGraph:
    """Two PEs, the second of several instances that each get all, change what they receive."""
    import numpy as np

    values: list[Any] = [[1, 2, 3], np.array([4, 5, 6])]
    source = Values("values", values)
    draft.line(source, Spoil("first", draft.faults))
    draft.line(source, Spoil("second", draft.faults, grouping="all", numprocesses=draft.width))
    return draft.graph


def ceremony(draft: Draft) -> WorkflowGraph:
    """Begin and end of each instance, on their way through another."""
    notes = f"{draft.scratch}/ceremony"
    return draft.line(draft.numbers(), Ceremony("ceremony", notes=notes, numprocesses=draft.width), draft.sink())


def stutter(draft: Draft) -> WorkflowGraph:
    """Two writes an item, with a fault between them."""
    return draft.line(draft.numbers(), Stutter("stutter", draft.faults), Sink("sink"))


def swallow(draft: Draft) -> WorkflowGraph:
    """A PE that catches whatever its writes raise."""
    return draft.line(draft.numbers(), Swallow("swallow"), Relay("relay", draft.faults), Sink("sink"))


def endless(draft: Draft) -> WorkflowGraph:
    """A live source. What it has sent is in the books; what came is counted."""
    source = Endless("endless", notes=draft.scratch, call=bool(draft.other.get("call")))
    return draft.line(source, Relay("relay"), Total("total"))


def tapped(draft: Draft) -> WorkflowGraph:
    """Numbers that come once, through a stateless PE to a sink."""
    source = Tap("numbers", draft.items, draft.faults, world=f"{draft.scratch}/written")
    return draft.line(source, Relay("relay", draft.faults), draft.sink())


def taped(draft: Draft) -> WorkflowGraph:
    """Numbers of a source that can be wound back, through a stateless PE to a sum and a sink."""
    tape = Tape("numbers", draft.items, draft.faults, notes=f"{draft.scratch}/written")
    relay = Relay("relay", draft.faults)
    draft.line(tape, relay, Total("total", draft.faults))
    return draft.line(relay, draft.sink())


def diced(draft: Draft) -> WorkflowGraph:
    """Chance, through a stateless PE to a sink; and straight to another."""
    dice = Dice("numbers", draft.items, draft.faults)
    draft.line(dice, Relay("relay", draft.faults), draft.sink())
    return draft.line(dice, Sink("other"))


def streaming(draft: Draft) -> WorkflowGraph:
    """A live source of numbers that carry faults, through a stateless PE to a sum."""
    stream = Stream("numbers", draft.faults, call=bool(draft.other.get("call")))
    return draft.line(stream, Relay("relay", draft.faults), Total("total", draft.faults))


def piped(draft: Draft) -> WorkflowGraph:
    """Bytes that come through a pipe, through a stateless PE to a sum."""
    pipe = Pipe("numbers", draft.faults, path=f"{draft.scratch}/pipe")
    return draft.line(pipe, Relay("relay", draft.faults), Total("total", draft.faults))


def held(draft: Draft) -> WorkflowGraph:
    """Arrays to two readers: one keeps them all, the other ruins each. computed: how many a call, in memory from the engine."""
    spectrum = Spectrum("spectrum", computed=int(draft.other.get("computed", 0)))
    draft.line(draft.numbers(), spectrum, Hold("hold"))
    return draft.line(spectrum, Spoil("spoil"))


def locked(draft: Draft) -> WorkflowGraph:
    """Values that cannot leave a process."""
    return draft.line(draft.numbers(), Lock("lock"), Open("open"))


def arrays(draft: Draft) -> WorkflowGraph:
    """Arrays that nobody consumes."""
    return draft.line(draft.numbers(), Spectrum("spectrum"))


def loose(draft: Draft) -> WorkflowGraph:
    """A stateless PE whose output nobody consumes."""
    return draft.line(draft.numbers(), Relay("relay", draft.faults))


def relayed(draft: Draft) -> WorkflowGraph:
    """Numbers through two stateless PEs, one after the other, to a sink."""
    return draft.line(draft.numbers(), Relay("first", draft.faults), Relay("second", draft.faults), draft.sink())


def opened(draft: Draft) -> WorkflowGraph:
    """Numbers through a stateless PE that writes before the first and after the last."""
    return draft.line(draft.numbers(), Opener("opener", draft.faults), draft.sink())


def doubled(draft: Draft) -> WorkflowGraph:
    """Two values of each number, written one after the other, to several `readers`."""
    grouping = {"shuffle": None, "key": [0], "all": "all"}[str(draft.other["readers"])]
    stutter = Stutter("stutter", draft.faults, wrapped=grouping == [0])
    sink = Notes("sink", notes=f"{draft.scratch}/seen", grouping=grouping)
    sink.numprocesses = draft.width
    return draft.line(draft.numbers(), stutter, sink)


def long(draft: Draft) -> WorkflowGraph:
    """A chain of `length` PEs."""
    relays = [Relay(f"relay{number}") for number in range(int(draft.other["length"]))]
    return draft.line(draft.numbers(), *relays, Total("total"))


SHAPES: dict[str, Callable[[Draft], WorkflowGraph]] = {
    shape.__name__: shape
    for shape in (
        line,
        total,
        crossing,
        whole,
        every,
        stamped,
        equal,
        several,
        merged,
        keys,
        spoiled,
        ceremony,
        stutter,
        swallow,
        endless,
        arrays,
        held,
        locked,
        tapped,
        taped,
        diced,
        streaming,
        piped,
        loose,
        relayed,
        opened,
        doubled,
        long,
    )
}
