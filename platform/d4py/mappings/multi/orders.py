# SPDX-License-Identifier: Apache-2.0
"""What supervisor, nursery and workers tell each other, beside frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from d4py.engine.circuit import Terms
    from d4py.engine.coordinator import Commit
    from d4py.engine.link import Event
    from d4py.graph.load import Source


@dataclass(frozen=True, slots=True)
class Load:
    """To the nursery: load this workflow."""

    source: Source | None
    pickled: bytes  # a graph drawn in the supervisor's own main module, by value
    digest: str
    path: list[str]
    folder: str
    on_error: dict[str, str]
    terms: Terms


@dataclass(frozen=True, slots=True)
class Loaded:
    """From the nursery: it is ready, or why it is not."""

    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Fork:
    """To the nursery: fork one worker. Descriptors follow: control, arena, then for each peer its socket and its arena."""

    process: int
    generation: int
    start: Commit | None
    peers: tuple[int, ...]
    poison: tuple[Poison, ...]


@dataclass(frozen=True, slots=True)
class Poison:
    """An item that killed its worker twice: known by the digest of its value, or by its number on a channel."""

    channel: int
    digest: bytes
    number: int


@dataclass(frozen=True, slots=True)
class KillAll:
    """To the nursery: kill all workers, and wait until they are gone."""


@dataclass(frozen=True, slots=True)
class Interrupt:
    """To the nursery: wake a worker whose live source may be waiting for the world."""

    process: int


@dataclass(frozen=True, slots=True)
class Exited:
    """From the nursery: a worker is gone. status: as `os.waitstatus_to_exitcode` gives it."""

    process: int
    generation: int
    status: int


@dataclass(frozen=True, slots=True)
class Tell:
    """To a worker: an event for one of its cells."""

    cell: int
    event: Event


@dataclass(frozen=True, slots=True)
class AskItem:
    """To a worker: describe an item of a frame that it keeps."""

    channel: int
    number: int
    index: int


@dataclass(frozen=True, slots=True)
class Item:
    """From a worker: an item's digest, number and repr; empty where the frame is not kept."""

    asked: AskItem
    digest: bytes = b""
    number: int = -1
    shown: str = ""


Order = Any
