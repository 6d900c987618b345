# SPDX-License-Identifier: Apache-2.0
"""One rank: its cells, and what it sends to and hears from others."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d4py.engine.failure import Abandoned, describe
from d4py.engine.link import Abandon, Acknowledged, Drain, Event, Failed, FrameArrived, Part, Report, RunOver
from d4py.engine.runner import Runner
from d4py.engine.settlement import rooms
from d4py.items import Frame, codec
from d4py.items.codec import HEAD, Type
from d4py.items.copying import sized_all
from d4py.mappings.allocator import keep_large_blocks
from d4py.mappings.another import copied
from d4py.mappings.depth import deep_enough
from d4py.mappings.ends import ends
from d4py.mappings.local_link import LocalLink
from d4py.mappings.mpi.failing import Failing
from d4py.mappings.mpi.orders import Counts, Ending, Order, Reported, Tell
from d4py.mappings.mpi.parcel import Parcel, sizes
from d4py.mappings.mpi.wire import Wire
from d4py.mappings.supervisor import kept
from d4py.mappings.ticker import Ticker
from d4py.mappings.turns import Turns
from d4py.runs import Folder
from d4py.runs.board import Board

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from d4py.graph.graph import WorkflowGraph

_NAP, _LONGEST_NAP = 0.00002, 0.001  # seconds between two looks, while nothing comes
_SHARE = 0.125  # of the time that it has waited so far a rank may sleep, so that what comes is not much later
_AWAKE = 0.00005  # seconds that a rank looks without a nap, where it has a processor to itself
_COUNTING = 0.5  # seconds between two reports of counts
_MANY = 64  # messages that are begun before it is looked which have gone
WAKE = signal.SIGUSR2  # of a rank to itself: a live source is to stop


class Line:
    """What a rank and rank 0 tell each other. Used by several threads, one at a time."""

    def __init__(self, world: Any, lock: threading.RLock) -> None:
        self._wire = Wire(world, sizes)
        self._lock = lock
        self._kept: deque[Any] = deque()

    def tell(self, rank: int, order: Any) -> None:
        """Send an order or a report."""
        self.tell_all((rank,), order)

    def tell_all(self, ranks: Iterable[int], order: Any) -> None:
        """Send the same to many ranks. An order to thousands is long: it is made once, and they read it from one place."""
        message = codec.encode_control(order)
        with self._lock:
            for number, rank in enumerate(ranks, 1):
                self._wire.send(rank, message)
                if not number % _MANY:
                    self._wire.move()

    def hear(self) -> list[tuple[int, Any]]:
        """Return what came, with the rank that sent it."""
        with self._lock:
            return [(one.source, codec.decode_control(one.data[HEAD.size :])) for one in self._wire.receive()]

    def next(self) -> Any:
        """Return the next order that comes from rank 0."""
        nap = _NAP
        while not self._kept:
            self._kept += [order for _, order in self.hear()]
            if not self._kept:
                time.sleep(nap)
                nap = min(2 * nap, _LONGEST_NAP)
        return self._kept.popleft()

    @property
    def waiting(self) -> bool:
        """Whether an order waits for `next`."""
        return bool(self._kept)

    def keep(self, order: Any) -> None:
        """Keep an order for `next`."""
        self._kept.append(order)

    @property
    def busy(self) -> bool:
        """Whether something is still on its way out."""
        return self._wire.busy


class Rank:
    """Cells of one rank, in threads that take turns. Whoever has the turn sends and receives."""

    def __init__(
        self,
        world: Any,
        line: Line,
        lock: threading.RLock,
        order: Order,
        graph: WorkflowGraph,
        report: Callable[[Any], None],
    ) -> None:
        """report: hands something to the supervisor."""
        self.order, self.plan, self.line, self.lock, self.report = order, order.plan, line, lock, report
        self.number = world.Get_rank()
        self.folder = Folder(Path(order.folder))
        self.failing = Failing(world, self.folder, order.generation)
        self.wire = Wire(world, sizes)
        cells = [cell.index for cell in self.plan.cells_of(self.number)]
        self.turns = Turns(cells, self.pump, time.perf_counter)
        self.readers, self.writers = ends(self.plan, self.number)
        pes = {pe.id or "": pe for pe in graph.pes}
        # Nobody else maps it, so it has no file: what ends by MPI_Abort cleans nothing up.
        self.board = Board(None, len(self.plan.instances), len(self.plan.cells), rooms=rooms(self.plan, pes))
        self.objects: dict[int, Any] = {}
        seen: set[str] = set()
        for cell in cells:
            for rank in self.plan.cells[cell].instances:
                name = self.plan.instances[rank].pe
                self.objects[rank] = copied(pes[name]) if name in seen else pes[name]
                seen.add(name)
        self.runners: dict[int, Runner] = {}
        self.ticker = Ticker()
        self.told: dict[int, tuple[int, int, int]] = {}  # counts, as rank 0 knows them
        self.next_counts = 0.0
        keep_large_blocks()
        self.crowded = _crowded(world)
        self.broken = False

    def run(self) -> None:
        """Live: the first cell in this thread, others in threads of their own."""
        if not self.turns.cells:
            return
        first, *others = sorted(self.turns.cells, key=lambda cell: not self.plan.cells[cell].source)
        if threading.current_thread() is threading.main_thread():
            signal.signal(WAKE, lambda *_: self._woken(first))
        threads = [
            threading.Thread(target=self._live, args=(cell,), name=f"cell-{cell}", daemon=True) for cell in others
        ]
        self.ticker.add(self._attend)
        for thread in threads:
            thread.start()
        self.turns.start()
        with deep_enough(self.plan):
            self._live(first)
            for thread in threads:
                thread.join()
        self.ticker.stop()
        self._tell_counts()

    def settle(self, given_up: Callable[[], bool]) -> None:
        """Wait until what this rank has sent has gone: what others still read, though it may mean nothing to them any more."""
        while self.wire.busy and not given_up():
            self.pump(_LONGEST_NAP)

    def linger(self, over: Callable[[], bool]) -> None:
        """Read what others send until all have ended."""
        while not over():
            self.pump(_LONGEST_NAP)

    def close(self) -> None:
        """Let go of memory; every rank does."""
        self.failing.over()
        self.wire.close()
        self.board.close()

    def send(self, frame: Frame) -> int:
        """Carry a frame to its reader, in this rank or another."""
        cell, rank = self.readers[frame.channel]
        if rank == self.number:
            self.turns.boxes[cell].append(FrameArrived(frame))
            return sized_all(frame.items)
        parcel = Parcel()
        encoded = codec.encode_frame(frame, parcel)
        with self.lock:
            self.wire.send(rank, encoded.head + encoded.body, parcel.buffers)
        return encoded.size

    def acknowledge(self, channel: int, number: int, credit: int) -> None:
        """Tell the writer of a channel."""
        cell, rank = self.writers[channel]
        if rank == self.number:
            self.turns.boxes[cell].append(Acknowledged(channel, number, credit, self.order.generation))
            return
        with self.lock:
            self.wire.send(rank, codec.encode_acknowledge(channel, self.order.generation, number, credit))

    def pump(self, wait: float) -> None:
        """Send and receive; wait up to so many seconds for something to come in (below 0: as long as it takes)."""
        if self._exchange() or wait == 0:
            return
        began = time.perf_counter()
        while True:
            waited = time.perf_counter() - began
            if 0 <= wait <= waited:
                return
            if self.crowded or waited > _AWAKE:
                time.sleep(min(_LONGEST_NAP, max(_NAP, waited * _SHARE)))
            if self._exchange() or self.turns.due:
                return

    def hear(self) -> None:
        """Take in what the supervisor says. For any thread."""
        for _, order in self.line.hear():
            if isinstance(order, Tell):
                self.take(order.cell, order.event)
                continue
            self.failing.over()
            if not isinstance(order, Ending):
                self.line.keep(order)

    def take(self, cell: int, event: Event) -> None:
        """Give an event to a cell. For any thread."""
        self.turns.boxes[cell].append(event)
        if isinstance(event, (Abandon, RunOver)):
            self.failing.answered()
        if isinstance(event, Drain) and self.plan.cells[cell].source:
            self._wake()

    def fail(self, failed: Failed) -> None:
        """Tell the supervisor that this rank has failed, and begin nothing before it answers."""
        self.report(Reported(failed))
        if self.number:
            self.failing.begin(failed.failure)
        self.failing.wait(self.hear if self.number else lambda: None)

    def _woken(self, cell: int) -> None:
        """In the main thread, in the middle of anything: end a live source that waits for the world, or whatever goes on."""
        if self.broken:
            raise Abandoned
        if cell in self.runners:
            self.runners[cell].interrupt()

    def break_off(self) -> None:
        """End the call that the main thread is in, if Python gets to it. For another thread."""
        self.broken = True
        self._wake()

    @staticmethod
    def _wake() -> None:
        if signal.getsignal(WAKE) not in (signal.SIG_DFL, None):
            os.kill(os.getpid(), WAKE)

    def _exchange(self) -> bool:
        """Receive all that has come; return whether something was for a cell."""
        boxes, found = self.turns.boxes, False
        with self.lock:
            for _, data, buffers in self.wire.receive():
                found = True
                head = HEAD.unpack_from(data)
                body = data[HEAD.size :]
                if head[2] == Type.ACKNOWLEDGE:
                    boxes[self.writers[head[4]][0]].append(Acknowledged(head[4], head[7], head[8], head[5]))
                else:
                    frame = codec.decode_frame(head, body, Parcel(buffers))
                    boxes[self.readers[head[4]][0]].append(FrameArrived(frame))
        if self.number:
            self.hear()
        return found

    def _attend(self) -> None:
        """Now and then, whatever the cells are doing: move what is on its way, hear the supervisor, tell what was counted."""
        if self.number:
            self.hear()
        if self.wire.busy and self.lock.acquire(blocking=False):
            try:
                self.wire.move()
            finally:
                self.lock.release()
        if time.monotonic() >= self.next_counts:
            self.next_counts = time.monotonic() + _COUNTING
            self._tell_counts()

    def _tell_counts(self) -> None:
        counts = {rank: self.board.counts(rank) for rank in self.objects}
        fresh = {rank: count for rank, count in counts.items() if self.told.get(rank) != count}
        if fresh:
            self.told |= fresh
            self.report(Counts(fresh))

    def _live(self, cell: int) -> None:
        self.turns.begin(cell)
        start = self.order.start
        part = self.folder.part(start.parts[cell]) if start else None
        link = _RankLink(self, cell, part)
        try:
            self.runners[cell] = Runner(
                self.plan,
                cell,
                {rank: self.objects[rank] for rank in self.plan.cells[cell].instances},
                link,
                terms=self.order.terms,
                generation=self.order.generation,
                epoch=start.epoch if start else 0,
                start=part,
            )
            self.runners[cell].run()
        except Abandoned:
            pass
        except BaseException as error:
            self.fail(Failed(describe(error, pe="(engine)", instance="(engine)", during="running")))
        finally:
            link.close()
            self.turns.end(cell)


class _RankLink(LocalLink):
    """A cell's link: its rank, seen from one cell."""

    def __init__(self, rank: Rank, cell: int, start: Part | None) -> None:
        super().__init__(rank.folder, rank.plan, rank.board, rank.ticker, cell, rank.order.generation, start)
        self.rank = rank
        self.send = rank.send
        self.acknowledge = rank.acknowledge
        self.near = [
            channel.index for channel in rank.plan.channels_from(cell) if rank.readers[channel.index][1] == rank.number
        ]
        self.copies = not self.near

    def poll(self, wait: float) -> Sequence[Event]:
        """Serve the rank; return what came for this cell."""
        return self.rank.turns.poll(self.cell, wait)

    def glance(self) -> Sequence[Event]:
        """Return what came for this cell."""
        return self.rank.turns.glance(self.cell)

    def report(self, report: Report) -> None:
        """Make a part durable here, and tell the supervisor."""
        if isinstance(report, Failed):
            self.rank.fail(report)
        else:
            self.rank.report(Reported(kept(self.folder, report)))


def _crowded(world: Any) -> bool:
    """Whether this node has more ranks than processors: then who waits had better sleep. A rank that is bound sees but its own."""
    from mpi4py import MPI

    node = world.Split_type(MPI.COMM_TYPE_SHARED)
    bound = hasattr(os, "sched_getaffinity")
    processors = set().union(*node.allgather(os.sched_getaffinity(0) if bound else range(os.cpu_count() or 1)))
    number: int = node.Get_size()
    node.Free()
    return number > len(processors)
