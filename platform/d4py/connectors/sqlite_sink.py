# SPDX-License-Identifier: Apache-2.0
"""Rows for a table of an SQLite database, each once."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d4py.connectors.rows import Columns
from d4py.connectors.sink import CommittingSink
from d4py.connectors.sqlite import columns_of, connected, named, tables_of, trouble
from d4py.errors import BadRecord, ConnectorError, ParameterError, did_you_mean, listed

if TYPE_CHECKING:
    import os
    import sqlite3
    from collections.abc import Iterator, Sequence

    from d4py.connectors.staging import Chunk

_VERBS = {"fail": "INSERT", "ignore": "INSERT OR IGNORE", "replace": "INSERT OR REPLACE"}
_MARKS = "CREATE TABLE IF NOT EXISTS d4py_commits (sink TEXT PRIMARY KEY, epoch INTEGER NOT NULL)"
_KINDS = frozenset({type(None), int, float, str, bytes})
_MOST = 1 << 63


class SqliteSink(CommittingSink):
    """Inserts what a checkpoint covers in one transaction, which also marks the checkpoint as done.

    The mark is a row of the table d4py_commits. It may be deleted when the run is over.
    """

    kept = ("database", "columns")

    def __init__(
        self,
        database: str | os.PathLike[str],
        table: str,
        *,
        columns: Sequence[str] | None = None,
        create: str = "",
        conflict: str = "fail",
        timeout: float = 30.0,
    ) -> None:
        """Write dicts, column to value, or sequences.

        columns: which are written; without, the keys of the first item. create: statement that makes the table, if it is not there; it
        makes the database too. conflict: "fail", or "ignore" or "replace" where a row violates UNIQUE; a row that violates the table's
        rules is found at the commit, and fails the run. timeout: seconds to wait for a lock.
        """
        if conflict not in _VERBS:
            raise ParameterError(f"conflict = {conflict!r} is unknown.", hint="Use 'fail', 'ignore' or 'replace'.")
        self.database = Path(database).absolute()
        self.table = table
        super().__init__(f"{self.database}, {table}")
        self.columns = Columns(columns, self.target)
        self.create = create
        self.conflict = conflict
        self.timeout = timeout
        self._given = columns is not None
        self._known: list[str] = []
        self._checked = False

    def preprocess(self) -> None:
        """Make sure that there is such a table."""
        with (
            connected(self.database, timeout=self.timeout, make=bool(self.create)) as connection,
            trouble(self.database, self.timeout, self.table),
        ):
            if self.create and not columns_of(connection, self.table):
                connection.execute(self.create)
            known, tables = columns_of(connection, self.table), tables_of(connection)
        if not known:
            raise ConnectorError(
                f"{self.database} has no table {self.table!r}; it has {listed(tables)}.",
                hint=did_you_mean(self.table, tables) or "Make it first, or give create='CREATE TABLE ...'.",
            )
        self._known = known
        if self._given:
            self._check_columns()

    def encode(self, value: Any) -> bytes:
        """Return a row as it is staged."""
        row = self.columns.row(value)
        if not self._checked:
            self._check_columns()
        for place, cell in enumerate(row):
            kind = type(cell)
            if kind not in _KINDS or (kind is int and not -_MOST <= cell < _MOST):
                raise BadRecord(
                    f"{self.target}: {cell!r:.60} cannot be stored in column {self._names()[place]!r}.",
                    hint="Write None, int of 64 bits, float, str or bytes.",
                )
        return pickle.dumps(row, protocol=5)

    def let_go(self, chunk: Chunk) -> None:
        """Insert a chunk's rows and its mark in one transaction, unless the mark is there."""
        token = self.staging.token
        with (
            connected(self.database, timeout=self.timeout) as connection,
            trouble(self.database, self.timeout, self.table),
        ):
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(_MARKS)
            mark = connection.execute("SELECT epoch FROM d4py_commits WHERE sink = ?", (token,)).fetchone()
            if mark is None or mark[0] < chunk.epoch:
                self._insert(connection, chunk)
                connection.execute("INSERT OR REPLACE INTO d4py_commits VALUES (?, ?)", (token, chunk.epoch))
            connection.execute("COMMIT")

    def _insert(self, connection: sqlite3.Connection, chunk: Chunk) -> None:
        names = self._names()
        columns, marks = ", ".join(map(named, names)), ", ".join("?" * len(names))
        statement = f"{_VERBS[self.conflict]} INTO {named(self.table)} ({columns}) VALUES ({marks})"
        connection.executemany(statement, _rows(chunk))

    def _names(self) -> list[str]:
        assert self.columns.names is not None
        return self.columns.names

    def _check_columns(self) -> None:
        for name in self._names():
            if name not in self._known:
                if not self._given:
                    self.columns.names = None  # the next item may know better
                raise ConnectorError(
                    f"{self.target}: there is no column {name!r}; there is {listed(self._known)}.",
                    hint=did_you_mean(name, self._known) or "Give columns=[...].",
                )
        self._checked = True


def _rows(chunk: Chunk) -> Iterator[tuple[Any, ...]]:
    with chunk.open() as file:
        for _ in range(chunk.items):
            yield pickle.load(file)
