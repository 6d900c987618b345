# SPDX-License-Identifier: Apache-2.0
"""A sink in which what a checkpoint covers appears once, over any deaths."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from d4py.connectors.staging import Chunk, Staging
from d4py.errors import GraphError
from d4py.graph.pe import ConsumerPE


class CommittingSink(ConsumerPE):
    """Inherit it and define `encode(value)` and `let_go(chunk)`.

    Items wait in the run's folder until a checkpoint covers them. Then `let_go` is called with what came in between two checkpoints. It is
    called again with the same if a death came before all had heard of it, so it must see what it did already, or do it so that twice is once.
    """

    kept: ClassVar[tuple[str, ...]] = ()  # attributes that belong into a checkpoint

    def __init__(self, target: str) -> None:
        """target: what it writes to, as messages name it. No two instances of a run may have the same."""
        super().__init__()
        self.target = target
        self.staging = Staging()
        self._settled = False

    def encode(self, value: Any) -> bytes:
        """Return an item as it is kept on disk. Raises BadRecord if it does not fit: the PE's policy decides."""
        raise NotImplementedError

    def let_go(self, chunk: Chunk) -> None:
        """Let appear what came in between two checkpoints."""
        raise NotImplementedError

    def begin(self) -> None:
        """Look at the target before the first item of a run that has committed nothing here."""

    def prepare(self, epoch: int) -> None:
        """Make durable what this epoch covers."""
        self._settle()
        self.staging.prepare(epoch)

    def commit(self, epoch: int) -> None:
        """Let go what epochs up to this one cover."""
        self._settle()
        for chunk in self.staging.due(epoch):
            self.let_go(chunk)
            self.staging.forget(chunk)

    def snapshot(self) -> dict[str, Any]:
        """Keep where the staged items are, not the items."""
        return {"staging": self.staging.state(), **{name: getattr(self, name) for name in self.kept}}

    def restore(self, state: dict[str, Any]) -> None:
        """Take it back."""
        self.staging.restore(state["staging"])
        for name in self.kept:
            setattr(self, name, state[name])

    def _process(self, value: Any) -> None:
        if not self._settled:
            self._settle()
        self.staging.write(self.encode(value))

    def _settle(self) -> None:
        """Do what can be done only once it is known whether a checkpoint was restored."""
        if self._settled:
            return
        if not self._folder:
            raise GraphError(f"PE {self.name!r} was used outside a run.", hint="Run it in a workflow.")
        self.staging.settle(Path(self._folder) / "staged", f"{self.rank:05d}")
        self.staging.claim(self.target, f"{self.id or self.name}, instance {self.rank}")
        if not self.staging.token:
            self.begin()
        self._settled = True
