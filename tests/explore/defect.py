# SPDX-License-Identifier: Apache-2.0
"""A rule of the protocol that is broken on purpose, to see that exploring finds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rules import Rules
from systems import System


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """A broken rule, a system in which it shows, and words of the violation."""

    name: str
    rules: Rules
    system: System
    shows: str


def defect(name: str, system: System, shows: str, **rules: Any) -> Defect:
    """Return a defect. rules: what is other than it should be."""
    return Defect(name=name, rules=Rules(**rules), system=system, shows=shows)
