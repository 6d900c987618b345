# SPDX-License-Identifier: Apache-2.0
"""Custom resources: what is read is what is written, and what does not fit is named."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from d4py.resources import Unreadable, Workflow, WorkflowSpec, read, written
from d4py.resources.yaml import document

SPEC: dict[str, Any] = {
    "graph": {"configMapRef": {"name": "code", "key": "wf.py"}},
    "image": "x",
    "runPolicy": {"suspend": False, "ttlSecondsAfterFinished": 0},
    "volumes": [{"name": "a", "mountPath": "/a", "persistentVolumeClaim": {"claimName": "b", "path": "c"}}],
    "template": {"spec": {"affinity": {"nodeAffinity": {}}}},
    "args": {"a": ""},
}


def test_what_is_read_is_written_again() -> None:
    assert written(read(WorkflowSpec, SPEC)) == SPEC


def test_what_a_newer_client_sends_is_left_out() -> None:
    assert written(read(WorkflowSpec, {**SPEC, "newer": 1})) == SPEC


def test_a_quantity_may_be_a_number() -> None:
    spec = read(WorkflowSpec, {"resources": {"worker": {"limits": {"cpu": 2}}}})

    assert spec.resources is not None
    assert spec.resources.worker is not None
    assert spec.resources.worker.limits == {"cpu": "2"}


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ([], "spec"),
        ({"image": 7}, "spec.image"),
        ({"runPolicy": {"suspend": "yes"}}, "spec.runPolicy.suspend"),
        ({"runPolicy": {"backoffLimit": True}}, "spec.runPolicy.backoffLimit"),
        ({"volumes": [{"name": "a"}]}, "spec.volumes[0].mountPath"),
        ({"volumes": {"name": "a"}}, "spec.volumes"),
        ({"args": {"a": []}}, "spec.args.a"),
        ({"args": []}, "spec.args"),
        ({"mpi": {}}, "spec.mpi.ranks"),
    ],
)
def test_what_does_not_fit_is_named_by_its_path(spec: Any, path: str) -> None:
    with pytest.raises(Unreadable) as told:
        read(Workflow, {"spec": spec})

    assert told.value.path == path


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text().filter(str.isprintable),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text().filter(str.isprintable), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.text().filter(str.isprintable), PLAIN, max_size=4))
def test_every_reader_of_yaml_reads_the_same(data: dict[str, Any]) -> None:
    assert yaml.safe_load(document({"data": data})) == {"data": data}


@pytest.mark.parametrize(
    "text",
    [
        "on",
        "No",
        "null",
        "~",
        "1e3",
        "0x1f",
        "2001-01-01",
        "a: b",
        "- a",
        "#",
        "'",
        "",
        " a",
        "y",
        "=",
        "1_000",
        ".inf",
    ],
)
def test_texts_stay_texts(text: str) -> None:
    assert yaml.safe_load(document({"a": text, "b": [text]})) == {"a": text, "b": [text]}
