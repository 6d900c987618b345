# SPDX-License-Identifier: Apache-2.0
"""How one start of a run ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from d4py.engine.failure import Failure
    from d4py.runs import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`failure` where a PE raised; `reason` where the run could not go on for another cause; `torn` where items are known to be missing."""

    status: Status
    failure: Failure | None = None
    reason: str = ""
    torn: bool = False
