# SPDX-License-Identifier: Apache-2.0
"""The PE that reads the records of a file, as bytes: what comes before the parser in sources of lines, JSON lines and CSV."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from d4py.connectors.source import ReplayableSource
from d4py.connectors.tail import Place, Tail
from d4py.errors import ParameterError
from d4py.graph.compose import CompositePE

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from d4py.graph.pe import GenericPE


class FileSource(ReplayableSource):
    """Writes (number of its first line, bytes) for each record. Its place: file, bytes, lines."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        live: bool,
        every: float,
        lost: str,
        unfinished: Callable[[bytes], bool] | None = None,
    ) -> None:
        super().__init__()
        if every <= 0:
            raise ParameterError(f"every = {every!r} is no period.", hint="Give seconds, such as every=0.1.")
        if lost not in ("fail", "skip"):
            raise ParameterError(f"lost = {lost!r} is unknown.", hint="Use 'fail' or 'skip'.")
        self.path = Path(path).absolute()
        self.live = live
        self.every = every
        self.lost = lost
        self.unfinished = unfinished
        self._tail: Tail | None = None

    def items(self) -> Any:
        """Yield records from the place on."""
        self._tail = Tail(
            self.path,
            place=self.offset(),
            live=self.live,
            every=self.every,
            lost=self.lost,
            unfinished=self.unfinished,
            note=self.log,
        )
        return self._tail.records()

    def offset(self) -> Place | None:
        """Return how far the file was read."""
        return self._tail.place() if self._tail is not None else self.place


class ParsedFile(CompositePE):
    """A file's records, and one instance of a parser behind: what it raises concerns one record, so that policies apply to that."""

    def __init__(self, source: FileSource, parser: GenericPE, on_error: str) -> None:
        super().__init__()
        source.name = type(self).__name__
        parser.on_error = on_error
        self.connect(source, "output", parser, "input")
        self._map_output("output", parser, "output")
