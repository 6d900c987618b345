# SPDX-License-Identifier: Apache-2.0
"""Promise 1 for PEs that declare merge(): several instances or one, whole or cut off and resumed, it is the same answer."""

from __future__ import annotations

import signal

import pytest

from d4py.runs import Folder, Status
from d4py.testing.belongings import alive, descendants
from d4py.testing.case import Case, green, pause, seeded
from d4py.testing.stops import Alone
from d4py.testing.waiting import eventually

GROUPINGS = {"shuffle": None, "global": "global", "all": "all"}


class MergesContract(Case):
    """PEs with merge()."""

    @pytest.mark.parametrize("grouping", GROUPINGS)
    @pytest.mark.parametrize("processes", [1, 2, 3, 6, 9])
    def test_partial_sums_are_added_up_once_and_sums_of_everything_are_not(self, processes: int, grouping: str) -> None:
        result = self.run("merged", items=100, grouping=GROUPINGS[grouping], width=2, processes=processes)

        green(result)
        instances = result.counts["sum"]["instances"]
        every = instances if grouping == "all" else 1
        assert result.outputs.values("sink") == [4950] * every
        assert result.counts["sum"]["read"] == 100 * every
        if grouping == "global":
            assert instances == 1

    @pytest.mark.parametrize("grouping", GROUPINGS)
    @pytest.mark.parametrize("seed", [1, 2])
    def test_partial_sums_of_a_run_that_is_suspended_anywhere_add_up_on_any_processes(
        self, seed: int, grouping: str
    ) -> None:
        chance = seeded(seed, grouping)
        gates = sorted(chance.sample(range(100), 3))
        running = self.start(
            "merged", items=100, grouping=GROUPINGS[grouping], width=2, faults=[pause(gate) for gate in gates]
        )
        for gate in gates:
            running.at(f"numbers-process-{gate}")
            running.folder.request("suspend")
            cut = running.result()
            assert (cut.status, cut.exit_code) == (Status.STOPPED, 5)
            running.open(f"numbers-process-{gate}")
            if gate != gates[-1]:
                running.again(cut)
        result = self.resume(cut, processes=chance.choice((1, 2, 4)))

        green(result)
        assert set(result.outputs.values("sink")) == {4950}
        assert result.counts["sink"]["read"] == (result.counts["sum"]["instances"] if grouping == "all" else 1)

    @pytest.mark.parametrize("grouping", GROUPINGS)
    def test_partial_sums_of_a_run_that_is_killed_anywhere_add_up_after_resume(self, grouping: str) -> None:
        chance = seeded(grouping)
        gate, end = sorted(chance.sample(range(1, 100), 2))
        path = self.scratch / "killed"
        parameters = {
            "shape": "merged",
            "scratch": str(self.scratch),
            "items": 100,
            "grouping": GROUPINGS[grouping],
            "width": 2,
            "faults": [pause(gate), pause(end)],
        }
        with Alone(self, path, parameters) as process:
            self.await_(f"numbers-process-{gate}", process)
            Folder(path).request("snapshot")
            eventually(lambda: list((path / "commits").glob("*.json")), what="the checkpoint")
            self.open(f"numbers-process-{gate}")
            self.await_(f"numbers-process-{end}", process)
            workers = descendants(process.pid)
            process.send_signal(signal.SIGKILL)
            process.wait()
            eventually(lambda: not any(map(alive, workers)), within=6, what="its workers to end")
        self.open(f"numbers-process-{end}")

        result = self.resume(path)

        green(result)
        assert set(result.outputs.values("sink")) == {4950}
        assert result.counts["sink"]["read"] == (result.counts["sum"]["instances"] if grouping == "all" else 1)
