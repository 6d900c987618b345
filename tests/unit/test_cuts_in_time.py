# SPDX-License-Identifier: Apache-2.0
"""When a lane is cut: at once under light load, gathered in a burst, later for a reader that is busy. Time is told, not waited for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from d4py.engine.cutter import Cutter
from d4py.engine.outlet import Choice, Lane, Outlet


class Bench:
    """One lane under a cutter, and a clock that stands still until it is put forward."""

    def __init__(self, *, delayed: int = 0, near: bool = False, credit: int = 1024) -> None:
        """delayed: how many frames the reader has not acknowledged when it is heard of. near: there is a second reader, in this process."""
        self.now = 100.0
        self.frames: list[list[Any]] = []
        self.heard = 0
        self.takes = 0.0  # seconds that it takes to hear
        self.delayed = delayed
        self.outlet = Outlet(0, 1, credit=credit)
        outlets = [self.outlet, Outlet(1, 1)] if near else [self.outlet]
        self.lane = Lane(outlets, Choice.ANY, near=[1] if near else [])
        link: Any = SimpleNamespace(clock=lambda: self.now, send=self._send)
        self.cutter = Cutter(dict(enumerate(outlets)), link, self._serve, lambda _failure: None)
        self.cutter.take([self.lane])
        self.cutter.eager(True)

    def write(self, value: Any, *, after: float) -> None:
        self.now += after
        self.lane.buffer.append(value)
        if len(self.lane.buffer) >= self.lane.limit:
            self.cutter.full(self.lane)

    def _send(self, frame: Any) -> int:
        self.frames.append(frame.items)
        return 1

    def _serve(self, _wait: float) -> None:
        self.heard += 1
        self.now += self.takes
        number = self.outlet.number - 1 - self.delayed
        if number >= 0:
            self.outlet.acknowledge(number, self.outlet.count + 1024)
            self.cutter.acknowledged({0})


def test_values_that_come_one_by_one_leave_at_once_though_the_last_was_sent_less_than_a_millisecond_ago() -> None:
    bench = Bench(delayed=1)

    for number in range(5):
        bench.write(number, after=0.0009)

    assert bench.frames == [[0], [1], [2], [3], [4]]


def test_a_burst_is_gathered() -> None:
    bench = Bench()

    for number in range(2000):
        bench.write(number, after=0.000_001)

    assert len(bench.frames[0]) == 1
    assert len(bench.frames) <= 6


def test_a_reader_with_two_frames_in_hand_gets_the_next_after_a_millisecond() -> None:
    bench = Bench(delayed=1000)

    sent = []
    for number in range(10):
        bench.write(number, after=0.0003)
        sent.append(len(bench.frames))

    assert sent == [1, 2, 3, 3, 3, 3, 4, 4, 4, 4]


def test_a_value_leaves_before_its_writer_asks_what_is_new() -> None:
    bench = Bench()
    bench.cutter._serve = lambda _wait: told.append(len(bench.frames))
    told: list[int] = []

    bench.write("a", after=0.01)

    assert told == [1]


def test_a_long_call_that_writes_hears_what_is_new_every_five_milliseconds() -> None:
    bench = Bench()

    for number in range(30):
        bench.write(number, after=0.001)
        bench.outlet.acknowledge(number, number + 1024)

    assert 5 <= bench.heard <= 7


def test_a_turn_is_not_passed_while_a_reader_elsewhere_is_hungry_however_short_the_pause_was() -> None:
    cut = {}
    for near in (False, True):
        bench = Bench(near=near)
        bench.write("a", after=0.01)
        bench.outlet.acknowledge(0, 1024)
        bench.cutter.eager(False)
        bench.lane.buffer.append("b")
        bench.cutter.cut_idle()
        cut[near] = bench.frames

    assert cut == {False: [["a"]], True: [["a"], ["b"]]}


def test_the_own_time_of_a_writer_stands_still_while_it_waits_for_its_reader() -> None:
    bench = Bench(credit=1)
    bench.takes = 3.0
    began = bench.cutter.own_time()

    bench.write("a", after=0.25)
    bench.write("b", after=0.25)
    bench.write("c", after=0.25)

    assert bench.frames == [["a"], ["b"], ["c"]]
    assert bench.now - 100.0 >= 3.75
    assert round(bench.cutter.own_time() - began, 6) == 0.75
