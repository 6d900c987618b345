# SPDX-License-Identifier: Apache-2.0
"""Graphs as text, for Graphviz and as SVG; plans; checks; none of them leaves anything behind."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st
from tests.cli.conftest import Call

from d4py.cli.layers import arranged
from d4py.runs import home

DIAMOND = """
import d4py

@d4py.producer
def words():
    yield "a"

@d4py.iterative
def upper(x):
    return x

@d4py.iterative
def lower(x):
    return x

class Join(d4py.GenericPE):
    def __init__(self):
        super().__init__()
        self._add_input("left", grouping="all")
        self._add_input("right", grouping=[0, "key"])
        self._add_output("<out>")

a, b, c, d = words(), upper(), lower(), Join()
d.name = 'Join "&" <co>'
g = d4py.WorkflowGraph()
g.connect(a, "output", b, "input")
g.connect(a, "output", c, "input")
g.connect(b, "output", d, "left")
g.connect(c, "output", d, "right")
g.connect(a, "output", d, "left")
"""
SVG = "{http://www.w3.org/2000/svg}"


def test_a_graph_as_text(call: Call) -> None:
    assert call("graph tiny.py").out.splitlines() == [
        "tiny: 3 PEs, 2 connections",
        "",
        "numbers (source)",
        "└─ output → double.input",
        "",
        "double (stateless)",
        "└─ output → Total.input (global)",
        "",
        "Total",
        "└─ output → the run's outputs",
    ]


def test_a_graph_for_graphviz(call: Call) -> None:
    lines = call("graph tiny.py --format dot").out.splitlines()

    assert lines[0] == 'digraph "tiny" {'
    assert '  "double" -> "Total" [label="global"];' in lines
    assert lines[-1] == "}"


def test_a_graph_as_svg_is_well_formed_and_holds_every_pe_and_connection(call: Call) -> None:
    Path("diamond.py").write_text(DIAMOND)

    assert call("graph diamond.py -o diamond.svg") == (0, "diamond.svg\n", "")
    root = ElementTree.parse("diamond.svg").getroot()
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert root.tag == f"{SVG}svg"
    assert len(root.findall(f".//{SVG}rect[@rx]")) == 4
    assert len(root.findall(f".//{SVG}path[@class='in']")) == 5
    assert len(root.findall(f".//{SVG}path[@class='out']")) == 1
    assert {'Join "&" <co>', "words", "upper", "lower", "<out>", "output → right, by 0, key"} <= set(texts)


def test_the_name_of_the_file_says_which_form(call: Call) -> None:
    assert call("graph tiny.py -o g.dot").code == 0
    assert Path("g.dot").read_text().startswith("digraph")


@given(st.data())
def test_boxes_never_overlap_and_lines_go_from_left_to_right(data: st.DataObject) -> None:
    names = [str(number) for number in range(data.draw(st.integers(1, 9)))]
    pairs = [(one, other) for index, one in enumerate(names) for other in names[index + 1 :]]
    lines = data.draw(st.lists(st.sampled_from(pairs), max_size=14)) if pairs else []
    sizes = {name: (data.draw(st.floats(10, 200)), data.draw(st.floats(10, 90))) for name in names}

    layout = arranged(sizes, lines, dict.fromkeys(range(len(names)), 40.0))

    boxes = list(layout.boxes.values())
    for index, box in enumerate(boxes):
        assert (box.x >= 0, box.x + box.width <= layout.width + 1e-6) == (True, True)
        assert (box.y - box.height / 2 >= -1e-6, box.y + box.height / 2 <= layout.height + 1e-6) == (True, True)
        for other in boxes[index + 1 :]:
            if box.column == other.column:
                assert abs(box.y - other.y) >= (box.height + other.height) / 2
    for line in layout.lines:
        assert all(one.x + one.width < other.x for one, other in itertools.pairwise(line))


def test_a_plan_for_people(call: Call) -> None:
    lines = call("plan tiny.py -m threads -n 4").out.splitlines()

    assert lines[0] == "tiny on threads: 4 instances in 4 threads"
    assert "1        1     double[0]" in lines
    assert "double.output   Total.input   global    2 channels" in lines
    assert lines[-1].startswith("note: PE 'Total' has one instance: its input is global.")


def test_a_plan_for_machines(call: Call) -> None:
    plan = json.loads(call("plan tiny.py --json -m threads -n 3 --no-fuse").out)

    assert (plan["workflow"], plan["mapping"], plan["processes"], plan["version"]) == ("tiny", "threads", 3, 3)
    assert plan["pes"][0] == {"pe": "numbers", "instances": 1, "cells": [0]}
    assert [route["grouping"] for route in plan["routes"]] == ["shuffle", "global"]
    assert json.loads(call("plan tiny.py -o json -m threads -n 3 --no-fuse").out) == plan


def test_a_check(call: Call) -> None:
    assert call("validate tiny.py -m threads -n 4") == (
        0,
        "tiny is valid: 3 PEs, 2 connections; 4 instances on threads\n",
        "",
    )


def test_looking_before_leaves_nothing_behind(call: Call, here: Path) -> None:
    before = sorted(here.rglob("*"))

    for line in ("plan tiny.py", "validate tiny.py -d '{\"numbers\": 2}'", "graph tiny.py --format svg"):
        assert call(line).code == 0
    assert [path for path in sorted(here.rglob("*")) if path not in before and "__pycache__" not in path.parts] == []
    assert not home().exists()
