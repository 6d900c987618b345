# SPDX-License-Identifier: Apache-2.0
"""Each source and each sink under real kills: what a sink holds at the end is what its source had, each once."""

from __future__ import annotations

import csv
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import d4py
from d4py import mappings
from d4py.runs import Folder

ITEMS = 300
WORKFLOW = """
import os
import signal
import time
from pathlib import Path

import d4py
from d4py.connectors import *

HERE = Path(__file__).parent


@d4py.iterative
def row(value):
    number = int(value["number"] if isinstance(value, dict) else value)
    if number in {victims} and not (HERE / f"killed-{{number}}").exists():
        (HERE / f"killed-{{number}}").touch()
        os.kill(os.getppid() if {all} else os.getpid(), signal.SIGKILL)
        time.sleep(60)
    time.sleep(0.004)
    return {shape}


workflow = {source} >> row() >> {sink}
"""
SOURCES = {
    "lines": 'LinesSource(HERE / "in.txt")',
    "json": 'JsonLinesSource(HERE / "in.jsonl")',
    "csv": 'CsvSource(HERE / "in.csv")',
    "sqlite": 'SqliteSource(HERE / "in.db", "numbers")',
}
SINKS = {
    "lines": ('LinesSink(HERE / "out.txt")', "str(number)"),
    "json": ('JsonLinesSink(HERE / "out.jsonl")', '{"number": number}'),
    "csv": ('CsvSink(HERE / "out.csv")', '{"number": number}'),
    "sqlite": (
        'SqliteSink(HERE / "out.db", "numbers", create="CREATE TABLE numbers (number INTEGER)")',
        '{"number": number}',
    ),
}


def given(kind: str, here: Path) -> None:
    """Write the numbers as a source of a kind reads them."""
    numbers = range(ITEMS)
    if kind == "lines":
        (here / "in.txt").write_text("".join(f"{number}\n" for number in numbers))
    elif kind == "json":
        (here / "in.jsonl").write_text("".join(json.dumps({"number": number}) + "\n" for number in numbers))
    elif kind == "csv":
        (here / "in.csv").write_text("number\n" + "".join(f"{number}\n" for number in numbers))
    else:
        with closing(sqlite3.connect(here / "in.db")) as database, database:
            database.execute("CREATE TABLE numbers (number INTEGER)")
            database.executemany("INSERT INTO numbers VALUES (?)", [(number,) for number in numbers])


def taken(kind: str, here: Path) -> list[int]:
    """Return the numbers that a sink of a kind holds."""
    if kind == "lines":
        return [int(line) for line in (here / "out.txt").read_text().splitlines()]
    if kind == "json":
        return [json.loads(line)["number"] for line in (here / "out.jsonl").read_text().splitlines()]
    if kind == "csv":
        with open(here / "out.csv", newline="") as file:
            return [int(row["number"]) for row in csv.DictReader(file)]
    with closing(sqlite3.connect(here / "out.db")) as database:
        return [number for (number,) in database.execute("SELECT number FROM numbers ORDER BY rowid")]


@pytest.fixture
def drawn(tmp_path: Path) -> Callable[..., str]:
    def draw(source: str, sink: str, *, victims: tuple[int, ...], everyone: bool = False) -> str:
        text, shape = SINKS[sink]
        path = tmp_path / "wf.py"
        path.write_text(
            WORKFLOW.format(victims=set(victims), all=everyone, shape=shape, source=SOURCES[source], sink=text)
        )
        given(source, tmp_path)
        return str(path)

    return draw


@pytest.mark.parametrize(
    ("source", "sink"), [("lines", "json"), ("json", "csv"), ("csv", "sqlite"), ("sqlite", "lines"), ("json", "json")]
)
def test_a_sink_holds_each_item_once_whatever_worker_dies(
    source: str, sink: str, drawn: Callable[..., str], tmp_path: Path
) -> None:
    path = drawn(source, sink, victims=(150, 280))

    result = d4py.run(path, "multi", processes=3, checkpoint=0.02, run_dir=tmp_path / "run")

    assert result.exit_code == 0
    assert len(result.warnings) == 2, "both deaths were noticed"
    assert sorted(taken(sink, tmp_path)) == list(range(ITEMS))
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")], "nothing hidden is left"


@pytest.mark.parametrize(
    ("source", "sink"), [("json", "csv"), ("csv", "sqlite"), ("sqlite", "json"), ("lines", "lines")]
)
def test_a_sink_holds_each_item_once_when_all_processes_were_killed_and_the_run_resumed(
    source: str, sink: str, drawn: Callable[..., str], tmp_path: Path
) -> None:
    path = drawn(source, sink, victims=(280,))
    (tmp_path / "wf.py").write_text(
        (tmp_path / "wf.py").read_text().replace("os.getpid(), signal", "int((HERE / 'pid').read_text()), signal")
    )
    command = f"import os, d4py, pathlib; pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid())); d4py.run({path!r}, 'multi', processes=3, checkpoint=0.02, run_dir={str(tmp_path / 'run')!r})"
    first = subprocess.run([sys.executable, "-c", command], timeout=60)
    assert first.returncode == -signal.SIGKILL
    assert list((tmp_path / "run" / "commits").iterdir()), "it had come as far as a checkpoint"

    result = mappings.resume(Folder(tmp_path / "run"))

    assert result.exit_code == 0
    assert sorted(taken(sink, tmp_path)) == list(range(ITEMS))
