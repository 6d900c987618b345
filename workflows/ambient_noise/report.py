# SPDX-License-Identifier: Apache-2.0
"""Print what a run found: python report.py OUTPUT_FOLDER. The table of pairs, what was wrong with the data, and the paths, one a line."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from noise.archive import DataError
from noise.store import load
from noise.table import rows

PICTURES = ("record_section.png", "station_map.png", "pair_matrix.png")
LEAST_WIDTH = 90  # columns: a narrow terminal wraps the table rather than losing digits


def show(folder: Path, console: Console) -> None:
    """Print table, report and paths. Raises DataError if the folder has no stacks."""
    stacks = load(folder)
    found = rows(stacks)
    table = Table(title=None, header_style="bold", box=None, pad_edge=False)
    table.add_column("pair", no_wrap=True)
    for name in ("distance km", "SNR", "velocity km/s", "peak lag s"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)  # the mark of a pick that is no peak
    for row in found:
        table.add_row(
            row["pair"],
            _told(row["distance_km"], 2),
            _told(row["snr"], 1),
            _told(row["speed_km_s"], 2),
            _told(row["peak_lag_s"], 2, sign=True),
            "*" if row["at_edge"] else "",
        )
    console.print(table)
    if len(found) < stacks.pairs:
        console.print(f"the {len(found)} pairs with the highest SNR of {stacks.pairs:,}")
    for line in stacks.attributes["report_lines"]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for path in (*(folder / name for name in PICTURES), stacks.path):
        if path.exists():
            console.print(str(path.absolute()), markup=False, highlight=False, soft_wrap=True)


def _told(value: float | None, digits: int, *, sign: bool = False) -> str:
    return "-" if value is None else f"{value:{'+' if sign else ''}.{digits}f}"


def main(arguments: list[str]) -> int:
    """Print, or say in one line why not."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        print("usage: python report.py OUTPUT_FOLDER", file=sys.stderr)
        return 2
    try:
        show(Path(arguments[0]), Console(width=max(Console().width, LEAST_WIDTH)))
    except DataError as error:
        print(f"report: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
