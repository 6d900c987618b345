# SPDX-License-Identifier: Apache-2.0
"""Promise 3 in place: instances are killed at places that chance chooses, the run goes back, and its answer is the same.

The seed is in the test's name, and chooses the same again.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from d4py.runs import Folder
from d4py.testing.case import Case, Running, fault, green, pause, seeded
from d4py.testing.merges import GROUPINGS
from d4py.testing.positions import one_throw_each, whole
from d4py.testing.stops import Watch
from d4py.testing.waiting import eventually

if TYPE_CHECKING:
    from random import Random

SEEDS = range(3)


class RewindsContract(Case):
    """Kills at random places."""

    @pytest.mark.parametrize("grouping", GROUPINGS)
    @pytest.mark.parametrize("seed", SEEDS)
    def test_partial_sums_survive_kills_anywhere(self, seed: int, grouping: str) -> None:
        chance = seeded(seed, grouping)
        gate = chance.randrange(50)
        deaths = kills(
            chance, gate, ["numbers", "relay", "sum"], {"sum": ["merge", "postprocess"], "sink": ["postprocess"]}
        )
        if grouping != "shuffle":
            deaths = [death for death in deaths if death["during"] != "merge"]  # one instance, or each has everything
        under_test = self.start(
            "merged",
            items=100,
            grouping=GROUPINGS[grouping],
            width=2,
            faults=[*deaths, pause(gate)],
            processes=chance.choice((3, 6)),
            options={"restarts": 9},
        )
        self.pass_gate(under_test, gate, checkpoint=chance.random() < 0.7)
        result = under_test.result()

        green(result)
        assert self.struck() == marks(deaths)
        instances = result.counts["sum"]["instances"]
        assert instances == (1 if grouping == "global" else 2) or grouping == "shuffle"
        assert result.outputs.values("sink") == [4950] * (instances if grouping == "all" else 1)

    @pytest.mark.parametrize("seed", SEEDS)
    def test_a_source_that_knows_its_place_survives_kills_anywhere(self, seed: int) -> None:
        chance = seeded(seed)
        gate = chance.randrange(1, 50)
        checkpoint = chance.random() < 0.7
        deaths = kills(chance, gate, ["numbers", "relay", "total", "sink"], {"total": ["postprocess"]})
        under_test = self.start(
            "taped",
            items=100,
            faults=[*deaths, pause(gate)],
            processes=chance.choice((2, 4)),
            options={"restarts": 9},
        )
        self.pass_gate(under_test, gate, checkpoint=checkpoint)

        result = under_test.result()

        whole(result)
        assert self.struck() == marks(deaths)
        assert self.lines("written").count("0") == (1 if checkpoint else Folder(result.folder).generation())

    @pytest.mark.parametrize("seed", SEEDS)
    def test_a_source_that_rolls_dice_survives_kills_anywhere(self, seed: int) -> None:
        chance = seeded(seed)
        gate = chance.randrange(50)
        deaths = kills(chance, gate, ["numbers", "relay", "sink"], {"sink": ["postprocess"]})
        under_test = self.start(
            "diced", items=100, faults=[*deaths, pause(gate)], processes=chance.choice((2, 4)), options={"restarts": 9}
        )
        self.pass_gate(under_test, gate, checkpoint=chance.random() < 0.7)

        result = under_test.result()

        assert self.struck() == marks(deaths)
        one_throw_each(result, self.lines("seen"))

    @pytest.mark.parametrize("seed", SEEDS)
    def test_what_a_source_wrote_that_cannot_be_had_again_survives_kills_anywhere(self, seed: int) -> None:
        """An item that its source holds when it is killed, and has not written yet, goes with it: one a death at most."""
        chance = seeded(seed)
        gate = chance.randrange(50)
        deaths = kills(chance, gate, ["numbers", "relay", "sink"], {"sink": ["postprocess"]})
        under_test = self.start(
            "tapped", items=100, faults=[*deaths, pause(gate)], processes=chance.choice((2, 4)), options={"restarts": 9}
        )
        self.pass_gate(under_test, gate, checkpoint=chance.random() < 0.7)

        result = under_test.result()

        green(result)
        assert self.struck() == marks(deaths)
        assert self.lines("written") == [str(number) for number in range(100)]
        arrived = result.outputs.values("sink")
        gone = set(range(100)) - set(arrived)
        assert len(arrived) + len(gone) == 100
        assert gone.isdisjoint(map(int, self.lines("written-kept")))
        assert len(gone) <= len(deaths)

    @pytest.mark.parametrize("shape", ["streaming", "piped"])
    def test_a_run_that_dies_while_it_drains_goes_on_draining(self, shape: str) -> None:
        os.mkfifo(self.scratch / "pipe")  # nothing comes through it
        under_test = self.start(shape, faults=[fault("crash", "total", during="postprocess")])
        counts = Watch(under_test.folder)
        eventually(lambda: counts.read("total") > 100 or self.lines("pipe-reads"), what="the source to be at work")

        under_test.folder.request("cancel")
        result = under_test.result()

        green(result)
        assert self.struck() == {"struck1-total-postprocess--1"}
        sent = result.counts["numbers"]["written"]
        assert result.outputs.values("total") == [sent * (sent - 1) // 2]

    def pass_gate(self, under_test: Running, gate: int, *, checkpoint: bool) -> None:
        """Wait until the source is at its gate; take a checkpoint there, perhaps; let it go on."""
        under_test.at(f"numbers-process-{gate}")
        if checkpoint:
            under_test.folder.request("snapshot")
            eventually(lambda: under_test.commits() >= 1, what="the checkpoint")
        under_test.open(f"numbers-process-{gate}")


def kills(chance: Random, after: int, on_items: list[str], during: dict[str, list[str]]) -> list[dict[str, Any]]:
    """Choose two to four deaths: of PEs on items that come later than `after`, and perhaps one in another method."""
    items = chance.sample(range(after + 1, 100), chance.choice((2, 3)))
    found = [fault("crash", chance.choice(on_items), item) for item in items]
    if chance.random() < 0.5:
        pe = chance.choice(sorted(during))
        found.append(fault("crash", pe, during=chance.choice(during[pe])))
    return found


def marks(deaths: list[dict[str, Any]]) -> set[str]:
    """Return the marks that deaths leave."""
    return {f"struck1-{death['at']}-{death['during']}-{death['item']}" for death in deaths}
