# SPDX-License-Identifier: Apache-2.0
"""A workflow graph as an SVG picture that needs nothing else to be shown."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from d4py.cli.layers import Layout, Spot, arranged

if TYPE_CHECKING:
    from d4py.cli.drawn import Arrow, Drawn

_LETTER = 7.6  # width of a letter at 13 px, generously
_SMALL = 6.2  # at 11 px
_MARGIN = 16.0
_PORT = 13.0  # height that a line takes at a box
_HEAD = 9.0
_STYLE = """
text { font: 13px ui-sans-serif, system-ui, "Helvetica Neue", Arial, sans-serif; fill: #1c2733; text-anchor: middle }
.name { font-weight: 600 } .note { font-size: 11px; fill: #5b6b7a } .label { font-size: 11px; fill: #3d4f5f; paint-order: stroke; stroke: #fff; stroke-width: 4px }
rect.pe { fill: #f4f7fa; stroke: #7b8ea1; stroke-width: 1.2 } rect.source { fill: #e6f1ec; stroke: #4f8a6b }
path { fill: none; stroke: #7b8ea1; stroke-width: 1.3 } path.out { stroke-dasharray: 3 3 } .tip { fill: #7b8ea1; stroke: none }
"""


def svg(drawn: Drawn) -> str:
    """Return the picture."""
    layout = _layout(drawn)
    width, height = layout.width + 2 * _MARGIN, layout.height + 2 * _MARGIN
    title = f"{drawn.title}: {len(drawn.boxes)} PEs, {sum(not arrow.leaves for arrow in drawn.arrows)} connections"
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.1f} {height:.1f}" role="img">',
        f"<title>{_text(title)}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect width="100%" height="100%" fill="#fff"/><g transform="translate({_MARGIN:g} {_MARGIN:g})">',
        *_arrows(drawn, layout),
        *_boxes(drawn, layout),
        "</g>",
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _layout(drawn: Drawn) -> Layout:
    sizes = {}
    for box in drawn.boxes:
        ports = max(
            sum(arrow.start == box.id for arrow in drawn.arrows), sum(arrow.end == box.id for arrow in drawn.arrows)
        )
        width = max(len(box.name) * _LETTER, len(box.note) * _SMALL) + 28
        sizes[box.id] = (width, max(44.0 if box.note else 34.0, ports * _PORT + 14))
    sizes.update({arrow.end: (len(arrow.label) * _SMALL + 4, 16.0) for arrow in drawn.arrows if arrow.leaves})
    lines = [(arrow.start, arrow.end) for arrow in drawn.arrows]
    plain = arranged(sizes, lines, {})
    gaps: dict[int, float] = {}
    for arrow in drawn.arrows:
        before = plain.boxes[arrow.end].column - 1
        room = 40.0 if arrow.leaves else max(56.0, len(arrow.label) * _SMALL + 34)
        gaps[before] = max(gaps.get(before, 40.0), room)
    for column in range(max((spot.column for spot in plain.boxes.values()), default=0)):
        gaps.setdefault(column, 56.0)
    return arranged(sizes, lines, gaps)


def _boxes(drawn: Drawn, layout: Layout) -> Iterator[str]:
    for box in drawn.boxes:
        spot = layout.boxes[box.id]
        kind = "pe source" if box.source else "pe"
        middle = spot.x + spot.width / 2
        yield f'<rect class="{kind}" x="{spot.x:.1f}" y="{spot.y - spot.height / 2:.1f}" width="{spot.width:.1f}" height="{spot.height:.1f}" rx="6"/>'
        yield f'<text class="name" x="{middle:.1f}" y="{spot.y + (-2 if box.note else 4.5):.1f}">{_text(box.name)}</text>'
        if box.note:
            yield f'<text class="note" x="{middle:.1f}" y="{spot.y + 13:.1f}">{_text(box.note)}</text>'


def _arrows(drawn: Drawn, layout: Layout) -> Iterator[str]:
    starts = _sides(layout, end=False)
    ends = _sides(layout, end=True)
    labels = []
    for index, (arrow, path) in enumerate(zip(drawn.arrows, layout.lines, strict=True)):
        points = [(path[0].x + path[0].width, starts[index])]
        for bend in path[1:-1]:
            points += [(bend.x, bend.y), (bend.x + bend.width, bend.y)]
        tip = (path[-1].x - (2.0 if arrow.leaves else 0.0), ends[index])
        points.append((tip[0] - _HEAD + 1, tip[1]))
        yield f'<path class="{"out" if arrow.leaves else "in"}" d="{_curve(points)}"/>'
        yield f'<path class="tip" d="M{tip[0]:.1f} {tip[1]:.1f}l-{_HEAD:g} -4v8z"/>'
        labels.append(_label(arrow, points, path[-1], ends[index]))
    yield from labels


def _label(arrow: Arrow, points: list[tuple[float, float]], end: Spot, y: float) -> str:
    if arrow.leaves:
        return f'<text class="note" x="{end.x + end.width / 2:.1f}" y="{y + 4:.1f}">{_text(arrow.label)}</text>'
    if not arrow.label:
        return ""
    (x0, y0), (x1, y1) = points[-2:]
    return f'<text class="label" x="{(x0 + x1) / 2:.1f}" y="{(y0 + y1) / 2 - 5:.1f}">{_text(arrow.label)}</text>'


def _sides(layout: Layout, *, end: bool) -> dict[int, float]:
    """Return where each line meets its box: spread over the side, in the order of where they come from or go to."""
    meeting: dict[int, list[int]] = {}
    for index, path in enumerate(layout.lines):
        meeting.setdefault(id(path[-1] if end else path[0]), []).append(index)
    places: dict[int, float] = {}
    for indices in meeting.values():
        indices.sort(key=lambda index: layout.lines[index][-2 if end else 1].y)
        for place, index in enumerate(indices):
            spot = layout.lines[index][-1 if end else 0]
            places[index] = spot.y + (place - (len(indices) - 1) / 2) * _PORT
    return places


def _curve(points: list[tuple[float, float]]) -> str:
    text = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (x0, y0), (x1, y1) in pairwise(points):
        reach = (x1 - x0) / 2
        text += f"C{x0 + reach:.1f} {y0:.1f} {x1 - reach:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"
    return text


def _text(text: str) -> str:
    """Return text that XML can hold."""
    return escape("".join(letter if letter.isprintable() else "?" for letter in text))
