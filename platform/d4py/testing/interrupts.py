# SPDX-License-Identifier: Apache-2.0
"""Promise 2 at the keyboard: Ctrl-C, sent as a terminal does to all processes of the run, drains a live source whenever it comes."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from d4py.runs import Folder, Status
from d4py.testing.belongings import alive, descendants
from d4py.testing.case import Case, fault, green, pause
from d4py.testing.stops import Alone, Watch
from d4py.testing.waiting import eventually, settled

if TYPE_CHECKING:
    from d4py.mappings import Result


def gate(at: str, during: str) -> dict[str, Any]:
    """Return a gate in another method than process."""
    return fault("pause", at, during=during)


# Where the run stands when the signal comes: the gate, and the workflow's parameters.
PHASES: dict[str, tuple[str, dict[str, Any]]] = {
    "before the source begins": ("numbers-preprocess--1", {"faults": [gate("numbers", "preprocess")]}),
    "before the reader begins": ("total-preprocess--1", {"faults": [gate("total", "preprocess")]}),
    "before the first item": ("numbers-process-0", {"faults": [pause(0)]}),
    "while the source waits": ("numbers-process-30", {"faults": [pause(30)]}),
    "while the source cannot write on": ("total-process-30", {"faults": [pause(30, at="total")]}),
    "in one long call that cannot write on": ("total-process-30", {"faults": [pause(30, at="total")], "call": True}),
    "in a checkpoint": ("total-snapshot--1", {"faults": [gate("total", "snapshot")]}),
}


class InterruptsContract(Case):
    """Ctrl-C at any time."""

    @pytest.mark.parametrize("phase", PHASES)
    def test_ctrl_c_drains_a_live_source_whenever_it_comes(self, phase: str) -> None:
        name, parameters = PHASES[phase]
        path = self.scratch / "interrupted"
        options = {"checkpoint": 0.05} if phase == "in a checkpoint" else {}
        with self.alone(path, "streaming", parameters, **options) as process:
            self.await_(name, process)
            if "write on" in phase:
                counts = Watch(Folder(path))
                settled(lambda: counts.written("numbers"), quiet=0.1)
            interrupt(process)
            self.open(name)
            assert process.wait(timeout=20) == 0

        drained(self.result(path))

    def test_ctrl_c_reaches_a_live_source_that_stands_in_a_read(self) -> None:
        path = self.scratch / "interrupted"
        pipe = self.scratch / "pipe"
        os.mkfifo(pipe)
        with self.alone(path, "piped", {}) as process:
            feed(pipe, range(3))
            eventually(lambda: len(self.lines("pipe-reads")) == 4, what="a read that finds nothing")
            interrupt(process)
            assert process.wait(timeout=20) == 0

        result = self.result(path)
        green(result)
        assert result.outputs.values("total") == [3]

    @pytest.mark.parametrize("item", [126, 127])
    def test_ctrl_c_while_an_item_is_on_its_way_keeps_a_live_source_from_its_next_read(self, item: int) -> None:
        """There are 128 bytes to read; one read more would stand for ever."""
        path = self.scratch / "interrupted"
        pipe = self.scratch / "pipe"
        os.mkfifo(pipe)
        with self.alone(path, "piped", {"faults": [pause(item, at="relay")]}, window=1) as process:
            feed(pipe, range(128))
            self.await_(f"relay-process-{item}", process)
            interrupt(process)
            self.open(f"relay-process-{item}")
            assert process.wait(timeout=20) == 0

        drained(self.result(path))

    def test_a_second_ctrl_c_while_the_run_drains_ends_it_and_resume_goes_on(self) -> None:
        path = self.scratch / "interrupted"
        parameters = {"faults": [gate("total", "postprocess")]}
        with self.alone(path, "streaming", parameters) as process:
            eventually(lambda: (path / "board").exists() and Watch(Folder(path)).read("total") > 100, what="items")
            workers = descendants(process.pid)
            interrupt(process)
            self.await_("total-postprocess--1", process)
            interrupt(process)
            assert process.wait(timeout=20) == 0
            eventually(lambda: not any(map(alive, workers)), within=6, what="its workers to end")
        state = Folder(path).state()
        assert (state.status, state.exit_code) == (Status.STOPPED, 5)
        self.open("total-postprocess--1")

        running = self.background(path, lambda: self.resume(path))
        eventually(lambda: Folder(path).generation() == 2 and Watch(running.folder).read("total") > 100, what="items")
        running.folder.request("cancel")

        drained(running.result())

    def alone(self, path: Path, shape: str, parameters: dict[str, Any], **options: Any) -> Alone:
        """Run a shape in a process group of its own."""
        given = {"shape": shape, "scratch": str(self.scratch), **parameters}
        return Alone(self, path, given, options=options, group=True)


def interrupt(process: subprocess.Popen[bytes]) -> None:
    """Press Ctrl-C."""
    os.killpg(process.pid, signal.SIGINT)


def feed(pipe: Path, values: range) -> None:
    """Write bytes into a pipe, which need not be read yet."""
    end = os.open(pipe, os.O_RDWR)
    os.write(end, bytes(values))
    eventually(Path(f"{pipe}-reads").exists, what="somebody to read the pipe")
    os.close(end)  # what is in it stays while the reader has it open


def drained(result: Result) -> None:
    """Check that a run ended well with the sum of what was sent."""
    green(result)
    assert result.status is Status.DONE
    sent = result.counts["numbers"]["written"]
    assert result.counts["total"]["read"] == sent
    assert result.outputs.values("total") == [sent * (sent - 1) // 2]
