# SPDX-License-Identifier: Apache-2.0
"""The chart's life on a real API server, by the real helm; pods of the operator are played."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.kubernetes.cluster import ROOT, Cluster
from tests.kubernetes.test_target import Call, caller, here, tell

from d4py.resources import definitions

CHART = ROOT / "helm" / "d4py"
FIRST = Path(__file__).with_name("first-chart.tgz")  # as it was committed first
CRDS = {f"{plural}.d4py.dev" for plural in ("workflows", "workflowtemplates", "cronworkflows")}
RELEASED = "-l=app.kubernetes.io/instance=d4py"


__all__ = ["here"]


@pytest.fixture(scope="module", autouse=True)
def bare(cluster: Cluster) -> None:
    """Nobody has installed our definitions yet: helm takes over none that are another's."""
    cluster.kubectl("delete", "crd", "--ignore-not-found", *sorted(CRDS))


def helm(cluster: Cluster, namespace: str, *words: str) -> str:
    ran = cluster.call("helm", f"--namespace={namespace}", *words)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_it_is_installed_upgraded_from_the_first_chart_and_uninstalled(played: Cluster, namespace: str) -> None:
    helm(played, namespace, "install", "d4py", str(FIRST), "--wait", "--timeout=60s")
    before = played.get("deployment", "d4py", namespace=namespace)
    assert before["status"]["availableReplicas"] == 1

    # Helm owns what it has installed, and installs nothing over what others own.
    taken = ("apply", "--server-side", "--force-conflicts", "--field-manager=helm", "-f", "-")
    shown = helm(played, namespace, "show", "crds", str(CHART))
    ours = {each["metadata"]["name"]: each for each in yaml.safe_load_all(definitions())}
    assert {each["metadata"]["name"]: each for each in yaml.safe_load_all(shown)} == ours
    played.kubectl(*taken, given=shown)
    told = helm(played, namespace, "upgrade", "d4py", str(CHART), "--set=replicas=2", "--wait", "--timeout=60s")
    after = played.get("deployment", "d4py", namespace=namespace)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["status"]["availableReplicas"] == 2
    assert "runs the workflows of all namespaces." in told
    assert f"helm --namespace {namespace} test d4py" in told
    assert f"helm show crds CHART | kubectl {' '.join(taken)}" in told

    helm(played, namespace, "uninstall", "d4py", "--wait", "--timeout=60s")
    kinds = (
        "deployments,services,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings,poddisruptionbudgets"
    )
    assert played.get(kinds, RELEASED, namespace=namespace)["items"] == []
    left = {each["metadata"]["name"] for each in played.get("crds")["items"]}
    assert left >= CRDS, "the definitions and what people have made of them stay"


def test_two_operators_of_namespaces_stand_beside_each_other(played: Cluster, namespace: str) -> None:
    for team in ("first", "second"):
        flags = ("--set", f"watchNamespaces={{{namespace}}}", "--wait", "--timeout=60s")
        helm(played, namespace, "install", team, str(CHART), *flags)

    names = {each["metadata"]["name"] for each in played.get("deployments", namespace=namespace)["items"]}
    assert names == {"first-d4py", "second-d4py"}
    for team in ("first", "second"):
        helm(played, namespace, "uninstall", team)


def test_the_account_of_the_operator_may_do_its_work_and_no_more(cluster: Cluster, namespace: str) -> None:
    flags = ("--set", f"watchNamespaces={{{namespace}}},rbac.aggregate=false")
    helm(cluster, namespace, "install", "d4py", str(CHART), *flags)
    account = f"--as=system:serviceaccount:{namespace}:d4py"

    def may(*words: str, where: str = namespace) -> bool:
        return cluster.call("kubectl", "auth", "can-i", *words, account, f"--namespace={where}").returncode == 0

    assert may("create", "jobs.batch")
    assert may("patch", "workflows.d4py.dev", "--subresource=status")
    assert may("update", "leases.coordination.k8s.io/d4py-operator")
    assert not may("update", "leases.coordination.k8s.io/another")
    assert not may("create", "pods")
    assert not may("create", "jobs.batch", where="default")
    assert not may("get", "secrets", where="kube-system")
    assert not may("create", "rolebindings.rbac.authorization.k8s.io")
    helm(cluster, namespace, "uninstall", "d4py")


@pytest.fixture(scope="module")
def shared(cluster: Cluster) -> Iterator[str]:
    """A namespace that an operator watches, with one who may view and one who may edit: roles that every cluster has."""
    name = "shared"
    cluster.kubectl("create", "namespace", name)
    helm(cluster, name, "install", "d4py", str(CHART), "--set", f"watchNamespaces={{{name}}}")
    for role in ("view", "edit"):
        cluster.kubectl("create", "serviceaccount", role, "-n", name)
        bound = (f"--clusterrole={role}", f"--serviceaccount={name}:{role}", "-n", name)
        cluster.kubectl("create", "rolebinding", role, *bound)
    cluster.wait_for(lambda: may(cluster, name, "edit", "create", "workflows.d4py.dev"), "the roles to be put together")
    cluster.wait_for(lambda: may(cluster, name, "view", "list", "workflows.d4py.dev"), "the roles to be put together")
    yield name
    helm(cluster, name, "uninstall", "d4py")
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def may(cluster: Cluster, namespace: str, account: str, *words: str) -> bool:
    who = f"--as=system:serviceaccount:{namespace}:{account}"
    return cluster.call("kubectl", "auth", "can-i", *words, who, f"--namespace={namespace}").returncode == 0


def acting(cluster: Cluster, here: Path, namespace: str, account: str) -> Call:
    return caller(here, KUBECONFIG=str(cluster.kubeconfig_of(account, namespace=namespace)))


def test_who_may_edit_sends_runs_and_acts_on_them(cluster: Cluster, here: Path, shared: str) -> None:
    call = acting(cluster, here, shared, "edit")
    (here / "kept.yaml").write_text("checkpoint: {volume: {claimName: kept}}\noutputs: {volume: {claimName: kept}}\n")

    sent = call("submit", "shout.py", "--kubernetes", "-m", "threads", "-n", "2", "--values", "kept.yaml")

    run, name = sent.out.strip(), sent.out.strip().rpartition("/")[2]
    assert run == f"kubernetes://{shared}/{name}", sent.err
    for words in (["status"], ["logs"], ["suspend", "--timeout", "0.5"], ["snapshot", "--timeout", "0.5"]):
        done = call(words[0], run, *words[1:])
        assert done.code == 0, done.err
    tell(cluster, run, phase="Suspended", reason="Suspended")
    assert call("resume", run).out.strip() == run
    assert [each["run"] for each in json.loads(call("list", "--kubernetes", "-o", "json").out)] == [run]
    as_edit = f"--kubeconfig={cluster.root / f'{shared}.edit.kubeconfig'}"
    cluster.kubectl("scale", "workflows.d4py.dev", name, "--replicas=3", as_edit)
    spec = cluster.get("d4wf", name, namespace=shared)["spec"]
    assert (spec["parallelism"]["processes"], spec["runPolicy"]["suspend"]) == (3, False)
    tell(cluster, run, phase="Succeeded", reason="Done", outputs="pvc://kept/outputs.jsonl")
    assert call("wait", run).code == 0
    for what in (("create", "pods"), ("create", "pods", "--subresource=exec"), ("get", "pods", "--subresource=exec")):
        assert may(cluster, shared, "edit", *what), "outputs need it"
    assert not may(cluster, shared, "edit", "patch", "workflows.d4py.dev", "--subresource=status")
    assert "You may not list workflows of all namespaces. Name one" in call("list", "--kubernetes", "-a").err
    assert call("cancel", run).code == 0
    assert cluster.call("kubectl", "get", "d4wf", name, "-n", shared).returncode == 1


def test_who_may_view_sees_runs_and_touches_nothing(cluster: Cluster, here: Path, shared: str) -> None:
    run = acting(cluster, here, shared, "edit")("submit", "shout.py", "--kubernetes").out.strip()
    call = acting(cluster, here, shared, "view")
    tell(cluster, run, phase="Running", reason="AsAsked")

    assert "running" in call("status", run).out
    assert [each["run"] for each in json.loads(call("list", "--kubernetes", "-o", "json").out)] == [run]
    assert call("logs", run).code == 0
    refusals = {
        "create configmaps": ["submit", "shout.py", "--kubernetes"],
        "delete workflows": ["cancel", run],
        "change workflows": ["suspend", run],
    }
    for what, words in refusals.items():
        refused = call(*words)
        assert (refused.code, refused.err.count("\n")) == (2, 1)
        assert f"You may not {what} in the namespace '{shared}'. Ask for the role edit" in refused.err
    tell(cluster, run, phase="Succeeded", reason="Done", outputs="pvc://kept/outputs.jsonl")
    assert call("wait", run).code == 0
    unread = call("outputs", run)
    assert (unread.code, unread.err.count("\n")) == (2, 1)
    assert f"You may not create pods in the namespace '{shared}'." in unread.err
    names = {each["metadata"]["name"] for each in cluster.get("d4wf", namespace=shared)["items"]}
    assert names == {run.rpartition("/")[2]}
