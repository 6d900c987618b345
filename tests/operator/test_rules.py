# SPDX-License-Identifier: Apache-2.0
"""Rules of a real cluster that speak against what the operator makes: told in their own words, and made when they no longer do."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.operator.hands import Hands, eventually
from tests.operator.rules import SAYS, policy, webhook, webhook_away

pytestmark = pytest.mark.usefixtures("operator")


def refused(hands: Hands, name: str) -> str:
    """Wait until it is told that a workflow is not made; return in which words."""
    eventually(lambda: hands.says(name) == ("Starting", "Refused"), f"{name} to be refused, not {hands.says(name)}")
    message: str = hands.status(name)["message"]
    return message


def ends_well(hands: Hands, name: str) -> None:
    hands.ends(f"{name}-1")
    status = hands.await_phase(name, "Succeeded")
    assert (status["attempts"], status.get("failures", 0)) == (1, 0)


def test_a_policy_is_told_and_its_end_lets_the_run_begin(hands: Hands) -> None:
    with policy(hands):
        hands.workflow("unlabelled")
        message = refused(hands, "unlabelled")
        assert message.startswith("Job unlabelled-1: Invalid: ")
        assert f"denied request: {SAYS}" in message
        assert hands.there("Job", "unlabelled-1") is None

    ends_well(hands, "unlabelled")


def test_so_are_a_webhook_that_says_no_and_one_that_nobody_answers(hands: Hands, tmp_path: Path) -> None:
    """The first comes without a code, and the API server makes 400 of it; the second is a 500."""
    with webhook(hands, tmp_path, "CREATE"):
        hands.workflow("blocked")
        assert refused(hands, "blocked").endswith(f"denied the request: {SAYS}")
    ends_well(hands, "blocked")

    with webhook_away(hands):
        hands.workflow("unasked")
        eventually(lambda: hands.says("unasked")[1] == "Created", "it to be begun")
        assert hands.status("unasked")["message"] == "attempt 1 is being made: Job unasked-1"
        message = refused(hands, "unasked")
        assert message.startswith("Job unasked-1: InternalError: ")
        assert 'service "nobody" not found' in message
    hands.patch(
        "Workflow", "unasked", {"metadata": {"labels": {"looked": "at"}}}
    )  # in place of the minute that it waits
    ends_well(hands, "unasked")


def test_a_webhook_that_forbids_deletions_does_not_end_a_run(hands: Hands, tmp_path: Path) -> None:
    hands.workflow("kept")
    hands.runs("kept-1")
    hands.await_phase("kept", "Running")

    with webhook(hands, tmp_path, "DELETE"):
        hands.suspend("kept")
        event = eventually(lambda: told(hands, "kept"), "an event")[0]
        assert event.startswith("Job kept-1 is to be deleted, and is not: ")
        assert event.endswith(f"denied the request: {SAYS}")
        assert hands.says("kept") == ("Suspending", "Suspended")

    hands.await_phase("kept", "Suspended")


def told(hands: Hands, name: str) -> list[str]:
    events = hands.api.request("GET", f"/api/v1/namespaces/{hands.namespace}/events")["items"]
    return [
        event["message"]
        for event in events
        if (event["involvedObject"]["name"], event["type"], event["reason"]) == (name, "Warning", "Refused")
        and "deleted" in event["message"]
    ]
