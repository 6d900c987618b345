# SPDX-License-Identifier: Apache-2.0
"""`dispel4py.core`: the base of all PEs."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from d4py.errors import GraphError
from d4py.graph import pe as own

NAME = "name"
TYPE = "type"
DESCRIPTION = "descr"
META = "meta"
GROUPING = "grouping"
WRITER = "writer"


class _Apart(dict[str, Callable[[Any], None]]):
    """The outputs of a PE that is in no run, as tests call it."""

    def __init__(self, pe: GenericPE) -> None:
        super().__init__()
        self._pe = pe

    def __missing__(self, name: str) -> Callable[[Any], None]:
        replaced = vars(self._pe).get("_write")
        if replaced is not None:
            return lambda data: replaced(name, data)
        writer = self._pe.outputconnections.get(name, {}).get(WRITER)
        if writer is None:
            raise GraphError(f"write({name!r}) was called outside a run.", hint=f"Put a {WRITER!r} into the port.")
        write: Callable[[Any], None] = writer.write
        return write


def _plain(port: dict[str, Any]) -> None:
    for key in [key for key, value in port.items() if value is None]:
        del port[key]


class GenericPE(own.GenericPE):
    """A PE of dispel4py: it may write on outputs that it does not declare, and what it logs is printed."""

    undeclared_ports = True
    unpacks = False
    _ranked = True  # whether what it logs names its rank

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "_write" in vars(cls) and "write" not in vars(cls):
            cls.write = GenericPE._through_own  # type: ignore[assignment, method-assign]

    def __init__(self, numprocesses: int = 1) -> None:
        own.GenericPE.__init__(self, numprocesses)
        self.id = f"{self.name}{uuid.uuid4()}"  # until it is in a graph
        self.wrapper: Any = "simple"
        self.pickleIgnore: list[str] = []
        self._rest()

    def _rest(self) -> None:
        """Be outside a run: writes go to what a test has put into the port, or in the place of `_write`."""
        self._emit = _Apart(self)

    def _add_input(
        self,
        name: str,
        grouping: own.Grouping = None,
        tuple_type: Sequence[str] | None = None,
        *,
        type: object = None,
    ) -> None:
        """Declare an input. A port has the keys that it was given, and no others."""
        super()._add_input(name, grouping, tuple_type, type=type)
        _plain(self.inputconnections[name])

    def _add_output(self, name: str, tuple_type: Sequence[str] | None = None, *, type: object = None) -> None:
        """Declare an output."""
        super()._add_output(name, tuple_type, type=type)
        _plain(self.outputconnections[name])

    def _write(self, name: str, data: Any, **_metadata: Any) -> None:
        """Send a value; what `write` calls where a class overrides it."""
        own.GenericPE.write(self, name, data)

    def _through_own(self, name: str, data: Any, **metadata: Any) -> None:
        """Send a value through a `_write` of the class's own."""
        self._write(name, data, **metadata)

    def log(self, message: object) -> None:
        """Print a line, and write it to the log of this instance."""
        who = f"{self.id} (rank {self.rank})" if self._ranked else self.id
        sys.stdout.write(f"{who}: {message}\n")  # at once: others print, too
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
