# SPDX-License-Identifier: Apache-2.0
"""Promise 3 for sources with a world of their own: one that knows its place goes on there, one that can't be had again loses nothing."""

from __future__ import annotations

import ast
import signal
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from d4py.runs import Folder
from d4py.testing.belongings import alive, descendants
from d4py.testing.case import Case, green, pause
from d4py.testing.stops import Alone
from d4py.testing.waiting import eventually

if TYPE_CHECKING:
    from d4py.mappings import Result


class PositionsContract(Case):
    """Sources with offset() and seek(), and with replay = "spool"."""

    def test_a_source_that_knows_its_place_reads_nothing_twice_when_it_is_suspended(self) -> None:
        running = self.start("taped", items=100, faults=[pause(60)])
        running.at("numbers-process-60")
        running.folder.request("suspend")
        cut = running.result()
        running.open("numbers-process-60")

        result = self.resume(cut)

        whole(result)
        assert self.lines("written") == [str(number) for number in range(100)]

    @pytest.mark.parametrize("checkpoint", [True, False], ids=["after a checkpoint", "before any"])
    def test_a_source_that_knows_its_place_is_wound_back_to_the_last_checkpoint(self, checkpoint: bool) -> None:
        result = self.resume(self.killed("taped", checkpoint=checkpoint))

        whole(result)
        again = {int(line) for line, times in Counter(self.lines("written")).items() if times > 1}
        assert again == set(range(60 if checkpoint else 0, 80))

    @pytest.mark.parametrize("checkpoint", [True, False], ids=["after a checkpoint", "before any"])
    def test_what_was_read_once_of_a_source_that_rolls_dice_is_never_another(self, checkpoint: bool) -> None:
        result = self.resume(self.killed("diced", checkpoint=checkpoint))

        one_throw_each(result, self.lines("seen"))

    @pytest.mark.parametrize("checkpoint", [True, False], ids=["after a checkpoint", "before any"])
    def test_nothing_is_lost_of_a_source_that_gives_each_item_once(self, checkpoint: bool) -> None:
        result = self.resume(self.killed("tapped", checkpoint=checkpoint))

        green(result)
        assert sorted(result.outputs.values("sink")) == list(range(100))
        assert self.lines("written") == [str(number) for number in range(100)]

    @pytest.mark.parametrize("checkpoint", [True, False], ids=["after a checkpoint", "before any"])
    def test_what_preprocess_writes_travels_on_once_though_it_runs_at_each_start(self, checkpoint: bool) -> None:
        result = self.resume(self.killed("ceremony", checkpoint=checkpoint))

        green(result)
        instances = result.counts["ceremony"]["instances"]
        assert Counter(result.outputs.values("sink")) == Counter([*["begin", "end"] * instances, *range(100)])
        assert Counter(line.split()[0] for line in self.lines("ceremony"))["begin"] > instances

    def killed(self, shape: str, *, checkpoint: bool) -> Path:
        """Run a shape; take a checkpoint at item 60 or none; kill the run once its sink has seen what there is before item 80."""
        path = self.scratch / "killed"
        parameters = {"shape": shape, "scratch": str(self.scratch), "items": 100, "faults": [pause(60), pause(80)]}
        with Alone(self, path, parameters) as process:
            self.await_("numbers-process-60", process)
            if checkpoint:
                Folder(path).request("snapshot")
                eventually(lambda: list((path / "commits").glob("*.json")), what="the checkpoint")
            self.open("numbers-process-60")
            self.await_("numbers-process-80", process)
            eventually(lambda: len(self.lines("seen")) >= 80, what="the sink to see all there is")
            workers = descendants(process.pid)
            process.send_signal(signal.SIGKILL)
            process.wait()
            eventually(lambda: not any(map(alive, workers)), within=6, what="its workers to end")
        self.open("numbers-process-80")
        return path


def whole(result: Result) -> None:
    """Check that a run of `taped` with 100 numbers gave all of them once."""
    green(result)
    assert result.outputs.values("total") == [4950]
    assert sorted(result.outputs.values("sink")) == list(range(100))


def one_throw_each(result: Result, seen: list[str]) -> None:
    """Check that a run of `diced` gave 100 throws, to both readers the same, and no reader ever saw two for one number."""
    green(result)
    throws: list[Any] = sorted(result.outputs.values("sink"))
    assert [number for number, _ in throws] == list(range(100))
    assert sorted(result.outputs.values("other")) == throws
    assert sorted(set(map(ast.literal_eval, seen))) == throws
