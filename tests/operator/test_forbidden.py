# SPDX-License-Identifier: Apache-2.0
"""What is in an operator's way on a real control plane: deletions that are forbidden, names that are still taken, quotas that others are at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from tests.kubernetes.cluster import Cluster
from tests.operator.conftest import somebody, working
from tests.operator.hands import KEPT, Hands, eventually

from d4py_operator.cluster.api import Api
from d4py_operator.cluster.errors import ApiError

HELD = ["d4py.dev/held"]


class Hampered(Api):
    """An API that refuses some calls, by method and a part of the path, so many times."""

    refusals: ClassVar[Counter[tuple[str, str]]] = Counter()
    answered: ClassVar[Counter[tuple[str, str]]] = Counter()  # by method and the last word of the path
    answers: ClassVar = {"DELETE": (403, "Forbidden"), "POST": (409, "Conflict")}

    def request(self, method: str, path: str, **more: Any) -> Any:
        """Call, or refuse."""
        for (refused, part), left in list(self.refusals.items()):  # to which a test adds meanwhile
            if left and method == refused and part in path:
                self.refusals[refused, part] -= 1
                raise ApiError(*self.answers[method], "not now")
        try:
            return super().request(method, path, **more)
        finally:
            self.answered[method, path.rpartition("/")[2]] += 1


@pytest.fixture(scope="module")
def hands(api: Api, defined: Cluster) -> Iterator[Hands]:
    """Somebody in a namespace with a hampered operator."""
    with somebody(api) as found, working(str(defined.kubeconfig), found.namespace, api=Hampered):
        yield found


def warnings(hands: Hands, name: str) -> list[str]:
    events = hands.api.request("GET", f"/api/v1/namespaces/{hands.namespace}/events")["items"]
    return [
        event["message"]
        for event in events
        if event["involvedObject"]["name"] == name and (event["type"], event["reason"]) == ("Warning", "Refused")
    ]


def test_what_may_not_be_deleted_is_told_and_tried_again(hands: Hands) -> None:
    hands.workflow("stays")
    hands.runs("stays-1")
    hands.await_phase("stays", "Running")

    Hampered.refusals["DELETE", "/jobs/stays-1"] = 5
    hands.suspend("stays")

    (message,) = eventually(lambda: warnings(hands, "stays"), "an event")
    assert message == "Job stays-1 is to be deleted, and is not: Forbidden: not now"
    assert hands.says("stays") == ("Suspending", "Suspended")
    hands.await_phase("stays", "Suspended")
    assert Hampered.refusals["DELETE", "/jobs/stays-1"] == 0


def test_a_name_that_is_still_taken_by_what_goes_is_waited_for(hands: Hands) -> None:
    hands.workflow("again")
    eventually(lambda: hands.there("Job", "again-1"), "the Job")
    hands.patch("Job", "again-1", {"metadata": {"finalizers": HELD}})
    hands.delete("Workflow", "again")
    eventually(lambda: hands.there("Workflow", "again") is None, "it to go")

    before = Hampered.answered["POST", "jobs"]
    anew = hands.workflow("again")
    eventually(lambda: Hampered.answered["POST", "jobs"] > before, "the operator to try")
    assert hands.there("Job", "again-1")["metadata"]["ownerReferences"][0]["uid"] != anew["metadata"]["uid"]  # type: ignore[index]
    hands.delete("Job", "again-1")  # as the garbage collector does, in its own time
    hands.patch("Job", "again-1", {"metadata": {"finalizers": None}})

    def made() -> bool:
        job = hands.there("Job", "again-1")
        return job is not None and job["metadata"]["ownerReferences"][0]["uid"] == anew["metadata"]["uid"]

    eventually(made, "a Job of the new one")
    assert hands.status("again")["attempts"] == 1


def test_a_secret_that_a_quota_held_back_is_made(hands: Hands) -> None:
    Hampered.refusals["POST", "/secrets"] = 2

    hands.workflow("keys", mapping="mpi", mpi={"ranks": 4, "slotsPerWorker": 2, "launcher": "Native"}, checkpoint=KEPT)

    eventually(lambda: hands.there("Job", "keys-1"), "the Job")
    assert Hampered.refusals["POST", "/secrets"] == 0
    assert [each for each in hands.all("Secret") if each["metadata"]["name"].startswith("keys")]
