# SPDX-License-Identifier: Apache-2.0
"""The debug mode that finds values which their writer changed after it had given them away."""

from __future__ import annotations

import pickle
from collections import deque
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from d4py.items.copying import copied, unchangeable

if TYPE_CHECKING:
    from collections.abc import Callable

    from d4py.graph.pe import GenericPE

_REMEMBERED = 64


class ChangedAfterWrite(RuntimeError):
    """A PE changed a value that it had written."""


class Watch:
    """Stands before what sends the values of one output: readers get copies, the originals are looked at again later."""

    def __init__(self, pe: GenericPE, output: str, emit: Callable[[Any], None]) -> None:
        self.pe = pe
        self.output = output
        self.emit = emit
        self._written: deque[tuple[int, Any, bytes]] = deque(maxlen=_REMEMBERED)
        self._number = 0

    def write(self, value: Any) -> None:
        """Send a copy, after a look at what was written before."""
        self.look()
        if not unchangeable(value):
            self._written.append((self._number, value, _digest(value)))
        self._number += 1
        self.emit(copied(value))

    def look(self) -> None:
        """Raise ChangedAfterWrite if a value is not what it was when it was written."""
        for number, value, digest in self._written:
            if _digest(value) != digest:
                raise ChangedAfterWrite(
                    f"PE {self.pe.name!r} changed value {number} of output {self.output!r} after it had written it. Write a copy, or a new object each time."
                )


def _digest(value: Any) -> bytes:
    return blake2b(pickle.dumps(value, protocol=5), digest_size=16).digest()
