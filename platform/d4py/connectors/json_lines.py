# SPDX-License-Identifier: Apache-2.0
"""JSON lines: a value of JSON a line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from d4py.connectors.file_sink import FileSink
from d4py.connectors.file_source import FileSource, ParsedFile
from d4py.errors import BadRecord
from d4py.graph.pe import IterativePE

if TYPE_CHECKING:
    import os

_scan = json.JSONDecoder().raw_decode


class JsonLinesSource(ParsedFile):
    """Writes the value of each line; blank lines are passed over."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        live: bool = False,
        every: float = 0.1,
        lost: str = "fail",
        on_error: str = "fail",
    ) -> None:
        """Read a file; live, every and lost are as of `LinesSource`. on_error: policy for a line that is not JSON."""
        super().__init__(FileSource(path, live=live, every=every, lost=lost), JsonParser(str(path)), on_error)


class JsonParser(IterativePE):
    """Makes a value of text, bytes, or (line number, bytes). Raises BadRecord, with line and column."""

    def __init__(self, where: str = "The input") -> None:
        super().__init__()
        self.where = where

    def _process(self, record: Any) -> Any:
        raw = record[1] if type(record) is tuple else record
        try:
            text = raw if type(raw) is str else raw.decode()
            value, end = _scan(text)
            if end != len(text):
                raise ValueError  # white space, or something that does not belong there
        except (ValueError, RecursionError):
            if not raw.strip():
                return None
            value = self._parsed(raw, record)
        if value is None:
            self.write("output", None)  # returned, it would be nothing
        return value

    def _parsed(self, raw: Any, record: Any) -> Any:
        where = f"{self.where}, line {record[0]}" if type(record) is tuple else self.where
        hint = "Mend it, or set such lines aside with on_error='quarantine'."
        try:
            return json.loads(raw if type(raw) is str else raw.decode("utf-8-sig"))
        except json.JSONDecodeError as error:
            raise BadRecord(f"{where}: {error.msg} at column {error.colno}.", hint=hint) from None
        except UnicodeDecodeError as error:
            raise BadRecord(f"{where}: byte {error.start + 1} is not UTF-8.", hint=hint) from None
        except RecursionError:
            raise BadRecord(f"{where}: it is nested too deep.", hint=hint) from None


class JsonLinesSink(FileSink):
    """Writes each item as JSON on a line of its own. Arrays and numbers of NumPy are written as lists and numbers."""

    def encode(self, value: Any) -> bytes:
        """Return the line."""
        try:
            return f"{_encoder.encode(value)}\n".encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise BadRecord(f"{self.target}: {value!r:.60} is not JSON: {error}.", hint="Write plain data.") from None


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain)
