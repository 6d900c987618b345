# SPDX-License-Identifier: Apache-2.0
"""Outputs as JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import d4py
from d4py.errors import StateError, UsageError
from d4py.mappings import Result
from d4py.runs.arrays import Stored, filled
from d4py.runs.outputs import write_lines


@dataclass
class Pick:
    station: str
    delay: float


class Keeps:
    def __init__(self) -> None:
        self.kept, self._hidden = 1, 2


def result_of(tmp_path: Path, *values: Any) -> Result:
    @d4py.producer
    def given() -> Iterator[Any]:
        yield from values

    graph = d4py.WorkflowGraph()
    graph.add(given())
    return d4py.run(graph, run_dir=tmp_path / "run")


def test_each_item_is_one_object_with_pe_output_and_value(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"

    assert write_lines(result_of(tmp_path, 1, "é").outputs, path) == 2
    assert path.read_text() == (
        '{"pe": "given", "output": "output", "value": 1}\n{"pe": "given", "output": "output", "value": "\\u00e9"}\n'
    )


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ((1, [2]), [1, [2]]),
        ({"a": {"b": None}}, {"a": {"b": None}}),
        ({1: "a"}, {"1": "a"}),
        ({("UV05", "UV06"): 2.5}, {"('UV05', 'UV06')": 2.5}),
        ([{(1, 2): {(3, 4): 5}}], [{"(1, 2)": {"(3, 4)": 5}}]),
        ({3, 1}, [1, 3]),
        (b"\x00\xff", "00ff"),
        (Pick("UV05", 0.5), {"station": "UV05", "delay": 0.5}),
        (Keeps(), {"kept": 1}),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.longdouble(0.5), "0.5"),
        (np.datetime64("2020-01-31"), "2020-01-31"),
        (1 + 2j, "(1+2j)"),
        (Path("/a"), "/a"),
        (float("nan"), None),
        ([float("inf"), -1.5], [None, -1.5]),
    ],
    ids=lambda value: f"{value!r:.30}",
)
def test_a_value_is_told_as_json_says_it(tmp_path: Path, value: Any, told: Any) -> None:
    path = tmp_path / "out.jsonl"
    write_lines(result_of(tmp_path, value).outputs, path)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    assert json.loads(path.read_text(), parse_constant=refuse)["value"] == told


def test_arrays_are_beside_the_lines_and_named_in_them(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    write_lines(result_of(tmp_path, np.arange(3), {"stack": np.eye(2, dtype=np.float32)}).outputs, path)

    first, second = (json.loads(line)["value"] for line in path.read_text().splitlines())
    assert first == {"array": "a0", "file": "out.npz", "shape": [3], "dtype": "int64"}
    assert second == {"stack": {"array": "a1", "file": "out.npz", "shape": [2, 2], "dtype": "float32"}}
    with np.load(tmp_path / "out.npz") as arrays:
        assert (arrays["a0"].tolist(), arrays["a1"].tolist()) == ([0, 1, 2], [[1.0, 0.0], [0.0, 1.0]])


def test_what_was_written_is_read_back_with_its_arrays(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    write_lines(result_of(tmp_path, {"stacks": [np.eye(2), "far"], "n": 1}).outputs, path)
    stored = Stored(tmp_path / "out.npz")

    value = filled(json.loads(path.read_text())["value"], stored)

    stored.close()
    assert (value["n"], value["stacks"][1]) == (1, "far")
    assert value["stacks"][0].tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_arrays_of_objects_are_not_unpickled(tmp_path: Path) -> None:
    write_lines(result_of(tmp_path, np.array([{"a": 1}, None], dtype=object)).outputs, tmp_path / "out.jsonl")
    stored = Stored(tmp_path / "out.npz")

    with pytest.raises(StateError, match="The array 'a0' of the outputs holds objects"):
        stored("a0")
    stored.close()


def test_arrays_that_have_no_place_leave_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="which go into a file beside '/dev/null'; it is no file"):
        write_lines(result_of(tmp_path, np.eye(2)).outputs, Path("/dev/null"))

    assert not Path("/dev/null.npz").exists()
    assert not list(tmp_path.glob("*.npz"))


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"The output file .* cannot be written: No such file or directory"):
        write_lines(result_of(tmp_path, 1).outputs, tmp_path / "absent" / "out.jsonl")


def test_outputs_are_read_again_each_time_and_not_held(tmp_path: Path) -> None:
    outputs = result_of(tmp_path, 1, 2).outputs

    assert [list(outputs), list(outputs), len(outputs)] == [
        [("given", "output", 1), ("given", "output", 2)],
        [("given", "output", 1), ("given", "output", 2)],
        2,
    ]
