# SPDX-License-Identifier: Apache-2.0
"""A source that a checkpoint can put back to where it was."""

from __future__ import annotations

from typing import Any

from d4py.graph.pe import ProducerPE


class ReplayableSource(ProducerPE):
    """Inherit it and define `items()`.

    `items()` is a generator that goes on from `self.place`, None at the start. It sets `self.place` to what lies behind a value before it
    yields the value. With `live = True` it yields None where there is nothing at the moment, and is asked again soon.
    """

    def __init__(self) -> None:
        super().__init__()
        self.place: Any = None

    def items(self) -> Any:
        """Yield what comes after `self.place`."""
        raise NotImplementedError

    def offset(self) -> Any:
        """Return the place to go on from."""
        return self.place

    def seek(self, offset: Any) -> None:
        """Go on from a place that `offset` returned."""
        self.place = offset

    def snapshot(self) -> None:
        """Keep nothing besides the place."""

    def restore(self, state: Any) -> None:
        """There is nothing besides the place."""

    def _process(self, inputs: Any) -> Any:
        return self.items()
