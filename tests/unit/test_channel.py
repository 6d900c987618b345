# SPDX-License-Identifier: Apache-2.0
"""Both ends of a channel, and the lane before it: numbers, credit, cuts."""

from __future__ import annotations

from d4py.engine.inlet import Arrival, Inlet
from d4py.engine.outlet import Choice, Lane, Outlet
from d4py.items import Frame, Kind


def test_frames_of_all_kinds_are_numbered_without_gaps_and_an_end_carries_the_count() -> None:
    outlet = Outlet(5, 2, count=10, credit=100)

    frames = [outlet.cut(["a", "b"]), outlet.barrier(3), outlet.cut(["c"]), outlet.end()]

    assert [(frame.kind, frame.number, frame.first) for frame in frames] == [
        (Kind.DATA, 0, 10),
        (Kind.BARRIER, 1, 12),
        (Kind.DATA, 2, 12),
        (Kind.END, 3, 13),
    ]
    assert {(frame.generation, frame.channel) for frame in frames} == {(2, 5)}


def test_a_reader_takes_numbers_in_turn_drops_what_it_has_seen_and_notices_a_gap() -> None:
    inlet = Inlet(0, 2)

    judged = [
        inlet.judge(Frame(generation, 0, number, 0)) for generation, number in ((2, 0), (2, 0), (1, 1), (2, 2), (2, 1))
    ]

    assert judged == [Arrival.NEXT, Arrival.SEEN, Arrival.SEEN, Arrival.GAP, Arrival.NEXT]


def test_credit_is_absolute_and_never_taken_back() -> None:
    inlet = Inlet(0, 1, window=100)
    inlet.count = 10

    assert inlet.grant(0.0) == 110
    assert inlet.grant(1.0) == 110
    inlet.count = 200
    assert inlet.grant(1.0) == 202
    assert Inlet(0, 1, window=1).grant(5.0) == 1


def test_a_writer_sends_only_what_its_reader_allows() -> None:
    outlet = Outlet(0, 1, credit=3)
    lane = Lane([outlet], Choice.ONE)
    lane.buffer.extend(range(10))

    sent = [frame.items for frame in lane.cut()]
    assert [item for items in sent for item in items] == [0, 1, 2]
    assert lane.buffer == [3, 4, 5, 6, 7, 8, 9]

    outlet.acknowledge(0, 5)
    assert [item for frame in lane.cut() for item in frame.items] == [3, 4]


def test_credit_that_comes_back_in_crumbs_is_gathered_into_a_whole_frame() -> None:
    outlet = Outlet(0, 1, credit=8)
    lane = Lane([outlet], Choice.ONE)
    for number in range(4):
        lane.buffer.append(number)
        lane.cut()
    lane.buffer.extend(range(4, 20))
    assert [frame.items for frame in lane.cut()] == [[4, 5, 6, 7]]

    cuts = []
    for number in range(4):
        outlet.acknowledge(number, 9 + number)
        cuts.append([frame.items for frame in lane.cut()])

    assert cuts == [[], [], [], [[8, 9, 10, 11]]]


def test_shuffle_goes_to_a_reader_that_can_take_a_whole_frame_before_one_with_more_room() -> None:
    fast, slow = Outlet(0, 1, credit=100), Outlet(1, 1, credit=4)
    fast.cut(list(range(60)))
    slow.cut(["x"])
    lane = Lane([fast, slow], Choice.ANY)
    lane.buffer.extend(range(60))

    assert [(frame.channel, len(frame.items)) for frame in lane.cut()] == [(1, 2)]


def test_large_items_are_bounded_by_bytes_but_two_frames_may_always_go() -> None:
    outlet = Outlet(0, 1, credit=1000)
    for _ in range(2):
        outlet.sent(64 << 20, outlet.cut(["array"]).number)

    assert (outlet.room(), outlet.frame_limit()) == (0, 1)
    outlet.acknowledge(0, 1000)
    assert outlet.room() > 0


def test_an_old_acknowledgement_does_no_harm() -> None:
    outlet = Outlet(0, 1, credit=10)
    outlet.cut(["a"])
    outlet.acknowledge(0, 20)

    outlet.acknowledge(-1, 5)

    assert (outlet.credit, outlet.idle) == (20, True)


def test_shuffle_goes_to_whoever_has_credit_and_is_idle() -> None:
    busy, idle = Outlet(0, 1, credit=5), Outlet(1, 1, credit=5)
    busy.cut(["x"])
    lane = Lane([busy, idle], Choice.ANY)
    lane.buffer.append("y")

    assert [frame.channel for frame in lane.cut()] == [1]


def test_of_two_idle_readers_the_one_in_another_process_comes_first() -> None:
    near, far = Outlet(0, 1, credit=9), Outlet(1, 1, credit=5)
    lane = Lane([near, far], Choice.ANY, near=[0])
    lane.buffer.extend("abcd")

    assert [(frame.channel, frame.items) for frame in lane.cut()][:2] == [(1, ["a", "b"]), (0, ["c", "d"])]


def test_all_sends_every_item_to_each_and_waits_for_the_slowest() -> None:
    fast, slow = Outlet(0, 1, credit=5), Outlet(1, 1, credit=1)
    lane = Lane([fast, slow], Choice.EVERY)
    lane.buffer.extend(["a", "b"])

    assert [(frame.channel, frame.items) for frame in lane.cut()] == [(0, ["a"]), (1, ["a"])]
    assert lane.buffer == ["b"]


def test_readers_of_all_in_one_process_get_copies() -> None:
    lane = Lane([Outlet(0, 1), Outlet(1, 1)], Choice.EVERY)
    lane.copies = True
    item = [1]
    lane.buffer.append(item)

    first, second = lane.cut()

    assert first.items == second.items == [[1]]
    assert first.items[0] is not second.items[0]


def test_a_lane_is_cut_at_once_for_an_idle_reader_and_by_size_for_a_busy_one() -> None:
    outlet = Outlet(0, 1, credit=1024)
    lane = Lane([outlet], Choice.ONE)
    lane.refresh()
    assert lane.limit == 1

    lane.buffer.append("a")
    lane.cut()
    assert lane.limit == 512
