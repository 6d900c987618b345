# SPDX-License-Identifier: Apache-2.0
"""What supervisor, nursery and workers tell each other, beside frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from d4py.engine.circuit import Terms
    from d4py.engine.coordinator import Commit
    from d4py.engine.estate import Estate
    from d4py.engine.link import Event
    from d4py.graph.load import Source
    from d4py.plan import Plan


class Place(NamedTuple):
    """Where an item is: its number on a channel since the run's start."""

    channel: int
    number: int


class Poison(NamedTuple):
    """An item that killed its worker too often: known by its place, or by its digest on all channels of a route.

    None: one item killed, and nobody could tell which. Who has an item of that route in hand notes its digest.
    """

    route: int
    item: Place | bytes | None


class Load(NamedTuple):
    """To the nursery: load this workflow."""

    source: Source | None
    pickled: bytes  # a graph drawn in the supervisor's own main module, by value
    digest: str
    plan: Plan  # by value: the file of the run's folder may be written anew by a resume elsewhere
    path: list[str]
    finders: list[Any]  # of modules that are not found by their path
    argv: list[str]
    folder: str
    on_error: dict[str, str]
    terms: Terms


class Loaded(NamedTuple):
    """From the nursery: it is ready, or why it is not."""

    error: BaseException | None = None


class Fork(NamedTuple):
    """To the nursery: fork one worker. Descriptors follow: control, questions, arena, then for each peer its socket and its arena."""

    process: int
    generation: int
    start: Commit | None
    peers: tuple[int, ...]
    poison: tuple[Poison, ...]
    attempt: int = 1  # within the generation
    estates: Mapping[int, Estate] = {}  # by cell, of a worker whose place it takes


class KillAll(NamedTuple):
    """To the nursery: kill all workers, and wait until they are gone."""


class Interrupt(NamedTuple):
    """To the nursery: wake a worker whose live source may be waiting for the world."""

    process: int


class Exited(NamedTuple):
    """From the nursery: a worker is gone. status: as `os.waitstatus_to_exitcode` gives it."""

    process: int
    generation: int
    status: int
    attempt: int = 1


class Bereft(NamedTuple):
    """To a worker: a neighbour is dead, and is to be replaced. Its cells report how far they have come with it."""

    process: int


class Join(NamedTuple):
    """To a worker: the neighbour is there again. Descriptors follow: its socket and its arena."""

    process: int


class Tell(NamedTuple):
    """To a worker: an event for one of its cells."""

    cell: int
    event: Event


class Item(NamedTuple):
    """From a worker that was asked for an item it wrote: its digest and repr; empty where it has not got it."""

    place: Place
    digest: bytes = b""
    shown: str = ""


class Claim(NamedTuple):
    """From a worker: it has an item in hand that is known as poison by its value. Is it the one to be set aside?"""

    poison: Poison
    place: Place


class Granted(NamedTuple):
    """To a worker: the answer to its claim."""

    yes: bool
