# SPDX-License-Identifier: Apache-2.0
"""What Prometheus reads: each run counted once, when its end is written, and as many series as there are mappings and phases, whatever is in a cluster."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any
from unittest.mock import Mock

import pytest
from tests.kubernetes.cluster import ROOT
from tests.operator.scene import BEGIN, KEPT, Scene
from tests.operator.test_setbacks import KEY, Refusing

from d4py_operator.cluster.errors import ApiError, ClusterError
from d4py_operator.cluster.store import Store
from d4py_operator.metrics import Metrics
from d4py_operator.objects import Object, stamp
from d4py_operator.reconcile import Reconciler, Stale

RUNS = 'd4py_workflow_seconds_count{mapping="simple",phase="Succeeded"}'
EVIL = 'x"} 1\nevil{a="'
WITH_RANKS: dict[str, Any] = {"mapping": "mpi", "mpi": {"ranks": 2, "launcher": "Native"}, "checkpoint": KEPT}


class Operator:
    """One process: what it counts dies with it. What it knows of a cluster is listed when it begins."""

    def __init__(self, scene: Scene) -> None:
        self.store, self._scene = Store(), scene
        self.api = Refusing(self.store)
        self.metrics = Metrics(Mock(counts=Counter({("GET", "200"): 3})), self.store, [], Mock(fresh=True))
        self._reconciler = Reconciler(
            self.api,  # type: ignore[arg-type]
            self.store,
            frozenset,
            now=lambda: scene.now,
            finished=self.metrics.finished,
        )
        for thing in (scene.workflow, *scene.things.values(), *scene.pods):
            self.store.put(thing)

    def look(self) -> None:
        self._reconciler.reconcile(KEY)
        found = self.store.get(KEY)
        assert found is not None
        self._scene.workflow = found

    def says(self, name: str) -> str:
        """Return the value of a series; nothing where there is none."""
        return next(
            (line.rpartition(" ")[2] for line in self.metrics.text().splitlines() if line.startswith(f"{name} ")), ""
        )


def ended(code: int = 0, after: float = 90, **spec: Any) -> Scene:
    """Return a run whose pod and Job have ended, which nobody has noticed yet."""
    scene = Scene(**spec).settle().runs()
    scene.pod(
        phase="Failed" if code else "Succeeded",
        startTime=stamp(BEGIN),
        containerStatuses=[{"name": "d4py", "imageID": "", "state": {"terminated": {"exitCode": code}}}],
    )
    scene.job_says("Failed" if code else "Complete")
    scene.now = BEGIN.replace(minute=int(after // 60), second=int(after % 60))
    return scene


def test_a_run_is_counted_when_its_end_is_written_and_not_again() -> None:
    scene = ended()
    operator = Operator(scene)
    operator.look()
    assert operator.says(RUNS) == "1"

    operator.look()
    another = Operator(scene)  # which begins anew, or takes over
    another.look()

    assert (operator.says(RUNS), another.says(RUNS)) == ("1", "0")


def test_nor_is_it_when_something_else_is_written_of_it() -> None:
    scene = ended()
    operator = Operator(scene)
    operator.look()
    changed = {**scene.workflow["metadata"], "generation": 2, "resourceVersion": "900"}
    operator.store.put({**scene.workflow, "metadata": changed})

    operator.look()

    assert (len(operator.api.statuses), operator.says(RUNS)) == (2, "1")


@pytest.mark.parametrize("status", [404, 409, 500])
def test_a_run_whose_end_could_not_be_written_is_not_counted(status: int) -> None:
    operator = Operator(ended())
    operator.api.take = lambda _: ApiError(status, "", "no")

    try:
        operator.look()
    except (Stale, ClusterError):
        assert status != 404

    assert operator.says(RUNS) == "0"


def test_how_long_runs_took_is_told_by_mapping_and_phase() -> None:
    operator = Operator(ended(3, 90, **WITH_RANKS))

    operator.look()

    series = [line for line in operator.metrics.text().splitlines() if 'mapping="mpi",phase="Failed"' in line]
    buckets = (10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400, 43200, 86400, 172800, 604800, "+Inf")
    assert series == [
        *(
            f'd4py_workflow_seconds_bucket{{mapping="mpi",phase="Failed",le="{bucket}"}} {int(number > 2)}'
            for number, bucket in enumerate(buckets)
        ),
        'd4py_workflow_seconds_sum{mapping="mpi",phase="Failed"} 90.000000',
        'd4py_workflow_seconds_count{mapping="mpi",phase="Failed"} 1',
        'd4py_workflows{mapping="mpi",phase="Failed"} 1',
    ]


def test_a_run_that_never_started_took_no_time() -> None:
    scene = Scene(runPolicy={"startDeadlineSeconds": 60}).settle()
    scene.now = BEGIN.replace(minute=2)
    scene.look()
    operator = Operator(scene)

    operator.look()

    assert operator.api.statuses[-1]["reason"] == "StartDeadline"
    assert operator.says('d4py_workflow_seconds_count{mapping="simple",phase="Failed"}') == "1"
    assert operator.says('d4py_workflow_seconds_bucket{mapping="simple",phase="Failed",le="10"}') == "1"
    assert operator.says('d4py_workflow_seconds_sum{mapping="simple",phase="Failed"}') == "0.000000"


def known(number: int, **status: Any) -> Object:
    metadata = {"name": f"w{number}", "namespace": "lab", "uid": f"u{number}", "resourceVersion": str(number)}
    return {"kind": "Workflow", "metadata": metadata, "spec": {}, "status": status}


def test_items_are_those_of_the_workflows_that_are_known() -> None:
    operator = Operator(Scene())
    first = known(1, mapping="multi", phase="Running", items={"read": 5, "written": 7, "quarantined": 1})
    operator.store.put(first)
    operator.store.put(known(2, mapping="multi", phase="Succeeded", items={"read": 10, "written": 20, "outputs": 3}))
    operator.store.put(known(3, mapping="threads", phase="Starting"))

    def items(mapping: str) -> list[str]:
        return [
            operator.says(f'd4py_workflow_items_{name}{{mapping="{mapping}"}}')
            for name in ("read", "written", "quarantined")
        ]

    assert (items("multi"), items("threads"), items("mpi")) == (["15", "27", "1"], ["0", "0", "0"], ["", "", ""])
    operator.store.drop(first)
    assert items("multi") == ["10", "20", "0"]


def test_there_are_no_more_series_however_much_there_is() -> None:
    """Nor does what somebody has written into a status become a line of its own."""
    operator = Operator(Scene())
    phases = ["Running", "Succeeded", "Failed", "Pending", "Queued"]
    for number in range(40):
        mapping = ["simple", "threads", "multi", "mpi", EVIL][number % 5]
        operator.store.put(known(number, mapping=mapping, phase=phases[number // 5 % 5], items={"read": 1}))
        operator.metrics.finished({"mapping": mapping, "phase": phases[number % 3]})
    before = operator.metrics.text()

    for number in range(40, 400):
        operator.store.put(known(number, mapping=f"y{number}", phase=f"z{number}", items={"read": 1}))

    lines = operator.metrics.text().splitlines()
    assert len(lines) - len(before.splitlines()) <= 1, "one more phase: unknown"
    assert "evil" not in before
    well = re.compile(r'(# (HELP|TYPE) [a-z0-9_]+ .+)|([a-z0-9_]+(\{([a-z]+="[^"\n]*",?)+\})? [0-9.]+)')
    assert [line for line in lines if not well.fullmatch(line)] == []


def test_what_has_not_happened_yet_is_there_as_none() -> None:
    """A series that begins with its first run shows no rise to whoever asks for one."""
    text = Operator(Scene()).metrics.text()

    for mapping in ("simple", "threads", "multi", "mpi"):
        for phase in ("Succeeded", "Failed"):
            assert f'd4py_workflow_seconds_count{{mapping="{mapping}",phase="{phase}"}} 0\n' in text


def test_the_page_lists_each_of_them_with_its_type_and_labels() -> None:
    operator = Operator(Scene())
    operator.metrics.looked("Workflow", "ok", 0.1)
    text = operator.metrics.text()
    labels = {
        re.sub("_(bucket|sum|count)$", "", name): re.findall(r"(\w+)=", found)
        for name, found in re.findall(r"^(d4py_\w+)(?:\{(.*)\})? ", text, re.MULTILINE)
    }
    told = {name: (kind, labels[name]) for name, kind in re.findall(r"^# TYPE (\S+) (\w+)$", text, re.MULTILINE)}

    page = (ROOT / "docs" / "kubernetes.md").read_text()

    rows = re.findall(r"^\| `(d4py_\w+)(?:\{(.*)\})?` \| (\w+) \|", page, re.MULTILINE)
    assert {name: (kind, found.split(", ") if found else []) for name, found, kind in rows} == told
