# SPDX-License-Identifier: Apache-2.0
"""What PEs print goes where the command's output goes: a reader that leaves ends the run as it ends any program, and JSON stays JSON."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from tests.cli.conftest import Call, command

MAPPINGS = ["simple", "threads -n 2", "multi -n 2"]

PRINTING = """
import d4py

@d4py.producer
def numbers(n: int = 3):
    yield from range(n)

@d4py.iterative
def show(x: int) -> int:
    print("line", x, "." * 100)
    return x

workflow = numbers() >> show()
"""


@pytest.fixture(autouse=True)
def _printing(here: Path) -> None:
    Path("printing.py").write_text(PRINTING)


def first_line(line: str) -> tuple[str, int, str]:
    """Start a command, read the first line it prints, go away; return that, how it ended and what it said of it."""
    run = subprocess.Popen(command(line), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert run.stdout is not None
    assert run.stderr is not None
    first = run.stdout.readline()
    run.stdout.close()
    said = run.stderr.read()
    run.stderr.close()
    return first.rstrip(" .\n"), run.wait(), said


@pytest.mark.parametrize("mapping", MAPPINGS)
@pytest.mark.parametrize("more", ["", "-q", "--on-error retry:3,quarantine"])
def test_a_reader_that_leaves_ends_a_run_of_printing_pes_without_a_word(mapping: str, more: str, call: Call) -> None:
    ended = first_line(f"run printing.py --mapping {mapping} {more} --set n=5000 --run-id a")

    assert ended == ("line 0", 141, "")
    state = json.loads(call("status a -o json").out)
    assert (state["status"], state["exit_code"]) == ("failed", 3)
    assert state["error"].startswith("PE 'show', instance show, item ")
    assert state["error"].endswith(": BrokenPipeError: nobody reads what this run prints any more")
    assert sum(count["quarantined"] for count in state["counts"].values()) == 0
    assert call("resume a -q").code == 0
    assert call("outputs a -o json").out.count("\n") == 5000


def test_a_broken_pipe_of_a_pes_own_fails_it_as_any_error_does(call: Call) -> None:
    Path("own.py").write_text(
        "import os\nimport d4py\n@d4py.producer\ndef speak():\n    ours, theirs = os.pipe()\n    os.close(ours)\n    os.write(theirs, b'x')\n"
        "g = d4py.WorkflowGraph()\ng.add(speak())\n"
    )

    told = call("run own.py")

    assert told.code == 3
    assert told.err.startswith(
        "d4py: error: PE 'speak', instance speak, call 0: BrokenPipeError: [Errno 32] Broken pipe\n"
    )
