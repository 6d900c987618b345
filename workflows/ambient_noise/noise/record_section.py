# SPDX-License-Identifier: Apache-2.0
"""The record section: correlations over lag, by the distance of the pair, with the signal window and the picks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from noise.canvas import ACCENT, EMPTY, ENVELOPE, GRID, MUTED, TRACE, WINDOW, Array, brief, figure, title
from noise.store import Stacks

MOST_ROWS = 12  # a row and a name a pair; more stand at their distance
MOST_TRACES = 40  # more are binned by distance into an image
TRACES_A_TIME = 4096


def record_section(stacks: Stacks, path: Path) -> Path:
    """Draw the pairs whose distance is known."""
    distance = stacks.columns["distance"]
    pairs = np.flatnonzero(np.isfinite(distance) & (stacks.windows > 0))
    pairs = pairs[np.argsort(distance[pairs], kind="stable")]
    with figure(path, (7.2, 5.6)) as drawn:
        axes = drawn.add_subplot()
        if len(pairs) <= MOST_ROWS:
            _rows(axes, stacks, pairs)
        elif len(pairs) <= MOST_TRACES:
            _traces(axes, stacks, pairs)
        else:
            _image(axes, drawn, stacks, pairs)
        axes.axvline(0, color=GRID, linewidth=0.8, zorder=1.5)
        axes.set_xlim(stacks.lag_s[0], stacks.lag_s[-1])
        axes.set_xlabel(
            "$\\leftarrow$ second station to first        Lag (s)        first station to second $\\rightarrow$"
        )
        drawn.legend(loc="outside lower center", ncols=3)
        title(axes, "Ambient-noise correlations", _processing(stacks, pairs))
    return path


def _rows(axes: Any, stacks: Stacks, pairs: Array) -> None:
    """One row a pair, evenly spaced, so that pairs of almost one distance can be read; each with its own signal window."""
    slow, middle, fast = _speeds(stacks)
    traces = _scaled(stacks, pairs)
    for row, (trace, pair) in enumerate(zip(traces, pairs, strict=True)):
        envelope, km = _envelope(trace), stacks.columns["distance"][pair]
        first = row == 0  # one entry of the legend is enough
        for side in (-1, 1):
            axes.fill_betweenx(
                [row - 0.5, row + 0.5], side * km / fast, side * km / slow, color=WINDOW, linewidth=0, zorder=1,
                label=_window_label(slow, fast) if first and side == 1 else None,
            )  # fmt: skip
            axes.plot(
                [side * km / middle] * 2, [row - 0.5, row + 0.5], color=MUTED, linewidth=0.9, linestyle="--", zorder=2,
                scalex=False, label=f"{middle:g} km/s" if first and side == 1 else None,
            )  # fmt: skip
        axes.fill_between(
            stacks.lag_s, row - 0.44 * envelope, row + 0.44 * envelope, color=ENVELOPE, alpha=0.4, linewidth=0, zorder=2.5,
            label="envelope" if first else None,
        )  # fmt: skip
        axes.plot(
            stacks.lag_s, row + 0.44 * trace, color=TRACE, linewidth=0.9, zorder=3,
            label="correlation, scaled to 1" if first else None,
        )  # fmt: skip
        axes.annotate(
            _measured(stacks, pair), (1, row), xytext=(6, 0), xycoords=("axes fraction", "data"),
            textcoords="offset points", va="center", fontsize=8.5, color=MUTED,
        )  # fmt: skip
    _picks(axes, stacks, pairs, np.arange(len(pairs)) + 0.5, size=6.5)
    names = [f"{_pair_name(stacks, pair)}\n{stacks.columns['distance'][pair]:.2f} km" for pair in pairs]
    axes.set_yticks(np.arange(len(pairs)), names)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(-0.6, len(pairs) - 0.3)
    axes.set_ylabel("Pair, in order of distance")


def _traces(axes: Any, stacks: Stacks, pairs: Array) -> None:
    """Every trace at its distance."""
    distance = stacks.columns["distance"][pairs]
    spread = max(float(distance[-1] - distance[0]), 0.1 * float(distance[-1]), 0.01)
    height = spread / 14
    for number, (trace, km) in enumerate(zip(_scaled(stacks, pairs), distance, strict=True)):
        axes.plot(
            stacks.lag_s, km + height * trace, color=TRACE, linewidth=0.6, alpha=0.85, zorder=3,
            label="correlation, scaled to 1" if number == 0 else None,
        )  # fmt: skip
    bottom, top = max(0.0, float(distance[0]) - 0.08 * spread), float(distance[-1]) + 0.1 * spread
    _move_out(axes, stacks, np.array([bottom, top]), shaded=True)
    _picks(axes, stacks, pairs, distance, size=4)
    axes.set_ylim(bottom, top)
    axes.set_ylabel("Distance between the stations (km)")


def _image(axes: Any, drawn: Any, stacks: Stacks, pairs: Array) -> None:
    """The mean of all pairs in a bin of distance."""
    distance = stacks.columns["distance"][pairs]
    edges = np.linspace(0, max(float(distance.max()), 0.01) * 1.0001, min(120, max(20, len(pairs) // 12)) + 1)
    mean = binned(stacks, pairs, np.digitize(distance, edges) - 1, len(edges) - 1)
    strongest = np.nanmax(np.abs(mean), axis=1, keepdims=True, initial=np.finfo(float).tiny)
    image = axes.pcolormesh(
        stacks.lag_s,
        (edges[1:] + edges[:-1]) / 2,
        mean / strongest,
        cmap="RdBu_r",
        vmin=-1,
        vmax=1,
        shading="nearest",
        rasterized=True,
    )
    axes.set_facecolor(EMPTY)
    axes.set_ylim(0, edges[-1])
    axes.set_ylabel("Distance between the stations (km)")
    _move_out(axes, stacks, np.array([0, edges[-1]]), shaded=False)
    bar = drawn.colorbar(image, ax=axes, pad=0.02, fraction=0.04, ticks=[-1, -0.5, 0, 0.5, 1])
    bar.set_label("Mean correlation of a bin, scaled to 1")
    bar.outline.set_visible(False)


def binned(stacks: Stacks, pairs: Array, which: Array, bins: int) -> Array:
    """Mean over the pairs of a bin of traces scaled to 1: float64, (bins, lags); NaN where a bin has none.

    pairs: rows of the stacks, in any order. which: the bin of each. Reads some thousand rows at a time.
    """
    total, count = np.zeros((bins, len(stacks.lag_s))), np.bincount(which, minlength=bins)
    bin_of = np.full(stacks.pairs, -1)
    bin_of[pairs] = which
    for start in range(0, stacks.pairs, TRACES_A_TIME):
        bins_here = bin_of[start : start + TRACES_A_TIME]
        rows = np.asarray(stacks.traces[start : start + TRACES_A_TIME])[bins_here >= 0].astype(np.float64)
        rows /= np.maximum(np.abs(rows).max(axis=1, keepdims=True), np.finfo(float).tiny)
        order = np.argsort(bins_here[bins_here >= 0], kind="stable")
        present, first = np.unique(bins_here[bins_here >= 0][order], return_index=True)
        if len(present):
            total[present] += np.add.reduceat(rows[order], first, axis=0)
    return np.divide(total, count[:, None], out=np.full_like(total, np.nan), where=count[:, None] > 0)


def _move_out(axes: Any, stacks: Stacks, distance: Array, *, shaded: bool) -> None:
    """Lines of constant speed on both sides: the limits of the signal window, and a round speed between them."""
    slow, middle, fast = _speeds(stacks)
    for side in (-1, 1):
        label = _window_label(slow, fast) if side == 1 else None
        if shaded:
            axes.fill_betweenx(
                distance,
                side * distance / fast,
                side * distance / slow,
                color=WINDOW,
                linewidth=0,
                zorder=1,
                label=label,
            )
        for speed in () if shaded else (slow, fast):
            axes.plot(
                side * distance / speed, distance, color=MUTED, linewidth=1, linestyle=":", zorder=4, scalex=False,
                label=label if speed == slow else None,
            )  # fmt: skip
        axes.plot(
            side * distance / middle, distance, color=MUTED, linewidth=0.8, linestyle="--", zorder=2 if shaded else 4,
            scalex=False, label=f"{middle:g} km/s" if side == 1 else None,
        )  # fmt: skip


def _picks(axes: Any, stacks: Stacks, pairs: Array, heights: Array, *, size: float) -> None:
    """A triangle at the largest value of each signal window; hollow where that is no peak."""
    lag, edge = stacks.columns["peak_lag"][pairs], stacks.columns["at_edge"][pairs]
    kinds = (
        (~edge, ACCENT, "white", "pick: largest |C| in the window"),
        (edge, "white", ACCENT, "pick at the edge: no peak"),
    )
    for kind, inside, outline, label in kinds:
        chosen = kind & np.isfinite(lag)
        if chosen.any():
            axes.plot(
                lag[chosen], heights[chosen], "v", markersize=size, color=inside, markeredgecolor=outline,
                markeredgewidth=0.8, zorder=5, label=label, scalex=False,
            )  # fmt: skip


def _scaled(stacks: Stacks, pairs: Array) -> Array:
    traces = np.stack([np.asarray(stacks.traces[int(pair)]) for pair in pairs]).astype(np.float64)
    return np.asarray(traces / np.maximum(np.abs(traces).max(axis=1, keepdims=True), np.finfo(float).tiny))


def _envelope(trace: Array) -> Array:
    """Amplitude of the analytic signal, at most 1 so that rows don't touch."""
    from scipy.signal import hilbert

    amplitude = np.abs(hilbert(trace))
    return np.asarray(amplitude / max(1.0, float(amplitude.max())))


def _speeds(stacks: Stacks) -> tuple[float, float, float]:
    """Slowest and fastest of the signal window, and a round speed between them."""
    slow, fast = stacks.attributes["parameters"]["speeds_km_s"]
    return slow, float(f"{np.sqrt(slow * fast):.1g}"), fast


def _window_label(slow: float, fast: float) -> str:
    return f"signal window, {slow:g} to {fast:g} km/s"


def _pair_name(stacks: Stacks, pair: int) -> str:
    return " – ".join(brief(stacks, stacks.channels[k]) for k in (stacks.first[pair], stacks.second[pair]))


def _measured(stacks: Stacks, pair: int) -> str:
    speed, snr = stacks.columns["speed"][pair], stacks.columns["snr"][pair]
    told = ["no peak" if stacks.columns["at_edge"][pair] else f"{speed:.2f} km/s" if np.isfinite(speed) else ""]
    return "\n".join([*told, f"SNR {snr:.1f}" if np.isfinite(snr) else ""])


def _processing(stacks: Stacks, pairs: Array) -> str:
    p = stacks.attributes["parameters"]
    start, end = (str(stacks.attributes[name])[:16].replace("T", " ") for name in ("start", "end"))
    fewest, most = stacks.windows[pairs].min(), stacks.windows[pairs].max()
    windows = f"{most:,}" if fewest == most else f"{fewest:,} to {most:,}"
    whitening = "not whitened" if p["whitening"] == "none" else f"{p['whitening']} whitening"
    normalisation = "not normalised" if p["normalisation"] == "none" else p["normalisation"]
    return (
        f"{start} to {end} UTC, {windows} windows of {p['window_s']:g} s\n"
        f"{len(pairs):,} pairs, {p['band_hz'][0]:g}–{p['band_hz'][1]:g} Hz, {normalisation}, {whitening}"
    )
