# SPDX-License-Identifier: Apache-2.0
"""How one start of a run ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from d4py.engine.failure import Failure
    from d4py.errors import Superseded
    from d4py.runs import Status


class Outcome(NamedTuple):
    """`failure` where a PE raised; `reason` where the run could not go on for another cause; `torn` where items are known to be missing.

    `superseded` where another process goes on with the run: then this one says nothing more in its folder. `asked` where a command had it stop, not its time.
    """

    status: Status
    failure: Failure | None = None
    reason: str = ""
    torn: bool = False
    superseded: Superseded | None = None
    asked: bool = False
