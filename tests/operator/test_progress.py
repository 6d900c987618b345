# SPDX-License-Identifier: Apache-2.0
"""How far a run has come, asked of a run that really goes on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from tests.operator.hands import eventually
from tests.operator.scene import BEGIN, Scene
from tests.ports import free_ports

from d4py_operator.cluster import progress as asking
from d4py_operator.cluster.progress import Asker, progress
from d4py_operator.objects import Key
from d4py_operator.summary import Summary

ENDLESS = """
import time
import d4py

class Ticks(d4py.ProducerPE):
    live = True

    def process(self, inputs):
        while True:
            self.write("output", 1)
            time.sleep(0.01)

@d4py.iterative
def same(x):
    return x

workflow = Ticks() >> same()
"""
KEY = Key("Workflow", "lab", "demo")


def test_counts_are_summed_over_pes() -> None:
    text = """# HELP d4py_items_read_total Items
d4py_items_read_total{pe="a",instance="0"} 3
d4py_items_read_total{pe="b } 9",instance="0"} 4
d4py_items_written_total{pe="a",instance="0"} nonsense
d4py_checkpoint 5
other_total 7
"""

    assert progress(text) == Summary(read=7, checkpoint=5, plan={"a": 1, "b } 9": 1})
    assert progress("other_total 7\n") is None


def test_instances_are_counted_by_pe() -> None:
    names = ("a", "a", 'quoted \\" and \\\\')
    lines = [
        f'd4py_items_{kind}_total{{pe="{name}",instance="{at}"}} 0'
        for kind in ("read", "written")
        for at, name in enumerate(names)
    ]

    said = progress("\n".join(lines))

    assert said is not None
    assert said.plan == {"a": 2, 'quoted " and \\': 1}


def test_a_run_that_goes_on_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = free_ports(1)
    monkeypatch.setattr(asking, "PROGRESS", port)
    (tmp_path / "ticks.py").write_text(ENDLESS)
    heard: list[Key] = []
    asker = Asker(lambda: iter([(KEY, "127.0.0.1")]), heard.append)
    command = [sys.executable, "-m", "d4py.cli.main", "run", "ticks.py", "-q", f"--run-dir={tmp_path / 'run'}"]
    environment = {**os.environ, "D4PY_METRICS": f"127.0.0.1:{port}"}
    run = subprocess.Popen(command, cwd=tmp_path, env=environment)
    try:

        def further() -> bool:
            asker._silent.clear()
            asker.turn()
            return KEY in asker.known and asker.known[KEY].read > 3

        eventually(further, "counts")
    finally:
        run.terminate()
        run.wait(timeout=30)

    assert heard[0] == KEY
    assert asker.known[KEY].written > 3
    assert asker.known[KEY].plan == {"Ticks": 1, "same": 1}


@pytest.fixture
def mute(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have somebody at every address of this machine who never says a word."""
    (port,) = free_ports(1)
    monkeypatch.setattr(asking, "PROGRESS", port)
    monkeypatch.setattr(asking, "_TIMEOUT", urllib3.Timeout(connect=0.5, read=0.05))
    with socket.create_server(("", port), backlog=100):
        yield


@pytest.mark.usefixtures("mute")
def test_who_does_not_answer_is_asked_later_and_later() -> None:
    asker = Asker(lambda: iter([(KEY, "127.0.0.1")]), lambda _: None)
    waits = []
    for _ in range(8):
        asker.turn()
        _, wait = asker._silent["127.0.0.1"]
        waits.append(wait)
        asker._silent["127.0.0.1"] = 0.0, wait

    assert waits == [20, 40, 80, 160, 300, 300, 300, 300]
    assert asker.known == {}


def test_a_pod_in_which_nobody_listens_yet_is_asked_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "PROGRESS", free_ports(1)[0])
    asker = Asker(lambda: iter([(KEY, "127.0.0.1")]), lambda _: None)

    asker.turn()

    assert not asker._silenced("127.0.0.1")


@pytest.mark.usefixtures("mute")
def test_however_many_run_so_many_are_asked_in_a_second() -> None:
    runs = [(Key("Workflow", "lab", f"demo-{number}"), f"127.0.0.{number}") for number in range(1, 6)]
    waits: list[float | None] = []

    class Recorded(threading.Event):
        """Notes how long somebody would wait."""

        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout)
            return False

    asker = Asker(lambda: iter(runs), lambda _: None)
    asker.ending = Recorded()

    asker.turn()
    asker.turn()  # nobody answered, and nobody is asked again

    assert waits == [0.5] * 5


def test_the_status_says_how_far_it_has_come() -> None:
    scene = Scene(checkpoint={"volume": {"claimName": "kept"}}).settle().runs()
    scene.progress = Summary(read=5, written=6, checkpoint=2, plan={"a": 2})

    scene.settle()

    assert scene.status["items"] == {"read": 5, "written": 6, "quarantined": 0, "outputs": 0}
    assert scene.status["checkpoint"]["sequence"] == 2
    assert scene.status["plan"] == {"a": 2}
    assert scene.status["lastProgressTime"] == BEGIN.strftime("%Y-%m-%dT%H:%M:%SZ")
    scene.after(10)
    assert scene.condition("CheckpointReady") == ("True", "AsAsked")
