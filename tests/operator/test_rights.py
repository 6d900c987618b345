# SPDX-License-Identifier: Apache-2.0
"""The rights that the chart grants are those that the operator uses: no right is missing, and none is left over."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import yaml
from tests.kubernetes.cluster import ROOT, Cluster
from tests.operator.conftest import working
from tests.operator.hands import KEPT, SPEC, Hands, eventually

from d4py_operator.cluster.api import Api
from d4py_operator.objects import stamp

Right = tuple[str, str]  # verb, kind in the plural, perhaps with a subresource
_VERBS = {"POST": "create", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}
_PATH = re.compile(
    r"^/(?:api|apis/[^/]+)/[^/]+(?:/namespaces/[^/]+)?/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+))?(?:/(?P<part>[a-z]+))?$"
)
USED: set[Right] = set()
_LOCK = threading.Lock()


class Recording(Api):
    """Notes which rights its requests use."""

    def _send(self, method: str, path: str, query: Mapping[str, Any], *more: Any, **options: Any) -> Any:
        found = _PATH.match(path)
        response = super()._send(method, path, query, *more, **options)
        if found:
            reading = "watch" if "watch" in query else "get" if found["name"] else "list"
            plural = found["plural"] + (f"/{found['part']}" if found["part"] else "")
            with _LOCK:
                USED.add((_VERBS.get(method, reading), plural))
                if response.status == 201:  # to apply what is not there yet is to create it
                    USED.add(("create", plural))
        return response


@contextmanager
def granted(cluster: Cluster, namespace: str) -> Iterator[tuple[str, set[Right]]]:
    """Give a new account what the chart gives the operator in one namespace; yield its kubeconfig and those rights."""
    words = [
        "template",
        "d4py",
        str(ROOT / "helm" / "d4py"),
        "--kube-version=1.34.4",
        f"--namespace={namespace}",
        f"--set=watchNamespaces={{{namespace}}}",
    ]
    ran = cluster.call("helm", *words)
    assert ran.returncode == 0, ran.stderr
    kinds = ("ServiceAccount", "Role", "RoleBinding")
    things = [each for each in yaml.safe_load_all(ran.stdout) if each and each["kind"] in kinds]
    things = [each for each in things if "helm.sh/hook" not in each["metadata"].get("annotations", {})]
    cluster.apply(*things, namespace=namespace)
    (account,) = [each["metadata"]["name"] for each in things if each["kind"] == "ServiceAccount"]
    rights = {
        (verb, resource)
        for each in things
        if each["kind"] == "Role"
        for rule in each["rules"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    yield str(cluster.kubeconfig_of(account, namespace=namespace)), rights


@pytest.fixture(scope="module")
def rights(defined: Cluster, hands: Hands) -> Iterator[set[Right]]:
    """What is granted, while an operator works with it."""
    with (
        granted(defined, hands.namespace) as (kubeconfig, found),
        working(kubeconfig, hands.namespace, api=Recording, seconds=3),
    ):
        yield found


def await_gone(hands: Hands, kind: str, name: str) -> None:
    eventually(lambda: hands.there(kind, name) is None, f"{name} to be deleted")


def told_again(hands: Hands) -> bool:
    """Have the operator look at the CronWorkflow again; return whether it has told twice that no Workflow is made."""
    hands.patch("CronWorkflow", "busy", {"metadata": {"annotations": {"looked-at": str(time.time())}}})
    told = [each for each in hands.all("Event") if each["message"].startswith("no Workflow is made")]
    return any(each.get("count", 1) > 1 for each in told)


def test_what_is_granted_is_what_is_used(hands: Hands, rights: set[Right]) -> None:
    hands.workflow("all", networkPolicy="Isolated", inputs={"inline": "{}"}, runPolicy={"ttlSecondsAfterFinished": 0})
    hands.ends("all-1")
    eventually(lambda: hands.there("Workflow", "all") is None, "it to be deleted")
    for launcher, kind in (("Native", "Job"), ("MPIJob", "MPIJob")):
        name = f"ranks-{launcher.lower()}"
        hands.workflow(name, mapping="mpi", mpi={"ranks": 2, "launcher": launcher}, checkpoint=KEPT)
        hands.await_phase(name, "Starting")
        hands.suspend(name)
        await_gone(hands, kind, f"{name}-1")
    pod = {"spec": {"restartPolicy": "Never", "containers": [{"name": "mine", "image": "x"}]}}
    hands.make("Job", "taken-1", {"template": pod})
    hands.workflow("taken")
    hands.await_phase("taken", "Pending")
    replica = {"replicas": 1, "template": pod}
    hands.make("MPIJob", "taken-too-1", {"mpiReplicaSpecs": {"Launcher": replica}})
    hands.workflow("taken-too", mapping="mpi", mpi={"ranks": 2, "launcher": "MPIJob"}, checkpoint=KEPT)
    hands.await_phase("taken-too", "Pending")
    soon, before = int(time.time()) // 60, datetime.now(timezone.utc) - timedelta(minutes=2)
    for minute in (soon, soon + 1):
        hands.workflow(f"busy-{minute}")
    hands.make("CronWorkflow", "busy", {"schedule": "* * * * *", "workflowTemplate": {"spec": SPEC}})
    hands.make("CronWorkflow", "often", {"schedule": "* * * * *", "workflowTemplate": {"spec": SPEC}})
    for name in ("busy", "often"):  # which were last due two minutes ago: nobody need wait for the next
        hands.patch("CronWorkflow", name, {"status": {"lastScheduleTime": stamp(before)}}, part="status")
    eventually(
        lambda: [each for each in hands.all("Workflow") if each["metadata"]["name"].startswith("often-")],
        "one that is due",
        90,
    )
    eventually(
        lambda: (hands.get("CronWorkflow", "often").get("status") or {}).get("lastScheduleTime"), "it to be noted"
    )

    eventually(lambda: told_again(hands), "it to be told, and counted when it comes again")

    assert rights - USED == set()
    assert USED - rights == set()
