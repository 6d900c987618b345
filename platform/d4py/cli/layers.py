# SPDX-License-Identifier: Apache-2.0
"""Where the boxes and lines of a drawn graph go: columns of boxes from left to right, lines from column to column.

The usual steps: longest-path columns, a bend wherever a line passes a column, order in each column by the mean of the neighbours, heights by
least squares with room between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

_SWEEPS = 8
_GAP = 22.0  # between boxes of a column
_BEND = 8.0  # height that a passing line takes


@dataclass(slots=True)
class Spot:
    """A box, or the bend of a line that passes a column."""

    column: int
    width: float = 0.0
    height: float = _BEND
    x: float = 0.0  # left edge
    y: float = 0.0  # middle
    before: list[Spot] = field(default_factory=list)
    after: list[Spot] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Spots by box, and for each line the spots from its box to its box."""

    boxes: Mapping[str, Spot]
    lines: Sequence[Sequence[Spot]]
    width: float
    height: float


def arranged(
    sizes: Mapping[str, tuple[float, float]], lines: Sequence[tuple[str, str]], gaps: Mapping[int, float]
) -> Layout:
    """Lay out boxes of given width and height. lines: from box to box, without circles. gaps: room after each column."""
    columns_of = _columns(list(sizes), lines)
    boxes = {name: Spot(column=columns_of[name], width=width, height=height) for name, (width, height) in sizes.items()}
    columns: list[list[Spot]] = [[] for _ in range(max(columns_of.values(), default=0) + 1)]
    for spot in boxes.values():
        columns[spot.column].append(spot)
    paths = [_path(boxes[start], boxes[end], columns) for start, end in lines]
    for sweep in range(_SWEEPS):
        _order(columns, back=bool(sweep % 2))
    for sweep in range(_SWEEPS):
        for column in columns[:: -1 if sweep % 2 else 1]:
            _heights(column)
    x = 0.0
    for index, column in enumerate(columns):
        width = max(spot.width for spot in column)
        for spot in column:
            spot.x, spot.width = x, spot.width or width
        x += width + gaps.get(index, 0.0)
    top = min(spot.y - spot.height / 2 for column in columns for spot in column)
    for column in columns:
        for spot in column:
            spot.y -= top
    bottom = max(spot.y + spot.height / 2 for column in columns for spot in column)
    return Layout(boxes=boxes, lines=paths, width=max(spot.x + spot.width for spot in columns[-1]), height=bottom)


def _columns(names: Sequence[str], lines: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return the column of each box: one after the last of those that lead to it. names: those that lead first."""
    column = dict.fromkeys(names, 0)
    for name in names:
        for start, end in lines:
            if start == name:
                column[end] = max(column[end], column[name] + 1)
    return column


def _path(start: Spot, end: Spot, columns: list[list[Spot]]) -> list[Spot]:
    path = [start]
    for column in range(start.column + 1, end.column):
        bend = Spot(column=column)
        columns[column].append(bend)
        path.append(bend)
    path.append(end)
    for one, other in pairwise(path):
        one.after.append(other)
        other.before.append(one)
    return path


def _order(columns: list[list[Spot]], *, back: bool) -> None:
    for column in columns[::-1] if back else columns:
        places = {id(spot): float(place) for other in columns for place, spot in enumerate(other)}

        def mean(spot: Spot, places: dict[int, float] = places) -> float:
            near = spot.after if back else spot.before
            return sum(places[id(other)] for other in near) / len(near) if near else places[id(spot)]

        column.sort(key=mean)


def _heights(column: list[Spot]) -> None:
    """Move spots to the mean height of their neighbours, as near as their order and the room between allow."""
    offsets, total = [], 0.0
    for index, spot in enumerate(column):
        if index:
            total += (column[index - 1].height + spot.height) / 2 + _GAP
        offsets.append(total)
    wanted = [_mean(spot) - offset for spot, offset in zip(column, offsets, strict=True)]
    for spot, height, offset in zip(column, _rising(wanted), offsets, strict=True):
        spot.y = height + offset


def _mean(spot: Spot) -> float:
    near = [*spot.before, *spot.after]
    return sum(other.y for other in near) / len(near) if near else spot.y


def _rising(values: Sequence[float]) -> list[float]:
    """Return the never falling sequence nearest to the values in least squares: neighbours that fall are pooled."""
    pools: list[tuple[float, int]] = []
    for value in values:
        mean, size = value, 1
        while pools and pools[-1][0] > mean:
            before, number = pools.pop()
            mean, size = (before * number + mean * size) / (number + size), number + size
        pools.append((mean, size))
    return [mean for mean, size in pools for _ in range(size)]
