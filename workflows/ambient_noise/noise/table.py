# SPDX-License-Identifier: Apache-2.0
"""What the stacks say, one row a pair: measured on all of them, and the short table at the end of a run."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from noise.geometry import distances_km
from noise.measure import arrivals
from noise.settings import Settings
from noise.store import Stacks, Writer

Array = NDArray[Any]

MOST = 50


def measured(writer: Writer, latitudes: Array, longitudes: Array, settings: Settings) -> dict[str, Array]:
    """Distance, arrival and signal-to-noise ratio of every pair, in the units of `store.COLUMNS`."""
    distance = distances_km(latitudes, longitudes, *writer.pairs())
    columns = {"distance": distance, **{name: np.empty_like(distance) for name in ("snr", "peak_lag", "speed")}}
    longest = 1 / settings.band_hz[0]
    for part, traces in writer.batches():
        found = arrivals(
            traces, distance[part], rate_hz=settings.rate_hz, speeds_km_s=settings.speeds_km_s, period_s=longest
        )
        columns["snr"][part], columns["peak_lag"][part], columns["speed"][part] = (
            found.snr,
            found.lag_s,
            found.speed_km_s,
        )
    return columns


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
            "windows": int(stacks.windows[pair]),
        }
        for pair in order
    ]


def _number(value: float, digits: int) -> float | None:
    return round(float(value), digits) if np.isfinite(value) else None
