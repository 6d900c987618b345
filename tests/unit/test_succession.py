# SPDX-License-Identifier: Apache-2.0
"""How a cell goes on where another died: which frame is in doubt, what is skipped, which counts hold, and who may be replaced at all."""

from __future__ import annotations

import pytest

from d4py.engine.cell import Act, CellMachine
from d4py.engine.count import Count, Tally
from d4py.engine.estate import BEGIN, END, Demand, Estate, Ranges, Supply
from d4py.engine.heirs import Heirs
from d4py.engine.inlet import Inlet
from d4py.engine.outlet import Choice, Lane, Outlet
from d4py.engine.settlement import BEFORE, READY, Settlement, turn
from d4py.items import Frame, Kind

READER, OTHER = 5, 6  # channels to readers


def demand(
    channel: int, cause: tuple[int, int] | None = None, ranges: Ranges = (), *, number: int = 0, items: int = 0
) -> Demand:
    return Demand(channel, number, items, 100, cause, ranges, 0, ended=False)


def data(channel: int, number: int, *items: object, cause: tuple[int, int, int] | None = None, first: int = 0) -> Frame:
    return Frame(1, channel, number, first, Kind.DATA, list(items), cause=cause)


class TestDoubt:
    @pytest.mark.parametrize(
        ("causes", "doubt"),
        [
            ([None, None], None),
            ([(0, 6), None], None),  # acknowledged
            ([(0, 7), (0, 6)], (0, 7)),
            ([(0, 6), (1, 3)], (1, 3)),
            ([BEGIN, (0, 6)], BEGIN),  # it is for the successor to know whether that is over
            ([BEGIN, (0, 7)], (0, 7)),
            ([(0, 6), END], END),
        ],
    )
    def test_the_frame_in_doubt_is_the_one_that_was_not_acknowledged(
        self, causes: list[tuple[int, int] | None], doubt: tuple[int, int] | None
    ) -> None:
        supplies = (Supply(0, 7, 70, 100), Supply(1, 3, 30, 100))
        estate = Estate(supplies, tuple(demand(READER + place, cause) for place, cause in enumerate(causes)))

        assert estate.doubt == doubt

    def test_it_is_run_first_and_waited_for(self) -> None:
        machine = CellMachine([0, 1], [READER])
        machine.inherit(Estate((Supply(0, 7, 70, 100), Supply(1, 3, 30, 100)), (demand(READER, (1, 3), ((0, 1),)),)))

        machine.arrive(data(0, 7, "a", first=70))
        assert machine.decide().act is Act.WAIT
        machine.arrive(data(1, 3, "b", first=30))

        frames = [machine.decide().frame, machine.decide().frame]
        assert [frame and frame.items for frame in frames] == [["b"], ["a"]]


class TestBarriers:
    def test_a_writer_says_which_barrier_was_acknowledged_last(self) -> None:
        outlet = Outlet(READER, 1)
        outlet.barrier(1)
        outlet.barrier(2)

        outlet.acknowledge(0, 5)

        assert outlet.supply() == Supply(READER, 1, 0, 5, taken=1)

    def test_a_barrier_whose_epoch_a_predecessor_took_is_not_waited_for_on_other_channels(self) -> None:
        """It died between two acknowledgements: one writer sends its barrier again, the other never will."""
        machine = CellMachine([0, 1], [])
        machine.inherit(Estate((Supply(0, 1, 0, 100, taken=1), Supply(1, 0, 0, 100)), ()))

        machine.arrive(Frame(1, 1, 0, 0, Kind.BARRIER, epoch=1))
        machine.arrive(data(1, 1, "a"))

        step = machine.decide()
        assert (step.act, step.frame and step.frame.items) == (Act.RUN, ["a"])

    def test_the_next_barrier_is_waited_for(self) -> None:
        machine = CellMachine([0, 1], [])
        machine.inherit(Estate((Supply(0, 1, 0, 100, taken=1), Supply(1, 0, 0, 100)), ()))

        for frame in (Frame(1, 1, 0, 0, Kind.BARRIER, epoch=1), Frame(1, 1, 1, 0, Kind.BARRIER, epoch=2)):
            machine.arrive(frame)
        assert machine.decide().act is Act.WAIT
        machine.arrive(Frame(1, 0, 1, 0, Kind.BARRIER, epoch=2))

        assert (machine.decide().act, machine.epoch) == (Act.BARRIER, 2)


class TestReaders:
    def test_a_reader_remembers_what_came_of_the_last_cause_only(self) -> None:
        inlet = Inlet(READER, 1)
        inlet.judge(data(READER, 0, "a", cause=(0, 7, 0)))
        inlet.judge(data(READER, 1, "b", "c", cause=(0, 8, 0), first=1))
        inlet.judge(data(READER, 2, "d", cause=(0, 8, 2), first=3))
        inlet.judge(data(READER, 3, "f", cause=(0, 8, 4), first=4))

        assert inlet.demand() == Demand(READER, 4, 5, 0, (0, 8), ((0, 3), (4, 5)), 0, ended=False)

    def test_it_remembers_marks_that_came(self) -> None:
        inlet = Inlet(READER, 1)
        inlet.judge(Frame(1, READER, 0, 0, Kind.BARRIER, epoch=3))
        inlet.judge(Frame(1, READER, 1, 0, Kind.END))

        assert (inlet.demand().passed, inlet.demand().ended) == (3, True)

    def test_marks_go_to_those_only_who_have_them_not(self) -> None:
        machine = CellMachine([0], [READER, OTHER])
        has = Demand(READER, 4, 9, 100, None, (), 3, ended=True)
        machine.inherit(Estate((Supply(0, 7, 70, 100),), (has, demand(OTHER))))

        assert [frame.channel for frame in machine.barriers(3)] == [OTHER]
        assert [frame.channel for frame in machine.barriers(4)] == [READER, OTHER]
        assert [frame.channel for frame in machine.ends()] == [OTHER]


class TestLanes:
    @staticmethod
    def cut(choice: Choice, had: dict[int, Ranges]) -> list[tuple[int, list[object], tuple[int, int, int] | None]]:
        lane = Lane([Outlet(channel, 1, credit=100) for channel in (READER, OTHER)], choice)
        lane.inherit((0, 7), had)
        lane.begin((0, 7))
        lane.buffer.extend("abcd")
        return [(frame.channel, frame.items, frame.cause) for frame in lane.cut()]

    def test_what_any_reader_has_is_not_sent_to_another(self) -> None:
        sent = self.cut(Choice.ANY, {READER: ((0, 1),), OTHER: ((2, 3),)})

        assert [(items, cause) for _, items, cause in sent] == [(["b"], (0, 7, 1)), (["d"], (0, 7, 3))]

    def test_no_reader_gets_an_item_after_a_later_one_of_the_same_frame(self) -> None:
        """Of two frames to two readers the first may be lost and the second not."""
        assert [(channel, items) for channel, items, _ in self.cut(Choice.ANY, {READER: ((1, 2),)})] == [
            (OTHER, ["a"]),
            (READER, ["c"]),
            (READER, ["d"]),
        ]

    def test_what_all_are_to_have_goes_to_those_who_lack_it(self) -> None:
        sent = self.cut(Choice.EVERY, {READER: ((0, 3),), OTHER: ((0, 1),)})

        assert [(channel, items) for channel, items, _ in sent] == [
            (OTHER, ["b"]),
            (OTHER, ["c"]),
            (READER, ["d"]),
            (OTHER, ["d"]),
        ]

    def test_another_cause_is_sent_whole(self) -> None:
        lane = Lane([Outlet(READER, 1, credit=100)], Choice.ONE)
        lane.inherit((0, 7), {READER: ((0, 2),)})
        lane.begin((0, 7))
        lane.buffer.extend("ab")
        assert lane.cut() == []

        lane.begin((0, 8))
        lane.buffer.extend("cd")

        assert [(frame.items, frame.cause) for frame in lane.cut()] == [(["c", "d"], (0, 8, 0))]

    def test_without_room_an_item_in_doubt_waits(self) -> None:
        lane = Lane([Outlet(READER, 1, credit=1)], Choice.ONE)
        lane.inherit((0, 7), {READER: ((0, 1),)})
        lane.begin((0, 7))
        lane.buffer.extend("abc")

        assert [frame.items for frame in lane.cut()] == [["b"]]
        assert lane.buffer == ["c"]


class Kept:
    def __init__(self, size: int) -> None:
        self.length = (size, size // 10)
        self.cuts: list[tuple[int, int]] = []

    def cut(self, size: int, records: int) -> None:
        self.cuts.append((size, records))


class TestSettlements:
    @staticmethod
    def begun(words: list[int], generation: int = 1) -> tuple[Settlement, Count, tuple[Kept, Kept]]:
        count = Count({"input": Tally()}, {"output": Tally()}, {"input": Tally()}, Tally())
        spools = (Kept(100), Kept(0))
        return Settlement(words, generation, [count], spools), count, spools

    def test_an_entry_counts_when_its_frame_was_acknowledged(self) -> None:
        words = [0] * 24
        settlement, count, _ = self.begun(words)
        settlement.enter(BEFORE)
        settlement.enter(READY)
        for number in (4, 5):
            count.read["input"].n += 10
            settlement.enter((0, number))

        found = self.begun(words)[0]

        assert [getattr(found.found({0: head}), "counts", None) for head in (6, 5, 4)] == [
            (20, 0, 0, 0),
            (10, 0, 0, 0),
            None,
        ]

    def test_a_successor_goes_on_from_it_and_its_own_successor_does_too(self) -> None:
        words = [0] * 24
        settlement, count, _ = self.begun(words)
        for number in (4, 5):
            count.read["input"].n += 10
            settlement.enter((0, number))

        for _ in range(3):  # each dies before it has done anything
            settlement, count, spools = self.begun(words)
            settled = settlement.found({0: 5})
            assert settled is not None
            settlement.take(settled)
            assert count.read["input"].n == 10
            assert spools[0].cuts == [(100, 10)]

    def test_half_an_entry_does_not_count(self) -> None:
        words = [0] * 24
        settlement, count, _ = self.begun(words)
        settlement.enter((0, 4))
        count.read["input"].n = 7
        settlement.enter((0, 5))
        words[12] = 0  # what is written first, and last

        found = self.begun(words)[0].found({0: 9})

        assert found is not None
        assert (found.place, found.counts) == ((0, 4), (0, 0, 0, 0))

    def test_an_entry_of_another_generation_does_not_count(self) -> None:
        words = [0] * 24
        self.begun(words, generation=1)[0].enter(READY)

        assert self.begun(words, generation=2)[0].found({0: 9}) is None
        assert turn(words) == 1


class TestHeirs:
    heirs_of = ((0, 1), (1, 2), (2, 3))

    def heirs(self) -> Heirs:
        return Heirs([1, 2], self.heirs_of)

    def test_one_alone_is_replaced_and_neighbours_together_are_not(self) -> None:
        assert self.heirs().may([1], [], 0)
        assert not self.heirs().may([1, 2], [], 0)
        assert not self.heirs().may([0], [], 0)
        assert not self.heirs().may([2], [1], 0)

    def test_a_neighbour_that_was_replaced_must_have_passed_a_checkpoint_that_began_after(self) -> None:
        heirs = self.heirs()
        heirs.replaced(1, newest=4)

        assert [heirs.may([2], [], committed) for committed in (3, 4, 5)] == [False, False, True]
        assert heirs.may([1], [], 4)  # itself it may be again
