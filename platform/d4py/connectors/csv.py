# SPDX-License-Identifier: Apache-2.0
"""Comma-separated values, a row an item."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from d4py.connectors.file_sink import FileSink
from d4py.connectors.file_source import FileSource, ParsedFile
from d4py.connectors.rows import Columns
from d4py.errors import BadRecord, ParameterError
from d4py.graph.pe import IterativePE

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

_LONGEST = csv.field_size_limit()  # characters of a field, beyond which a quote was surely forgotten


class CsvSource(ParsedFile):
    """Writes a dict, column to text, for each row."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        columns: Sequence[str] | None = None,
        delimiter: str = ",",
        quote: str = '"',
        live: bool = False,
        every: float = 0.1,
        lost: str = "fail",
        encoding: str = "utf-8",
        on_error: str = "fail",
    ) -> None:
        """Read a file. columns: their names, where its first row does not say.

        A quoted field may hold delimiters, newlines and doubled quotes. live, every, lost and encoding are as of `LinesSource`; each file
        of a rotation has its own first row. on_error: policy for a row that is not CSV or has not as many fields as there are columns.
        """
        for name, mark in (("delimiter", delimiter), ("quote", quote)):
            if len(mark) != 1 or not mark.isascii():
                raise ParameterError(
                    f"{name} = {mark!r} is not one ASCII character.", hint=f"Give {name}=',' or the like."
                )
        source = FileSource(path, live=live, every=every, lost=lost, unfinished=Quoting(quote, delimiter))
        parser = CsvParser(str(path), columns=columns, delimiter=delimiter, quote=quote, encoding=encoding)
        super().__init__(source, parser, on_error)


class Quoting:
    """Tells whether a row goes on in the next line, because a quoted field is open."""

    def __init__(self, quote: str, delimiter: str) -> None:
        self.quote = quote.encode()
        self.form = {"quotechar": quote, "delimiter": delimiter, "strict": True}

    def __call__(self, raw: bytes) -> bool:
        if self.quote not in raw or len(raw) > _LONGEST:
            return False
        try:
            next(csv.reader([raw.decode("latin-1")], **self.form))  # type: ignore[arg-type]
        except csv.Error as error:
            return "unexpected end of data" in str(error)
        return False


class CsvParser(IterativePE):
    """Makes a dict of (line number, bytes). Raises BadRecord, with the number of the line."""

    def __init__(
        self,
        where: str = "The input",
        *,
        columns: Sequence[str] | None = None,
        delimiter: str = ",",
        quote: str = '"',
        encoding: str = "utf-8",
    ) -> None:
        super().__init__()
        self.where = where
        self.given = columns is not None
        self.columns = list(columns or ())
        self.heading = False  # the next row names the columns
        self.form = {"quotechar": quote, "delimiter": delimiter, "strict": True}
        self.encoding = encoding

    def _process(self, record: Any) -> dict[str, str] | None:
        number, raw = record
        if number == 1 and not self.given:
            self.columns, self.heading = [], True
        heading, self.heading = self.heading, False
        fields = self._parsed(number, raw)
        if not fields:  # a blank line
            self.heading = heading
            return None
        if heading:
            self._take_columns(number, fields)
            return None
        if len(fields) != len(self.columns):
            raise BadRecord(
                f"{self.where}, line {number}: {len(fields)} fields where there are {len(self.columns)} columns.",
                hint="Mend it, or set such lines aside with on_error='quarantine'.",
            )
        return dict(zip(self.columns, fields))  # noqa: B905 - as many, as was just seen

    def _parsed(self, number: int, raw: bytes) -> list[str]:
        try:
            text = raw.decode(self.encoding)
            if number == 1:
                text = text.removeprefix("\ufeff")
            return next(csv.reader((text,), **self.form), [])  # type: ignore[arg-type]
        except UnicodeDecodeError as error:
            reason = f"byte {error.start + 1} is not {self.encoding}"
        except csv.Error as error:
            reason = "a quoted field is not closed" if "unexpected end" in str(error) else str(error)
        raise BadRecord(
            f"{self.where}, line {number}: {reason}.",
            hint="Mend it, or set such lines aside with on_error='quarantine'.",
        )

    def _take_columns(self, number: int, names: list[str]) -> None:
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise BadRecord(
                f"{self.where}, line {number}: two columns are called {doubled[0]!r}.", hint="Give columns=[...]."
            )
        self.columns = names


class CsvSink(FileSink):
    """Writes each item, a dict or a sequence, as a row; the first row of a file names the columns."""

    kept = (*FileSink.kept, "columns")

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        columns: Sequence[str] | None = None,
        delimiter: str = ",",
        if_exists: str = "fail",
    ) -> None:
        """Write a file. columns: their names; without, the keys of the first item. if_exists: as of `FileSink`."""
        super().__init__(path, if_exists=if_exists)
        self.columns = Columns(columns, self.target)
        self.delimiter = delimiter

    def encode(self, value: Any) -> bytes:
        """Return the row; the first of a file with the names of the columns before it."""
        row = self._line(self.columns.row(value))
        return row if self.base or self.staging.length else self.head() + row

    def head(self) -> bytes:
        """Return the names of the columns, if they are known."""
        return self._line(self.columns.names) if self.columns.names else b""

    def _line(self, row: Sequence[Any]) -> bytes:
        written = _Written()
        try:
            csv.writer(written, delimiter=self.delimiter, lineterminator="\n").writerow(row)
            return written.text.encode()
        except (csv.Error, UnicodeEncodeError) as error:
            raise BadRecord(
                f"{self.target}: {row!r:.60} cannot be written: {error}.", hint="Write text and numbers."
            ) from None


class _Written:
    """What `csv.writer` writes to."""

    text = ""

    def write(self, text: str) -> None:
        self.text = text
