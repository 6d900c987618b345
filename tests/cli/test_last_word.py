# SPDX-License-Identifier: Apache-2.0
"""The last word of a run: one line, for whoever only keeps that."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from d4py.cli.secret import hidden
from d4py.graph.load import digest_of

WORKFLOW = """
import os
import d4py

@d4py.producer
def numbers(n: int = 4):
    yield from range(n)

@d4py.iterative
def picky(x):
    if x == int(os.environ.get("BAD", "-1")):
        raise ValueError(os.environ.get("SAYS", ""))
    return x

workflow = numbers() >> picky()
"""


def start(folder: Path, *words: str, log: Path | str, **variables: str) -> subprocess.Popen[str]:
    (folder / "picky.py").write_text(WORKFLOW)
    environment = {**os.environ, "D4PY_TERMINATION_LOG": str(log), "D4PY_HOME": str(folder / "home"), **variables}
    command = [sys.executable, "-m", "d4py.cli.main", "run", *words, f"--run-dir={folder / 'run'}"]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def run(folder: Path, *words: str, log: Path | str, **variables: str) -> tuple[int, str]:
    with start(folder, *words, log=log, **variables) as ran:
        said, _ = ran.communicate()
    return ran.returncode, said


def word(log: Path) -> dict[str, Any]:
    text = log.read_bytes()
    assert len(text) <= 4096
    data: dict[str, Any] = json.loads(text)
    return data


def test_a_run_that_is_done_leaves_its_counts(tmp_path: Path) -> None:
    code, _ = run(tmp_path, "picky.py", log=tmp_path / "log")

    left = word(tmp_path / "log")
    assert (code, left["exit_code"], left["status"]) == (0, 0, "done")
    assert (left["read"], left["written"], left["outputs"]) == (4, 8, 4)
    assert left["plan"] == {"numbers": 1, "picky": 1}
    assert left["graph"] == digest_of(tmp_path / "picky.py")


def test_a_signal_while_the_last_word_is_written_changes_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")  # opened for writing when somebody reads it
    with start(tmp_path, "picky.py", log=tmp_path / "log") as ran:
        assert ran.stdout is not None
        assert any("exit code 0" in line for line in ran.stdout)
        ran.send_signal(signal.SIGTERM)
        reader = os.open(tmp_path / "log", os.O_RDONLY | os.O_NONBLOCK)
        code = ran.wait()

    assert json.loads(os.read(reader, 4096) or "{}").get("exit_code") == 0
    assert code == 0
    os.close(reader)


def test_a_run_that_failed_names_the_pe(tmp_path: Path) -> None:
    code, _ = run(tmp_path, "picky.py", log=tmp_path / "log", BAD="2", SAYS="no twos")

    left = word(tmp_path / "log")
    assert (code, left["exit_code"], left["failed_pe"]) == (3, 3, "picky")
    assert left["error"].endswith("ValueError: no twos")


def test_a_run_that_did_not_start_says_why(tmp_path: Path) -> None:
    code, _ = run(tmp_path, "pickle.py", log=tmp_path / "log")

    assert (code, word(tmp_path / "log")["exit_code"]) == (2, 2)
    assert "pickle.py" in word(tmp_path / "log")["error"]


def test_secrets_are_not_in_it(tmp_path: Path) -> None:
    run(tmp_path, "picky.py", log=tmp_path / "log", BAD="1", SAYS="token-4711 is wrong", D4PY_SECRETS="SAYS")

    assert "token-4711" not in (tmp_path / "log").read_text()
    assert word(tmp_path / "log")["error"].endswith("ValueError: ***")


def test_secrets_taken_whole_are_told_nowhere(tmp_path: Path) -> None:
    """A cluster lays a Secret out as files, each called as a variable; it may have changed since the variable was set."""
    secret = tmp_path / "variables of mine" / "0"
    hidden = secret / "..data"
    hidden.mkdir(parents=True)
    (hidden / "SAYS").write_text("token-of-today\n")
    (secret / "SAYS").symlink_to("..data/SAYS")
    (hidden / "CERTIFICATE").write_text("line one\nline two\n")
    (secret / "CERTIFICATE").symlink_to("..data/CERTIFICATE")
    said = "token-4711 or token-of-today, by line one\nline two"

    _, printed = run(
        tmp_path, "picky.py", log=tmp_path / "log", BAD="1", SAYS=said, D4PY_LOGS="stdout",
        D4PY_SECRET_FOLDERS=f"{tmp_path / 'nowhere'}:{secret}",
    )  # fmt: skip

    assert word(tmp_path / "log")["error"].endswith("ValueError: ***")
    for told in (printed, (tmp_path / "log").read_text()):
        assert not [part for part in ("token", "line two") if part in told]


def test_of_a_secret_every_shape_is_hidden(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "KEY").write_text("one\n two\n")
    (tmp_path / "EMPTY").write_text("")
    monkeypatch.setenv("D4PY_SECRET_FOLDERS", str(tmp_path))
    monkeypatch.setenv("D4PY_SECRETS", "LONG MISSING")
    monkeypatch.setenv("LONG", "one two three")

    assert hidden("a one\n two\n b one two c 'one\\n two\\n' d one two three") == "a *** b *** c '***' d ***"


@pytest.mark.parametrize("text", ["x" * 100_000, "\u2603" * 5000])
def test_a_long_error_is_cut(tmp_path: Path, text: str) -> None:
    run(tmp_path, "picky.py", log=tmp_path / "log", BAD="1", SAYS=text)

    assert word(tmp_path / "log")["exit_code"] == 3


def test_it_may_be_the_last_line_that_is_printed(tmp_path: Path) -> None:
    _, printed = run(tmp_path, "picky.py", log="/dev/stdout")

    assert json.loads(printed.splitlines()[-1])["exit_code"] == 0
    assert "PE" in printed.splitlines()[2]


def test_that_it_cannot_be_left_changes_nothing(tmp_path: Path) -> None:
    code, _ = run(tmp_path, "picky.py", log=tmp_path / "nowhere" / "log")

    assert code == 0
