# SPDX-License-Identifier: Apache-2.0
"""Promise 4 where cells are joined by channels: whatever befalls a frame, the run is right or says that it is not, never green and wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from d4py.testing.case import Case, pause
from d4py.testing.waiting import eventually

if TYPE_CHECKING:
    from d4py.mappings import Result

ANSWER = 1_999_000  # of `total` with 2000 numbers
HARM = ("drop", "forget", "double", "reorder")
# An end mark is the last thing on its channel: the one before it may come late, nothing can come after it.
HARM_TO_ENDS = ("double", "reorder")


class FramesContract(Case):
    """Frames lost, doubled and out of turn."""

    @pytest.mark.parametrize("channel", ["first", "last"])
    @pytest.mark.parametrize("kind", HARM)
    def test_items_dropped_doubled_or_out_of_turn_are_repaired_or_end_in_exit_6(self, kind: str, channel: str) -> None:
        """The last channel has one frame of items, which comes last but for the end mark."""
        result = self.run("total", items=2000, tampering=f"{kind} data {channel}", processes=4, options={"window": 16})

        self.repaired_or_told(result)

    @pytest.mark.parametrize("channel", ["first", "last"])
    @pytest.mark.parametrize("kind", HARM)
    def test_a_barrier_dropped_doubled_or_out_of_turn_is_repaired_or_ends_in_exit_6(
        self, kind: str, channel: str
    ) -> None:
        running = self.start(
            "total", items=2000, tampering=f"{kind} barrier {channel}", faults=[pause(1000)], options={"window": 16}
        )
        running.at("numbers-process-1000")
        running.folder.request("snapshot")
        eventually((self.scratch / "tampered").exists, what="a barrier to be tampered with")
        running.open("numbers-process-1000")

        self.repaired_or_told(running.result())

    @pytest.mark.parametrize("channel", ["first", "last"])
    @pytest.mark.parametrize("kind", HARM_TO_ENDS)
    def test_an_end_mark_doubled_or_out_of_turn_is_repaired_or_ends_in_exit_6(self, kind: str, channel: str) -> None:
        result = self.run("total", items=2000, tampering=f"{kind} end {channel}", processes=4, options={"window": 16})

        self.repaired_or_told(result)

    def test_an_item_lost_between_its_frame_and_its_pe_ends_in_exit_6(self) -> None:
        result = self.run("total", items=200, tampering="mislay")

        assert (self.scratch / "tampered").exists(), "nothing was tampered with"
        assert (result.exit_code, result.error) == (6, "The books do not balance.")

    def repaired_or_told(self, result: Result) -> None:
        """Check that a run of `total` with 2000 numbers, which was tampered with, is right or says that it is not."""
        assert (self.scratch / "tampered").exists(), "nothing was tampered with"
        if result.exit_code == 0:
            assert result.outputs.values("sink") == [ANSWER]
            assert {pe: (count["read"], count["written"]) for pe, count in result.counts.items()} == {
                "numbers": (0, 2000),
                "relay": (2000, 2000),
                "total": (2000, 1),
                "sink": (1, 1),
            }
        else:
            assert (result.exit_code, bool(result.error)) == (6, True), result.error
