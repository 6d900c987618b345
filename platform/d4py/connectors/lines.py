# SPDX-License-Identifier: Apache-2.0
"""Text files, a line an item."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from d4py.connectors.file_sink import FileSink
from d4py.connectors.file_source import FileSource, ParsedFile
from d4py.errors import BadRecord
from d4py.graph.pe import IterativePE

if TYPE_CHECKING:
    import os


class LinesSource(ParsedFile):
    """Writes each line of a text file, without its newline."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        live: bool = False,
        every: float = 0.1,
        lost: str = "fail",
        encoding: str = "utf-8",
        on_error: str = "fail",
    ) -> None:
        """Read a file; with live follow it as it grows.

        every: seconds between two looks at a followed file. lost: what to do when a run goes on and the file that it was reading was replaced
        meanwhile, and is not beside it under a number or date (x.log.1): "fail", or "skip" its rest. encoding: one in which a newline is
        the byte 10. on_error: policy for a line that cannot be decoded.
        """
        source = FileSource(path, live=live, every=every, lost=lost)
        super().__init__(source, LineDecoder(str(path), encoding), on_error)


class LineDecoder(IterativePE):
    """Makes text of (line number, bytes). Raises BadRecord, with the number of the line."""

    def __init__(self, where: str = "The input", encoding: str = "utf-8") -> None:
        super().__init__()
        self.where = where
        self.encoding = encoding

    def _process(self, record: Any) -> str:
        number, raw = record
        try:
            return raw.decode(self.encoding).removesuffix("\r")  # type: ignore[no-any-return]
        except UnicodeDecodeError as error:
            raise BadRecord(
                f"{self.where}, line {number}: byte {error.start + 1} is not {self.encoding} ({error.reason}).",
                hint="Give encoding=..., or set such lines aside with on_error='quarantine'.",
            ) from None


class LinesSink(FileSink):
    """Writes text, a line an item."""

    def encode(self, value: Any) -> bytes:
        """Add the newline."""
        if not isinstance(value, str) or "\n" in value:
            raise BadRecord(
                f"{self.target}: {value!r:.60} is not one line of text.", hint="Write a str without a newline in it."
            )
        return f"{value}\n".encode()
