# SPDX-License-Identifier: Apache-2.0
"""The map: stations in kilometres, pairs as lines coloured by their signal-to-noise ratio."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from noise.canvas import ACCENT, GRID, INK, MUTED, Array, figure, snr_bar, snr_colours, snr_range, title
from noise.geometry import local_km, middle
from noise.store import Stacks

NAMED = 16  # stations; more names would hide the map
CROWDED = 150  # stations; from here on the marks are small
MOST_LINES = 2000  # the pairs with the highest ratio, on top
WIDTH_PT = 340  # of the frame, about: what names may take is known only when the picture is laid out


def station_map(stacks: Stacks, path: Path) -> Path:
    """Draw the stations whose place is known."""
    names = [channel.rsplit(".", 2)[0].replace("..", ".") for channel in stacks.channels]
    east, north = local_km(stacks.places["latitude"], stacks.places["longitude"])
    few = len(set(names)) <= NAMED
    size, outline = (130, 1.2) if few else (48, 0.6) if len(names) <= CROWDED else (14, 0.3)
    with figure(path, (6.6, 5.8)) as drawn:
        axes = drawn.add_subplot()
        _pairs(drawn, axes, stacks, east, north, width=2.2 if few else 0.6)
        axes.scatter(east, north, s=size, marker="^", color=ACCENT, edgecolor="white", linewidth=outline, zorder=4)
        _frame(axes, east, north, room=0.78 if few else 0.6)
        if few:
            places = {name: (x, y) for name, x, y in zip(names, east, north, strict=True) if np.isfinite(x)}
            _names(axes, places)
        _scale_bar(axes)
        axes.set_aspect("equal")
        axes.set_xlabel("East (km)")
        axes.set_ylabel("North (km)")
        axes.grid(color=GRID, linewidth=0.6, zorder=0)
        title(axes, "Stations and pairs", _origin(stacks, names))
    return path


def _pairs(drawn: Any, axes: Any, stacks: Stacks, east: Array, north: Array, *, width: float) -> None:
    from matplotlib.collections import LineCollection

    snr, edge = stacks.columns["snr"], stacks.columns["at_edge"]
    ends = np.stack([np.column_stack([east[k], north[k]]) for k in (stacks.first, stacks.second)], axis=1)
    known = np.isfinite(ends).all(axis=(1, 2)) & np.isfinite(snr)
    peaks = np.flatnonzero(known & ~edge)
    peaks = peaks[np.argsort(snr[peaks], kind="stable")][-MOST_LINES:]
    lines = LineCollection(
        list(ends[peaks]), array=snr[peaks], cmap=snr_colours(), clim=snr_range(snr[peaks]), linewidths=width, zorder=2
    )
    axes.add_collection(lines)
    snr_bar(drawn, axes, lines, snr[peaks])
    flanks = np.flatnonzero(known & edge)[:MOST_LINES]
    if len(flanks):
        axes.add_collection(
            LineCollection(list(ends[flanks]), colors=MUTED, linewidths=max(0.8, width / 2), linestyles=":", zorder=1.5)
        )
        axes.plot([], [], color=MUTED, linestyle=":", label="no peak: largest at the edge of the signal window")
        drawn.legend(loc="outside lower center")


def _names(axes: Any, places: dict[str, tuple[float, float]]) -> None:
    """Put each name beside its station, where it hides the fewest others; the side away from the middle if it can choose."""
    from matplotlib.patheffects import withStroke

    left, right = axes.get_xlim()
    points = WIDTH_PT / (right - left)
    stations = {name: np.array(place) * points for name, place in places.items()}
    middle = np.mean(list(stations.values()), axis=0)
    taken: list[Array] = []
    for name, station in stations.items():
        others = [other for other in stations if other != name]
        angles = np.radians(np.arange(0, 360, 45))
        sides = np.column_stack([np.cos(angles), np.sin(angles)])
        boxes = [_box(station, side, name) for side in sides]
        outward = sides @ ((station - middle) / max(float(np.hypot(*(station - middle))), 1e-9))
        hidden = [
            sum(_apart(box, b) for b in taken) + sum(_apart(box, _marker(stations[o])) for o in others) for box in boxes
        ]
        best = int(np.argmin(np.array(hidden) * 10 - outward))
        taken.append(boxes[best])
        x, y = sides[best]
        axes.annotate(
            name, places[name], xytext=(x * 12, y * 12), textcoords="offset points",
            ha="left" if x > 0.1 else "right" if x < -0.1 else "center",
            va="bottom" if y > 0.1 else "top" if y < -0.1 else "center",
            fontsize=9, fontweight="bold", path_effects=[withStroke(linewidth=2.5, foreground="white")], zorder=6,
        )  # fmt: skip


def _box(station: Array, side: Array, name: str) -> Array:
    """Where a name would be, in points: left, bottom, right, top."""
    width, height = 6.8 * len(name), 11.0
    x, y = station + 12 * side
    x -= width * (0 if side[0] > 0.1 else 1 if side[0] < -0.1 else 0.5)
    y -= height * (0 if side[1] > 0.1 else 1 if side[1] < -0.1 else 0.5)
    return np.array([x, y, x + width, y + height])


def _marker(station: Array) -> Array:
    return np.array([station[0] - 7, station[1] - 7, station[0] + 7, station[1] + 7])


def _apart(one: Array, other: Array) -> bool:
    return bool((one[:2] < other[2:]).all() and (other[:2] < one[2:]).all())


def _frame(axes: Any, east: Array, north: Array, *, room: float) -> None:
    """A square around the stations; room: half of its side, in parts of their extent."""
    size = max(float(np.nanmax(east) - np.nanmin(east)), float(np.nanmax(north) - np.nanmin(north)), 0.1)
    middle_x, middle_y = (np.nanmax(east) + np.nanmin(east)) / 2, (np.nanmax(north) + np.nanmin(north)) / 2
    axes.set_xlim(middle_x - room * size, middle_x + room * size)
    axes.set_ylim(middle_y - room * size, middle_y + room * size)


def _scale_bar(axes: Any) -> None:
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    target = (right - left) / 5
    unit = 10 ** np.floor(np.log10(target))
    length = unit * max(step for step in (1, 2, 5) if step * unit <= target)
    x, y = left + 0.05 * (right - left), bottom + 0.05 * (top - bottom)
    axes.plot([x, x + length], [y, y], color=INK, linewidth=2.5, solid_capstyle="butt", zorder=6)
    for end in (x, x + length):
        axes.plot([end, end], [y, y + 0.012 * (top - bottom)], color=INK, linewidth=1.2, zorder=6)
    text = f"{length:g} km" if length >= 1 else f"{length * 1000:g} m"
    axes.annotate(
        text, (x + length / 2, y), xytext=(0, 5), textcoords="offset points", ha="center", fontsize=8.5, zorder=6
    )


def _origin(stacks: Stacks, names: list[str]) -> str:
    latitude, longitude = middle(stacks.places["latitude"], stacks.places["longitude"])
    place = f"{abs(latitude):.3f}° {'NS'[latitude < 0]}, {abs(longitude):.3f}° {'EW'[longitude < 0]}"
    shown = (
        f"the {MOST_LINES:,} clearest of {stacks.pairs:,} pairs"
        if stacks.pairs > MOST_LINES
        else f"{stacks.pairs:,} pairs"
    )
    return f"{len(set(names)):,} stations, {shown}; origin {place} (WGS84)"
