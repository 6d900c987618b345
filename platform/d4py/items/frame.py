# SPDX-License-Identifier: Apache-2.0
"""A frame: what travels on a channel at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any


class Kind(IntEnum):
    """What a frame is."""

    DATA = 0
    BARRIER = 1
    END = 2


@dataclass(slots=True)
class Frame:
    """Items of one channel, or a mark between them. Frames of all kinds are numbered per channel and generation, without gaps."""

    generation: int
    channel: int
    number: int
    first: int  # number of the first item on this channel since the run's start; of an end mark: how many there were
    kind: Kind = Kind.DATA
    items: list[Any] = field(default_factory=list)
    epoch: int = 0  # of a barrier
    attempt: int = 1  # of the writer, within the generation
    cause: tuple[int, int, int] | None = (
        None  # channel and number of the frame whose calls wrote these; of all they wrote, the first
    )
    origins: list[bytes] | None = None  # lineage of each item
