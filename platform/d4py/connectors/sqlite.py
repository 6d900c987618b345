# SPDX-License-Identifier: Apache-2.0
"""Connections to SQLite databases, and its errors in one line."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from d4py.errors import ConnectorError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def connected(database: Path, *, timeout: float, make: bool = False) -> Iterator[sqlite3.Connection]:
    """Open a database without implicit transactions. timeout: seconds to wait for a lock. make: also where there is none."""
    if not make and not database.exists():
        raise ConnectorError(f"There is no database {database}.", hint="Check the path.")
    with trouble(database, timeout):
        connection = sqlite3.connect(
            f"file:{quote(str(database))}?mode={'rwc' if make else 'rw'}",
            uri=True,
            timeout=timeout,
            isolation_level=None,
        )
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def trouble(database: Path, timeout: float, what: str = "") -> Iterator[None]:
    """Tell an error of SQLite as a ConnectorError."""
    try:
        yield
    except sqlite3.Error as error:
        where = f"{database}, {what}" if what else str(database)
        if "locked" in str(error) or "busy" in str(error):
            raise ConnectorError(
                f"{where}: locked by another process for more than {timeout:g} s.",
                hint="End its transaction, or give a longer timeout.",
            ) from None
        raise ConnectorError(f"{where}: {error}.", hint=_hint(error)) from None


def named(name: str) -> str:
    """Return a name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def columns_of(connection: sqlite3.Connection, table: str) -> list[str]:
    """Return the columns of a table or view; none if it is not there."""
    return [row[1] for row in connection.execute(f"PRAGMA table_info({named(table)})")]


def tables_of(connection: sqlite3.Connection) -> list[str]:
    """Return the tables and views of a database."""
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name")
    return [row[0] for row in rows if not row[0].startswith(("sqlite_", "d4py_"))]


def _hint(error: sqlite3.Error) -> str:
    if isinstance(error, sqlite3.IntegrityError):
        return "Mend the rows before they come here, or say conflict='ignore' or 'replace'."
    if "no such table" in str(error) or "no such column" in str(error):
        return "Check the names."
    return "Check the path, who may read and write there, and the room on the disk."
