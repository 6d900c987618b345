# SPDX-License-Identifier: Apache-2.0
"""The numerical core of the ambient-noise workflow alone: from decoded samples to the lag traces of all pairs.

Each step is shared out over worker threads, spectra by stations, products by slabs of bins and traces by tiles, with
one BLAS thread in each. Nothing is kept between repetitions but the input. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "workflows" / "ambient_noise"))

import numpy as np
import scipy
from numpy.typing import NDArray

from noise.blas import kernels, single_threaded
from noise.correlate import cross_spectra, fold
from noise.grid import Grid
from noise.lags import lag_traces
from noise.spectra import window_spectra
from noise.synthetic import Field, plane_waves, stations_in_disc
from noise.tiles import Tile, Tiling

Array = NDArray[Any]
TARGET_S = 2.0  # 64 stations, one hour, every bin, 2 cores


class Clock:
    """Wall seconds of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def time(self, name: str, step: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = step()
        self.seconds[name] = time.perf_counter() - start
        return result


def correlate(record: Array, grid: Grid, tiling: Tiling, pool: ThreadPoolExecutor, workers: int) -> dict[str, float]:
    """Correlate all pairs once; tell how long each step took."""
    clock = Clock()
    mask = np.ones(record.shape, bool)
    blocks = np.array_split(np.arange(tiling.stations), min(workers, tiling.stations))

    def spectra_of(block: Array) -> tuple[Array, Array]:
        return window_spectra(record[block], mask[block], grid, whitening="phase")

    def spectra_of_all() -> tuple[Array, Array]:
        parts = list(pool.map(spectra_of, blocks))
        return np.concatenate([p[0] for p in parts], axis=1), np.concatenate([p[1] for p in parts])

    def product_of(slab: slice) -> Array:
        return cross_spectra(spectra[slab], tiling)

    def traces_of(tile: Tile) -> Array:
        cross = np.concatenate([slab[:, tile.packed] for slab in slabs])
        return lag_traces(cross, counts[tile.packed], grid, positions=tile.pairs()[0])

    with single_threaded():
        spectra, weights = clock.time("spectra", spectra_of_all)
        counts = fold(weights, tiling)
        slabs = clock.time("products", lambda: list(pool.map(product_of, grid.slabs)))
        clock.time("lags", lambda: list(pool.map(traces_of, tiling.tiles)))
    clock.seconds["total"] = sum(clock.seconds.values())
    return clock.seconds


def report(arguments: argparse.Namespace) -> dict[str, Any]:
    """Run it and say what ran, where, and how fast."""
    field = Field(duration_s=arguments.hours * 3600.0)
    band = tuple(arguments.band) if arguments.band else None
    grid = Grid(rate_hz=field.rate_hz, band_hz=band)
    tiling = Tiling(stations=arguments.stations, tile_stations=arguments.tile)
    stations = stations_in_disc(arguments.stations, radius_km=30.0, seed=1)
    record = plane_waves(stations, field, seed=1).astype(np.float32)
    with ThreadPoolExecutor(arguments.workers) as pool:
        runs = [correlate(record, grid, tiling, pool, arguments.workers) for _ in range(arguments.repeat + 1)]
    first, *warm = runs
    medians = {step: statistics.median(run[step] for run in warm) for step in first}
    pairs, windows = arguments.stations * (arguments.stations - 1) // 2, grid.windows_in(record.shape[1])
    return {
        "benchmark": "correlation",
        "stations": arguments.stations,
        "pairs": pairs,
        "hours": arguments.hours,
        "windows": windows,
        "bins": grid.bins,
        "workers": arguments.workers,
        "tile_stations": arguments.tile,
        "seconds": {step: round(value, 4) for step, value in medians.items()},
        "spread": [round(min(run["total"] for run in warm), 4), round(max(run["total"] for run in warm), 4)],
        "first_seconds": round(first["total"], 4),
        "repeats": len(warm),
        "pair_windows_per_second": round(pairs * windows / medians["total"]),
        "target_seconds": TARGET_S if (arguments.stations, arguments.hours) == (64, 1.0) else None,
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__},
        "blas": kernels(),
        "machine": {"processor": processor(), "cores": len(os.sched_getaffinity(0)), "load": os.getloadavg()[0]},
    }


def processor() -> str:
    """Name the processor, as Linux does."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def main() -> None:
    parser = argparse.ArgumentParser(description="Time the correlation of all pairs of synthetic stations.")
    parser.add_argument("--stations", type=int, default=64)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--workers", type=int, default=2, help="threads, each with one BLAS thread")
    parser.add_argument("--tile", type=int, default=32, help="stations along the side of a tile")
    parser.add_argument("--repeat", type=int, default=5, help="timed repetitions, after one that is not counted")
    parser.add_argument("--band", type=float, nargs=2, metavar="HZ", help="keep only the bins of this band")
    print(json.dumps(report(parser.parse_args()), indent=2))


if __name__ == "__main__":
    main()
