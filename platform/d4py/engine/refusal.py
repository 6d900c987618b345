# SPDX-License-Identifier: Apache-2.0
"""What becomes of writes that must not travel: refused after a failure (`except:` without a name stops an Unwind, too), or dropped."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from d4py.engine.emits import Emits
from d4py.engine.failure import OWN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from d4py.engine.failure import Unwind
    from d4py.graph.pe import GenericPE


class Refusal:
    """Takes the place of what sends values. From the second write on, it is raised again at the next line of the PE, outside its `try`."""

    def __init__(self, unwind: Unwind) -> None:
        self.unwind = unwind
        self.caught = False

    def write(self, _value: Any) -> NoReturn:
        """Refuse a value."""
        if self.caught:
            self._raise_at_next_line(sys._getframe(1))
        self.caught = True
        raise self.unwind

    def _raise_at_next_line(self, frame: FrameType | None) -> None:
        while frame is not None and frame.f_code.co_filename.startswith(OWN):
            frame = frame.f_back
        if frame is not None:
            frame.f_trace = self._trace
            sys.settrace(self._trace)  # Python takes it away again as soon as it raises

    def _trace(self, _frame: FrameType, event: str, _argument: object) -> Any:
        if event == "line":
            raise self.unwind
        return self._trace


@contextmanager
def dropped(pe: GenericPE) -> Iterator[None]:
    """Drop what a PE writes: an instance that begins again from a checkpoint wrote it before."""
    emits = Emits.of(pe)
    before, other = dict(emits), emits.other
    emits.replace(_drop)
    try:
        yield
    finally:
        if all(emit is _drop for emit in emits.values()):  # not what refuses it, since a moment ago
            emits.clear()
            emits.update(before)
            emits.other = other


def _drop(_value: Any) -> None:
    pass
