# SPDX-License-Identifier: Apache-2.0
"""`dispel4py.core`: the base of all PEs."""

from __future__ import annotations

import sys
from typing import Any

from d4py.graph import pe as own

NAME = "name"
TYPE = "type"
DESCRIPTION = "descr"
META = "meta"
GROUPING = "grouping"
WRITER = "writer"


class GenericPE(own.GenericPE):
    """A PE of dispel4py: it may write on outputs that it does not declare, and what it logs is printed."""

    undeclared_outputs = True

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "_write" in vars(cls) and "write" not in vars(cls):
            cls.write = GenericPE._through_own  # type: ignore[assignment, method-assign]

    def __init__(self, numprocesses: int = 1) -> None:
        own.GenericPE.__init__(self, numprocesses)
        self.wrapper: Any = "simple"
        self.pickleIgnore: list[str] = []

    def _write(self, name: str, data: Any, **_metadata: Any) -> None:
        """Send a value; what `write` calls where a class overrides it."""
        own.GenericPE.write(self, name, data)

    def _through_own(self, name: str, data: Any, **metadata: Any) -> None:
        """Send a value through a `_write` of the class's own."""
        self._write(name, data, **metadata)

    def log(self, message: object) -> None:
        """Print a line, and write it to the log of this instance."""
        sys.stdout.write(f"{self.id} (rank {self.rank}): {message}\n")  # at once: others print, too
        sys.stdout.flush()
        super().log(message)

    def setInputTypes(self, types: dict[str, Any]) -> None:
        """Take the types of the inputs. To be overridden."""

    def set_input_types(self, types: dict[str, Any]) -> None:
        """Take the types of the inputs. To be overridden."""
        self.setInputTypes(types)

    def getOutputTypes(self) -> dict[str, Any]:
        """Return the types of the outputs; raise KeyError where one declares none."""
        for name, port in self.outputconnections.items():
            if port.get(TYPE) is None:
                raise KeyError(f"{self.id}: No output type defined for '{name}'")
        return {name: port[TYPE] for name, port in self.outputconnections.items()}

    def get_output_types(self) -> dict[str, Any]:
        """Return the types of the outputs; raise KeyError where one declares none."""
        return self.getOutputTypes()
