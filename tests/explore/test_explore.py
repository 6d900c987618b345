# SPDX-License-Identifier: Apache-2.0
"""The engine's own state machines hold in every order of events within the bounds, and each defect put in on purpose is caught."""

from __future__ import annotations

from functools import cache

import pytest
from defect import Defect
from defects import DEFECTS
from explore import Report, explore
from replacing import REPLACED
from rules import Rules
from systems import SMALL, chain, fan_out, made

SYSTEMS = {system.name: system for system in (*SMALL, *REPLACED)}
NAMES = list(SYSTEMS)


@cache
def explored(name: str) -> Report:
    return explore(SYSTEMS[name])


@pytest.mark.parametrize("name", NAMES)
def test_every_state_keeps_the_protocol_and_can_still_end(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    report = explored(name)
    with capsys.disabled():
        print(f"\n  {report}", end=" ")

    assert (report.violation, report.story, report.fixpoint) == ("", [], True)


def test_at_least_two_hundred_thousand_states_are_visited(capsys: pytest.CaptureFixture[str]) -> None:
    states = sum(explored(name).states for name in NAMES)
    with capsys.disabled():
        print(f"\n  {states:,} distinct states in all", end=" ")

    assert states >= 200_000


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_a_defect_is_caught_with_its_story(defect: Defect) -> None:
    report = explore(defect.system, defect.rules)

    assert defect.shows in report.violation
    assert report.story


@pytest.mark.parametrize("defect", {str(one.system): one for one in DEFECTS}.values(), ids=lambda one: one.name)
def test_a_system_that_shows_a_defect_is_sound_without_it(defect: Defect) -> None:
    assert explore(defect.system, limit=10_000).violation == ""


def test_where_all_workers_are_ended_before_the_next_generation_begins_no_reader_meets_a_newer_frame() -> None:
    """As in `multi`; in `simple` and `threads` a run has one generation. So it does not matter there that a reader would take it as its own."""
    found = [explore(made("chain", chain(2, "map"), zombies=False), Rules(newer=newer)) for newer in ("waits", "taken")]

    assert [report.violation for report in found] == ["", ""]
    assert found[0].states == found[1].states


def test_leaving_out_orders_that_cannot_differ_hides_no_end() -> None:
    """The same system with every interleaving and without: more states, the same answer."""
    all_orders = explore(made("all", chain(1, "map"), crashes=0, free=True))
    fewer = explore(made("fewer", chain(1, "map"), crashes=0))

    assert (all_orders.violation, fewer.violation) == ("", "")
    assert all_orders.states > fewer.states


def test_the_story_of_a_violation_can_be_read() -> None:
    defect = next(defect for defect in DEFECTS if defect.name == "commit before all parts")

    assert explore(made("chain", chain(1, "map"), crashes=0), defect.rules).story == [
        "    1. It is time for a checkpoint.",
        "    2. source is asked to take barrier 1.",
        "    3. source goes on; sends frame 0 of source (barrier 1, generation 1) to middle.",
        "    4. source goes on; hands over its part of epoch 1 (generation 1, read [], written [0]).",
        "    5. The coordinator hears from source: its part of epoch 1 (generation 1, read [], written [0]).",
    ]


def test_a_limit_is_told() -> None:
    report = explore(made("fan-out", fan_out(2, "key")), limit=1_000)

    assert not report.fixpoint
    assert "stopped at the limit" in str(report)
