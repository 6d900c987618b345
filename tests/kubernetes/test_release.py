# SPDX-License-Identifier: Apache-2.0
"""The chart's life on a real API server, by the real helm; pods of the operator are played."""

from __future__ import annotations

from pathlib import Path

from tests.kubernetes.cluster import ROOT, Cluster

CHART = ROOT / "helm" / "d4py"
FIRST = Path(__file__).with_name("first-chart.tgz")  # as it was committed first
CRDS = {f"{plural}.d4py.dev" for plural in ("workflows", "workflowtemplates", "cronworkflows")}
RELEASED = "-l=app.kubernetes.io/instance=d4py"


def helm(cluster: Cluster, namespace: str, *words: str) -> str:
    ran = cluster.call("helm", f"--namespace={namespace}", *words)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_it_is_installed_upgraded_from_the_first_chart_and_uninstalled(played: Cluster, namespace: str) -> None:
    helm(played, namespace, "install", "d4py", str(FIRST), "--wait", "--timeout=60s")
    before = played.get("deployment", "d4py", namespace=namespace)
    assert before["status"]["availableReplicas"] == 1

    told = helm(played, namespace, "upgrade", "d4py", str(CHART), "--set=replicas=2", "--wait", "--timeout=60s")
    after = played.get("deployment", "d4py", namespace=namespace)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["status"]["availableReplicas"] == 2
    assert "runs the workflows of all namespaces." in told
    assert f"helm --namespace {namespace} test d4py" in told

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
    assert may("update", "leases.coordination.k8s.io")
    assert not may("create", "pods")
    assert not may("create", "jobs.batch", where="default")
    assert not may("get", "secrets", where="kube-system")
    assert not may("create", "rolebindings.rbac.authorization.k8s.io")
    helm(cluster, namespace, "uninstall", "d4py")
