# SPDX-License-Identifier: Apache-2.0
"""Workflows made by schedule: when they are due, once each, and how many are kept."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from tests.operator.scene import SPEC

from d4py_operator.cron import CronWorld, due
from d4py_operator.decision import Decision
from d4py_operator.objects import Object, stamp
from d4py_operator.schedule import BadSchedule, schedule

NOON = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)  # a Friday


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "zone", "expected"),
    [
        ("*/15 * * * *", None, "2026-05-01 12:15"),
        ("0 12 * * *", None, "2026-05-02 12:00"),
        ("30 3 * * 1-5", None, "2026-05-04 03:30"),
        ("0 0 1 */2 *", None, "2026-07-01 00:00"),
        ("0 0 29 2 *", None, "2028-02-29 00:00"),
        ("0 6 13 * FRI", None, "2026-05-08 06:00"),  # the 13th, or any Friday
        ("0 9 * * *", "Europe/Berlin", "2026-05-02 07:00"),
        ("0 9 * * *", "Asia/Kolkata", "2026-05-02 03:30"),
        ("@weekly", None, "2026-05-03 00:00"),
        ("0 0 * JAN 7", None, "2027-01-03 00:00"),
    ],
)
def test_when_it_is_due_next(text: str, zone: str | None, expected: str) -> None:
    assert schedule(text, zone).after(NOON) == at(expected)


def test_what_never_comes_is_never_due() -> None:
    assert schedule("0 0 31 2 *").after(NOON) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0 12 * * *", "2026-05-01 12:00"), ("1 12 * * *", "2026-04-30 12:01"), ("0 0 1 1 *", "2026-01-01 00:00")],
)
def test_when_it_was_due_last(text: str, expected: str) -> None:
    assert schedule(text).latest(NOON + timedelta(seconds=30)) == at(expected)


def test_an_hour_that_comes_twice_counts_once() -> None:
    """In Berlin clocks go back from 3 to 2 on 25 October 2026."""
    times = schedule("30 2 * * *", "Europe/Berlin")

    first = times.after(at("2026-10-24 12:00"))
    assert first == at("2026-10-25 00:30")
    assert times.after(first) == at("2026-10-26 01:30")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "* * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "*/0 * * * *",
        "5-1 * * * *",
        "a * * * *",
        "* * * * 8",
        "1,, * * * *",
    ],
)
def test_what_is_no_schedule_is_refused(text: str) -> None:
    with pytest.raises(BadSchedule):
        schedule(text)


@pytest.mark.parametrize("zone", ["Europe/Nowhere", "../../etc/passwd", "/etc/passwd", "Europe"])
def test_what_is_no_zone_is_refused(zone: str) -> None:
    with pytest.raises(BadSchedule, match="no time zone"):
        schedule("@daily", zone)


class Cron:
    """A CronWorkflow, and what decisions made of it."""

    def __init__(self, **spec: Any) -> None:
        self.thing: Object = {
            "kind": "CronWorkflow",
            "metadata": {
                "name": "nightly",
                "namespace": "lab",
                "uid": "c-1",
                "generation": 1,
                "creationTimestamp": stamp(NOON),
            },
            "spec": {"schedule": "0 * * * *", "workflowTemplate": {"spec": SPEC}, **spec},
        }
        self.workflows: list[Object] = []
        self.now = NOON

    def look(self) -> Decision:
        decision = due(CronWorld(cron=self.thing, workflows=copy.deepcopy(self.workflows)), self.now)
        if decision.status is not None:
            self.thing["status"] = decision.status
        gone = {deletion.key.name for deletion in decision.delete}
        self.workflows = [each for each in self.workflows if each["metadata"]["name"] not in gone]
        self.workflows += copy.deepcopy(decision.create)
        return decision

    def hours(self, number: float) -> Cron:
        self.now += timedelta(hours=number)
        for _ in range(3):
            self.look()
        return self

    def end(self, kind: str) -> Cron:
        """Have all that run end."""
        for number, each in enumerate(self.workflows):
            over = {"type": kind, "status": "True"}
            each["metadata"].setdefault("creationTimestamp", stamp(self.now + timedelta(seconds=number)))
            each.setdefault("status", {"completionTime": stamp(self.now), "conditions": [over]})
        return self

    @property
    def names(self) -> list[str]:
        return [each["metadata"]["name"] for each in self.workflows]


def test_a_workflow_is_made_when_it_is_due_and_once() -> None:
    cron = Cron().hours(0)
    assert cron.names == []

    cron.hours(1).hours(0.1)

    assert cron.names == [f"nightly-{int(at('2026-05-01 13:00').timestamp()) // 60}"]
    assert cron.workflows[0]["metadata"]["ownerReferences"][0]["kind"] == "CronWorkflow"
    assert cron.thing["status"]["lastScheduleTime"] == "2026-05-01T13:00:00Z"
    assert cron.thing["status"]["nextScheduleTime"] == "2026-05-01T14:00:00Z"


def test_of_many_times_that_were_missed_the_last_counts() -> None:
    assert len(Cron().hours(48).names) == 1


def test_one_that_is_too_late_is_not_made() -> None:
    assert Cron(schedule="0 13 * * *", startingDeadlineSeconds=60).hours(1.5).names == []


@pytest.mark.parametrize(("policy", "number"), [("Allow", 2), ("Forbid", 1), ("Replace", 1)])
def test_what_happens_while_the_one_before_still_runs(policy: str, number: int) -> None:
    cron = Cron(concurrencyPolicy=policy).hours(1)
    first = cron.names[0]

    cron.hours(1)

    assert len(cron.names) == number
    assert (first in cron.names) == (policy != "Replace")


def test_one_that_was_forbidden_is_made_when_there_is_room() -> None:
    cron = Cron(concurrencyPolicy="Forbid").hours(1).hours(1)

    cron.end("Complete").hours(0.1)

    assert len(cron.names) == 2


def test_a_suspended_schedule_makes_nothing() -> None:
    assert Cron(suspend=True).hours(5).names == []


def test_those_that_are_over_are_kept_up_to_a_number() -> None:
    good, bad = Cron(successfulRunsHistoryLimit=2), Cron(failedRunsHistoryLimit=0)
    for _ in range(5):
        good.hours(1).end("Complete")
        bad.hours(1).end("Failed")

    assert len(good.hours(0.1).names) == 2
    assert len(bad.hours(0.1).names) == 0


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"schedule": "61 * * * *"}, "spec.schedule"),
        ({"timeZone": "Mars/Base"}, "spec.schedule"),
        ({"schedule": 5}, "spec.schedule"),
    ],
)
def test_what_is_wrong_with_a_schedule_is_told(more: dict[str, Any], path: str) -> None:
    cron = Cron(**more)
    decision = cron.look()

    assert cron.thing["status"]["reason"] == "InvalidSpec"
    assert cron.thing["status"]["message"].startswith(path)
    assert [event.warning for event in decision.events] == [True]
    assert cron.look().status is None
