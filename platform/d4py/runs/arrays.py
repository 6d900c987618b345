# SPDX-License-Identifier: Apache-2.0
"""Arrays of outputs, in an .npz beside their JSON lines: written and read one by one, so that all of them are never held."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from d4py.errors import StateError, UsageError

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Callable
    from pathlib import Path

_FIELDS = {"array", "file", "shape", "dtype"}


class Beside:
    """The file of the arrays of an output file: it appears whole, and only where there are any."""

    def __init__(self, lines: Path) -> None:
        """lines: where the JSON lines go."""
        self.path = lines.with_suffix(".npz")
        self._lines = lines
        self._temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        self._archive: zipfile.ZipFile | None = None
        self._number = 0

    def add(self, array: Any) -> dict[str, Any]:
        """Write an array; return what stands for it in a line. Raises UsageError where the lines go to no file."""
        import zipfile  # slow to import, and most runs write no arrays

        from numpy.lib.format import write_array

        if self._archive is None:
            if self._lines.exists() and not self._lines.is_file():
                raise UsageError(
                    f"The outputs hold arrays, which go into a file beside {str(self._lines)!r}; it is no file.",
                    hint="Name a file with --output.",
                )
            self._archive = zipfile.ZipFile(self._temporary, "w")
        name = f"a{self._number}"
        self._number += 1
        with self._archive.open(f"{name}.npy", "w", force_zip64=True) as file:
            write_array(file, array)
        return {"array": name, "file": self.path.name, "shape": list(array.shape), "dtype": str(array.dtype)}

    def appear(self) -> None:
        """Let the file be there."""
        if self._archive is not None:
            self._archive.close()
            os.replace(self._temporary, self.path)

    def close(self) -> None:
        """Leave nothing unfinished behind."""
        if self._archive is not None:
            with suppress(OSError):  # a full disk has been told of
                self._archive.close()
            self._temporary.unlink(missing_ok=True)


def filled(value: Any, stored: Callable[[str], Any]) -> Any:
    """Return what a line says with its arrays in their places. stored: returns one by its name."""
    if isinstance(value, dict):
        if value.keys() == _FIELDS:
            return stored(str(value["array"]))
        return {name: filled(part, stored) for name, part in value.items()}
    if isinstance(value, list):
        return [filled(part, stored) for part in value]
    return value


class Stored:
    """Arrays of a file that was written so. Called with a name, it reads one. Nothing is unpickled."""

    def __init__(self, path: Path) -> None:
        try:
            import numpy as np
        except ImportError:
            raise UsageError("The outputs hold arrays.", hint="Install what reads them: pip install numpy.") from None
        self._arrays = np.load(path, allow_pickle=False)

    def __call__(self, name: str) -> Any:
        try:
            return self._arrays[name]
        except ValueError:
            raise StateError(
                f"The array {name!r} of the outputs holds objects, which only the run itself may read.",
                hint="Write numbers or text.",
            ) from None

    def close(self) -> None:
        """Let go of the file."""
        self._arrays.close()
