# SPDX-License-Identifier: Apache-2.0
"""What the operator knows of a cluster is what is there, whoever changes it and whenever it is listed."""

from __future__ import annotations

from typing import Any

from d4py_operator.cluster.store import Store
from d4py_operator.objects import WORKFLOW, Key


def job(version: int, *, of: str | None = "a", name: str = "a-1") -> dict[str, Any]:
    labels = {} if of is None else {WORKFLOW: of}
    metadata = {
        "name": name,
        "namespace": "lab",
        "uid": f"uid-{name}",
        "resourceVersion": str(version),
        "labels": labels,
    }
    return {"kind": "Job", "metadata": metadata, "spec": {}}


def test_a_list_does_not_take_away_what_was_made_since() -> None:
    """Else the operator would take a Job that it has just made for lost, and begin another attempt beside it."""
    store = Store()
    store.put(job(11))

    store.replace("Job", "lab", [], "10")
    store.put(job(12))

    assert [each["metadata"]["resourceVersion"] for each in store.of("lab", "a")] == ["12"]
    store.replace("Job", "lab", [], "13")
    assert store.of("lab", "a") == []


def test_what_somebody_labels_as_anothers_is_not_looked_for_any_more() -> None:
    store = Store()
    heard: list[str | None] = []
    store.listeners.append(lambda thing: heard.append(thing["metadata"]["labels"].get(WORKFLOW)))
    store.put(job(1))
    store.put(job(2, of="b"))

    assert (store.of("lab", "a"), len(store.of("lab", "b"))) == ([], 1)
    assert heard == ["a", "a", "b"]
    store.put(job(3, of=None))
    store.drop(job(4, of=None))
    assert (store.of("lab", "b"), store.get(Key("Job", "lab", "a-1"))) == ([], None)
