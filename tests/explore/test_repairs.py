# SPDX-License-Identifier: Apache-2.0
"""What exploring the engine, and reading it for that, found wrong with it."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest

import d4py
from d4py.engine.cell import CellMachine, MissingFrame
from d4py.engine.circuit import Terms
from d4py.engine.link import Abandon, Drain, Event, FrameArrived, Lost, Report, Snapshotted
from d4py.engine.outlet import Choice, Lane, Outlet
from d4py.engine.runner import Runner
from d4py.items import Frame, Kind
from d4py.plan import layout
from d4py.plan.layout import layout_whole


def test_frames_cut_at_once_give_all_their_bytes_back() -> None:
    """Were the sizes booked on the last of them only, the channel would end with two frames in flight at most."""
    outlet = Outlet(0, 1, credit=4)
    lane = Lane([outlet], Choice.ONE)
    lane.buffer.extend("abcd")

    frames = lane.cut()
    for frame in frames:
        outlet.sent(100, frame.number)
    assert (len(frames), outlet.unacked_bytes) == (2, 200)

    outlet.acknowledge(frames[0].number, 4)
    assert outlet.unacked_bytes == 100
    outlet.acknowledge(frames[1].number, 4)
    assert outlet.unacked_bytes == 0


def test_a_barrier_that_follows_fewer_items_than_were_sent_asks_for_a_rewind() -> None:
    """The part would make a commit whose books do not balance, to which every later rewind would go back."""
    machine = CellMachine([0], [])
    machine.arrive(Frame(1, 0, 0, 2, Kind.BARRIER, epoch=1))

    with pytest.raises(MissingFrame, match="0 items came of 2 that were sent"):
        machine.decide()


class Careful(d4py.GenericPE):
    """Writes more than its reader allows, and catches what it can."""

    stateless = True
    on_error = "quarantine"

    def __init__(self) -> None:
        super().__init__()
        self._add_input("input")
        self._add_output("output")
        self.caught: list[Exception] = []

    def process(self, inputs: dict[str, Any]) -> None:
        for number in range(5):
            try:
                self.write("output", number)
            except Exception as error:
                self.caught.append(error)


class GapLink:
    """A frame arrives; then, while its call waits for credit, one that has a gap before it."""

    copies = False
    near = ()
    lock = threading.RLock()

    def __init__(self, channel: int) -> None:
        first = FrameArrived(Frame(1, channel, 0, 0, items=["a"]))
        second = FrameArrived(Frame(1, channel, 2, 2, items=["c"]))
        self.events: list[Event] = [first, second, Abandon()]
        self.reports: list[Report] = []
        self.note = [0, 0, 0]
        self.outputs = self.quarantine = self

    def poll(self, wait: float) -> Sequence[Event]:
        return [self.events.pop(0)] if self.events and wait else ()

    def send(self, frame: Frame) -> int:
        return 1

    def report(self, report: Report) -> None:
        self.reports.append(report)

    def clock(self) -> float:
        return 0.0

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


def test_a_gap_found_while_a_write_waits_rewinds_the_run_and_is_no_fault_of_the_pe() -> None:
    @d4py.producer
    def numbers() -> Any:
        yield 1

    @d4py.consumer
    def drop(value: int) -> None:
        pass

    careful = Careful()
    plan = layout(numbers() >> careful >> drop(), 3, fuse=False)
    rank = next(instance.rank for instance in plan.instances if instance.pe == careful.id)
    cell = plan.instances[rank].cell
    (channel,) = plan.channels_to(cell)
    link: Any = GapLink(channel.index)

    Runner(plan, cell, {rank: careful}, link, terms=Terms(window=1)).run()

    assert link.reports == [Lost(f"Channel {channel.index}: frame 2 came where 1 was due.")]
    assert careful.caught == []


class DrainLink(GapLink):
    """The run is to stop already when its source begins."""

    def __init__(self) -> None:
        super().__init__(0)
        self.events = [Drain(), Abandon()]

    def poll(self, wait: float) -> Sequence[Event]:
        return [self.events.pop(0)] if len(self.events) > 1 or (self.events and wait) else ()


class Unready(d4py.ProducerPE):
    """A live source that would never come back from a call."""

    live = True

    def _process(self, inputs: Any) -> Any:
        raise AssertionError("it was called")


def test_a_live_source_that_is_to_stop_already_is_not_called() -> None:
    """Its first call might stand in a read for ever; the signal that would end it may have come before anybody listened."""
    unready = Unready()
    graph = d4py.WorkflowGraph()
    graph.add(unready)
    plan = layout_whole(graph)
    link: Any = DrainLink()

    Runner(plan, 0, {0: unready}, link, terms=Terms(calls={unready.id or "": 1})).run()

    assert [type(report) for report in link.reports] == [Snapshotted]


class Closing(d4py.GenericPE):
    """Writes at the end."""

    stateless = True

    def __init__(self) -> None:
        super().__init__()
        self._add_input("input")
        self._add_output("output")

    def postprocess(self) -> None:
        self.write("output", "last")


class EndLink(GapLink):
    """Its writer has nothing; what the cell does about its end is noted."""

    length = (0, 0)

    def __init__(self, channel: int) -> None:
        super().__init__(channel)
        self.events = [FrameArrived(Frame(1, channel, 0, 0, Kind.END)), Abandon()]
        self.ledger = [0] * 64
        self.done: list[str] = []

    def send(self, frame: Frame) -> int:
        self.done.append(frame.kind.name)
        return 1

    def drain(self) -> None:
        self.done.append("drained")


def test_no_end_mark_is_sent_before_what_was_written_at_the_end_is_out() -> None:
    """Else a death could take an item on its way to one reader, and its successor send it to another that had its end mark already."""

    @d4py.producer
    def numbers() -> Any:
        yield 1

    @d4py.consumer
    def drop(value: int) -> None:
        pass

    closing = Closing()
    plan = layout(numbers() >> closing >> drop(), 3, fuse=False)
    cell = next(instance.cell for instance in plan.instances if instance.pe == closing.id)
    (channel,) = plan.channels_to(cell)
    link: Any = EndLink(channel.index)

    Runner(plan, cell, {plan.cells[cell].instances[0]: closing}, link, terms=Terms(), alone=True).run()

    sent = [what for what in link.done if what != "drained"]
    assert sent == ["DATA", "END"]
    assert "drained" in link.done[link.done.index("DATA") : link.done.index("END")]
