# SPDX-License-Identifier: Apache-2.0
"""How long a run may take, and how long an attempt may take to start: what counts, and what does not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.operator.scene import KEPT, Scene

from d4py_operator.desired import hindered
from d4py_operator.objects import Key, stamp


def test_the_deadline_counts_from_the_first_start() -> None:
    scene = Scene(runPolicy={"activeDeadlineSeconds": 60}).settle().runs()
    assert scene.again == 60

    scene.after(60)
    assert scene.says() == ("Stopping", "Deadline")
    scene.pods_go()

    assert scene.says() == ("Failed", "Deadline")
    assert scene.things == {}


def test_the_deadline_does_not_count_while_its_image_is_pulled() -> None:
    """A pod starts when a node takes it."""
    scene = Scene(runPolicy={"activeDeadlineSeconds": 60}).settle()
    taken = stamp(scene.now)
    scene.pod(phase="Pending", startTime=taken, containerStatuses=[{"name": "d4py", "state": {"waiting": {}}}])
    scene.after(3600)
    state = {"running": {"startedAt": stamp(scene.now)}}

    scene.pod(phase="Running", startTime=taken, containerStatuses=[{"name": "d4py", "state": state}])
    scene.settle()

    assert (scene.says(), scene.again) == (("Running", "AsAsked"), 60)
    assert scene.status["activeSince"] == scene.status["startTime"] == stamp(scene.now)


def test_a_container_that_could_not_be_started_was_so_since_its_pod_was() -> None:
    """It says that it was in 1970."""
    scene = Scene(runPolicy={"activeDeadlineSeconds": 60, "backoffLimit": 1}).settle()
    ended = {
        "exitCode": 128,
        "reason": "StartError",
        "startedAt": "1970-01-01T00:00:00Z",
        "finishedAt": stamp(scene.now),
    }
    state = [{"name": "d4py", "state": {"terminated": ended}}]

    scene.pod(phase="Failed", startTime=stamp(scene.now), containerStatuses=state)
    scene.settle()

    assert scene.status["activeSince"] == stamp(scene.now)


def test_attempts_that_are_tried_again_have_one_deadline_together() -> None:
    policy = {"activeDeadlineSeconds": 60, "backoffLimit": 5, "backoff": {"initialSeconds": 0}}
    scene = Scene(runPolicy=policy).settle().runs()

    scene.after(40)
    scene.ends(1).pods_go().runs().after(20)

    assert scene.says() == ("Stopping", "Deadline")


def test_a_deadline_begins_anew_when_a_run_is_resumed_as_that_of_a_job_does() -> None:
    scene = Scene(runPolicy={"activeDeadlineSeconds": 60}).settle().runs()
    scene.after(40)
    scene.change(suspend=True).pods_go().after(3600)
    assert scene.says() == ("Suspended", "Suspended")

    scene.change(suspend=False).runs()
    assert (scene.says(), scene.again) == (("Running", "AsAsked"), 60)
    scene.after(60)

    assert scene.says() == ("Stopping", "Deadline")


def test_an_attempt_that_does_not_start_in_time_is_ended() -> None:
    scene = Scene(runPolicy={"startDeadlineSeconds": 30}).settle()

    scene.after(30)

    assert scene.says() == ("Failed", "StartDeadline")


def test_a_run_that_waits_in_a_queue_is_not_late() -> None:
    scene = Scene(runPolicy={"startDeadlineSeconds": 30}, scheduling={"queueName": "night"}).settle()

    scene.after(3600)

    assert scene.job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "night"
    assert scene.says() == ("Queued", "Queued")
    assert scene.condition("Admitted") == ("False", "Queued")


def queued(scene: Scene) -> Scene:
    """Have its queue take it back: what runs of it is ended."""
    scene.job["spec"]["suspend"] = True
    return scene.pods_go()


def let_go(scene: Scene) -> Scene:
    """Have its queue let it go on."""
    scene.job["spec"]["suspend"] = False
    return scene.settle()


def test_time_in_a_queue_is_no_time_of_a_run_that_had_begun() -> None:
    """Kueue takes back what others need the room of."""
    scene = Scene(runPolicy={"activeDeadlineSeconds": 60}, scheduling={"queueName": "night"}).settle()
    let_go(scene).runs().after(40)

    queued(scene).after(7200)
    assert (scene.says(), scene.again) == (("Queued", "Queued"), None)
    let_go(scene).after(600)
    assert scene.says()[0] == "Running"

    scene.runs().after(5)
    queued(scene).after(7200)
    let_go(scene).runs()
    assert scene.again == 15
    scene.after(15)
    assert scene.says() == ("Stopping", "Deadline")


def test_pods_that_its_queue_has_ended_do_not_bring_that_time_back() -> None:
    """They may still be seen when it is let go on."""
    scene = Scene(runPolicy={"activeDeadlineSeconds": 60}, scheduling={"queueName": "night"}).settle()
    let_go(scene).runs().after(40)
    scene.job["spec"]["suspend"] = True
    scene.settle().after(50)

    scene.job["status"] = {"startTime": stamp(scene.now)}

    assert let_go(scene).says() == ("Running", "AsAsked")
    assert scene.again == 20


def test_nor_is_it_that_of_an_attempt_that_waits_to_be_let_go() -> None:
    policy = {"activeDeadlineSeconds": 60, "backoffLimit": 1, "backoff": {"initialSeconds": 0}}
    scene = Scene(runPolicy=policy, scheduling={"queueName": "night"}).settle()
    let_go(scene).runs().after(40)
    scene.ends(1).pods_go().after(7200)
    assert scene.says() == ("Queued", "Queued")

    let_go(scene).runs()

    assert (scene.made, scene.again) == (["Job/demo-1", "Job/demo-2"], 20)


def test_a_refusal_between_suspending_and_going_on_counts_no_suspended_time() -> None:
    """The MPI Operator was away, say."""
    ranks: dict[str, Any] = {"mapping": "mpi", "mpi": {"ranks": 2, "launcher": "MPIJob"}, "checkpoint": KEPT}
    scene = Scene(served=frozenset({"MPIJob"}), runPolicy={"activeDeadlineSeconds": 3600}, **ranks).settle().runs()
    scene.after(60).change(suspend=True).pods_go().after(2 * 86400)
    scene.served = frozenset()
    assert scene.change(suspend=False).says() == ("Pending", "MappingMissing")

    scene.served = frozenset({"MPIJob"})

    assert scene.settle().runs().says() == ("Running", "AsAsked")
    assert scene.again == 3600


def test_no_attempt_is_made_whose_time_is_over_before_it_begins() -> None:
    policy = {"activeDeadlineSeconds": 100, "backoffLimit": 5, "backoff": {"initialSeconds": 300}}
    scene = Scene(runPolicy=policy).settle().runs().after(10).ends(3)
    assert (scene.says(), scene.again) == (("Pending", "Retrying"), 90)

    scene.after(90)

    assert scene.says() == ("Failed", "Deadline")
    assert scene.status["message"].endswith("; the last attempt ended so: a PE failed it: see its logs")
    assert (scene.made, scene.status["failures"]) == (["Job/demo-1"], 1)


def test_an_attempt_that_cannot_be_made_is_not_waited_for_longer_than_the_run_may_take() -> None:
    policy = {"activeDeadlineSeconds": 100, "backoffLimit": 5, "backoff": {"initialSeconds": 0}}
    scene = Scene(runPolicy=policy).settle().runs().after(10)
    del scene.things[Key("Job", "lab", "demo-1")]
    scene.pods = []
    scene.look()
    scene.look()
    scene.things.clear()  # a quota refuses the second
    scene.workflow["status"] = hindered(scene.world(), "Forbidden: exceeded quota", scene.now).status

    scene.now += timedelta(seconds=90)
    scene.look()

    assert scene.says() == ("Failed", "Deadline")


def test_a_mapping_that_is_away_between_attempts_does_not_put_the_deadline_off() -> None:
    policy = {"activeDeadlineSeconds": 100, "backoffLimit": 5, "backoff": {"initialSeconds": 30}}
    ranks: dict[str, Any] = {"mapping": "mpi", "mpi": {"ranks": 2, "launcher": "MPIJob"}, "checkpoint": KEPT}
    scene = Scene(served=frozenset({"MPIJob"}), runPolicy=policy, **ranks).settle().runs().after(10).ends(3)
    scene.pods_go()
    scene.served = frozenset()

    scene.after(40)

    assert (scene.says(), scene.again) == (("Pending", "MappingMissing"), 50)
    assert scene.after(50).says() == ("Failed", "Deadline")


def of_older(scene: Scene, phase: str, resumed: str = "2026-05-01T12:00:40Z") -> Scene:
    """Have its status as an operator left it that told in a condition only when a run was resumed."""
    status = scene.status
    status.pop("activeSince", None)
    status.pop("activeSeconds", None)
    status["phase"] = phase
    conditions = [each for each in status["conditions"] if each["type"] != "Suspended"]
    since = {"type": "Suspended", "status": "False", "reason": "Resumed", "message": "it goes on"}
    status["conditions"] = [*conditions, {**since, "lastTransitionTime": resumed}]
    return scene


def test_the_time_that_an_older_operator_counted_goes_on() -> None:
    scene = Scene(runPolicy={"activeDeadlineSeconds": 60}).settle().runs().after(50)

    of_older(scene, "Running").settle()

    assert (scene.says(), scene.again) == (("Running", "AsAsked"), 50)
    scene.after(50)
    assert scene.says() == ("Stopping", "Deadline")


def test_so_does_a_run_that_was_suspended_when_the_operator_was_exchanged() -> None:
    scene = Scene(runPolicy={"activeDeadlineSeconds": 60}).settle().runs().change(suspend=True).pods_go()

    of_older(scene, "Suspended").now += timedelta(seconds=7200)
    scene.change(suspend=False).runs()

    assert (scene.says(), scene.again) == (("Running", "AsAsked"), 60)


def test_so_does_one_that_was_back_in_its_queue() -> None:
    scene = Scene(runPolicy={"activeDeadlineSeconds": 60}, scheduling={"queueName": "night"}).settle()
    queued(let_go(scene).runs())

    of_older(scene, "Queued").after(7200)
    let_go(scene).runs()

    assert (scene.says(), scene.again) == (("Running", "AsAsked"), 60)
