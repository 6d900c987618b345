# SPDX-License-Identifier: Apache-2.0
"""The second half of promise 2, live sources, and what promise 3 says of stops: a run that is cut gives the answer of one that is not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from d4py.runs import Folder, Status
from d4py.testing import workflows
from d4py.testing.belongings import alive, descendants
from d4py.testing.case import Case, fault, green, pause
from d4py.testing.waiting import eventually

_RUN = """
import json, select, signal, socket, sys
from d4py import mappings
from d4py.graph.load import find, load
from d4py.mappings import enact
given = json.loads(sys.argv[1])

def late(*args, audit=enact.audit, **options):
    woken, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    open(given["late"], "w").close()
    select.select([woken], [], [], 20)
    return audit(*args, **options)

if __name__ == "__main__":
    if given["late"]:
        enact.audit = late
    mappings.run(load(find(given["workflow"], parameters=given["parameters"])), given["mapping"], processes=given["processes"], run_dir=given["run"], **given["options"])
"""


class StopsContract(Case):
    """Live sources, checkpoints, suspend and resume, a cut-off run."""

    @pytest.mark.parametrize("call", [False, True], ids=["stream", "one long call"])
    def test_a_live_source_that_is_stopped_drains_and_ends_with_exit_0(self, call: bool) -> None:
        running = self.start("endless", call=call)
        counts = Watch(running.folder)
        eventually(lambda: counts.read("total") > 100, what="items to arrive")

        running.folder.request("cancel")
        result = running.result()

        green(result)
        sent = result.counts["endless"]["written"]
        assert sent > 100
        assert result.counts["total"]["read"] == sent
        assert result.outputs.values("total") == [sent * (sent - 1) // 2]

    def test_a_finite_run_that_is_cancelled_ends_and_is_not_green(self) -> None:
        running = self.start("line", faults=[pause(5)])
        running.at("numbers-process-5")

        running.folder.request("cancel")
        result = running.result()

        assert (result.status, result.exit_code) == (Status.CANCELLED, 5)

    @pytest.mark.parametrize("shape", ["line", "total", "several"])
    @pytest.mark.parametrize("window", [None, 1], ids=["frames", "single"])
    def test_a_run_suspended_and_resumed_gives_the_answer_of_one_that_was_not(
        self, shape: str, window: int | None
    ) -> None:
        running = self.start(shape, items=100, faults=[pause(60)], options={"window": window})
        running.at("numbers-process-60")

        running.folder.request("suspend")
        cut = running.result()
        running.open("numbers-process-60")
        result = self.resume(cut)

        assert (cut.status, cut.exit_code) == (Status.STOPPED, 5)
        green(result)
        assert sorted(result.outputs.values()) == (list(range(100)) if shape == "line" else [4950])
        if shape != "several":
            assert result.counts["relay"]["read"] == 100
            assert self.seen() == Counter(range(100)) if shape == "line" else Counter([4950])

    def test_a_run_can_be_suspended_many_times(self) -> None:
        gates = (10, 11, 30, 90)
        running = self.start("whole", items=100, faults=[pause(gate) for gate in gates], processes=4)
        for gate in gates:
            running.at(f"numbers-process-{gate}")
            running.folder.request("suspend")
            cut = running.result()
            assert cut.exit_code == 5
            running.open(f"numbers-process-{gate}")
            if gate != gates[-1]:
                running.again(cut)
        result = self.resume(cut)

        green(result)
        found = {(pe, value) for pe, _, value in result.outputs if pe in ("total", "sum", "all")}
        assert found == {("total", 4950), ("sum", 4950), ("all", 4950)}
        assert sorted(result.outputs.values("sink")) == list(range(100, 200))
        assert sum(number for _, number in result.outputs.values("count")) == 200

    def test_a_resumed_run_may_have_another_number_of_processes(self) -> None:
        running = self.start("total", items=100, faults=[pause(60)])
        running.at("numbers-process-60")
        running.folder.request("suspend")
        cut = running.result()
        running.open("numbers-process-60")

        result = self.resume(cut, processes=1)

        green(result)
        assert result.outputs.values("sink") == [4950]

    def test_a_run_begun_on_threads_goes_on_here(self) -> None:
        running = self.start("total", items=100, faults=[pause(60)], mapping="threads")
        running.at("numbers-process-60")
        running.folder.request("suspend")
        cut = running.result()
        running.open("numbers-process-60")

        result = self.resume(cut)

        green(result)
        assert (result.mapping, result.outputs.values("sink")) == (self.mapping, [4950])

    def test_a_source_that_cannot_be_run_again_is_kept_in_a_journal(self) -> None:
        running = self.start("tapped", items=100, faults=[pause(60)])
        running.at("numbers-process-60")
        running.folder.request("suspend")
        cut = running.result()
        running.open("numbers-process-60")

        result = self.resume(cut)

        green(result)
        assert sorted(result.outputs.values("sink")) == list(range(100))
        assert self.lines("written") == [str(number) for number in range(100)]

    def test_checkpoints_during_a_run_do_not_change_its_results(self) -> None:
        gates = (0, 1, 50, 51)
        running = self.start("whole", items=100, faults=[pause(gate) for gate in gates], options={"checkpoint": 0.05})
        for gate in gates:
            running.at(f"numbers-process-{gate}")
            before = running.commits()
            eventually(lambda: running.commits() > before, what="a checkpoint")  # noqa: B023 - called at once
            running.open(f"numbers-process-{gate}")
        result = running.result()

        green(result)
        found = {(pe, value) for pe, _, value in result.outputs if pe in ("total", "sum", "all")}
        assert found == {("total", 4950), ("sum", 4950), ("all", 4950)}
        assert sorted(result.outputs.values("sink")) == list(range(100, 200))
        assert self.seen() == Counter(range(100, 200))

    @pytest.mark.parametrize("request_", ["snapshot", "suspend"])
    def test_what_overtakes_a_checkpoint_on_one_channel_waits_for_it_on_the_others(self, request_: str) -> None:
        """The barrier of one source is held up behind a PE that stands still, while the other source goes on after its own."""
        faults = [pause(10, at="relay"), pause(20), pause(1050, at="more")]
        running = self.start("crossing", items=100, faults=faults, processes=5)
        for gate in ("relay-process-10", "more-process-1050"):
            running.at(gate)
        running.folder.request(request_)
        parts = running.path / "parts"
        eventually(lambda: list(parts.glob("*-000001-*")), what="a source to pass its barrier")
        running.open("more-process-1050")
        eventually(lambda: "1051" in self.lines("written"), what="the source to go on")
        running.open("relay-process-10")
        if request_ == "suspend":
            running.open("numbers-process-20")
            cut = running.result()
            result = self.resume(cut)
        else:
            eventually(lambda: running.commits() == 1, what="the checkpoint")
            running.open("numbers-process-20")
            result = running.result()

        green(result)
        assert result.outputs.values("sink") == [sum(range(100)) + sum(range(1000, 1100))]

    def test_a_snapshot_on_demand_is_taken_and_the_run_goes_on(self) -> None:
        running = self.start("total", faults=[pause(5)])
        running.at("numbers-process-5")

        running.folder.request("snapshot")
        eventually(lambda: running.commits() == 1, what="the checkpoint")
        running.open("numbers-process-5")

        green(running.result())

    def test_a_failed_run_that_is_resumed_goes_on_from_its_last_checkpoint(self) -> None:
        running = self.start("line", items=100, faults=[pause(60), fault("raise", "relay", 70)])
        running.at("numbers-process-60")
        running.folder.request("snapshot")
        eventually(lambda: running.commits() == 1, what="the checkpoint")
        running.open("numbers-process-60")
        failed = running.result()

        result = self.resume(failed)

        assert failed.exit_code == 3
        green(result)
        assert sorted(result.outputs.values()) == list(range(100))
        assert {number for number, times in self.seen().items() if times > 1} <= set(range(60, 100))

    @pytest.mark.parametrize("after_checkpoint", [True, False], ids=["after a checkpoint", "before any"])
    def test_a_run_whose_process_was_killed_is_resumed_with_nothing_lost_or_doubled(
        self, after_checkpoint: bool
    ) -> None:
        path = self.scratch / "killed"
        parameters = {"shape": "total", "scratch": str(self.scratch), "items": 100, "faults": [pause(60), pause(80)]}
        with Alone(self, path, parameters) as process:
            self.await_("numbers-process-60", process)
            if after_checkpoint:
                Folder(path).request("snapshot")
                eventually(lambda: list((path / "commits").glob("*.json")), what="the checkpoint")
            self.open("numbers-process-60")
            self.await_("numbers-process-80", process)
            workers = descendants(process.pid)
            process.send_signal(signal.SIGKILL)
            process.wait()
            eventually(lambda: not any(map(alive, workers)), within=6, what="its workers to end")
        self.open("numbers-process-80")
        assert Folder(path).state().status is Status.LOST

        result = self.resume(path)

        green(result)
        assert result.outputs.values("sink") == [4950]
        again = Counter(int(line) for line in self.lines("written"))
        assert {number for number, times in again.items() if times > 1} == set(
            range(80)
        )  # the source is run anew, its first writes skipped

    @pytest.mark.parametrize("kind", ["SIGTERM", "SIGUSR1"])
    def test_a_signal_before_the_walltime_makes_a_checkpoint_and_exits_5(self, kind: str) -> None:
        path = self.scratch / "signalled"
        parameters = {"shape": "total", "scratch": str(self.scratch), "items": 100, "faults": [pause(60)]}
        with Alone(self, path, parameters) as process:
            self.await_("numbers-process-60", process)
            process.send_signal(getattr(signal, kind))
            assert process.wait(timeout=20) == 0
        assert Folder(path).state().exit_code == 5
        self.open("numbers-process-60")

        result = self.resume(path)

        green(result)
        assert result.outputs.values("sink") == [4950]

    @pytest.mark.parametrize("kind", ["SIGTERM", "SIGUSR1", "SIGINT"])
    def test_a_signal_when_all_is_computed_comes_too_late(self, kind: str) -> None:
        """What reads large outputs once more has its time; the run would be lost."""
        path, computed = self.scratch / "computed", self.scratch / "computed-all"
        parameters = {"shape": "total", "scratch": str(self.scratch), "items": 100}
        with Alone(self, path, parameters, late=computed) as process:
            eventually(computed.exists, what="all to be computed")
            process.send_signal(getattr(signal, kind))
            assert process.wait(timeout=20) == 0

        state = Folder(path).state()
        assert (state.status, state.exit_code, state.error) == (Status.DONE, 0, "")


class Alone:
    """A run in a Python of its own, which may be killed."""

    def __init__(
        self,
        case: Case,
        path: Path,
        parameters: Mapping[str, Any],
        *,
        options: Mapping[str, Any] | None = None,
        group: bool = False,
        late: Path | None = None,
    ) -> None:
        """group: in a process group of its own, which can be sent signals as a terminal does. late: made when all is computed; then it waits for a signal."""
        import json

        given = {
            "workflow": workflows.NAME,
            "parameters": parameters,
            "mapping": case.mapping,
            "processes": case.processes,
            "run": str(path),
            "options": {"window": case.window, **(options or {})},
            "late": str(late) if late else "",
        }
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}
        script = case.scratch / "alone.py"
        script.write_text(_RUN)
        self.process = subprocess.Popen(
            [*case.python, str(script), json.dumps(given)], env=environment, start_new_session=group
        )

    def __enter__(self) -> subprocess.Popen[bytes]:
        return self.process

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


class Watch:
    """The counters of a run, read from its folder as any other process would."""

    def __init__(self, folder: Folder) -> None:
        from d4py.runs.board import Board

        self.plan = folder.plan()
        self.board = Board(folder.path / "board", len(self.plan.instances), len(self.plan.cells))

    def read(self, pe: str) -> int:
        """Return what all instances of a PE have read."""
        return sum(self.board.counts(instance.rank)[0] for instance in self.plan.instances_of(pe))

    def written(self, pe: str) -> int:
        """Return what all instances of a PE have written."""
        return sum(self.board.counts(instance.rank)[1] for instance in self.plan.instances_of(pe))
