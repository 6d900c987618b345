# SPDX-License-Identifier: Apache-2.0
"""What befalls runs on real nodes: each goes on from its checkpoint or says why not, with every output once and nothing left over."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.cluster.conftest import SYSTEM
from tests.cluster.images import MPI
from tests.cluster.lab import Lab, Told
from tests.cluster.nodes import Nodes
from tests.cluster.registries import PRIVATE
from tests.cluster.squares import LONG, SCIENCE, Sent, values_of

from d4py.targets.kubernetes.manifest import RUNTIME

ANSWER = [number * number for number in range(200)]
AGAIN = "runPolicy: {backoffLimit: 1, backoff: {initialSeconds: 1}}\n"
SOON = "runPolicy: {backoff: {initialSeconds: 1}}\n"
OUT_OF_SERVICE = "node.kubernetes.io/out-of-service"
RANKS = ("--mapping", "mpi", "-n", "2")
LAUNCHERS = ("MPIJob", "Native")
Call = Callable[..., Told]


def reasons(run: Sent) -> list[str]:
    """Return how its attempts ended."""
    status = run.status
    return [attempt["reason"] for attempt in (*status.get("history", ()), status["lastAttempt"])]


def went_on(run: Sent, call: Call) -> None:
    """It came to its end in a second attempt, which did not begin anew, and gave every output once."""
    waited = call("wait", run.id, "--timeout", "200")
    assert waited.code == 0, waited.err
    outputs = call("outputs", run.id, "-o", "json")
    assert values_of(outputs.out) == ANSWER, outputs.err
    assert run.status["attempts"] == 2
    assert sorted(run.attempts()) == [f"{run.name}-1", f"{run.name}-2"]
    assert "seven" not in call("logs", run.id, "--pe", "Square").out


def mounted(run: Sent) -> list[str]:
    """Return whether pods have found what they mount, as their kubelets say."""
    conditions = [each for pod in run.things("Pod") for each in pod["status"]["conditions"]]
    return [each["status"] for each in conditions if each["type"] == "PodReadyToStartContainers"]


def ended(run: Sent, cluster: Nodes) -> None:
    """Nothing of it runs, and all of it goes with it."""
    run.wait_for(
        lambda: all(each["status"]["phase"] in ("Succeeded", "Failed") for each in run.things("Pod")),
        "its pods to end",
    )
    cluster.kubectl("delete", "d4wf", run.name, f"--namespace={SCIENCE}")
    run.gone()


def test_a_run_whose_pod_is_killed_goes_on_from_its_checkpoint(lab: Lab) -> None:
    run = lab.send("killed", *LONG, more=AGAIN)
    run.committed()
    with run.watched() as pods:
        run.kill(run.pod())
        went_on(run, lab.call)

    assert pods.most == 1
    assert reasons(run) == ["PodFailed", "Done"]
    assert run.status["history"][0]["exitCode"] == 137
    ended(run, lab.cluster)


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_ranks_of_which_a_worker_is_killed_go_on_from_their_checkpoint(launcher: str, lab: Lab) -> None:
    run = lab.send(f"worker-{launcher}", *LONG, *RANKS, "--image", MPI, more=f"{AGAIN}mpi: {{launcher: {launcher}}}\n")
    run.committed()
    killed = run.workers()[-1]
    run.kill(killed)

    went_on(run, lab.call)

    assert reasons(run) == ["PodFailed", "Done"]
    assert run.status["history"][0]["message"] == f"pod {killed['metadata']['name']} exited with 137"
    ours = [each for each in run.things("Service", "Secret") if run.owns(each)]
    assert [each["kind"] for each in ours] == ([] if launcher == "MPIJob" else ["Service", "Secret"])
    ended(run, lab.cluster)


def test_ranks_of_which_one_takes_too_much_memory_say_in_which_pod(lab: Lab) -> None:
    """Kernels of these nodes kill a single process: its pod serves on until the Job deletes it, which lets it tell its end first."""
    limit = "resources: {worker: {requests: {cpu: 100m}, limits: {memory: 400Mi}}}\n"
    words = ("--set", "first=1001", "--set", "n=1002", *RANKS, "--image", MPI)
    run = lab.send("hungry", *words, more=f"{limit}mpi: {{launcher: Native}}\n")

    waited = lab.call("wait", run.id, "--timeout", "200")

    assert reasons(run) == ["OutOfMemory"], waited.err
    assert f"OutOfMemory: pod {run.name}-1-" in waited.err
    assert " took more memory than its limit" in waited.err
    ended(run, lab.cluster)


def test_ranks_in_an_image_without_what_starts_them_say_which_pod_ended(lab: Lab) -> None:
    run = lab.send("bare", *RANKS, more="mpi: {launcher: Native}\n")

    waited = lab.call("wait", run.id, "--timeout", "200")

    assert waited.code == 3
    assert f"PodFailed: pod {run.name}-1-1-" in waited.err
    assert " exited with 127" in waited.err
    ended(run, lab.cluster)


def test_a_run_whose_node_is_drained_goes_on_elsewhere_and_that_is_no_failure(alone: Lab) -> None:
    run = alone.send("drained", *LONG, more=SOON)
    run.committed()
    node = run.pod()["spec"]["nodeName"]
    try:
        with run.watched() as pods:
            alone.cluster.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=110s")
            went_on(run, alone.call)
    finally:
        alone.cluster.kubectl("uncordon", node)

    assert pods.most == 1
    assert reasons(run) == ["Evicted", "Done"]
    assert run.status.get("failures", 0) == 0
    ended(run, alone.cluster)


def test_an_image_that_is_not_there_is_told_and_the_run_begins_once_it_is(lab: Lab) -> None:
    """Who waits gets one line; the run with a deadline for its start fails by it; without the password there is no image either."""
    refused = lab.send(
        "private", more=f"image: {PRIVATE}/{RUNTIME}\nrunPolicy: {{startDeadlineSeconds: 15, backoffLimit: 3}}\n"
    )
    run = lab.send("later", "--image", f"{RUNTIME}-later")

    waited = lab.call("wait", run.id)

    assert (waited.code, waited.err.count("\n")) == (2, 1)
    assert f"The image '{RUNTIME}-later' of the run '{run.id}' cannot be pulled: " in waited.err
    assert "not found. Push it, or name another with --image." in waited.err, waited.err
    assert run.condition("Degraded") == ("True", "ImagePull")
    assert mounted(run) == ["True"]
    assert lab.call("wait", refused.id).code == 3
    assert reasons(refused) == ["StartDeadline"]
    ended(refused, lab.cluster)
    lab.registries.tag(RUNTIME, f"{RUNTIME.partition(':')[2]}-later")
    # A kubelet looks for an image later and later: who waits before it has looked again is told once more.
    run.wait_for(lambda: run.condition("Degraded")[0] == "False", "its image to be pulled", within=300)
    assert lab.call("wait", run.id, "--timeout", "200").code == 0
    assert run.condition("Degraded")[0] == "False"
    ended(run, lab.cluster)


def test_a_configmap_that_is_mounted_and_missing_is_told_and_waited_for(lab: Lab) -> None:
    """A kubelet says so in events of the pod only, and asks for it again later and later: nobody here waits for that."""
    run = lab.send("lacks", more="volumes: [{name: sites, mountPath: /sites, configMap: {name: sites}}]\n")

    run.wait_for(lambda: run.condition("Degraded") == ("True", "NotStarted"), "what is missing to be told")

    message = run.status["message"]
    assert "for a minute, and what it mounts is not there yet (claim results, ConfigMap " in message
    assert "ConfigMap sites)" in message
    assert mounted(run) == ["False"]
    waited = lab.call("wait", run.id, "--timeout", "5")
    assert (waited.code, message in waited.err) == (2, True), waited.err
    assert run.status["phase"] == "Starting"


def test_a_run_that_takes_too_long_is_ended_and_not_tried_again(lab: Lab) -> None:
    run = lab.send(
        "late", "--set", "pause=1", "--set", "n=1000", more="runPolicy: {activeDeadlineSeconds: 5, backoffLimit: 3}\n"
    )

    waited = lab.call("wait", run.id)

    assert waited.code == 3
    assert "Deadline: it took longer than runPolicy.activeDeadlineSeconds" in waited.err
    assert reasons(run) == ["Deadline"]
    ended(run, lab.cluster)


def test_a_workflow_that_is_deleted_in_mid_run_leaves_nothing(lab: Lab) -> None:
    run = lab.send("deleted", "--set", "pause=1", "--set", "n=1000", "--mapping", "mpi", "-n", "2", "--image", MPI)
    # This one lasts: however late the operator hears of its checkpoint, it does.
    run.wait_for(lambda: run.status.get("checkpoint"), "the operator to ask it how far it is")

    lab.cluster.kubectl("delete", "d4wf", run.name, f"--namespace={SCIENCE}", "--timeout=60s")

    run.gone()


def test_a_run_whose_node_is_gone_waits_for_somebody_to_say_so_and_goes_on_elsewhere(alone: Lab) -> None:
    """The cluster cannot know that nothing runs there any more: two attempts at a time could both write."""
    (operator,) = alone.cluster.get("pods", "-l=app.kubernetes.io/component=operator", namespace=SYSTEM)["items"]
    number = 3 - int(operator["spec"]["nodeName"].removeprefix("node"))
    node = f"node{number}"
    preferred = f"{{weight: 1, preference: {{matchExpressions: [{{key: kubernetes.io/hostname, operator: In, values: [{node}]}}]}}}}"
    affinity = f"{{nodeAffinity: {{preferredDuringSchedulingIgnoredDuringExecution: [{preferred}]}}}}"
    run = alone.send("lost", *LONG, more=f"{SOON}template: {{spec: {{affinity: {affinity}}}}}\n")
    run.committed()
    assert run.pod()["spec"]["nodeName"] == node
    alone.cluster.kill_node(number)
    try:
        run.wait_for(lambda: run.condition("Degraded") == ("True", "NodeLost"), "the node to be missed")
        assert f"its node {node} does not answer" in alone.call("status", run.id).out
        assert run.status["attempts"] == 1
        alone.cluster.kubectl("taint", "nodes", node, f"{OUT_OF_SERVICE}=nodeshutdown:NoExecute")
        went_on(run, alone.call)
    finally:
        alone.cluster.kubectl("taint", "nodes", node, f"{OUT_OF_SERVICE}-", check=False)
        alone.cluster.start_node(number)

    assert reasons(run) == ["Evicted", "Done"]
    ended(run, alone.cluster)
    alone.cluster.kubectl("wait", "--for=condition=Ready", f"node/{node}", "--timeout=60s")
