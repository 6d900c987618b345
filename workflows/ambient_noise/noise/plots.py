# SPDX-License-Identifier: Apache-2.0
"""Which pictures some stacks allow."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from noise.pair_matrix import pair_matrix
from noise.record_section import record_section
from noise.station_map import station_map
from noise.store import Stacks

MATRIX_FROM = 5  # channels; a matrix of fewer says nothing that the table does not


def draw(stacks: Stacks, folder: Path) -> dict[str, str]:
    """Draw what these stacks allow into a folder: name of the picture -> its path. Without coordinates there is only the matrix."""
    located = np.isfinite(stacks.columns["distance"]) & (stacks.windows > 0)
    paths = {}
    if located.any():
        paths["record_section"] = record_section(stacks, folder / "record_section.png")
        paths["station_map"] = station_map(stacks, folder / "station_map.png")
    if len(stacks.channels) >= MATRIX_FROM or not paths:
        paths["pair_matrix"] = pair_matrix(stacks, folder / "pair_matrix.png")
    return {name: str(path) for name, path in paths.items()}
