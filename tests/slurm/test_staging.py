# SPDX-License-Identifier: Apache-2.0
"""Data by URI on a real Slurm, whose nodes do not reach the server: fetched before the job, and written back after it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.slurm.conftest import Call

READS = """
import urllib.request
from pathlib import Path
import d4py

@d4py.producer
def read(data: Path, server: str = ""):
    try:
        urllib.request.urlopen(server, timeout=2)
    except (OSError, ValueError):
        yield "no network"
    yield str(data), data.read_text()

workflow = d4py.WorkflowGraph()
workflow.add(read(data=Path()))
"""
SITE = "--profile generic --mapping simple --time 5"


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder, and notes what was asked for."""

    got: list[str] = []  # noqa: RUF012 - of the class, on purpose

    def do_GET(self) -> None:
        self.got.append(self.path)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(here: Path) -> Iterator[str]:
    """A server of this machine's loopback, which no node sees, with two files."""
    (here / "reads.py").write_text(READS)
    (here / "served").mkdir()
    for name in ("one", "two"):
        (here / "served" / name).write_text(f"text {name}")
    Quiet.got = []
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(here / "served"))) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def test_data_is_fetched_into_the_run_before_it_is_sent(server: str, call: Call, here: Path) -> None:
    words = f"submit --slurm reads.py {SITE} --set data={server}/one --set server={server} --run-id a"
    sent, again = call(f"{words} --wait"), call(words)
    values = [json.loads(line)["value"] for line in call("outputs a -o json").out.splitlines()]

    assert sent.code == 0, sent.err + call("logs a").out
    assert values[0] == "no network"
    place, text = values[1]
    assert text == "text one"
    assert Path(place).is_relative_to(here / "state/d4py/runs/a/data")
    assert again.out == "slurm://a\n"
    assert Quiet.got.count("/one") == 1


def test_a_profile_may_name_a_folder_that_all_runs_share(server: str, call: Call, here: Path) -> None:
    (here / "config/d4py/profiles").mkdir(parents=True)
    (here / "config/d4py/profiles/scratch.toml").write_text('staging = "$D4PY_SCRATCH/cache"\n')
    site = SITE.replace("generic", "scratch")
    swept = f"submit --slurm reads.py {site} --sweep data={server}/one,{server}/two --run-id s --wait"

    first = call(swept, D4PY_SCRATCH=str(here / "scratch"))
    second = call(
        f"submit --slurm reads.py {site} --set data={server}/two --run-id t --wait", D4PY_SCRATCH=str(here / "scratch")
    )

    assert (first.code, second.code) == (0, 0), first.err + second.err
    values = [json.loads(line)["value"] for line in call("outputs s -o json").out.splitlines()]
    assert [value[1] for value in values if isinstance(value, list)] == ["text one", "text two"]
    assert sorted(path.name for path in (here / "scratch/cache").rglob("*") if path.is_file()) == ["one", "two"]
    assert sorted(Quiet.got) == ["/one", "/two"]


def test_outputs_are_written_back_to_a_uri_when_the_run_is_over(server: str, call: Call, here: Path) -> None:
    uri = f"file://{here}/back.jsonl"
    sent = call(f"submit --slurm reads.py {SITE} --set data={server}/one --output {uri} --run-id o --wait")
    later = call(f"outputs o --output file://{here}/later.jsonl")

    assert sent.code == 0, sent.err
    assert json.loads((here / "back.jsonl").read_text().splitlines()[-1])["value"][1] == "text one"
    assert (here / "later.jsonl").read_text() == (here / "back.jsonl").read_text()
    assert later.out == f"2 outputs in file://{here}/later.jsonl\n"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--set data={server}/absent", "/absent cannot be fetched: there is no such file."),
        ("--set data=s3://bucket/one", "s3://bucket/one cannot be reached: "),
        ("--set data={server}/one --profile off", "the profile 'off' stages nothing. Give it staging = "),
        ("--set data={server}/one --output s3://bucket/x", "Add --wait, or fetch them later: d4py outputs RUN"),
    ],
)
def test_what_cannot_be_staged_is_one_line_with_the_remedy(
    words: str, says: str, server: str, call: Call, here: Path
) -> None:
    (here / "config/d4py/profiles").mkdir(parents=True)
    (here / "config/d4py/profiles/off.toml").write_text('staging = ""\n')

    told = call(f"submit --slurm reads.py {words.format(server=server)}")

    assert told.code == 2
    assert len(told.err.splitlines()) == 1
    assert says in told.err
    assert not list((here / "state").glob("d4py/runs/*/submission.json"))
    assert not [path for path in (here / "state").rglob("*") if path.is_file()]
