# SPDX-License-Identifier: Apache-2.0
"""What the stacks say, one row a pair: measured on all of them, what to doubt in it, and the short table at the end of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noise.geometry import distances_km
from noise.measure import arrivals
from noise.report import Report
from noise.settings import Settings
from noise.store import COLUMNS, Stacks, Writer

Array = NDArray[Any]

MOST = 50


def measured(writer: Writer, latitudes: Array, longitudes: Array, settings: Settings) -> dict[str, Array]:
    """Distance, arrival and signal-to-noise ratio of every pair, in the units of `store.COLUMNS`."""
    distance = distances_km(latitudes, longitudes, *writer.pairs())
    columns = {name: np.zeros(len(distance), kind.dtype) for name, kind in COLUMNS.items()}
    columns["distance"] = distance
    longest = 1 / settings.band_hz[0]
    for part, traces in writer.batches():
        found = arrivals(
            traces, distance[part], rate_hz=settings.rate_hz, speeds_km_s=settings.speeds_km_s, period_s=longest
        )
        columns["snr"][part] = found.snr
        columns["peak_lag"][part] = found.lag_s
        columns["speed"][part] = found.speed_km_s
        columns["at_edge"][part] = found.at_edge
    return columns


def doubts(columns: dict[str, Array], names: Callable[[int], str], settings: Settings) -> Report:
    """Say which picks are none: those at the edge of their signal window, those whose window the longest lag cuts off, those without noise."""
    late = columns["distance"] / settings.speeds_km_s[0] > settings.max_lag_s
    bare = np.isnan(columns["snr"]) & np.isfinite(columns["peak_lag"]) & ~late
    found = {"cut off": late, "no noise": bare, "edge": columns["at_edge"]}
    return Report.sum(_of_pairs(kind, chosen, names) for kind, chosen in found.items())


def _of_pairs(kind: str, chosen: Array, names: Callable[[int], str]) -> Report:
    """One count a pair, or one for all of them where a name each would be longer than the table."""
    pairs = np.flatnonzero(chosen)
    if len(pairs) > MOST:
        return Report.of(kind, f"of {len(chosen):,} pairs", len(pairs))
    return Report.sum(Report.of(kind, names(int(pair))) for pair in pairs)


def rows(stacks: Stacks, *, most: int = MOST) -> list[dict[str, Any]]:
    """List pairs by distance; if there are more than `most`, those with the highest SNR."""
    snr = np.nan_to_num(stacks.columns["snr"], nan=-1.0)
    best = np.sort(np.argsort(-snr, kind="stable")[:most])
    order = best[np.argsort(stacks.columns["distance"][best], kind="stable")]
    return [
        {
            "pair": stacks.name(pair),
            "distance_km": _number(stacks.columns["distance"][pair], 2),
            "snr": _number(stacks.columns["snr"][pair], 1),
            "peak_lag_s": _number(stacks.columns["peak_lag"][pair], 2),
            "speed_km_s": _number(stacks.columns["speed"][pair], 2),
            "at_edge": bool(stacks.columns["at_edge"][pair]),
            "windows": int(stacks.windows[pair]),
        }
        for pair in order
    ]


def _number(value: float, digits: int) -> float | None:
    return round(float(value), digits) if np.isfinite(value) else None
