# SPDX-License-Identifier: Apache-2.0
"""What people send, and what they are told of runs whose pods are not as they think, against a real API server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.kubernetes.cluster import Cluster
from tests.kubernetes.test_target import Call, call, caller, here, served, tell

__all__ = ["call", "here", "served"]


def test_what_a_template_says_is_left_to_it(call: Call, here: Path) -> None:
    (here / "site.yaml").write_text("templateRef: {name: site}")
    words = ("submit", "shout.py", "--kubernetes", "--dry-run", "--run-id", "a", "--values", "site.yaml")

    left = list(yaml.safe_load_all(call(*words).out))[-1]["spec"]
    given = list(yaml.safe_load_all(call(*words, "--image", "mine:1", "--mapping", "threads").out))[-1]["spec"]

    assert left == {"graph": {"configMapRef": {"name": "a"}}, "templateRef": {"name": "site"}}
    assert (given["image"], given["mapping"]) == ("mine:1", "threads")


def test_a_file_that_is_not_here_is_not_looked_for_in_the_image(call: Call) -> None:
    refused = call("submit", "shuot.py", "--kubernetes", "--dry-run", "--image", "mine:1")

    assert refused.code == 2
    assert "There is no file 'shuot.py'. Did you mean 'shout.py'?" in refused.err
    assert call("submit", "/opt/shuot.py", "--kubernetes", "--dry-run", "--image", "mine:1").code == 0


def test_requirements_are_asked_of_an_image(call: Call, here: Path) -> None:
    """d4py's own image has d4py, mpi4py, and what d4py needs."""
    (here / "flow").mkdir()
    (here / "flow" / "workflow.py").write_text(
        (here / "shout.py").read_text().replace("from words import WORDS", "WORDS = []")
    )
    toml, words = here / "flow" / "workflow.toml", ("submit", "flow", "--kubernetes", "--dry-run")
    toml.write_text('requirements = ["d4py[mpi]", "numpy>=1.26,<3", "Rich"]')

    refused = call(*words)

    assert refused.code == 2
    assert "The workflow 'flow' has requirements (numpy>=1.26,<3); d4py's own image does not have them." in refused.err
    assert call(*words, "--image", "mine:1").code == 0
    toml.write_text('requirements = ["d4py[mpi]", "Rich"]')
    assert call(*words).code == 0


def test_a_pe_that_a_run_does_not_have_is_told(call: Call, served: Cluster, namespace: str) -> None:
    run = call("submit", "shout.py", "--kubernetes", "--namespace", namespace).out.strip()
    tell(served, run, phase="Running", reason="AsAsked", plan={"said": 1, "loud": 2})

    refused = call("logs", run, "--pe", "luod")

    assert refused.code == 2
    assert "The run has no PE 'luod'; it has 'loud', 'said', " in refused.err
    assert call("logs", run, "--pe", "loud[1]").code == 0


def test_logs_that_went_with_their_pods_are_told_to_be_gone(call: Call, served: Cluster, namespace: str) -> None:
    run = call("submit", "shout.py", "--kubernetes", "--namespace", namespace).out.strip()
    tell(served, run, phase="Suspended", reason="Suspended")
    assert call("logs", run).err == "Nothing was logged.\n"

    attempt = {"number": 1, "name": "a-1", "kind": "Job", "logsRef": "a-1-x"}
    tell(served, run, phase="Suspended", reason="Suspended", lastAttempt=attempt)

    assert call("logs", run).err == "There are no logs any more: they went with the pods of the run.\n"


@pytest.mark.parametrize(("kept", "says"), [("True", "Continue: "), ("Unknown", "It has no checkpoint. Begin anew: ")])
def test_who_suspends_is_told_what_a_resume_does(
    kept: str, says: str, call: Call, served: Cluster, namespace: str
) -> None:
    run = call("submit", "shout.py", "--kubernetes", "--namespace", namespace).out.strip()
    condition = {
        "type": "CheckpointReady",
        "status": kept,
        "reason": "AsAsked",
        "message": "",
        "lastTransitionTime": "2026-05-01T12:00:00Z",
    }
    tell(served, run, phase="Pending", conditions=[condition])
    with subprocess.Popen(
        [sys.executable, "-m", "d4py.cli.main", "suspend", run, "--timeout", "60"],
        env={**os.environ, "KUBECONFIG": str(served.kubeconfig)},
        stdout=subprocess.PIPE,
        text=True,
    ) as asked:
        name = run.rpartition("/")[2]
        served.wait_for(
            lambda: served.get("d4wf", name, namespace=namespace)["spec"].get("runPolicy", {}).get("suspend"),
            "the wish",
        )
        tell(served, run, phase="Suspended", reason="Suspended", conditions=[condition])
        told, _ = asked.communicate(timeout=60)

    assert told == f"{run}: stopped. {says}d4py resume {run}\n"


def test_who_interrupts_waiting_is_told_that_the_run_goes_on(served: Cluster, here: Path, namespace: str) -> None:
    words = ["submit", "shout.py", "--kubernetes", "--namespace", namespace, "--run-id", "on", "--wait"]
    with subprocess.Popen(
        [sys.executable, "-m", "d4py.cli.main", *words],
        cwd=here,
        env={**os.environ, "KUBECONFIG": str(served.kubeconfig)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as waits:
        assert waits.stdout is not None
        run = waits.stdout.readline().strip()
        tell(served, run, phase="Running", reason="AsAsked")
        waits.send_signal(signal.SIGINT)
        _, told = waits.communicate(timeout=60)

    assert waits.returncode == 130
    assert told == f"d4py: {run} goes on. See d4py status {run}; d4py cancel {run} ends it.\n"


def test_prune_is_not_for_runs_on_kubernetes(call: Call) -> None:
    refused = call("prune", "kubernetes://lab/a")

    assert (refused.code, refused.err) == (
        2,
        "d4py: error: d4py prune is not for runs on Kubernetes. d4py cancel kubernetes://lab/a deletes it.\n",
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["--mapping", "mulit"],
            "There is no mapping 'mulit' on Kubernetes; there is 'simple', 'threads', 'multi', 'mpi'. Did",
        ),
        (["--mapping", "simple", "-n", "2"], "refuses: spec.parallelism: the mapping simple has one process."),
        (["--values", "broken.yaml"], "is no YAML: line 2, column 1: expected the node content, but found"),
    ],
)
def test_what_is_wrong_is_told_in_plain_words(words: list[str], told: str, call: Call, here: Path) -> None:
    (here / "broken.yaml").write_text("mpi: [\n")

    refused = call("submit", "shout.py", "--kubernetes", *words)

    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert told in refused.err


def test_a_namespace_that_is_not_there_has_no_empty_list(
    call: Call, served: Cluster, here: Path, namespace: str
) -> None:
    """The cluster itself answers with an empty list. Who may not look at namespaces is given it."""
    refused = call("list", "--kubernetes", "--namespace", "nowhere-at-all")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert 'namespaces "nowhere-at-all" not found. kubectl get namespaces shows' in refused.err

    served.kubectl("create", "serviceaccount", "reader", "-n", namespace)
    served.kubectl("create", "role", "reads", "--verb=list", "--resource=workflows.d4py.dev", "-n", namespace)
    served.kubectl(
        "create", "rolebinding", "reads", "--role=reads", f"--serviceaccount={namespace}:reader", "-n", namespace
    )
    reader = caller(here, KUBECONFIG=str(served.kubeconfig_of("reader", namespace=namespace)))
    assert reader("list", "--kubernetes").code == 0
    everywhere = reader("list", "--kubernetes", "-a")
    assert "You may not list workflows of all namespaces. Name one with --namespace." in everywhere.err


def test_a_run_is_suspended_and_goes_on(call: Call, served: Cluster, namespace: str) -> None:
    run = call("submit", "shout.py", "--kubernetes", "--namespace", namespace).out.strip()
    name = run.rpartition("/")[2]

    asked = call("suspend", run, "--timeout", "1")
    assert "asked to suspend" in asked.err
    assert served.get("workflows.d4py.dev", name, namespace=namespace)["spec"]["runPolicy"]["suspend"] is True
    tell(served, run, phase="Suspended")
    assert call("wait", run).code == 5
    assert call("resume", run).out.strip() == run
    assert served.get("workflows.d4py.dev", name, namespace=namespace)["spec"]["runPolicy"]["suspend"] is False
    tell(served, run, phase="Suspended", observedGeneration=2)
    unseen = json.loads(call("status", run, "-o", "json").out)
    assert (unseen["status"], unseen["exit_code"]) == ("queued", None)
    tell(served, run, phase="Suspended", observedGeneration=3)
    again = call("resume", run)
    assert (again.code, again.err.count("\n")) == (2, 1)


def test_a_quota_is_told_in_its_own_words(call: Call, served: Cluster, namespace: str) -> None:
    """It answers as if a right were missing."""
    quota = {"kind": "ResourceQuota", "metadata": {"name": "few"}, "spec": {"hard": {"count/configmaps": "1"}}}
    served.apply({"apiVersion": "v1", **quota}, namespace=namespace)
    probe = ("create", "configmap", "probe", "--dry-run=server", "-n", namespace)
    served.wait_for(lambda: "exceeded quota" in served.call("kubectl", *probe).stderr, "the quota")

    refused = call("submit", "shout.py", "--kubernetes", "--namespace", namespace)

    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "The cluster refuses: " in refused.err
    assert "exceeded quota: few, requested: count/configmaps=1, used: count/configmaps=1" in refused.err
    assert "You may not" not in refused.err
