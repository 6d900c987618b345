# SPDX-License-Identifier: Apache-2.0
"""An upgrade from the first chart with runs alive: its definitions, what an operator of that time had written, and the operator of today."""

from __future__ import annotations

import json
import secrets
import tarfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.kubernetes.cluster import ROOT, Cluster
from tests.operator.conftest import working
from tests.operator.hands import SPEC, eventually
from tests.operator.test_adoption import COMMITS, STORED, Heir
from tests.operator.test_outdated import told

from d4py_operator.cluster.api import Api
from d4py_operator.cluster.errors import ApiError

FIRST = ROOT / "tests" / "kubernetes" / "first-chart.tgz"
APPLY = ("apply", "--server-side", "--force-conflicts", "-f")
ALIVE = {"simple": "running", "multi": "retrying", "threads": "suspended"}
LAST_WORD = {
    "read": 3,
    "written": 4,
    "plan": {"count": 1},
    "graph": "ab12",
}  # which the first definitions have no word for


def defined_as(heir: Heir, answer: int) -> None:
    """Wait until the API server goes by other definitions: by what it answers to a status that the first have no word for."""

    def answered() -> int:
        try:
            heir.api.apply_status(heir.get("Workflow", "probe"), {"template": {"image": "a"}})
        except ApiError as error:
            return error.status
        return 200

    eventually(lambda: answered() == answer, f"the definitions to answer {answer}")


@pytest.fixture
def heir(defined: Cluster, api: Api, tmp_path: Path) -> Iterator[Heir]:
    """Somebody in a cluster that the first chart has defined, with runs that are alive."""
    with tarfile.open(FIRST) as chart:
        chart.extractall(tmp_path, filter="data")
    found = Heir(api, f"first-{secrets.token_hex(3)}")
    api.request("POST", "/api/v1/namespaces", body={"metadata": {"name": found.namespace}})
    found.workflow("probe", runPolicy={"managedBy": "example.org/nobody"})
    try:
        defined.kubectl(*APPLY, str(tmp_path / "d4py" / "crds"))
        defined_as(found, 500)
        for mapping, phase in ALIVE.items():
            found.bring(json.loads((STORED / COMMITS[0] / f"{mapping}.json").read_text())[phase])
        yield found
    finally:
        defined.kubectl(*APPLY, str(ROOT / "helm" / "d4py" / "crds"))
        defined_as(found, 200)
        api.request("DELETE", f"/api/v1/namespaces/{found.namespace}")


def test_runs_come_to_their_end_across_an_upgrade_that_forgot_the_definitions(heir: Heir, defined: Cluster) -> None:
    heir.make(
        "WorkflowTemplate", "shared", {**SPEC, "runPolicy": {"backoffLimit": 1, "backoff": {"initialSeconds": 0}}}
    )
    with working(str(defined.kubeconfig), heir.namespace):
        heir.ends("simple-running-1", said=LAST_WORD)
        heir.make("Workflow", "shared", {"templateRef": {"name": "shared"}})
        for name in ("simple-running", "shared"):
            message, *_ = eventually(partial(told, heir, name), f"an event of {name}")  # of any field, at random
            assert "field not declared in schema): its definitions are of another release. Install" in message
        assert heir.says("simple-running")[0] == "Running"
        assert heir.there("Job", "simple-running-1")

        defined.kubectl(*APPLY, str(ROOT / "helm" / "d4py" / "crds"))
        heir.ends(heir.running("multi-retrying", 2))
        heir.await_phase("multi-retrying", "Succeeded")
        status = heir.await_phase("simple-running", "Succeeded")
        assert (status["attempts"], status["items"]["written"], status["graph"]) == (1, 4, {"hash": "ab12"})
        heir.ends("shared-1", 3)
        heir.ends(heir.running("shared", 2))
        assert heir.await_phase("shared", "Succeeded")["attempts"] == 2
        heir.suspend("threads-suspended", False)
        heir.ends(heir.running("threads-suspended", 2))
        heir.await_phase("threads-suspended", "Succeeded")

    assert [heir.strays(name) for name in heir.before] == [[], [], []]
