# SPDX-License-Identifier: Apache-2.0
"""The chart: every values file renders to objects that Kubernetes takes, and says what it is to say."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from tests.kubernetes.cluster import ROOT, programs

import d4py

CHART = ROOT / "helm" / "d4py"
VALUES = sorted((CHART / "ci").glob("*-values.yaml"))
FOREIGN = {"PodMonitor", "ServiceMonitor"}  # of Prometheus' operator, whose schemas are not Kubernetes'
OLDEST = "1.31"  # Kubernetes that has all that we use
RECOMMENDED = {"name", "instance", "version", "part-of", "managed-by"}

Objects = list[dict[str, Any]]
Render = Callable[..., Objects]


def helm(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([programs() / "helm", *words], capture_output=True, text=True, check=False)


def render(*words: str, values: Path | None = None, **where: str) -> Objects:
    """Return what the chart makes of some values. where: its release and namespace."""
    given = [f"--values={values}"] if values else []
    return [each for each in yaml.safe_load_all(rendered(*words, *given, **where)) if each]


@cache
def rendered(*words: str, release: str = "d4py", namespace: str = "system") -> str:
    """Return it as helm prints it: several tests look at the same."""
    where = (f"--namespace={namespace}", "--include-crds", "--kube-version=1.34.4")
    ran = helm("template", release, str(CHART), *where, *words)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def only(objects: Objects, kind: str, part: str = "") -> dict[str, Any]:
    (found,) = [each for each in objects if each["kind"] == kind and part in each["metadata"]["name"]]
    return found


def kinds(objects: Objects) -> set[str]:
    return {each["kind"] for each in objects}


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_the_chart_is_clean_with(values: Path) -> None:
    linted = helm("lint", "--strict", str(CHART), f"--values={values}")

    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_kubernetes_takes_every_object_of(values: Path) -> None:
    objects = render(values=values)

    assert objects
    for each in objects:
        if each["kind"] not in FOREIGN:
            for version in (OLDEST, "1.34"):
                kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)
def test_every_object_has_the_recommended_labels_and_a_namespace_of_its_own_choice(values: Path) -> None:
    for each in render(values=values):
        if each["kind"] == "CustomResourceDefinition":
            continue
        labels = each["metadata"]["labels"]
        assert {f"app.kubernetes.io/{label}" for label in RECOMMENDED} <= set(labels), each["metadata"]["name"]
        assert each["kind"].startswith("Cluster") or each["metadata"]["namespace"] in (
            "kube-system",
            "system",
            "geology",
            "oceans",
        )


def test_the_operator_is_told_what_to_watch_and_may_touch_nothing_else() -> None:
    objects = render(values=CHART / "ci" / "namespaces-values.yaml")

    container = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert container["args"][-2:] == ["--namespace=geology", "--namespace=oceans"]
    assert "ClusterRole" not in kinds(objects)
    roles = {each["metadata"]["namespace"] for each in objects if each["kind"] == "Role"}
    assert roles == {"geology", "oceans"}


def test_without_namespaces_it_watches_all_of_them_by_a_role_of_the_cluster() -> None:
    objects = render()

    container = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert [word for word in container["args"] if word.startswith("--namespace")] == []
    everywhere = only(objects, "ClusterRoleBinding")
    assert everywhere["subjects"] == [{"kind": "ServiceAccount", "name": "d4py", "namespace": "system"}]
    assert [each["metadata"]["namespace"] for each in objects if each["kind"] == "Role"] == ["kube-system"]


@pytest.mark.parametrize(
    ("words", "places"),
    [
        ([], {"kube-system"}),
        (["--set=leaseNamespace=shared"], {"shared"}),
        (["--set=watchNamespaces={geology,oceans}"], {"geology", "oceans"}),
    ],
)
def test_releases_that_work_in_the_same_namespaces_have_the_same_leases(words: list[str], places: set[str]) -> None:
    """So that one of them acts, wherever they are; and each may touch that lease and no other."""
    for where in ("system", "elsewhere"):
        objects = render(*words, namespace=where)
        args = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]["args"]
        told = [word for word in args if word.startswith("--lease")]
        assert told == [f"--lease-namespace={place}" for place in places if place == "shared"]
        roles = [each for each in objects if each["kind"] == "Role" and each["metadata"]["name"].endswith("-election")]
        assert {each["metadata"]["namespace"] for each in roles} == places
        for each in roles:
            assert each["metadata"]["name"] == f"{where}-d4py-election"
            granted = {(*rule.get("resourceNames", ["*"]), *rule["verbs"]) for rule in each["rules"]}
            assert granted == {("d4py-operator", "get", "update"), ("*", "create")}


def test_names_that_are_numbers_stay_words() -> None:
    for each in render('--set-json=watchNamespaces=["77"]', release="123", namespace="2025"):
        assert isinstance(each["metadata"].get("namespace", ""), str), each
        assert all(isinstance(value, str) for value in each["metadata"].get("labels", {}).values()), each
        kubernetes_validate.validate(each, "1.34", strict=True)


def test_what_prometheus_looks_for_is_there() -> None:
    objects = render("--set=metrics.serviceMonitor.enabled=true")

    wanted = only(objects, "ServiceMonitor")["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= only(objects, "Service")["metadata"]["labels"].items()


def test_no_role_of_the_operator_grants_everything() -> None:
    for each in render():
        if each["kind"] in ("Role", "ClusterRole") and "-view" not in each["metadata"]["name"]:
            granted = [
                word for rule in each["rules"] for word in (*rule["apiGroups"], *rule["resources"], *rule["verbs"])
            ]
            assert "*" not in granted
            assert not {"escalate", "bind", "impersonate"} & set(granted)


def test_the_pods_meet_pod_security_restricted() -> None:
    objects = render()
    pods = [only(objects, "Deployment")["spec"]["template"]["spec"], only(objects, "Pod")["spec"]]

    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert set(container["resources"]) == {"requests", "limits"}


def test_switches_that_are_off_leave_nothing_behind() -> None:
    switched = {"PodMonitor", "ServiceMonitor", "NetworkPolicy", "PodDisruptionBudget"}

    assert not switched & kinds(render())
    assert switched <= kinds(render(values=CHART / "ci" / "production-values.yaml"))


def test_what_is_said_of_the_operators_pod_is_said_by_its_deployment() -> None:
    affinity: dict[str, Any] = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}}
    objects = render(f"--set-json=affinity={json.dumps(affinity)}", values=CHART / "ci" / "production-values.yaml")
    given = yaml.safe_load((CHART / "ci" / "production-values.yaml").read_text())

    pod = only(objects, "Deployment")["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    placed = ("tolerations", "nodeSelector", "topologySpreadConstraints", "priorityClassName", "imagePullSecrets")
    assert {name: pod["spec"].get(name) for name in placed} == {name: given[name] for name in placed}
    assert pod["spec"]["affinity"] == affinity
    assert given["podLabels"].items() <= pod["metadata"]["labels"].items()
    assert pod["metadata"]["annotations"] == given["podAnnotations"]
    assert [each["name"] for each in container["env"]] == ["PYTHONDONTWRITEBYTECODE"]
    assert given["extraEnv"][0] in container["env"]
    assert container["imagePullPolicy"] == given["image"]["pullPolicy"]
    assert container["resources"] == yaml.safe_load((CHART / "values.yaml").read_text())["resources"]
    selected = only(objects, "Deployment")["spec"]["selector"]["matchLabels"]
    assert selected.items() <= pod["metadata"]["labels"].items()


def test_nothing_is_said_of_the_operators_pod_that_nobody_asked_for() -> None:
    pod = only(render(), "Deployment")["spec"]["template"]

    asked = {"tolerations", "affinity", "nodeSelector", "topologySpreadConstraints", "priorityClassName"}
    assert not (asked | {"imagePullSecrets"}) & set(pod["spec"])
    assert "annotations" not in pod["metadata"]


@pytest.mark.parametrize("version", ["1.28.15", "1.30.14", "1.30.14-gke.1"])
def test_an_older_kubernetes_is_told_at_once(version: str) -> None:
    """Up to 1.30 a Job had no successPolicy unless somebody switched it on: workers of the mapping mpi would serve for ever."""
    refused = helm("template", "d4py", str(CHART), f"--kube-version={version}")

    assert refused.returncode == 1
    assert (
        f"chart requires kubeVersion: >={OLDEST}.0-0 which is incompatible with Kubernetes v{version.partition('-')[0]}"
        in refused.stderr
    )


@pytest.mark.parametrize("version", [f"{OLDEST}.0", f"{OLDEST}.0-gke.1", "1.34.4+k3s1"])
def test_kubernetes_of_vendors_are_taken_as_what_they_are(version: str) -> None:
    assert helm("template", "d4py", str(CHART), f"--kube-version={version}").returncode == 0


def test_a_digest_goes_before_a_tag() -> None:
    digest = "sha256:" + "ab" * 32
    objects = render("--set", f"image.tag=v7,image.digest={digest}")

    image = only(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == f"d4py/operator@{digest}"


def test_neither_rights_nor_an_account_are_made_where_they_are_someone_elses() -> None:
    objects = render(values=CHART / "ci" / "borrowed-values.yaml")

    assert not {"ServiceAccount", "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"} & kinds(objects)
    assert only(objects, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == "operators"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("replica=2", "additional properties 'replica' not allowed"),
        ("image.digest=latest", "does not match pattern"),
        ("image.pullPolicy=Sometimes", "value must be one of"),
        ("watchNamespaces={Geo Logy}", "does not match pattern"),
        ("metrics.port=80", "minimum: got 80"),
        ("leaseNamespace=a,watchNamespaces={b}", "leaseNamespace is for an operator of all namespaces"),
    ],
)
def test_values_that_make_no_sense_are_refused(given: str, told: str) -> None:
    refused = helm("template", "d4py", str(CHART), "--kube-version=1.34.4", "--set", given)

    assert refused.returncode == 1
    assert told in refused.stderr


def test_every_value_is_in_the_schema_and_in_the_values() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    assert set(schema["properties"]) - {"global"} == set(values)


def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert chart["appVersion"] == d4py.__version__
