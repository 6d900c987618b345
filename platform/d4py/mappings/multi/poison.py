# SPDX-License-Identifier: Apache-2.0
"""Items that killed their worker: how one is known again after a rewind, and when it is set aside."""

from __future__ import annotations

import pickle
from collections import Counter
from contextlib import suppress
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from d4py.mappings.multi.orders import Place, Poison

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, MutableSequence

    from d4py.items import Frame
    from d4py.mappings.multi.orders import Fork
    from d4py.plan import Plan

DEATHS = 2  # on one item, before the policy of its PE decides
_WORD = 8  # bytes of a word on the board, which a digest fills


def digest_of(value: Any) -> bytes:
    """Return what a value is known by where its place changes in a rewind."""
    return blake2b(pickle.dumps(value, protocol=5), digest_size=_WORD).digest()


def noted(word: int) -> bytes:
    """Return the digest that a word of the board holds; empty for 0."""
    return word.to_bytes(_WORD, "big", signed=True) if word else b""


def steady(plan: Plan) -> frozenset[int]:
    """Return the channels on which an item has the same number in every generation: nothing before them depends on who is quicker."""
    cells: set[int] = set()
    channels: set[int] = set()
    for cell in plan.cells:  # writers come before their readers
        inlets = [channel.index for channel in plan.channels_to(cell.index)]
        if len(inlets) > 1 or not channels.issuperset(inlets):
            continue
        cells.add(cell.index)
        outlets = plan.channels_from(cell.index)
        readers = Counter((channel.route, channel.writer) for channel in outlets)
        channels.update(
            channel.index
            for channel in outlets
            if plan.routes[channel.route].grouping != "shuffle" or readers[channel.route, channel.writer] == 1
        )
    return frozenset(channels)


class Ledger:
    """Counts deaths by item; knows what is to be set aside, and what has been.

    On a steady channel an item is known by its number. Elsewhere it is known by its value, on all channels of the route; so equal items can be
    taken for one another there, but a verdict sets aside one of them only. Where its writer died too nobody can tell the value: that death counts
    against no item, since another item may be in that place after the rewind, and from then on who has an item of that route in hand notes its digest.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._steady = steady(plan)
        self._deaths: Counter[Poison] = Counter()
        self._taken: dict[Poison, list[Place]] = {}  # in this generation
        self.poison: tuple[
            Poison, ...
        ] = ()  # as often as there are items to be set aside: equal ones may each have killed

    def must_see(self, place: Place) -> bool:
        """Whether the value must be seen: to know the item again, or to tell which one is to blame."""
        return place.channel not in self._steady or self._deaths[self._known(place, b"")] + 1 >= DEATHS

    def count(self, place: Place, digest: bytes) -> bool:
        """Count a death; return whether the item has had as many as it may. digest: empty where nobody could tell."""
        known = self._known(place, digest)
        if known.item is None:
            if known not in self.poison:
                self.poison = (*self.poison, known)
            return False
        self._deaths[known] += 1
        return self._deaths[known] >= DEATHS

    def set_aside(self, place: Place, digest: bytes) -> None:
        """From the next generation on, one item that is known so does not reach its PE."""
        known = self._known(place, digest)
        del self._deaths[known]
        self.poison = (*self.poison, known)

    def claim(self, poison: Poison, place: Place) -> bool:
        """Whether this is one of the items that a poison sets aside: as many as it has verdicts, the first that ask."""
        taken = self._taken.setdefault(poison, [])
        if place not in taken and len(taken) < self.poison.count(poison):
            taken.append(place)
        return place in taken

    def rewound(self, read: Callable[[int], int]) -> None:
        """Another generation begins: what the commit covers is set aside for good. read: how many items of a channel it covers."""
        left = list(self.poison)
        for poison in set(self.poison):
            places = [poison.item] if isinstance(poison.item, Place) else self._taken.get(poison, [])
            for place in places:
                if place.number < read(place.channel):
                    left.remove(poison)
        self.poison = tuple(left)
        self._taken = {}

    def _known(self, place: Place, digest: bytes) -> Poison:
        return Poison(
            self._plan.channels[place.channel].route, place if place.channel in self._steady else digest or None
        )


def watchlist(
    order: Fork, plan: Plan, cell: int, claim: Callable[[Poison, Place], bool], note: MutableSequence[int]
) -> Watchlist | None:
    """Return what a cell of a worker looks out for; None where there is nothing."""
    routes = {channel.index: channel.route for channel in plan.channels_to(cell)}
    poison = [poison for poison in order.poison if poison.route in routes.values()]
    return Watchlist(poison, routes, claim, note) if poison else None


class Watchlist:
    """What a cell looks out for among the items that it reads."""

    def __init__(
        self,
        poison: Iterable[Poison],
        routes: Mapping[int, int],
        claim: Callable[[Poison, Place], bool],
        note: MutableSequence[int],
    ) -> None:
        """routes: by channel. claim: ask whether an item is the one that a poison sets aside. note: of the item in hand."""
        self._poison = list(poison)
        self._routes = routes
        self._claim = claim
        self._note = note

    def rest(self) -> None:
        """Note no more digests: a checkpoint is past the item that killed before."""
        self._poison = [poison for poison in self._poison if poison.item is not None]
        self._note[3] = 0

    def holds(self, frame: Frame, index: int) -> bool:
        """Whether an item is to be set aside."""
        self._note[3] = 0
        place = Place(frame.channel, frame.first + index)
        digest = b""
        for poison in self._poison:
            if poison.route != self._routes[frame.channel]:
                continue
            if isinstance(poison.item, Place):
                if poison.item == place:
                    return True
                continue
            with suppress(Exception):  # what never leaves this process need not be something that can be pickled
                digest = digest or digest_of(frame.items[index])
            if poison.item is None:
                self._note[3] = int.from_bytes(digest, "big", signed=True)
            elif poison.item == digest:
                self._poison.remove(poison)  # this one or another reader's: there is no second
                return self._claim(poison, place)
        return False
