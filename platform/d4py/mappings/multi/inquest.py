# SPDX-License-Identifier: Apache-2.0
"""What is to be found out after deaths before the run goes back: which items the dead had in hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d4py.mappings.multi.orders import Item, Place

if TYPE_CHECKING:
    from collections.abc import Iterator


class Inquest:
    """Open from the first death until all who were asked have answered, or are dead too. Nobody waits for it: answers and deaths are events."""

    def __init__(self) -> None:
        self._reason = ""
        self._dead: set[int] = set()
        # Of each item the process that is to describe it, and the digest that the dead had noted.
        self._asked: dict[Place, tuple[int, bytes]] = {}
        self._items: list[Item] = []

    def open(self, reason: str, dead: int) -> None:
        """A process died: it answers no more."""
        self._reason = self._reason or reason
        self._dead.add(dead)
        self.silent(dead)

    def ask(self, place: Place, process: int, noted: bytes) -> None:
        """A process was asked for an item that had been in a dead one's hand. noted: its digest, where the dead left it."""
        self._asked[place] = (process, noted)

    def hear(self, item: Item) -> None:
        """An item is described, or known by its place alone."""
        _, noted = self._asked.pop(item.place, (None, b""))
        self._items.append(item if item.digest else item._replace(digest=noted))

    def silent(self, process: int) -> None:
        """A process will not answer."""
        for place in [place for place, (asked, _) in self._asked.items() if asked == process]:
            self.hear(Item(place))

    def conclusion(self) -> Iterator[tuple[str, set[int], list[Item]]]:
        """Yield the reason, the dead and the items, once, when all is known."""
        if self._reason and not self._asked:
            reason, dead, items = self._reason, self._dead, self._items
            self._reason, self._dead, self._items = "", set(), []
            yield reason, dead, items
