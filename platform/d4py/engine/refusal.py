# SPDX-License-Identifier: Apache-2.0
"""Ends calls of PEs that catch what is to end them: `except:` without a name stops an Unwind, too."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NoReturn

from d4py.engine.failure import OWN

if TYPE_CHECKING:
    from types import FrameType

    from d4py.engine.failure import Unwind


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
