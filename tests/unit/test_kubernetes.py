# SPDX-License-Identifier: Apache-2.0
"""What is sent to a cluster, and what its answers mean; no cluster is asked."""

from __future__ import annotations

from typing import Any

import pytest

from d4py.errors import UsageError
from d4py.resources import Workflow, read
from d4py.runs import Status
from d4py.targets.kubernetes.manifest import Order, checked_name, laid_over, manifests, name_of
from d4py.targets.kubernetes.run import find
from d4py.targets.kubernetes.status import state_of, told

KEPT = {"volume": {"claimName": "kept"}}


def order(**more: Any) -> Order:
    return Order(**{"name": "words-1", "namespace": "here", "mapping": "multi", "title": "words", **more})


def workflow(**status: Any) -> dict[str, Any]:
    spec = {"graph": {"module": "/opt/d4py/workflows/words"}, "mapping": "multi"}
    return {"metadata": {"name": "words-1", "namespace": "here"}, "spec": spec, "status": status}


def test_a_workflow_of_an_image_is_one_object_and_one_of_files_two() -> None:
    assert [each["kind"] for each in manifests(order(module="words"))] == ["Workflow"]
    assert [each["kind"] for each in manifests(order(files={"workflow.py": ""}))] == ["ConfigMap", "Workflow"]


@pytest.mark.parametrize(
    ("more", "part"),
    [
        ({"processes": 3}, {"parallelism": {"processes": 3}}),
        ({"processes": 3, "mapping": "mpi"}, {"mpi": {"ranks": 3, "slotsPerWorker": 3}}),
        ({"processes": 3, "mapping": "mpi", "more": {"checkpoint": KEPT}}, {"mpi": {"ranks": 3}}),
        ({"per_pe": {"a": 2}}, {"parallelism": {"perPE": {"a": 2}}}),
        ({"per_pe": {"a": 2}, "processes": 3}, {"parallelism": {"perPE": {"a": 2}, "processes": 3}}),
        ({"address": "https://x/y.json"}, {"inputs": {"uri": "https://x/y.json"}}),
        ({"iterations": 0}, {"inputs": {"iterations": 0}}),
        ({"data": {"a": [{"input": 1}]}}, {"inputs": {"inline": '{"a": [{"input": 1}]}'}}),
        ({"parameters": {"n": "2"}}, {"args": {"n": "2"}}),
        ({"variable": "second"}, {"graph": {"module": "words", "object": "second"}}),
        ({"image": "a:1", "more": {"image": "b:2"}}, {"image": "b:2"}),
    ],
)
def test_every_spec_is_one_that_the_resources_know(more: dict[str, Any], part: dict[str, Any]) -> None:
    (made,) = manifests(order(module="words", **more))

    assert part.items() <= made["spec"].items()
    assert read(Workflow, {"spec": made["spec"]}).spec.mapping == more.get("mapping", "multi")


def test_fields_are_laid_over_fields_and_null_takes_one_away() -> None:
    base = {"a": {"b": 1, "c": 2}, "d": [1], "e": 5}

    assert laid_over(base, {"a": {"b": 3}, "d": [2], "e": None}) == {"a": {"b": 3, "c": 2}, "d": [2]}


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Two_Words", "two-words-abc"),
        ("7 samurai", "run-7-samurai-abc"),
        ("ä", "run-abc"),
        ("x" * 99, "x" * 36 + "-abc"),
    ],
)
def test_a_name_is_one_that_kubernetes_takes(title: str, name: str) -> None:
    assert name_of(title, "abc") == name
    assert checked_name(name) == name


@pytest.mark.parametrize("name", ["", "7a", "A", "a_b", "a-", "a" * 41])
def test_a_name_that_kubernetes_would_not_take_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is no name for a run on Kubernetes"):
        checked_name(name)


@pytest.mark.parametrize(
    ("phase", "attempt", "status", "code"),
    [
        (None, {}, Status.QUEUED, None),
        ("Queued", {}, Status.QUEUED, None),
        ("Starting", {}, Status.STARTING, None),
        ("Suspending", {}, Status.RUNNING, None),
        ("Suspended", {"exitCode": 5}, Status.STOPPED, 5),
        ("Succeeded", {"exitCode": 0}, Status.DONE, 0),
        ("Succeeded", {"exitCode": 4}, Status.DONE, 4),
        ("Failed", {"exitCode": 6}, Status.FAILED, 6),
        ("Failed", {}, Status.FAILED, 3),
        *(("Failed", {"exitCode": code}, Status.FAILED, 3) for code in (0, 1, 127, 137, 143)),
    ],
)
def test_a_phase_is_a_state_with_the_code_of_the_run(
    phase: str | None, attempt: dict[str, int], status: Status, code: int | None
) -> None:
    state = state_of(workflow(**({"phase": phase} if phase else {}), lastAttempt=attempt))

    assert (state.run, state.workflow, state.status, state.exit_code) == (
        "kubernetes://here/words-1",
        "words",
        status,
        code,
    )


def test_times_and_reasons_are_told() -> None:
    times = {"startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:01:30Z"}
    failed = workflow(phase="Failed", reason="PEFailed", message="words raised", attempts=2, **times)

    assert (state_of(failed).seconds, state_of(failed).error) == (90.0, "PEFailed: words raised")
    assert told(failed) == "Failed, attempt 2"


@pytest.mark.parametrize("text", ["kubernetes://", "kubernetes://here", "kubernetes:///words", "kubernetes://a/b/c"])
def test_half_an_id_names_no_run(text: str) -> None:
    with pytest.raises(UsageError, match="names no run"):
        find(text)


def test_another_id_is_not_for_kubernetes() -> None:
    assert find("20261129-010203-abcdef") is None


def test_a_run_that_goes_on_as_asked_has_no_error_and_one_that_is_over_no_pods() -> None:
    running = workflow(phase="Running", reason="AsAsked", message="attempt 1 runs: 1 of 1 pods ready", ready="1/1")
    done = workflow(phase="Succeeded", reason="Done", message="the run is done", ready="0/1", items={"read": 7})

    assert (state_of(running).error, told(running)) == ("", "Running, 1/1 pods ready")
    assert told(done) == "Succeeded, 7 items read"
