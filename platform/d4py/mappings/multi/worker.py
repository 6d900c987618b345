# SPDX-License-Identifier: Apache-2.0
"""A worker process: its cells, its sockets to other workers, its line to the supervisor."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
import time
from collections import defaultdict, deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d4py.engine.failure import describe, shortened
from d4py.engine.link import Acknowledged, Bereaved, Event, Failed, FrameArrived, Part, Report, Snapshotted
from d4py.engine.runner import Runner
from d4py.engine.settlement import rooms
from d4py.engine.succession import replaceable
from d4py.items import Frame, codec
from d4py.items.arrays import LARGE
from d4py.items.codec import Encoded, Type
from d4py.items.copying import sized_all
from d4py.items.slots import Arena, Mapped
from d4py.mappings.another import copied
from d4py.mappings.depth import deep_enough
from d4py.mappings.ends import ends
from d4py.mappings.local_link import LocalLink
from d4py.mappings.multi import nursery
from d4py.mappings.multi.connection import ROOM, Connection
from d4py.mappings.multi.orders import Bereft, Claim, Fork, Granted, Item, Join, Load, Place, Poison, Tell
from d4py.mappings.multi.poison import digest_of, watchlist
from d4py.mappings.supervisor import kept
from d4py.mappings.ticker import Ticker
from d4py.mappings.turns import Turns
from d4py.runs import Folder
from d4py.runs.board import Board

if TYPE_CHECKING:
    from collections.abc import Sequence

    from d4py.graph.graph import WorkflowGraph

_SEND_PATIENCE = 0.001  # seconds that a full socket may hold a send up


def work(load: Load, graph: WorkflowGraph, order: Fork, descriptors: list[int]) -> None:
    """Live as one worker, in a process just forked."""
    worker = Worker(load, graph, order, descriptors)
    threading.Thread(target=_answer, args=(worker,), name="questions", daemon=True).start()
    worker.run()


class Worker:
    """Sockets, arenas and cells of one process."""

    def __init__(self, load: Load, graph: WorkflowGraph, order: Fork, descriptors: list[int]) -> None:
        self.load = load
        self.order = order
        self.folder = Folder(Path(load.folder))
        self.plan = load.plan
        control, questions, arena, *rest = descriptors
        room = bytearray(ROOM)
        self.control = Connection(socket.socket(fileno=control), room)
        self.questions = socket.socket(fileno=questions)
        self.arena = Arena(arena)
        self.own = Mapped(arena)  # what this worker wrote, to describe it
        self.peers: dict[int, Connection] = {}
        self.mapped: dict[int, Mapped] = {}
        cells = [cell.index for cell in self.plan.cells_of(order.process)]
        self.turns = Turns(cells, self.pump, time.perf_counter)
        self.readers, self.writers = ends(self.plan, order.process)
        self.kept: defaultdict[int, deque[Encoded]] = defaultdict(deque)  # what is unacknowledged
        self.pes = {pe.id or "": pe for pe in graph.pes}
        words = rooms(self.plan, self.pes)
        self.board = Board(self.folder.path / "board", len(self.plan.instances), len(self.plan.cells), rooms=words)
        # All before any cell is wired: what is wired cannot be copied.
        self.objects = {rank: self._pe(rank) for cell in cells for rank in self.plan.cells[cell].instances}
        self.alone = order.process in replaceable(self.plan, self.objects)
        for index, peer in enumerate(order.peers):
            self.peers[peer] = Connection(socket.socket(fileno=rest[2 * index]), room)
            self.mapped[peer] = Mapped(rest[2 * index + 1], private=self.alone)
        self.news: deque[tuple[Bereft | Join, list[int]]] = (
            deque()
        )  # of neighbours, that came on the line for questions
        self.woken, self._wake = os.pipe()
        self.owed: dict[int, bytes] = {}  # the last acknowledgement, by channel whose writer is away
        self.runners: dict[int, Runner] = {}
        self.ticker = Ticker()
        self.granted: deque[bool] = deque()  # answers to claims
        self._poller = select.poll()
        self._by_descriptor = {connection.fileno(): (peer, connection) for peer, connection in self.peers.items()}
        self._poller.register(self.woken, select.POLLIN)
        for connection in (self.control, *self.peers.values()):
            self._poller.register(connection, select.POLLIN)

    def run(self) -> None:
        """Run the cells: the first in this thread, others in threads of their own that take turns with it."""
        # Signals come to the main thread, so a source that they must reach lives there.
        first, *others = sorted(self.turns.cells, key=lambda cell: not self.plan.cells[cell].source)
        signal.signal(signal.SIGUSR1, lambda *_: self.runners[first].interrupt() if first in self.runners else None)
        threads = [
            threading.Thread(target=self._live, args=(cell,), name=f"cell-{cell}", daemon=True) for cell in others
        ]
        for thread in threads:
            thread.start()
        self.turns.start()
        with deep_enough(self.plan):
            self._live(first)
            for thread in threads:
                thread.join()
        self.ticker.stop()

    def send(self, frame: Frame) -> int:
        """Carry a frame to its reader, in this process or another."""
        cell, process = self.readers[frame.channel]
        if process == self.order.process:
            self.turns.boxes[cell].append(FrameArrived(frame))
            return sized_all(frame.items)
        encoded = codec.encode_frame(frame, self.arena)
        self.kept[frame.channel].append(encoded)
        connection = self.peers.get(process)
        if encoded.offsets:
            self.arena.lend(encoded.offsets, process)
        if connection is not None:  # else its successor gets it
            connection.send(encoded.head, encoded.body)
            if connection.waiting:
                self.pump(_SEND_PATIENCE)
        return encoded.size

    def acknowledge(self, channel: int, number: int, credit: int) -> None:
        """Tell the writer of a channel."""
        cell, process = self.writers[channel]
        if process == self.order.process:
            self.turns.boxes[cell].append(Acknowledged(channel, number, credit, self.order.generation))
            return
        if process in self.peers:
            released = self.mapped[process].take_released()
            message = codec.encode_acknowledge(channel, self.order.generation, number, credit, released)
            self.peers[process].send(message)
        else:
            self.owed[channel] = codec.encode_acknowledge(channel, self.order.generation, number, credit)

    def drain(self) -> None:
        """Write all that waits: from then on it outlives this process."""
        while any(connection.waiting for connection in self.peers.values()):
            self.pump(-1.0)

    def tell_supervisor(self, message: Any) -> None:
        """Send a message to the supervisor, whole."""
        self.control.send(codec.encode_control(message))
        while self.control.waiting and not self.control.closed:
            poller = select.poll()
            poller.register(self.control, select.POLLOUT)
            poller.poll()
            self.control.flush()

    def pump(self, wait: float) -> None:
        """Read what came, write what waits; wait up to so many seconds for the first (below 0: as long as it takes)."""
        for peer, mapped in self.mapped.items():
            if mapped.released:
                self._give_back(peer, mapped)
        waiting = [connection for connection in self.peers.values() if connection.waiting]
        for connection in waiting:
            self._poller.modify(connection, select.POLLIN | select.POLLOUT)
        ready = self._poller.poll(None if wait < 0 else wait * 1000)
        for connection in waiting:
            self._poller.modify(connection, select.POLLIN)
        for descriptor, events in ready:
            if descriptor == self.control.fileno():
                self._hear()
                continue
            if descriptor == self.woken:
                self._regroup()
                continue
            if descriptor not in self._by_descriptor:
                continue  # of a neighbour whose death was heard of just now
            peer, connection = self._by_descriptor[descriptor]
            if events & select.POLLOUT:
                connection.flush()
            if events & ~select.POLLOUT:
                self._read(peer, connection)

    def wake(self, news: Bereft | Join, descriptors: list[int]) -> None:
        """Let the cells hear of a neighbour soon. For another thread."""
        self.news.append((news, descriptors))
        os.write(self._wake, b"w")

    def _regroup(self) -> None:
        os.read(self.woken, 1024)
        while self.news:
            news, descriptors = self.news.popleft()
            if isinstance(news, Bereft):
                self._lose(news.process)
            else:
                self._meet(news.process, *descriptors)

    def _lose(self, peer: int) -> None:
        """A neighbour is dead: take in what it sent, and let the cells say how far they have come with it."""
        connection = self.peers.pop(peer)
        self._read(peer, connection)
        del self.mapped[peer]
        self._forget(connection)
        connection.close()
        self.arena.bereft(peer)
        shared: dict[int, set[int]] = {}
        for channel, reader in self.readers.items():
            writer = self.writers[channel]
            for (cell, process), (_, other) in ((reader, writer), (writer, reader)):
                if process == self.order.process and other == peer:
                    shared.setdefault(cell, set()).add(channel)
        for cell, channels in shared.items():
            self.turns.boxes[cell].append(Bereaved(frozenset(channels), peer))

    def _meet(self, peer: int, line: int, arena: int) -> None:
        """A neighbour's successor is there: it gets what was not acknowledged, and the last acknowledgements."""
        connection = Connection(socket.socket(fileno=line), bytearray(ROOM))
        self.peers[peer], self.mapped[peer] = connection, Mapped(arena, private=self.alone)
        self._by_descriptor[line] = (peer, connection)
        self._poller.register(connection, select.POLLIN)
        for channel, (_, process) in self.readers.items():
            if process == peer:
                for encoded in self.kept.get(channel, ()):
                    self.arena.lend(encoded.offsets, peer)
                    connection.send(encoded.head, encoded.body)
        for channel, (_, process) in self.writers.items():
            if process == peer and channel in self.owed:
                connection.send(self.owed.pop(channel))

    def _give_back(self, peer: int, mapped: Mapped) -> None:
        self.peers[peer].send(codec.encode_release(mapped.take_released()))

    def _read(self, peer: int, connection: Connection) -> None:
        boxes = self.turns.boxes
        for head, body in connection.receive():
            kind = head[2]
            if kind <= Type.END:
                boxes[self.readers[head[4]][0]].append(FrameArrived(codec.decode_frame(head, body, self.mapped[peer])))
            elif kind == Type.ACKNOWLEDGE:
                channel, number, credit = head[4], head[7], head[8]
                kept = self.kept[channel]  # empty where a predecessor sent them
                while kept and kept[0].number <= number:
                    self.arena.acknowledged(kept.popleft().offsets)
                for offset in codec.decode_release(body):
                    self.arena.release(offset)
                boxes[self.writers[channel][0]].append(Acknowledged(channel, number, credit, head[5]))
            elif kind == Type.RELEASE:
                for offset in codec.decode_release(body):
                    self.arena.release(offset)
        if connection.closed:
            # The peer died: the supervisor hears of it too, and replaces it or begins a new generation.
            self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        if connection.fileno() in self._by_descriptor:
            del self._by_descriptor[connection.fileno()]
            self._poller.unregister(connection)

    def _hear(self) -> None:
        for _, body in self.control.receive():
            match codec.decode_control(body):
                case Tell(cell, event):
                    self.turns.boxes[cell].append(event)
                case Granted(yes):
                    self.granted.append(yes)
        if self.control.closed:
            os._exit(0)

    def describe(self, place: Place) -> Item:
        """Describe an item that was written and is unacknowledged. For a thread of its own: the cells go on meanwhile."""
        while True:
            try:
                kept = list(self.kept.get(place.channel, ()))
                break
            except RuntimeError:  # a frame came or went while this looked
                continue
        for head, body, *_ in kept:
            fields = codec.HEAD.unpack(head)
            if fields[2] == Type.DATA and fields[8] <= place.number:
                frame = codec.decode_frame(fields, memoryview(body), self.own)
                if place.number < frame.first + len(frame.items):
                    value = frame.items[place.number - frame.first]
                    return Item(place, digest_of(value), shortened(value))
        return Item(place)

    def claim(self, poison: Poison, place: Place) -> bool:
        """Ask the supervisor whether an item in hand is the one to be set aside."""
        self.tell_supervisor(Claim(poison, place))
        while not self.granted:
            self.pump(-1.0)
        return self.granted.popleft()

    def _live(self, cell: int) -> None:
        self.turns.begin(cell)
        start = self.order.start
        part = self.folder.part(start.parts[cell]) if start else None
        link = _WorkerLink(self, cell, part)
        try:
            self.runners[cell] = Runner(
                self.plan,
                cell,
                {rank: self.objects[rank] for rank in self.plan.cells[cell].instances},
                link,
                terms=self.load.terms,
                generation=self.order.generation,
                epoch=start.epoch if start else 0,
                start=part,
                poisoned=link.watchlist.holds if link.watchlist else None,
                alone=self.alone,
                estate=self.order.estates.get(cell),
            )
            self.runners[cell].run()
        except BaseException as error:
            self.tell_supervisor(Failed(describe(error, pe="(engine)", instance="(engine)", during="running")))
        finally:
            link.close()
            self.turns.end(cell)

    def _pe(self, rank: int) -> Any:
        """Return the instance's own object: the PE itself, or a copy where this process has several of them."""
        instance = self.plan.instances[rank]
        mine = [other.rank for cell in self.turns.cells for other in self._instances(cell) if other.pe == instance.pe]
        pe = self.pes[instance.pe]
        return pe if mine[0] == rank else copied(pe)

    def _instances(self, cell: int) -> list[Any]:
        return [self.plan.instances[rank] for rank in self.plan.cells[cell].instances]


class _WorkerLink(LocalLink):
    """A cell's link: the worker's sockets, seen from one cell."""

    def __init__(self, worker: Worker, cell: int, start: Part | None) -> None:
        super().__init__(worker.folder, worker.plan, worker.board, worker.ticker, cell, worker.order.generation, start)
        self.worker = worker
        self.send = worker.send
        self.acknowledge = worker.acknowledge
        own = worker.order.process
        self.near = [
            channel.index for channel in worker.plan.channels_from(cell) if worker.readers[channel.index][1] == own
        ]
        self.copies = not self.near
        self.ledger = worker.board.ledger(cell)
        self.watchlist = watchlist(worker.order, worker.plan, cell, worker.claim, self.note)

    def empty(self, size: int) -> Any:
        """Return shared memory to compute in; None for what is small, or where none is free."""
        with self.lock:
            return self.worker.arena.empty(size) if size >= LARGE else None

    @property
    def urgent(self) -> bool:
        """Whether a neighbour's death waits to be heard of."""
        return bool(self.worker.news)

    def drain(self) -> None:
        """Hand all that was sent to the system, which outlives this process."""
        self.worker.drain()

    def poll(self, wait: float) -> Sequence[Event]:
        """Serve the process; return what came for this cell. While others run, this cell has nothing in hand."""
        if len(self.worker.turns.cells) == 1:
            return self.worker.turns.poll(self.cell, wait)
        in_hand, self.note[0] = self.note[0], 0
        events = self.worker.turns.poll(self.cell, wait)
        self.note[0] = in_hand
        return events

    def glance(self) -> Sequence[Event]:
        """Return what came for this cell."""
        return self.worker.turns.glance(self.cell)

    def report(self, report: Report) -> None:
        """Make a part durable here, and tell the supervisor."""
        if self.watchlist is not None and isinstance(report, Snapshotted):
            self.watchlist.rest()
        self.worker.tell_supervisor(kept(self.folder, report))


def _answer(worker: Worker) -> None:
    """Answer the supervisor's questions, whatever the cells are doing; end this process when the supervisor is gone."""
    try:
        while True:
            place, descriptors = nursery.receive(worker.questions)
            if not isinstance(place, Place):
                worker.wake(place, descriptors)
                continue
            try:
                item = worker.describe(place)
            except Exception:  # a value that cannot be looked at is known by its place alone
                item = Item(place)
            nursery.send(worker.questions, item)
    except (EOFError, OSError):
        os._exit(0)
