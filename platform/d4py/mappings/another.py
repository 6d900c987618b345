# SPDX-License-Identifier: Apache-2.0
"""Objects for further instances of a PE, where several of them live in one process."""

from __future__ import annotations

import copy
from collections import Counter
from typing import TYPE_CHECKING

from d4py.errors import NotPicklable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from d4py.graph.pe import GenericPE
    from d4py.plan import Plan


def copied(pe: GenericPE) -> GenericPE:
    """Return a copy of a PE that has not begun. Raises NotPicklable, naming it."""
    try:
        return copy.deepcopy(pe)
    except Exception as error:
        raise NotPicklable(
            f"PE {pe.id!r} cannot be copied for another instance: {error}.",
            hint="Make what cannot be copied in preprocess.",
        ) from error


def check(plan: Plan, pes: Iterable[GenericPE]) -> None:
    """Raise NotPicklable where a PE will have to be copied, and cannot be: before anything starts."""
    shares = Counter((plan.cells[instance.cell].process, instance.pe) for instance in plan.instances)
    several = {pe for (_, pe), number in shares.items() if number > 1}
    for pe in pes:
        if pe.id in several:
            copied(pe)
