# SPDX-License-Identifier: Apache-2.0
"""The contract: what every mapping promises, each promise a test whose name is the sentence it proves.

    class TestMine(MappingContract):
        mapping = "mine"

Where a mapping can't have a promise, `not_applicable = {test: reason}` says why, and the reason is printed.
"""

from __future__ import annotations

from d4py.testing.answers import AnswersContract
from d4py.testing.bounds import BoundsContract
from d4py.testing.failures import FailuresContract
from d4py.testing.frames import FramesContract
from d4py.testing.interrupts import InterruptsContract
from d4py.testing.leftovers import LeftoversContract
from d4py.testing.merges import MergesContract
from d4py.testing.positions import PositionsContract
from d4py.testing.stops import StopsContract


class MappingContract(
    AnswersContract,
    MergesContract,
    FailuresContract,
    FramesContract,
    StopsContract,
    PositionsContract,
    InterruptsContract,
    BoundsContract,
    LeftoversContract,
):
    """All of it, but deaths of single processes: `deaths.DeathContract`."""
