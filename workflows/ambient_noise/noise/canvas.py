# SPDX-License-Identifier: Apache-2.0
"""What every picture shares: type and colours, a figure that is saved whole, names of channels, and the scale of the signal-to-noise ratio.

Matplotlib is imported when something is drawn, with the backend that needs no display.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noise.store import Stacks

Array = NDArray[Any]

# Blue, orange and brick differ in lightness too, so they can be told apart with any colour vision and in grey.
INK, TRACE, ENVELOPE, ACCENT = "#1b2733", "#22577a", "#f2a65a", "#c8553d"
GRID, MUTED, EMPTY, WINDOW = "#d9dee3", "#66727f", "#e4e8ec", "#e9edf1"
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.titlesize": 11.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "legend.fontsize": 8,
    "legend.frameon": False,
    "legend.handlelength": 1.8,
    "legend.columnspacing": 1.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.direction": "out",
    "figure.facecolor": "white",
    "savefig.dpi": 200,
    "text.color": INK,
}
SNR = "Signal-to-noise ratio (peak / RMS of the noise)"
LEAST_RANGE = 1.0  # of the ratio: smaller differences mean nothing
MANY = 50  # values: from here on the strongest and the weakest 2 % must not turn all others pale


@contextmanager
def figure(path: Path, size_in: tuple[float, float]) -> Iterator[Any]:
    """A figure that is saved under its name only when it is complete."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with mpl.rc_context(STYLE):  # type: ignore[arg-type]
        drawn = Figure(figsize=size_in, layout=ConstrainedLayoutEngine(w_pad=0.09, h_pad=0.09))
        yield drawn
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        drawn.savefig(partial, format="png", metadata={"Software": None})  # the same picture, the same bytes
        partial.replace(path)


def title(axes: Any, text: str, below: str) -> None:
    """Put a title and, below it, one line or two of what was done; they may reach over what stands beside the frame."""
    axes.set_title(text, pad=22 + 11 * below.count("\n"))
    axes.annotate(
        below, (0, 1), xytext=(0, 7), xycoords="axes fraction", textcoords="offset points", fontsize=8, color=MUTED,
        linespacing=1.3, in_layout=False,
    )  # fmt: skip


def brief(stacks: Stacks, channel: str) -> str:
    """Name a channel by what tells it apart: its station alone where each station has one channel."""
    stations = {other.rsplit(".", 2)[0] for other in stacks.channels}
    return channel.split(".")[1] if len(stations) == len(stacks.channels) else channel


def snr_range(snr: Array) -> tuple[float, float]:
    """Round ends for the colours of these ratios, close around them."""
    known = snr[np.isfinite(snr)]
    if not known.size:
        return 0.0, 1.0
    low, high = np.percentile(known, (2, 98) if known.size > MANY else (0, 100))
    if high - low < LEAST_RANGE:  # one pair, or all alike
        low, high = low - LEAST_RANGE / 2, high + LEAST_RANGE / 2
    step = 10 ** np.floor(np.log10(high - low)) / 5
    return float(np.floor(low / step) * step), float(np.ceil(high / step) * step)


def snr_colours() -> Any:
    """Viridis, dark where the ratio is high, without the yellow that is lost on white."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    return ListedColormap(colormaps["viridis_r"](np.linspace(0.2, 1, 256)), name="snr")


def snr_bar(drawn: Any, axes: Any, coloured: Any, snr: Array) -> None:
    """Add the scale; an arrow at an end says that values go on there."""
    low, high = coloured.get_clim()
    known = snr[np.isfinite(snr)]
    below, above = bool((known < low).any()), bool((known > high).any())
    extend = {(True, True): "both", (True, False): "min", (False, True): "max"}.get((below, above), "neither")
    bar = drawn.colorbar(coloured, ax=axes, pad=0.03, fraction=0.045, extend=extend)
    bar.set_label(SNR)
    bar.outline.set_visible(False)
