# SPDX-License-Identifier: Apache-2.0
"""The last word of a run: one line, for whoever only keeps that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

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


def run(folder: Path, *words: str, log: Path | str, **variables: str) -> tuple[int, str]:
    (folder / "picky.py").write_text(WORKFLOW)
    environment = {**os.environ, "D4PY_TERMINATION_LOG": str(log), "D4PY_HOME": str(folder / "home"), **variables}
    command = [sys.executable, "-m", "d4py.cli.main", "run", *words, f"--run-dir={folder / 'run'}"]
    ran = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    return ran.returncode, ran.stdout


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
