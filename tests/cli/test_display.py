# SPDX-License-Identifier: Apache-2.0
"""What is shown where: progress on stderr, results on stdout, colours and redrawing only on a terminal that can."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import Call, command
from tests.cli.terminal import ESCAPE, on_a_terminal

from d4py.cli import progress
from d4py.cli.progress import View, feeders, told
from d4py.graph.load import find, load
from d4py.mappings import Options, get

COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7][0-9;]*m")

SLOW = """
import time
import d4py

class Events(d4py.ProducerPE):
    def _process(self, inputs):
        time.sleep(0.02)
        return 1

@d4py.iterative
def fragile(x: int) -> int:
    return x

workflow = Events() >> fragile()
"""


def test_the_summary_of_a_run(call: Call) -> None:
    told = call("run tiny.py --run-id a")

    assert re.sub(r"\d+\.\d\d s", "T", told.out).splitlines() == [
        "done in T, exit code 0: run a on simple",
        "",
        "PE       instances  read  written  quarantined",
        "numbers          1     0       10            0",
        "double           1    10       10            0",
        "Total            1    10        1            0",
        "",
        "Total.output: 90",
    ]
    assert told.err == ""


def test_many_outputs_are_hinted_at(call: Call) -> None:
    Path("many.py").write_text(Path("tiny.py").read_text() + "workflow = numbers(n=7) >> double()\n")

    assert call("run many.py --run-id a").out.splitlines()[-6:] == [
        *(f"double.output: {2 * number}" for number in range(5)),
        "... 2 more: d4py outputs a",
    ]


def test_json_is_one_object_of_this_shape(call: Call, here: Path) -> None:
    told = call("run tiny.py --run-id a --json --output out.jsonl")
    summary = json.loads(told.out)
    seconds = summary.pop("seconds")

    assert told.out.count("\n") == 1
    assert 0 < seconds < 60
    assert summary == {
        "run_id": "a",
        "mapping": "simple",
        "status": "done",
        "exit_code": 0,
        "counts": {
            "numbers": {"instances": 1, "read": 0, "written": 10, "quarantined": 0},
            "double": {"instances": 1, "read": 10, "written": 10, "quarantined": 0},
            "Total": {"instances": 1, "read": 10, "written": 1, "quarantined": 0},
        },
        "books": {
            "balanced": True,
            "quarantined": 0,
            "lines": [
                {"kind": "input", "name": "double.input", "written": 10, "read": 10},
                {"kind": "input", "name": "Total.input", "written": 10, "read": 10},
                {"kind": "output", "name": "Total.output", "written": 1, "read": 1},
            ],
        },
        "outputs": {"count": 1, "path": f"{here}/out.jsonl"},
        "error": "",
        "traceback": "",
        "warnings": [],
        "folder": f"{here.parent}/state/d4py/runs/a",
    }


def test_json_tells_of_a_failure_too(call: Call) -> None:
    told = call("run fragile.py --json")
    summary = json.loads(told.out)

    assert (told.code, summary["exit_code"], summary["status"]) == (3, 3, "failed")
    assert summary["error"].endswith("ValueError: five is not allowed")
    assert summary["traceback"].splitlines()[-1] == "ValueError: five is not allowed"


def test_quiet_prints_errors_only(call: Call) -> None:
    assert call("run tiny.py -q") == (0, "", "")
    told = call("run fragile.py -q")
    assert (told.out, told.err.startswith("d4py: error: PE 'invert'")) == ("", True)


def test_warnings_go_to_stderr(call: Call) -> None:
    Path("unfed.py").write_text("import d4py\nworkflow = d4py.WorkflowGraph()\nworkflow.add(d4py.IterativePE())\n")

    told = call("run unfed.py")

    assert told.code == 0
    assert (
        told.err
        == "d4py: warning: Nothing feeds input 'input' of PE 'IterativePE'. Connect it, or give data with -d.\n"
    )


def test_elsewhere_than_on_a_terminal_progress_is_plain_lines(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("slow.py").write_text(SLOW)
    monkeypatch.setattr(progress, "FIRST_LINE", 0.2)

    told = call("run slow.py -i 30")

    lines = told.err.splitlines()
    assert len(lines) >= 2
    for line in lines:
        assert re.fullmatch(
            r"d4py: after \d\.\d+ s(, about [\d.]+ s left)?: Events \d+ of 30 \([\d.]+/s\); fragile \d+ \([\d.]+/s\)",
            line,
        ), line


def test_a_line_of_progress() -> None:
    view = View({"read": 100}, frozenset({"read"}))
    zero = {"instances": 1, "read": 0, "written": 0, "quarantined": 0}
    view.update({"read": zero, "stack": zero}, 0.0)
    view.update({"read": {**zero, "written": 50}, "stack": {**zero, "read": 49, "quarantined": 1}}, 5.0)

    assert told(view) == "d4py: after 5.0 s, about 5.0 s left: read 50 of 100 (10/s); stack 49 (9.8/s, 1 quarantined)"


def test_the_queue_of_a_pe_is_told_only_where_the_counts_tell_it(here: Path) -> None:
    """Items in flight are what the writers wrote less what the reader read; not so where a writer has two outputs or copies go to all."""
    Path("w.py").write_text(
        "import d4py\nclass Two(d4py.ProducerPE):\n    def __init__(self):\n        super().__init__()\n        self._add_output('other')\n"
        "class All(d4py.GenericPE):\n    def __init__(self):\n        super().__init__()\n        self._add_input('input', grouping='all')\n"
        "two, plain, second, everyone = Two(), d4py.IterativePE(), d4py.ConsumerPE(), All()\ng = d4py.WorkflowGraph()\n"
        "g.connect(two, 'output', plain, 'input')\ng.connect(plain, 'output', second, 'input')\ng.connect(plain, 'output', everyone, 'input')\n"
    )
    graph = load(find("w.py")).graph
    plan = get("simple").layout(graph, Options(), {})

    assert feeders(plan, progress.single_outputs(graph)) == {"ConsumerPE": ("IterativePE",)}


def test_a_live_display_is_drawn_on_a_terminal_and_taken_away(here: Path) -> None:
    Path("slow.py").write_text(SLOW)

    code, drawn = on_a_terminal("run slow.py -i 60 --run-id a", more={"TERM": "xterm-256color"})

    assert code == 0
    assert "slow on simple" in ESCAPE.sub("", drawn)
    assert "━" in drawn
    assert COLOUR.search(drawn)
    assert ESCAPE.sub("", drawn[drawn.rindex("\x1b[2K") :]).startswith("done in")


@pytest.mark.parametrize(
    "variables", [{"TERM": "dumb"}, {"TERM": "xterm", "NO_COLOR": "1"}], ids=["dumb terminal", "NO_COLOR"]
)
def test_no_colour_where_it_is_not_wanted(variables: dict[str, str], here: Path) -> None:
    Path("slow.py").write_text(SLOW)

    code, drawn = on_a_terminal("run slow.py -i 40 --run-id a", more=variables)

    assert code == 0
    assert COLOUR.search(drawn) is None
    if variables["TERM"] == "dumb":
        assert "\x1b" not in drawn


def test_a_short_run_does_not_import_what_draws(program: Call) -> None:
    """It would cost more than all the rest of its start."""
    code = "import sys; from d4py.cli.main import main; main(['run', 'tiny.py']); print(sorted({'rich', 'numpy', 'http', 'shutil', 'socket', 'uuid'} & set(sys.modules)))"

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert told.stdout.splitlines()[-1] == "[]"


def test_a_reader_that_leaves_early_is_no_error(here: Path, program: Call) -> None:
    for number in range(3):
        assert program(f"run tiny.py -q --run-id r{number}").code == 0
    listing = subprocess.run(
        ["bash", "-c", f'{sys.executable} -m d4py.cli.main list | true; echo "${{PIPESTATUS[0]}}"'],
        capture_output=True,
        text=True,
    )

    assert listing.stderr == ""
    assert int(listing.stdout) in (0, 141)  # as the pipe was closed before or after it was written to


def test_a_run_exits_with_its_code_though_nobody_reads_its_summary(here: Path) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    run = subprocess.run(
        command("run fragile.py --on-error quarantine"), stdout=theirs, stderr=subprocess.PIPE, text=True
    )
    os.close(theirs)

    assert (run.returncode, run.stderr) == (4, "")
