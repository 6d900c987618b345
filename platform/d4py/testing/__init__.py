# SPDX-License-Identifier: Apache-2.0
"""What a mapping is tested with: the contract that each must pass, and sources and PEs with faults planted in them.

A mapping of your own passes when `class TestMine(MappingContract): mapping = "mine"` does. The contract needs pytest; the rest does not.
Nothing else of d4py imports this package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from d4py.testing.faults import Fault, Loaded, Numbers, opened
from d4py.testing.waiting import eventually, settled

if TYPE_CHECKING:
    from d4py.testing.contract import MappingContract
    from d4py.testing.deaths import DeathContract
    from d4py.testing.successions import SuccessionContract

__all__ = [
    "DeathContract",
    "Fault",
    "Loaded",
    "MappingContract",
    "Numbers",
    "SuccessionContract",
    "eventually",
    "opened",
    "settled",
]

_CONTRACTS = {
    "MappingContract": "d4py.testing.contract",
    "DeathContract": "d4py.testing.deaths",
    "SuccessionContract": "d4py.testing.successions",
}
_WITH_ASSERTS = (
    *("case", "answers", "merges", "failures", "frames", "stops", "positions", "interrupts", "bounds", "leftovers"),
    *("deaths", "rewinds", "successions"),
)


def __getattr__(name: str) -> Any:
    """Import a contract, and with it pytest, when it is asked for."""
    if name not in _CONTRACTS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    import pytest

    pytest.register_assert_rewrite(*(f"{__name__}.{module}" for module in _WITH_ASSERTS))
    return getattr(import_module(_CONTRACTS[name]), name)
