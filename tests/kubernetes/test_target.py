# SPDX-License-Identifier: Apache-2.0
"""`d4py submit --kubernetes` and what follows, against a real API server. No operator is there: tests say what one would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from tests.kubernetes.cluster import ROOT, Cluster

WORKFLOW = """
import d4py
from words import WORDS

@d4py.producer
def said(n: int = 3):
    yield from WORDS[:n]

@d4py.iterative
def loud(word: str) -> str:
    return word.upper()

workflow = said() >> loud()
"""


class Told(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


Call = Callable[..., Told]


@pytest.fixture(scope="module")
def served(cluster: Cluster) -> Cluster:
    """The control plane with the definitions of our resources."""
    folder = ROOT / "helm" / "d4py" / "crds"
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(folder))
    cluster.kubectl("wait", "--for=condition=Established", "crd/workflows.d4py.dev", "--timeout=30s")
    return cluster


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a workflow of two files."""
    (tmp_path / "shout.py").write_text(WORKFLOW)
    (tmp_path / "words.py").write_text('WORDS = ["one", "two", "three"]\n')
    return tmp_path


def caller(here: Path, **environment: str) -> Call:
    def run(*words: str) -> Told:
        command = [sys.executable, "-m", "d4py.cli.main", *words]
        variables = {**os.environ, **environment}
        ran = subprocess.run(command, cwd=here, env=variables, capture_output=True, text=True, timeout=60, check=False)
        return Told(ran.returncode, ran.stdout, ran.stderr)

    return run


@pytest.fixture
def call(served: Cluster, here: Path) -> Call:
    """Call d4py with the administrator's kubeconfig."""
    return caller(here, KUBECONFIG=str(served.kubeconfig))


def tell(cluster: Cluster, run: str, **status: Any) -> None:
    """Say of a run what its operator would."""
    namespace, _, name = run.removeprefix("kubernetes://").partition("/")
    words = ("--type=merge", "--subresource=status", "-p", json.dumps({"status": status}))
    cluster.kubectl("patch", "workflows.d4py.dev", name, f"--namespace={namespace}", *words)


def begun(here: Path, served: Cluster, *words: str) -> subprocess.Popen[str]:
    """Begin a command that takes its time."""
    command = [sys.executable, "-m", "d4py.cli.main", *words]
    variables = {**os.environ, "KUBECONFIG": str(served.kubeconfig)}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=here, env=variables, stdout=pipe, stderr=pipe, text=True)


@pytest.fixture(scope="module", autouse=True)
def unpulled(
    served: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, list[subprocess.Popen[str]]]]:
    """A run whose image is not there, and two who wait for it from the beginning: they say so after a while only."""
    here = tmp_path_factory.mktemp("unpulled")
    (here / "shout.py").write_text(WORKFLOW.replace("from words import WORDS", "WORDS = 'one'"))
    served.kubectl("create", "namespace", "unpulled")
    words = ("submit", "shout.py", "--kubernetes", "--namespace", "unpulled", "--image", "nobody/has:this")
    run = caller(here, KUBECONFIG=str(served.kubeconfig))(*words).out.strip()
    message = "pod x-1-y: ErrImagePull: docker.io/nobody/has:this: not found"
    tell(served, run, phase="Starting", reason="ImagePull", message=message)
    waiting = [begun(here, served, *command) for command in (["wait", run], ["logs", "-f", run])]
    yield run, waiting
    for each in waiting:
        each.kill()
        each.communicate()


def test_a_small_workflow_travels_with_the_modules_that_it_imports(call: Call, served: Cluster, namespace: str) -> None:
    sent = call(
        "submit",
        "shout.py",
        "--kubernetes",
        "--namespace",
        namespace,
        "--mapping",
        "threads",
        "-n",
        "2",
        "--set",
        "n=2",
    )

    assert sent.code == 0, sent.err
    run = sent.out.strip()
    assert run.startswith(f"kubernetes://{namespace}/shout-")
    name = run.rpartition("/")[2]
    workflow = served.get("workflows.d4py.dev", name, namespace=namespace)
    assert workflow["spec"]["graph"] == {"configMapRef": {"name": name}}
    assert workflow["spec"]["args"] == {"n": "2"}
    assert (workflow["spec"]["mapping"], workflow["spec"]["parallelism"]) == ("threads", {"processes": 2})
    files = served.get("configmap", name, namespace=namespace)
    assert sorted(files["data"]) == ["words.py", "workflow.py"]
    assert files["metadata"]["ownerReferences"][0]["uid"] == workflow["metadata"]["uid"], (
        "it goes when the workflow goes"
    )


def test_a_dry_run_prints_what_kubectl_would_apply_and_asks_no_cluster(
    here: Path, served: Cluster, namespace: str
) -> None:
    (here / "more.yaml").write_text("runPolicy: {backoffLimit: 2}\nparallelism: null\n")
    call = caller(here, KUBECONFIG="/nowhere")

    told = call(
        "submit",
        "shout.py",
        "--kubernetes",
        "--dry-run",
        "-m",
        "threads",
        "-n",
        "2",
        "--values",
        "more.yaml",
        "--run-id",
        "dry",
    )

    assert told.code == 0, told.err
    config_map, workflow = yaml.safe_load_all(told.out)
    assert workflow["spec"]["runPolicy"] == {"backoffLimit": 2}
    assert "parallelism" not in workflow["spec"]
    assert config_map["data"]["workflow.py"] == WORKFLOW
    served.kubectl("apply", f"--namespace={namespace}", "--dry-run=server", "-f", "-", given=told.out)


def test_a_run_is_listed_told_of_awaited_and_cancelled(call: Call, served: Cluster, namespace: str) -> None:
    none = call("list", "--kubernetes", "--namespace", namespace).out
    assert none == "No runs yet. Start one: d4py submit WORKFLOW --kubernetes\n"
    run = call("submit", "shout.py", "--kubernetes", "--namespace", namespace).out.strip()
    assert call("status", run).out.count("not seen by an operator yet") == 1

    attempt = {"number": 1, "name": "x-1", "exitCode": 3, "failedPE": "loud"}
    tell(served, run, phase="Failed", reason="PEFailed", message="loud raised ValueError", lastAttempt=attempt)

    listed = json.loads(call("list", "--kubernetes", "--namespace", namespace, "-o", "json").out)
    assert [(entry["run"], entry["status"], entry["workflow"]) for entry in listed] == [(run, "failed", "shout")]
    waited = call("wait", run)
    assert (waited.code, waited.out.strip()) == (3, f"{run}: failed, exit code 3")
    assert "PEFailed: loud raised ValueError" in waited.err
    cancelled = call("cancel", run)
    assert (cancelled.code, call("status", run).code) == (0, 2)


def test_a_run_is_asked_for_a_checkpoint(call: Call, served: Cluster, here: Path, namespace: str) -> None:
    words = ("submit", "shout.py", "--kubernetes", "--namespace", namespace)
    bare = call(*words).out.strip()
    refused = call("snapshot", bare)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "snapshotNonce needs a checkpoint to go on from" in refused.err

    (here / "kept.yaml").write_text("checkpoint: {volume: {claimName: kept}}\n")
    run = call(*words, "--values", "kept.yaml").out.strip()
    name = run.rpartition("/")[2]
    tell(served, run, phase="Running", attempts=1)
    asked = call("snapshot", run, "--timeout", "1")
    assert (asked.code, "asked for a checkpoint" in asked.err) == (0, True)

    nonce = served.get("workflows.d4py.dev", name, namespace=namespace)["spec"]["snapshotNonce"]
    tell(served, run, phase="Succeeded", completionTime="2026-05-01T12:00:00Z", snapshotNonce=nonce)
    over = call("snapshot", run)
    assert (over.code, over.err.count("\n")) == (2, 1)
    assert "makes no checkpoint: it is done" in over.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--mapping", "mpi"], "needs a number of ranks. Give -n."),
        (["--checkpoint", "5"], "--checkpoint is not for Kubernetes. Give checkpoint.volume.claimName"),
        (["--resource", "loud.memory=2G"], "--resource loud.memory is not for Kubernetes. Give resources.worker"),
        (["--nodes", "2"], "--nodes means nothing here. Leave it out: --kubernetes was given."),
        (["--run-id", "Capital"], "'Capital' is no name for a run on Kubernetes."),
        (["--values", "nowhere.yaml"], "'nowhere.yaml' cannot be read: No such file or directory."),
        (["--values", "shout.py"], "is no YAML: "),
        (["--namespace", "nowhere-at-all"], 'namespaces "nowhere-at-all" not found'),
        (["--set", "m=2"], "No PE has a parameter 'm'"),
        (["--mapping", "mpi", "--values", "number.yaml"], 'refuses: spec.mpi: must be of type object: "integer".'),
    ],
)
def test_bad_input_is_told_in_one_line(words: list[str], told: str, call: Call, here: Path) -> None:
    (here / "number.yaml").write_text("mpi: 3\n")

    refused = call("submit", "shout.py", "--kubernetes", *words)

    assert refused.code == 2, refused
    assert refused.err.count("\n") == 1
    assert told in refused.err


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ("runPolicy: {backoffLimit: many}", "spec.runPolicy.backoffLimit"),
        ("runPolicy: {backofLimit: 3}", 'refuses: unknown field "spec.runPolicy.backofLimit". kubectl explain d4wf'),
        ("kind: Workflow", 'refuses: unknown field "spec.kind". kubectl explain d4wf.spec'),
    ],
)
def test_what_the_cluster_refuses_leaves_nothing_behind(
    values: str, told: str, call: Call, here: Path, served: Cluster, namespace: str
) -> None:
    (here / "bad.yaml").write_text(values)

    refused = call("submit", "shout.py", "--kubernetes", "--namespace", namespace, "--values", "bad.yaml")

    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert told in refused.err
    names = {each["metadata"]["name"] for each in served.get("configmaps", namespace=namespace)["items"]}
    assert names <= {"kube-root-ca.crt"}  # which comes to each namespace, a moment later


@pytest.mark.parametrize("command", ["status", "wait", "logs", "cancel", "suspend", "resume", "outputs"])
def test_an_unknown_run_is_told_in_one_line(command: str, call: Call, namespace: str) -> None:
    refused = call(command, f"kubernetes://{namespace}/nobody")

    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert f"There is no workflow 'nobody' in the namespace '{namespace}'." in refused.err


def test_whoever_has_no_rights_is_told_which(served: Cluster, here: Path, namespace: str) -> None:
    served.kubectl("create", "serviceaccount", "visitor", "-n", namespace)
    call = caller(here, KUBECONFIG=str(served.kubeconfig_of("visitor", namespace=namespace)))

    refused = call("list", "--kubernetes")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert f"You may not list workflows in the namespace '{namespace}'." in refused.err
    assert call("submit", "shout.py", "--kubernetes").code == 2


def test_no_cluster_is_told_in_one_line(here: Path) -> None:
    nothing = caller(here, KUBECONFIG="/nowhere")("list", "--kubernetes")
    assert (nothing.code, nothing.err.count("\n")) == (2, 1)
    assert "There is no cluster to ask" in nothing.err

    (here / "broken").write_text("a: [b\n")
    (here / "words").write_text("hello\n")
    for path in (here, here / "broken", here / "words"):
        broken = caller(here, KUBECONFIG=str(path))("list", "--kubernetes")
        assert (broken.code, broken.err.count("\n")) == (2, 1), broken.err
        assert "There is no cluster to ask: the kubeconfig cannot be read: " in broken.err

    gone = {"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}
    context = {"name": "c", "context": {"cluster": "c", "user": "c"}}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [gone],
        "contexts": [context],
        "users": [{"name": "c", "user": {}}],
    }
    (here / "config").write_text(json.dumps({**config, "current-context": "c"}))
    silent = caller(here, KUBECONFIG=str(here / "config"))("list", "--kubernetes")
    assert (silent.code, silent.err.count("\n")) == (2, 1)
    assert "The cluster at http://127.0.0.1:1 does not answer" in silent.err


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"current-context": "gone"}, "There is no cluster to ask: "),
        ({"users": [{"name": "me", "user": {"token": "of nobody"}}]}, "Log in again."),
    ],
)
def test_a_context_that_is_wrong_is_told_in_one_line(
    change: dict[str, Any], says: str, here: Path, served: Cluster
) -> None:
    config = json.loads(served.kubeconfig.read_text())
    (here / "config").write_text(json.dumps({**config, **change}))

    refused = caller(here, KUBECONFIG=str(here / "config"))("submit", "shout.py", "--kubernetes")

    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert says in refused.err


def test_who_waits_for_an_image_that_is_not_there_is_told_in_one_line(
    unpulled: tuple[str, list[subprocess.Popen[str]]], call: Call
) -> None:
    """The run is left as it is: it begins once the image is there."""
    run, waiting = unpulled

    told = [each.communicate(timeout=60)[1] for each in waiting]

    for each, line in zip(waiting, told, strict=True):
        assert (each.returncode, line.count("\n")) == (2, 1)
        assert f"The image 'nobody/has:this' of the run '{run}' cannot be pulled: " in line
        assert "not found. Push it, or name another with --image." in line
    assert call("status", run).code == 0


def test_who_waits_for_room_is_told_so_once_and_goes_on_waiting(
    call: Call, here: Path, served: Cluster, namespace: str
) -> None:
    """A scheduler that finds no node says so in the pod; the operator writes it into the status."""
    words = ["shout.py", "--kubernetes", "--namespace", namespace, "--run-id"]
    assert call("submit", *words, "large").code == 0
    run = f"kubernetes://{namespace}/large"
    commands = {
        run: ["wait", run],
        f"{run} ": ["logs", "-f", run],
        f"{run}-2": ["submit", "--wait", *words, "large-2"],
        f"{run}-3": ["submit", "--follow", *words, "large-3"],
    }
    message = "pod x-1-y: 0/2 nodes are available: 2 Insufficient cpu."
    waiting = {name: begun(here, served, *command) for name, command in commands.items()}
    runs = sorted({name.strip() for name in commands})
    try:
        path = f"/apis/d4py.dev/v1alpha1/namespaces/{namespace}/workflows"
        served.wait_for(lambda: len(served.ask(path)["items"]) == len(runs), "all of them", pause=0.3)
        for each in runs:
            tell(served, each, phase="Starting", reason="Unschedulable", message=message)
        lines = {name: each.stderr.readline() for name, each in waiting.items() if each.stderr}
        for each in runs:
            tell(served, each, phase="Starting", reason="Unschedulable", message=message.replace("2", "3"))
        for each in runs:
            tell(served, each, phase="Succeeded", reason="Done", message="the run is done")
        more = {name: each.communicate(timeout=60)[1] for name, each in waiting.items()}
    finally:
        for process in waiting.values():
            process.kill()

    for name, process in waiting.items():
        assert lines[name] == (
            f"d4py: The run '{name.strip()}' waits: no node has room for it: {message} "
            "It begins by itself when one has; else ask for less: resources.worker in --values, fewer processes.\n"
        )
        assert (process.returncode, more[name].replace("Nothing was logged.\n", "")) == (0, "")


def test_a_cluster_without_our_resources_is_told_how_to_get_them(here: Path, served: Cluster) -> None:
    served.kubectl("delete", "crd", "workflows.d4py.dev")
    try:
        refused = caller(here, KUBECONFIG=str(served.kubeconfig))("list", "--kubernetes")
    finally:
        served.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "helm" / "d4py" / "crds"))
        served.kubectl("wait", "--for=condition=Established", "crd/workflows.d4py.dev", "--timeout=30s")

    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "d4py's custom resources are not installed there. Install them: helm install d4py helm/d4py" in refused.err
