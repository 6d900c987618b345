# SPDX-License-Identifier: Apache-2.0
"""Which item a death is held against, and which one item a verdict sets aside."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Lock

import pytest

import d4py
from d4py.items import Frame
from d4py.mappings.multi.inquest import Inquest
from d4py.mappings.multi.orders import Item, Place, Poison
from d4py.mappings.multi.poison import Ledger, Watchlist, digest_of, noted, steady
from d4py.plan import Plan, layout


@d4py.producer
def numbers(n: int = 3) -> Iterator[int]:
    yield from range(n)


@d4py.iterative
def relay(value: object) -> object:
    return value


@d4py.consumer
def sink(value: object) -> None:
    pass


class Keyed(d4py.ConsumerPE):
    def __init__(self) -> None:
        super().__init__()
        self._add_input("input", grouping=[0])

    def _process(self, value: object) -> None:
        pass


def line(processes: int) -> Plan:
    """numbers -> relay -> sink, a channel each where there are 3 processes; more of them multiply relay and sink."""
    return layout((numbers() >> relay() >> sink()).flatten(), processes, fuse=False)


def channels(plan: Plan, reader: str) -> list[int]:
    return [channel.index for channel in plan.channels if plan.instances[channel.reader].pe == reader]


def test_every_channel_of_a_chain_is_steady() -> None:
    assert steady(line(3)) == {0, 1}


def test_a_shuffle_to_several_instances_is_not_steady_nor_is_what_follows_it() -> None:
    assert steady(line(7)) == set()


def test_keys_to_several_instances_are_steady_as_long_as_there_is_one_writer() -> None:
    graph = d4py.WorkflowGraph()
    graph.connect(numbers(), "output", Keyed(), "input")
    plan = layout(graph.flatten(), 4)

    assert len(plan.channels) == 3
    assert steady(plan) == {0, 1, 2}


def test_what_follows_two_writers_is_not_steady() -> None:
    graph = d4py.WorkflowGraph()
    middle = relay()
    graph.connect(numbers(), "output", middle, "input")
    graph.connect(numbers(), "output", middle, "input")
    graph.connect(middle, "output", sink(), "input")
    plan = layout(graph.flatten(), 4, fuse=False)

    assert steady(plan) == set(channels(plan, "relay"))


def test_two_deaths_on_one_place_of_a_steady_channel_are_a_verdict_whatever_the_value_looks_like() -> None:
    ledger = Ledger(line(3))

    assert ledger.count(Place(0, 5), b"whole") is False
    assert ledger.count(Place(0, 5), b"half overwritten by its reader") is True


def test_equal_items_on_a_steady_channel_are_not_taken_for_one_another() -> None:
    ledger = Ledger(line(3))

    assert [ledger.count(Place(0, number), b"tick") for number in (5, 6, 7)] == [False, False, False]


def test_an_item_is_known_by_its_value_where_its_place_may_change() -> None:
    plan = line(7)
    first, second = channels(plan, "relay")[:2]
    ledger = Ledger(plan)

    assert ledger.count(Place(first, 5), b"sixty") is False
    assert ledger.count(Place(second, 4), b"sixty") is True


def test_deaths_on_one_place_of_an_unsteady_channel_count_against_no_item_while_nobody_can_tell_its_value() -> None:
    """Another item may be in that place after a rewind; so from then on who has an item of that route in hand notes its digest."""
    plan = line(7)
    first = channels(plan, "relay")[0]
    ledger = Ledger(plan)

    assert [ledger.count(Place(first, 5), b"") for _ in range(3)] == [False, False, False]
    assert ledger.poison == (Poison(plan.channels[first].route, None),)
    assert [ledger.count(Place(first, 5), b"sixty"), ledger.count(Place(first, 4), b"sixty")] == [False, True]


@pytest.mark.parametrize(("processes", "deaths", "seen"), [(3, 0, False), (3, 1, True), (7, 0, True)])
def test_a_value_is_asked_for_only_to_know_it_again_or_to_name_it(processes: int, deaths: int, seen: bool) -> None:
    ledger = Ledger(line(processes))
    for _ in range(deaths):
        ledger.count(Place(0, 5), b"")

    assert ledger.must_see(Place(0, 5)) is seen


def test_a_verdict_sets_aside_the_first_item_that_asks_and_no_other() -> None:
    plan = line(7)
    route = plan.channels[channels(plan, "relay")[0]].route
    ledger = Ledger(plan)
    ledger.set_aside(Place(0, 5), b"tick")
    (poison,) = ledger.poison

    assert poison == Poison(route, b"tick")
    assert [ledger.claim(poison, place) for place in (Place(0, 5), Place(1, 5), Place(0, 6), Place(0, 5))] == [
        True,
        False,
        False,
        True,
    ]


def test_a_verdict_holds_until_a_checkpoint_covers_what_it_set_aside() -> None:
    ledger = Ledger(line(7))
    ledger.set_aside(Place(0, 5), b"tick")
    (poison,) = ledger.poison
    ledger.claim(poison, Place(1, 5))

    ledger.rewound({0: 9, 1: 5}.__getitem__)
    assert list(ledger.poison) == [poison]
    assert ledger.claim(poison, Place(0, 9)) is True
    ledger.rewound({0: 10, 1: 5}.__getitem__)
    assert list(ledger.poison) == []


def test_after_a_verdict_the_next_item_of_the_same_value_has_its_own_two_deaths() -> None:
    ledger = Ledger(line(7))
    ledger.count(Place(0, 5), b"tick")
    ledger.count(Place(0, 5), b"tick")
    ledger.set_aside(Place(0, 5), b"tick")

    assert [ledger.count(Place(0, 9), b"tick"), ledger.count(Place(0, 9), b"tick")] == [False, True]


def frame(channel: int, *items: object, first: int = 0) -> Frame:
    return Frame(1, channel, 1, first, items=list(items))


def test_a_watchlist_finds_an_item_by_its_place() -> None:
    watchlist = Watchlist([Poison(0, Place(1, 5))], {0: 0, 1: 0}, claim=lambda *_: False, note=[0] * 4)

    held = [
        (channel, index)
        for channel in (0, 1)
        for index in (0, 1)
        if watchlist.holds(frame(channel, "a", "b", first=4), index)
    ]

    assert held == [(1, 1)]


def test_a_watchlist_finds_an_item_by_its_value_on_any_channel_of_the_route_and_only_if_its_claim_is_granted() -> None:
    claims: list[tuple[Poison, Place]] = []

    def claim(poison: Poison, place: Place) -> bool:
        claims.append((poison, place))
        return True

    poison = Poison(0, digest_of("tick"))
    watchlist = Watchlist([poison], {0: 0, 1: 0, 2: 1}, claim, [0] * 4)

    assert watchlist.holds(frame(2, "tick"), 0) is False  # another route
    assert watchlist.holds(frame(1, "tock", "tick", first=7), 0) is False
    assert watchlist.holds(frame(1, "tock", "tick", first=7), 1) is True
    assert watchlist.holds(frame(0, "tick"), 0) is False
    assert claims == [(poison, Place(1, 8))]


def test_a_watchlist_lets_an_item_pass_whose_claim_is_refused() -> None:
    watchlist = Watchlist([Poison(0, digest_of("tick"))], {0: 0}, claim=lambda *_: False, note=[0] * 4)

    assert watchlist.holds(frame(0, "tick"), 0) is False


def test_a_watchlist_notes_the_digest_of_each_item_of_a_route_that_killed_unseen_until_a_checkpoint_is_past_it() -> (
    None
):
    note = [1, 0, 0, 0]
    watchlist = Watchlist([Poison(0, None)], {0: 0, 1: 1}, lambda *_: False, note)

    seen = []
    for item, channel in (("tick", 0), (lock := Lock(), 0), ("tock", 0), ("tock", 1)):
        assert watchlist.holds(frame(channel, item), 0) is False
        seen.append(noted(note[3]))
    watchlist.rest()
    watchlist.holds(frame(0, "tick"), 0)

    assert lock is not None  # which cannot be pickled
    assert seen == [digest_of("tick"), b"", digest_of("tock"), b""]
    assert noted(note[3]) == b""


def test_an_inquest_ends_when_all_who_were_asked_have_answered_or_are_dead() -> None:
    inquest = Inquest()
    inquest.open("Worker 1 died.", 1)
    inquest.ask(Place(0, 5), 2, b"noted")
    inquest.ask(Place(3, 7), 4, b"other")
    assert list(inquest.conclusion()) == []

    inquest.hear(Item(Place(3, 7), b"digest", "7"))
    assert list(inquest.conclusion()) == []
    inquest.open("Worker 2 died.", 2)

    assert list(inquest.conclusion()) == [
        ("Worker 1 died.", {1, 2}, [Item(Place(3, 7), b"digest", "7"), Item(Place(0, 5), b"noted")]),
    ]
    assert list(inquest.conclusion()) == []
