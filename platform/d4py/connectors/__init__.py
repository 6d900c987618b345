# SPDX-License-Identifier: Apache-2.0
"""Sources that go on from where a checkpoint left them, and sinks in which each item appears once.

Nothing here knows an engine or a mapping: a source offers `offset()` and `seek()`, a sink `prepare(epoch)` and `commit(epoch)`, as any PE may.
Copy one to make your own, or inherit `ReplayableSource` or `CommittingSink`. Each module is loaded when one of its names is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from d4py.connectors.csv import CsvParser, CsvSink, CsvSource
    from d4py.connectors.files import CommittedFiles
    from d4py.connectors.folder import FolderSink, FolderSource
    from d4py.connectors.json_lines import JsonLinesSink, JsonLinesSource, JsonParser
    from d4py.connectors.lines import LineDecoder, LinesSink, LinesSource
    from d4py.connectors.sink import CommittingSink
    from d4py.connectors.socket_sink import SocketSink
    from d4py.connectors.socket_source import ResumableSocketSource, SocketSource
    from d4py.connectors.source import ReplayableSource
    from d4py.connectors.sqlite_sink import SqliteSink
    from d4py.connectors.sqlite_source import SqliteSource

_MODULES = {
    "CommittedFiles": "files",
    "CommittingSink": "sink",
    "CsvParser": "csv",
    "CsvSink": "csv",
    "CsvSource": "csv",
    "FolderSink": "folder",
    "FolderSource": "folder",
    "JsonLinesSink": "json_lines",
    "JsonLinesSource": "json_lines",
    "JsonParser": "json_lines",
    "LineDecoder": "lines",
    "LinesSink": "lines",
    "LinesSource": "lines",
    "ReplayableSource": "source",
    "ResumableSocketSource": "socket_source",
    "SocketSink": "socket_sink",
    "SocketSource": "socket_source",
    "SqliteSink": "sqlite_sink",
    "SqliteSource": "sqlite_source",
}

__all__ = [
    "CommittedFiles",
    "CommittingSink",
    "CsvParser",
    "CsvSink",
    "CsvSource",
    "FolderSink",
    "FolderSource",
    "JsonLinesSink",
    "JsonLinesSource",
    "JsonParser",
    "LineDecoder",
    "LinesSink",
    "LinesSource",
    "ReplayableSource",
    "ResumableSocketSource",
    "SocketSink",
    "SocketSource",
    "SqliteSink",
    "SqliteSource",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
