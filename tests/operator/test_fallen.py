# SPDX-License-Identifier: Apache-2.0
"""Ranks of which a pod has fallen: what launched them only sees that they are gone, so the run says which pod it was, and why."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

import pytest
from tests.operator.scene import KEPT, Scene, last_word

from d4py_operator.objects import stamp

LAUNCHERS = {"MPIJob": (frozenset({"MPIJob"}), "worker"), "Native": (frozenset[str](), "d4py")}
LIMIT = 'Usage of EmptyDir volume "d4py-tmp" exceeds the limit "1Gi"'
TOLD = {"type": "DisruptionTarget", "status": "True"}


@pytest.fixture(params=LAUNCHERS)
def launcher(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def scene(launcher: str) -> Scene:
    """Ranks that run."""
    return Scene(mapping="mpi", mpi={"ranks": 3}, checkpoint=KEPT, served=LAUNCHERS[launcher][0]).settle().runs()


def falls(scene: Scene, code: int, seconds: float | None = -2, *, number: int = 1, **more: Any) -> None:
    """Have a pod that does not lead end, so many seconds from now."""
    state = {"exitCode": code, "reason": more.pop("reason", "Error")}
    if seconds is not None:
        state["finishedAt"] = stamp(scene.now + timedelta(seconds=seconds))
    name = more.pop("container", LAUNCHERS["MPIJob" if scene.served else "Native"][1])
    pod = copy.deepcopy(scene.pods[0])
    pod["metadata"]["name"] = f"demo-1-w{number}"
    pod["metadata"]["labels"] |= {"d4py.dev/role": "worker", "batch.kubernetes.io/job-completion-index": str(number)}
    pod["status"] = {"phase": "Failed", "containerStatuses": [{"name": name, "state": {"terminated": state}}]}
    pod["status"] |= {"conditions": [], **more}
    scene.pods.append(pod)


def told_to(scene: Scene) -> None:
    """Have the pod that has just fallen be one that was deleted before."""
    scene.pods[-1]["metadata"]["deletionTimestamp"] = stamp(scene.now)


def ended(scene: Scene) -> tuple[str, str, int | None]:
    """Return how its attempt ended."""
    last = scene.status["lastAttempt"]
    return last["reason"], last["message"], last.get("exitCode")


@pytest.mark.parametrize(
    ("code", "seconds"), [(137, -2), (137, 0), (0, 3), (137, None)], ids=["before", "with it", "later", "no time"]
)
def test_memory_that_ran_out_in_another_pod_is_told_as_that(scene: Scene, code: int, seconds: float | None) -> None:
    """A kernel may kill a process of a pod whose first one serves on, and ends when it is told to."""
    falls(scene, code, seconds, reason="OOMKilled")

    scene.ends(1)

    assert ended(scene) == ("OutOfMemory", "pod demo-1-w1 took more memory than its limit", 1)
    assert scene.status["failures"] == 1


@pytest.mark.parametrize("code", [1, 2, 143])
@pytest.mark.parametrize("seconds", [-1, 0])
def test_a_pod_that_ended_before_what_launched_the_ranks_is_named(scene: Scene, seconds: float, code: int) -> None:
    """What the launcher's own code would mean of a run, it does not mean then. Within a second nobody knows which was first."""
    falls(scene, 127, seconds)

    scene.ends(code)

    assert ended(scene) == ("PodFailed", "pod demo-1-w1 exited with 127", code)


def test_a_pod_that_was_killed_is_named_though_its_job_deleted_it_in_the_same_second(scene: Scene) -> None:
    """The Job hears of the launcher's end first. Whom a kubelet kills was told two minutes before."""
    falls(scene, 137, 0)
    told_to(scene)

    scene.ends(1)

    assert ended(scene) == ("PodFailed", "pod demo-1-w1 exited with 137", 1)


@pytest.mark.parametrize(
    ("code", "seconds", "more"),
    [(143, 0, {}), (143, 2, {}), (0, -2, {}), (1, None, {}), (1, -2, {"container": "mesh"})],
    ids=["told to", "later", "well", "no time", "not ours"],
)
def test_one_that_ended_otherwise_is_not(scene: Scene, code: int, seconds: float | None, more: dict[str, Any]) -> None:
    falls(scene, code, seconds, **more)
    if seconds == 0:
        told_to(scene)
    if more:
        scene.pods[-1]["status"]["containerStatuses"].append({"name": "worker", "state": {"running": {}}})

    scene.ends(1)

    assert ended(scene) == ("PodFailed", "its process exited with 1", 1)


def test_what_the_run_says_itself_goes_before(scene: Scene) -> None:
    falls(scene, 127, -1)
    falls(scene, 137, number=2, reason="OOMKilled")

    scene.ends(1, said=last_word(3, failed_pe="stack", error="PE 'stack' raised"))

    assert ended(scene) == ("PEFailed", "PE 'stack' raised", 3)


def serves(scene: Scene, number: int = 1) -> None:
    """Have a pod that does not lead run."""
    falls(scene, 0, number=number)
    state = {"name": scene.pods[-1]["status"]["containerStatuses"][0]["name"], "state": {"running": {}}}
    scene.pods[-1]["status"] = {"phase": "Running", "containerStatuses": [state]}


@pytest.mark.parametrize("more", [{"reason": "OOMKilled"}, {"conditions": [TOLD]}], ids=["memory", "drained"])
def test_news_of_a_pod_that_come_after_those_of_its_launcher_are_waited_for(scene: Scene, more: dict[str, Any]) -> None:
    serves(scene)
    serves(scene, 2)
    assert scene.ends(1).says() == ("Running", "AsAsked")
    assert scene.again == 1

    scene.pods = [pod for pod in scene.pods if pod["metadata"]["name"] != "demo-1-w1"]
    falls(scene, 137, **more)

    assert ended(scene.after(1))[0] == ("Evicted" if "conditions" in more else "OutOfMemory")


def test_but_not_for_long(scene: Scene) -> None:
    serves(scene)

    assert ended(scene.ends(1).after(4).after(1)) == ("PodFailed", "its process exited with 1", 1)


@pytest.mark.parametrize(("code", "said"), [(0, None), (4, None), (3, last_word(3, failed_pe="stack"))])
def test_nor_where_all_is_known(scene: Scene, code: int, said: Any) -> None:
    serves(scene)

    assert scene.ends(code, said=said).says()[0] == ("Failed" if said else "Succeeded")


@pytest.mark.parametrize("code", [0, 4])
def test_a_run_that_is_done_is_done(scene: Scene, code: int) -> None:
    falls(scene, 137, reason="OOMKilled")

    assert scene.ends(code).says()[0] == "Succeeded"


def test_of_several_the_first_is_named_and_memory_before_all(scene: Scene) -> None:
    falls(scene, 127, -2, number=1)
    falls(scene, 126, -3, number=2)
    other = copy.deepcopy(scene)
    falls(other, 137, 5, number=3, reason="OOMKilled")

    assert ended(scene.ends(1))[1] == "pod demo-1-w2 exited with 126"
    assert ended(other.ends(1))[1] == "pod demo-1-w3 took more memory than its limit"


@pytest.mark.parametrize("more", [{"conditions": [TOLD]}, {"reason": "Evicted", "message": LIMIT}], ids=str)
def test_one_that_had_to_leave_its_node_goes_before(scene: Scene, more: dict[str, Any]) -> None:
    falls(scene, 137, -3, number=1, reason="OOMKilled")
    falls(scene, 143, -2, number=2)
    scene.pods[-1]["status"] |= more

    assert ended(scene.ends(1))[0] == "Evicted"


@pytest.mark.parametrize(
    ("code", "more", "expected"),
    [
        (127, {}, ("PodFailed", "pod demo-1-w1 exited with 127", None)),
        (137, {"reason": "OOMKilled"}, ("OutOfMemory", "pod demo-1-w1 took more memory than its limit", None)),
        (0, {}, ("PodFailed", "Job has reached the specified backoff limit", None)),
    ],
    ids=["127", "memory", "well"],
)
def test_a_job_deletes_the_pods_beside_one_that_falls(code: int, more: Any, expected: Any) -> None:
    """That which leads, too: nothing is known of its end."""
    scene = Scene(mapping="mpi", mpi={"ranks": 3}, checkpoint=KEPT).settle().runs()
    falls(scene, 143, -3, number=2)
    told_to(scene)
    falls(scene, code, -2, **more)
    del scene.pods[0]

    scene.job_says("Failed", "Job has reached the specified backoff limit", "BackoffLimitExceeded")

    assert ended(scene.settle().after(6)) == expected


def test_of_a_pod_that_a_job_deletes_is_kept_that_it_took_too_much_memory() -> None:
    """The Job says that it is over when its pods are gone. It stays with the log of the pod that led."""
    policy = {"backoffLimit": 1, "backoff": {"initialSeconds": 0}}
    scene = Scene(mapping="mpi", mpi={"ranks": 2}, checkpoint=KEPT, runPolicy=policy).settle().runs()
    serves(scene)
    scene.ends(137)
    scene.job_says("FailureTarget")
    assert scene.settle().says() == ("Running", "AsAsked")

    scene.pods = scene.pods[1:]
    falls(scene, 0, 1, reason="OOMKilled")
    scene.pods[-1]["status"]["phase"] = "Succeeded"
    told_to(scene)
    scene.settle()
    scene.pods = scene.pods[:1]
    scene.job_says("Failed")

    first = scene.settle().status["history"][0]
    assert (first["reason"], first["message"]) == ("OutOfMemory", "pod demo-1-w1 took more memory than its limit")
    assert [key.name for key in scene.things if key.kind == "Job"] == ["demo-1", "demo-2"]


def test_a_job_that_has_said_nothing_yet_is_waited_for(scene: Scene) -> None:
    """One that is not over is deleted when its attempt is, and its log with it."""
    falls(scene, 137, reason="OOMKilled")
    ended = {"exitCode": 1, "finishedAt": stamp(scene.now)}
    state = [{"name": "d4py", "state": {"terminated": ended}}]
    scene.pod(phase="Failed", startTime=stamp(scene.now), containerStatuses=state)

    assert scene.settle().says() == ("Running", "AsAsked")


def test_and_where_that_one_took_more_storage_than_its_limit_it_says_so() -> None:
    scene = Scene(mapping="mpi", mpi={"ranks": 2}, checkpoint=KEPT).settle().runs()
    falls(scene, 137)
    scene.pods[-1]["status"] |= {"reason": "Evicted", "message": LIMIT}
    del scene.pods[0]

    scene.job_says("Failed", "Job has reached the specified backoff limit", "BackoffLimitExceeded")

    assert ended(scene.settle().after(6)) == ("Evicted", LIMIT, None)


@pytest.mark.parametrize("code", [0, 4])
def test_a_run_of_one_pod_that_outlives_a_process_of_its_own_is_done(code: int) -> None:
    """A worker of multi that took too much is replaced; the pod's reason remembers it."""
    scene = Scene(mapping="multi", parallelism={"processes": 2}).settle().runs()

    assert scene.ends(code, said=last_word(code), reason="OOMKilled").says()[0] == "Succeeded"
