# SPDX-License-Identifier: Apache-2.0
"""The live display of a run on a terminal."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from rich.console import Console, Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from d4py.cli.progress import View, per_second
from d4py.cli.region import Region
from d4py.cli.table import lasting

if TYPE_CHECKING:
    from d4py.runs import State

_BAR = 24
_OTHER_LINES = 3  # title, heads, and how many PEs are not shown


class Display:
    """Draws a view of a run, again and again, in the same place; it is gone when the run is over."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._region = Region(sys.stderr.fileno())

    def show(self, view: View) -> None:
        """Draw. Raises OSError when the terminal is gone."""
        room = self._region.most - _OTHER_LINES
        if room > 0:
            self._region.draw(self._lines(Group(self._title(view), self._table(view, room))))

    def end(self) -> None:
        """Give the lines that were drawn on back."""
        self._region.close()

    def _lines(self, drawn: Group) -> list[str]:
        console = Console(file=io.StringIO(), force_terminal=True, width=self._region.size.columns)
        with console.capture() as capture:
            console.print(drawn)
        return capture.get().splitlines()

    def _title(self, view: View) -> Text:
        state = self._state
        title = Text.assemble(
            (state.workflow, "bold"), f" on {state.mapping}  ", lasting(view.seconds), no_wrap=True, overflow="ellipsis"
        )
        left = view.left()
        if left:
            title.append(f"  about {lasting(left)} left", "cyan")
        if state.epoch:
            title.append(f"  checkpoint {state.epoch}", "dim")
        if state.generation > 1:
            title.append(f"  generation {state.generation}", "yellow")
        return title

    def _table(self, view: View, room: int) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
        table.add_column("PE", no_wrap=True, overflow="ellipsis", max_width=32)
        for head in ("instances", "items", "rate"):
            table.add_column(head, justify="right", no_wrap=True)
        waits, kept = (
            any(view.waiting(pe) is not None for pe in view.counts),
            any(count["quarantined"] for count in view.counts.values()),
        )
        if waits:
            table.add_column("queue", justify="right", no_wrap=True)
        if kept:
            table.add_column("quarantined", justify="right", no_wrap=True)
        if view.totals:
            table.add_column("", no_wrap=True)
        names = list(view.counts)
        for pe in names[:room]:
            table.add_row(*self._row(view, pe, waits=waits, kept=kept))
        if len(names) > room:
            table.add_row(Text(f"and {len(names) - room} more", "dim"))
        return table

    def _row(self, view: View, pe: str, *, waits: bool, kept: bool) -> list[str | Text | ProgressBar]:
        count, done, total = view.counts[pe], view.done(pe), view.totals.get(pe)
        row: list[str | Text | ProgressBar] = [pe, str(count["instances"]), f"{done:,}", per_second(view.rate(pe))]
        if waits:
            waiting = view.waiting(pe)
            row.append("" if waiting is None else f"{waiting:,}")
        if kept:
            row.append(Text(f"{count['quarantined']:,}", "red" if count["quarantined"] else "dim"))
        if total is not None and done <= total:
            row.append(ProgressBar(total=max(1, total), completed=done if total else 1, width=_BAR))
        return row
