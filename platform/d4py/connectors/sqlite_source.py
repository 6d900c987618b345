# SPDX-License-Identifier: Apache-2.0
"""Rows of an SQLite database, in the order of a key."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d4py.connectors.source import ReplayableSource
from d4py.connectors.sqlite import columns_of, connected, named, tables_of, trouble
from d4py.errors import ConnectorError, ParameterError, did_you_mean, listed

if TYPE_CHECKING:
    import os
    import sqlite3
    from collections.abc import Generator

_PAGE = 1000  # rows; no transaction is held open between two pages, so that others can write

_Row = dict[str, Any]


class SqliteSource(ReplayableSource):
    """Writes a dict, column to value, for each row. Its place is the key of the last row."""

    def __init__(
        self,
        database: str | os.PathLike[str],
        table: str = "",
        *,
        query: str = "",
        key: str = "rowid",
        live: bool = False,
        every: float = 0.5,
        timeout: float = 30.0,
    ) -> None:
        """Read a table by its rowid or another key, or a query by a column of its result.

        key: has a different value in each row, never NULL, and rows that come later have greater ones. live: go on as rows come; every:
        seconds between two looks then. timeout: seconds to wait for a lock.
        """
        super().__init__()
        if bool(table) == bool(query):
            raise ParameterError("SqliteSource takes a table or a query.", hint="Give one of them.")
        if query and key == "rowid":
            raise ParameterError("A query has no rowid.", hint="Give key=..., a column of its result.")
        if every <= 0:
            raise ParameterError(f"every = {every!r} is no period.", hint="Give seconds, such as every=0.5.")
        self.database = Path(database).absolute()
        self.table = table
        self.query = query.rstrip("; \n")
        self.key = key
        self.live = live
        self.every = every
        self.timeout = timeout

    def items(self) -> Generator[_Row | None, None, None]:
        """Yield rows behind the last key."""
        with connected(self.database, timeout=self.timeout) as connection:
            self._check(connection)
            while True:
                page, names = self._page(connection)
                for row in page[:_PAGE]:
                    self.place = row[0]
                    yield dict(zip(names, row[1:]))  # noqa: B905 - one statement gave both
                if len(page) <= _PAGE:
                    if not self.live:
                        return
                    until = time.monotonic() + self.every
                    yield None
                    while time.monotonic() < until:
                        yield None

    def _page(self, connection: sqlite3.Connection) -> tuple[list[tuple[Any, ...]], list[str]]:
        """Return rows with their key first, one more than are used: it shows whether a key is there twice; and the columns."""
        source = named(self.table) if self.table else f"({self.query})"
        key = self.key if self.key == "rowid" else f"{named(self.key)} COLLATE BINARY"
        after = "" if self.place is None else f"WHERE {key} > ? "
        order = f"ORDER BY {key} LIMIT {_PAGE + 1}"
        statement = f"SELECT {key}, * FROM {source} {after}{order}"  # noqa: S608 - names are quoted, the query is the workflow's own
        with trouble(self.database, self.timeout, self.table):
            cursor = connection.execute(statement, () if self.place is None else (self.place,))
            page = cursor.fetchall()
        last = self.place
        for row in page:
            if row[0] is None or row[0] == last:
                raise ConnectorError(
                    f"{self.database}, {self.table or 'query'}: {self.key!r} is {row[0]!r} in more than one row.",
                    hint="Give a key that tells all rows apart.",
                )
            last = row[0]
        return page, [column[0] for column in cursor.description[1:]]

    def _check(self, connection: sqlite3.Connection) -> None:
        with trouble(self.database, self.timeout, self.table or "query"):
            if self.table:
                known = columns_of(connection, self.table)
            else:
                cursor = connection.execute(f"SELECT * FROM ({self.query}) LIMIT 0")  # noqa: S608 - the workflow's own
                known = [column[0] for column in cursor.description]
            tables = tables_of(connection)
        if not known:
            raise ConnectorError(
                f"{self.database} has no table {self.table!r}; it has {listed(tables)}.",
                hint=did_you_mean(self.table, tables) or "Check the path.",
            )
        if self.key not in ("rowid", *known):
            raise ConnectorError(
                f"{self.database}, {self.table or 'query'}: there is no column {self.key!r}; there is {listed(known)}.",
                hint=did_you_mean(self.key, known) or "Give key=..., a column with a different value in each row.",
            )
