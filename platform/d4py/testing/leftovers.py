# SPDX-License-Identifier: Apache-2.0
"""Nothing stays behind a run, however it ends: no process, no thread, no descriptor, no shared memory."""

from __future__ import annotations

from typing import Any

import pytest

from d4py.testing.belongings import belongings
from d4py.testing.case import Case, fault, pause
from d4py.testing.waiting import eventually

_ENDS: dict[str, tuple[int, dict[str, Any]]] = {
    "done": (0, {}),
    "failed": (3, {"faults": [fault("raise", "relay", 5, times=0)]}),
    "cancelled": (5, {"faults": [pause(5)]}),
    "suspended": (5, {"faults": [pause(5)]}),
}


class LeftoversContract(Case):
    """Ends without a trace."""

    @pytest.mark.parametrize("end", _ENDS)
    def test_no_process_thread_descriptor_or_memory_is_left_behind(self, end: str) -> None:
        self.run("total")  # what Python itself opens once is not the run's
        before = belongings()
        code, parameters = _ENDS[end]

        under_test = self.start("total", **parameters)
        if end in ("cancelled", "suspended"):
            under_test.at("numbers-process-5")
            under_test.folder.request(end.removesuffix("ed").removesuffix("l"))
        result = under_test.result()

        assert result.exit_code == code
        eventually(lambda: belongings() == before, within=5, what=f"{belongings()} to become {before}")
