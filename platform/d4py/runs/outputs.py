# SPDX-License-Identifier: Apache-2.0
"""What a run gives back: outputs that nobody consumed, read lazily from its folder, and written as JSON lines."""

from __future__ import annotations

import json
import math
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from d4py.errors import UsageError
from d4py.runs import spool
from d4py.runs.arrays import Beside

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from d4py.runs.folder import Folder


class Output(NamedTuple):
    """One value with the PE and the output it came from."""

    pe: str
    output: str
    value: Any


class Outputs:
    """The committed outputs of a run, in order per instance. Iterating reads them from disk; nothing is held."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    def __iter__(self) -> Iterator[Output]:
        names = {instance.rank: instance.pe for instance in self._folder.plan().instances}
        for reach in self._reaches():
            for rank, output, value in spool.read(self._folder.path / "outputs", reach):
                yield Output(names[rank], output, value)

    def __len__(self) -> int:
        return sum(spool.records(reach) for reach in self._reaches())

    def values(self, pe: str | None = None) -> list[Any]:
        """Return the values, of one PE or of all."""
        return [value for name, _, value in self if pe in (None, name)]

    def _reaches(self) -> Iterator[spool.Reach]:
        commit = self._folder.last_commit()
        for _, key in sorted(commit.parts.items()) if commit else ():
            yield self._folder.head(key).outputs or []


def write_lines(outputs: Iterable[Output], path: Path) -> int:
    """Write outputs as JSON lines, arrays beside them in an npz; the files appear whole. Return how many there were."""
    special = path.exists() and not path.is_file()  # a device or a pipe is written into, never replaced
    path = path if special else path.resolve()  # a link stays a link
    temporary = path if special else path.with_name(f".{path.name}.{os.getpid()}")
    arrays = Beside(path)
    number = 0
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            for entry in outputs:
                file.write(json.dumps(entry._asdict() | {"value": _told(entry.value, arrays)}) + "\n")
                number += 1
        arrays.appear()
        if not special:
            os.replace(temporary, path)
    except OSError as error:
        raise UsageError(
            f"The output file {str(path)!r} cannot be written: {error.strerror}.", hint="Choose another with --output."
        ) from None
    finally:
        arrays.close()
        if not special:
            temporary.unlink(missing_ok=True)
    return number


def _told(value: Any, arrays: Beside) -> Any:
    """Return a value as JSON can say it: keys as text, what is no number as null, arrays beside and named."""
    if value is None or type(value) in (str, int, bool):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {
            key if isinstance(key, (str, int)) or key is None else str(key): _told(part, arrays)
            for key, part in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_told(part, arrays) for part in value]
    if isinstance(value, (str, int)):
        return value
    if type(value).__module__ == "numpy":
        return _array(value, arrays)
    return _told(_plain(value), arrays)


def _array(value: Any, arrays: Beside) -> Any:
    if getattr(value, "shape", ()) == () and hasattr(value, "item"):
        item = value.item()
        return str(value) if type(item) is type(value) else _told(item, arrays)  # longdouble has no other form
    return arrays.add(value)


def _plain(value: Any) -> Any:
    """Return something JSON can say more easily."""
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    if isinstance(value, bytes):
        return value.hex()
    if hasattr(value, "__dataclass_fields__"):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    if hasattr(value, "__dict__") and not callable(value):
        return {name: part for name, part in vars(value).items() if not name.startswith("_")}
    return str(value)
