# SPDX-License-Identifier: Apache-2.0
"""Takes the items of a data frame through the PEs of a cell, and measures how long one takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from d4py.engine.failure import describe

if TYPE_CHECKING:
    from collections.abc import Callable

    from d4py.engine.circuit import Circuit
    from d4py.engine.cutter import Cutter
    from d4py.engine.link import Link
    from d4py.engine.merging import Merging
    from d4py.engine.runner import Runner
    from d4py.items import Frame
    from d4py.plan.plan import Plan

_NEWEST = 0.3  # share of the last frame in the smoothed time of an item


class Taking:
    """Knows where the items of each channel go."""

    def __init__(
        self,
        plan: Plan,
        circuit: Circuit,
        merging: Merging,
        cutter: Cutter,
        link: Link,
        runner: Runner,
        poisoned: Callable[[Frame, int], bool] | None,
    ) -> None:
        """poisoned: whether an item is to be set aside because it killed its worker."""
        self.work = 0.0  # seconds per item, smoothed
        self.seconds = 0.0  # in all
        self._circuit, self._merging, self._cutter, self._link, self._runner = circuit, merging, cutter, link, runner
        self._poisoned = poisoned
        self._targets = {
            channel.index: (plan.routes[channel.route].grouping, channel.reader, plan.routes[channel.route].input)
            for channel in plan.channels_to(runner.cell.index)
        }

    def take(self, frame: Frame) -> None:
        """Take a frame; what it makes PEs write is in the lanes then, or sent."""
        grouping, rank, port = self._targets[frame.channel]
        if grouping == "merge":
            self._merging.take(frame, rank)
            return
        clock, note = self._link.clock, self._link.note
        note[1], note[2], note[0] = frame.first, 0, frame.channel + 1
        chain = self._circuit.chain(rank, port) if self._poisoned is None else None
        eager = len(frame.items) == 1 and not (chain is not None and chain.prompt)
        if eager:
            self._cutter.eager(True)
        began, blocked, sending = clock(), self._cutter.blocked, self._cutter.sending
        self._runner.lock.release()  # as `unlocked` does, without its cost for each frame
        try:
            if chain is not None:
                chain.run(frame.items, note)
            else:
                self._each(frame, rank, port)
        finally:
            self._runner.lock.acquire()
        spent = clock() - began - self._cutter.blocked + blocked
        self.seconds += spent - self._cutter.sending + sending
        spent /= max(1, len(frame.items))
        note[0] = 0
        self.work = spent if not self.work or spent < self.work else (1 - _NEWEST) * self.work + _NEWEST * spent
        if eager:
            self._cutter.eager(False)

    def _each(self, frame: Frame, rank: int, port: str) -> None:
        note, poisoned = self._link.note, self._poisoned
        receive = self._circuit.receiver(rank, port)
        for index, value in enumerate(frame.items):
            note[2] = index
            if poisoned is not None and self._asked(poisoned, frame, index):
                self._set_aside(rank, port, value)
            else:
                receive(value)

    def _asked(self, poisoned: Callable[[Frame, int], bool], frame: Frame, index: int) -> bool:
        with self._runner.lock:  # the supervisor may have to be asked
            return poisoned(frame, index)

    def _set_aside(self, rank: int, port: str, value: Any) -> None:
        """Put an item into quarantine that killed its worker twice."""
        instance, count = self._circuit.plan.instances[rank], self._circuit.counts[rank]
        count.read[port].n += 1
        count.quarantined.n += 1
        failure = describe(
            RuntimeError("the worker died on this item, twice"),
            pe=instance.pe,
            instance=instance.label,
            item=count.read[port].n - 1,
            port=port,
            value=value,
        )
        self._runner.quarantine(rank, port, value, failure)
