# SPDX-License-Identifier: Apache-2.0
"""Rows of a table: items that are mappings of column to value, or sequences in the order of the columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from d4py.errors import BadRecord, listed


class Columns:
    """The columns of a table. Where none are given, the first row that is a mapping says which."""

    def __init__(self, names: Sequence[str] | None, where: str) -> None:
        """where: what to name in messages."""
        self.names = list(names) if names is not None else None
        self.where = where

    def row(self, value: Any) -> tuple[Any, ...]:
        """Return the values of a row in the order of the columns. Raises BadRecord if it has others."""
        if isinstance(value, Mapping):
            return self._of_mapping(value)
        if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
            raise BadRecord(
                f"{self.where}: {value!r:.60} is no row.", hint="Write a dict, column to value, or a tuple."
            )
        if self.names is None:
            raise BadRecord(
                f"{self.where}: a {type(value).__name__} does not name its columns.", hint="Give columns=[...]."
            )
        if len(value) != len(self.names):
            raise BadRecord(
                f"{self.where}: a row of {len(value)} values where there are {len(self.names)} columns.",
                hint=f"The columns are {listed(self.names)}.",
            )
        return tuple(value)

    def _of_mapping(self, value: Mapping[str, Any]) -> tuple[Any, ...]:
        if self.names is None:
            self.names = [str(name) for name in value]
        try:
            row = tuple([value[name] for name in self.names])
        except KeyError as error:
            raise BadRecord(
                f"{self.where}: a row without {error.args[0]!r}; it has {listed(value)}.",
                hint="Give each row all columns.",
            ) from None
        if len(value) > len(self.names):
            others = [name for name in value if name not in self.names]
            raise BadRecord(
                f"{self.where}: a row with {listed(others)}, where the columns are {listed(self.names)}.",
                hint="Leave it out, or give columns=[...].",
            )
        return row
