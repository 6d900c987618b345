# SPDX-License-Identifier: Apache-2.0
"""What rank 0 and the others tell each other, beside frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from d4py.engine.circuit import Terms
    from d4py.engine.coordinator import Commit
    from d4py.engine.link import Event
    from d4py.graph.load import Source
    from d4py.plan import Plan


class Loaded(NamedTuple):
    """From each rank: it has loaded the workflow, or why not."""

    digest: str
    pes: tuple[str, ...]
    problem: str = ""
    node: str = ""


class Served(NamedTuple):
    """To a rank that serves: the workflow of the next order. A graph that was drawn in rank 0 comes by value."""

    source: Source | None
    pickled: bytes
    path: list[str]
    finders: list[Any]


class Order(NamedTuple):
    """To each rank: live these cells."""

    plan: Plan
    folder: str
    on_error: dict[str, str]
    terms: Terms
    generation: int
    start: Commit | None


class Tell(NamedTuple):
    """To a rank: an event for one of its cells."""

    cell: int
    event: Event


class Counts(NamedTuple):
    """To rank 0: what instances have read, written and put into quarantine."""

    counts: dict[int, tuple[int, int, int]]


class Reported(NamedTuple):
    """To rank 0: what a cell reports."""

    message: Any


class Done(NamedTuple):
    """To rank 0: all cells of a rank have ended. To each rank: so have all."""


class Ending(NamedTuple):
    """To each rank: the first says how the run has failed, and then ends all of them."""


class Exit(NamedTuple):
    """To each rank: there is nothing more to do."""

    code: int
