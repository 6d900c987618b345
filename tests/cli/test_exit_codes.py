# SPDX-License-Identifier: Apache-2.0
"""What a command exits with says what became of the work: 0, 2, 3, 4, 5 and 6, one by one, and what is not about the work at all."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from tests.cli.conftest import Call, command, eventually

from d4py.cli import list as list_command
from d4py.cli.main import main
from d4py.errors import LoadError
from d4py.mappings import enact
from d4py.runs import Folder
from d4py.runs.books import Books, Line


def test_0_when_the_work_is_done_and_the_books_balance(call: Call) -> None:
    told = call("run tiny.py --run-id a")

    assert told.code == 0
    assert "Total.output: 90" in told.out
    assert call("wait a").code == 0


def test_2_when_the_arguments_cannot_be_used(call: Call) -> None:
    assert call("run tiny.py -n 0").code == 2


def test_3_when_a_pe_raises_with_pe_instance_item_input_and_the_users_own_lines(call: Call, here: Path) -> None:
    told = call("run fragile.py --run-id a")

    assert told.code == 3
    assert told.err.splitlines()[0] == (
        "d4py: error: PE 'invert', instance invert, item 5 on 'input', input 5: ValueError: five is not allowed"
    )
    assert told.err.splitlines()[1:] == [
        "Traceback (most recent call last):",
        f'  File "{here}/fragile.py", line 12, in invert',
        '    raise ValueError("five is not allowed")',
        "ValueError: five is not allowed",
    ]
    assert call("wait a").code == 3
    assert call("status a").code == 0


def test_4_when_items_are_in_quarantine(call: Call) -> None:
    told = call("run fragile.py --on-error quarantine --run-id a")

    assert told.code == 4
    assert "1 item in quarantine. Run them again: d4py retry a" in told.out
    assert call("wait a").code == 4


def test_5_when_a_signal_stopped_it_after_a_checkpoint_and_0_when_it_is_resumed(call: Call, here: Path) -> None:
    run = subprocess.Popen(
        command("run waiting.py --run-id a"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    eventually(lambda: "got 2" in call("logs a").out)
    run.send_signal(signal.SIGTERM)
    out, _ = run.communicate()

    assert run.returncode == 5
    assert "Continue: d4py resume a" in out
    assert call("wait a").code == 5
    (here / "go").touch()
    resumed = call("resume a")
    assert (resumed.code, "Total.output: 15" in resumed.out) == (0, True)


def test_6_when_the_books_do_not_balance(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    books = Books((Line("channel", "a.output -> b.input", 10, 9),), {}, {})
    monkeypatch.setattr(enact, "audit", lambda folder, **_: books)

    told = call("run tiny.py --run-id a")

    assert told.code == 6
    assert "The books do not balance. See: d4py audit a" in told.out
    assert call("wait a").code == 6


def test_audit_exits_6_when_what_was_committed_does_not_add_up(call: Call) -> None:
    assert call("run tiny.py --run-dir r/a").code == 0
    assert call("audit r/a").code == 0
    part = Folder(Path("r/a")).part("0001-end-00000")
    part.counts[1]["read"]["input"] -= 1
    Folder(Path("r/a")).write_part(part)

    told = call("audit r/a")

    assert told.code == 6
    assert "the books do not balance" in told.out
    assert [line.split() for line in told.out.splitlines()[-1:]] == [["WRONG", "input", "double.input", "10", "9"]]


def test_audit_exits_5_when_nothing_is_committed(call: Call) -> None:
    assert call("run fragile.py --run-id a").code == 3

    told = call("audit a")

    assert (told.code, "nothing is committed yet" in told.out) == (5, True)


def test_failure_goes_before_quarantine(call: Call) -> None:
    Path("both.py").write_text(
        Path("fragile.py").read_text()
        + "\n@d4py.iterative\ndef late(x):\n    return 1 / (x - 4)\nworkflow = workflow >> late()\n"
    )

    assert call("run both.py --on-error invert=quarantine").code == 3


def test_130_and_not_a_word_when_interrupted_outside_a_run(program: Call) -> None:
    Path("w.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")

    assert program("run w.py") == (130, "", "")


def test_a_defect_is_told_in_one_line_and_its_traceback_kept(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_command, "call", lambda args: os.environ["SLIP"])

    told = call("list")

    assert told.code == 1
    assert told.err.startswith("d4py: error: KeyError: 'SLIP'. This is a defect of d4py: please report it with ")
    assert told.err.count("\n") == 1
    kept = Path(told.err.split()[-1].rstrip("."))
    assert "Traceback" in kept.read_text()
    kept.unlink()


def test_D4PY_DEBUG_shows_the_traceback_of_an_error(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("D4PY_DEBUG", "1")

    with pytest.raises(LoadError, match=r"no file 'none\.py'"):
        main(["run", "none.py"])


def test_without_a_command_the_commands_are_listed_and_nothing_is_called_done(call: Call) -> None:
    told = call([])

    assert told.code == 2
    assert "  run        run a workflow here and wait for it" in told.err


def test_help_and_version(call: Call) -> None:
    assert call("--version") == (0, "d4py 0.1.0\n", "")
    assert call("--help").out == call("help").out
    assert call("help run").out == call("run --help").out
    assert "--on-error POLICY" in call("run --help").out
