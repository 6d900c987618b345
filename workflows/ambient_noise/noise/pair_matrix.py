# SPDX-License-Identifier: Apache-2.0
"""The matrix: the signal-to-noise ratio of every pair at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from noise.canvas import EMPTY, MUTED, brief, figure, snr_bar, snr_colours, snr_range, title
from noise.store import Stacks

MOST_NAMES = 24  # along a side; of more, every second, third ...


def pair_matrix(stacks: Stacks, path: Path) -> Path:
    """Draw all pairs, symmetrically; those without a peak have no ratio to show."""
    from matplotlib.colors import ListedColormap

    n = len(stacks.channels)
    matrix, flank = np.full((n, n), np.nan), np.full((n, n), np.nan)
    edge = stacks.columns["at_edge"]
    for values, chosen in ((matrix, ~edge), (flank, edge)):
        i, j = stacks.first[chosen], stacks.second[chosen]
        values[i, j] = values[j, i] = stacks.columns["snr"][chosen] if values is matrix else 1
    with figure(path, (6.6, 5.8)) as drawn:
        axes = drawn.add_subplot()
        low, high = snr_range(matrix)
        image = axes.imshow(matrix, cmap=snr_colours(), vmin=low, vmax=high, interpolation="nearest")
        if edge.any():
            axes.imshow(flank, cmap=ListedColormap([MUTED]), interpolation="nearest")
        axes.set_facecolor(EMPTY)
        ticks = np.arange(0, n, max(1, int(np.ceil(n / MOST_NAMES))))
        labels = [brief(stacks, stacks.channels[k]) for k in ticks]
        axes.set_xticks(ticks, labels, rotation=90, fontsize=7.5)
        axes.set_yticks(ticks, labels, fontsize=7.5)
        snr_bar(drawn, axes, image, matrix)
        flanks = f"; dark grey: no peak, {int(edge.sum()):,} pairs" if edge.any() else ""
        title(axes, "All pairs", f"{n:,} channels, {stacks.pairs:,} pairs; light grey: not measured{flanks}")
    return path
