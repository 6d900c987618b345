# SPDX-License-Identifier: Apache-2.0
"""Runs a plan in worker processes and watches over them."""

from __future__ import annotations

import os
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from d4py.engine.failure import Failure
from d4py.engine.link import Drain, Event, RunOver
from d4py.errors import D4pyError, NotPicklable
from d4py.graph.policy import Policy
from d4py.items import codec
from d4py.items.slots import create_file
from d4py.mappings import allocator
from d4py.mappings.base import Enactment, Guarantees, Mapping, Options
from d4py.mappings.multi import nursery
from d4py.mappings.multi.connection import Connection
from d4py.mappings.multi.descriptors import check, needed_for
from d4py.mappings.multi.orders import AskItem, Exited, Fork, Interrupt, Item, KillAll, Load, Loaded, Poison, Tell
from d4py.mappings.signals import caught
from d4py.mappings.supervisor import Supervisor
from d4py.plan import Plan, layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from d4py.engine.coordinator import Commit
    from d4py.graph.graph import WorkflowGraph
    from d4py.mappings.outcome import Outcome

_GRACE = 2.0  # seconds that workers get to end by themselves once the run is over
_ASK = 1.0  # seconds that a writer gets to describe an item on which its reader died
_DEATHS = 2  # on one item, before the policy of its PE decides


class Multi(Mapping):
    """Worker processes on this machine."""

    name = "multi"
    guarantees = Guarantees(
        parallel="yes",
        stateless_death="the run goes back to its last checkpoint, in place",
        stateful_death="the same",
        supervisor_death="workers end, nothing is left; resume continues from the last checkpoint",
        memory="bounded by credit on each channel",
        arrays="through recycled shared memory, read in place",
    )

    def layout(self, graph: WorkflowGraph, options: Options) -> Plan:
        """N processes; instances share them where there are more."""
        plan = layout(graph, options.processes, fuse=options.fuse)
        check(len({cell.process for cell in plan.cells}))
        return plan

    def enact(self, enactment: Enactment) -> Outcome:
        """Run in workers, watched from this process."""
        return _Crew(enactment).run()


class _Crew:
    """The nursery and the workers of the present generation."""

    def __init__(self, enactment: Enactment) -> None:
        self.enactment = enactment
        self.plan = enactment.plan
        self.supervisor = Supervisor(enactment, self)
        self.controls: dict[int, Connection] = {}
        self.generation = 0
        self.processes = sorted({cell.process for cell in self.plan.cells})
        self.deaths: Counter[Poison] = Counter()
        self.poison: list[Poison] = []
        self.woken, self._wake = socket.socketpair()
        for end in (self.woken, self._wake):
            end.setblocking(False)
        self.load = _load_order(enactment)
        self._descriptors_for(len(self.processes))
        self.process, self.nursery = _spawn(len(self.processes))

    def _begin_nursery(self) -> None:
        """Begin another nursery; workers of the old one end when their line to this process closes."""
        self.nursery.close()
        for connection in self.controls.values():
            connection.socket.close()
        self.controls = {}
        self.process.wait()
        self.process, self.nursery = _spawn(len(self.processes))
        self._load_workflow()

    def _load_workflow(self) -> None:
        nursery.send(self.nursery, self.load)
        answer, _ = nursery.receive(self.nursery)
        assert isinstance(answer, Loaded)
        if answer.error is not None:
            raise answer.error

    def run(self) -> Outcome:
        """Start the workers and supervise them to the end."""
        supervisor = self.supervisor
        with caught(wake=self._wake_up) as stops:
            try:
                self._load_workflow()
                supervisor.begin()
                while supervisor.outcome is None:
                    self._serve(supervisor.patience)
                    while stops:
                        supervisor.stop(stops.popleft())
                    supervisor.tick(time.monotonic())
                if supervisor.outcome.failure is None and not supervisor.outcome.reason:
                    self._await_exits()
            except EOFError:
                raise D4pyError(
                    "The process that starts workers died while it loaded the workflow.", hint="Is there memory enough?"
                ) from None
            finally:
                self._close()
                supervisor.end()
        return supervisor.outcome

    def tell(self, cell: int, event: Event) -> None:
        """Give an event to a cell."""
        process = self.plan.cells[cell].process
        self._send(process, Tell(cell, event))
        if isinstance(event, Drain) and self.plan.cells[cell].source:
            nursery.send(self.nursery, Interrupt(process))

    def launch(self, generation: int, start: Commit | None) -> None:
        """Fork a worker for each process, joined by a socket to each other that it has a channel with."""
        if self.generation:
            nursery.send(self.nursery, KillAll())
        for connection in self.controls.values():
            connection.socket.close()
        self.controls = {}
        self.generation = generation
        pairs = _neighbours(self.plan)
        arenas = {process: create_file() for process in self.processes}
        ends: dict[tuple[int, int], socket.socket] = {}
        for one, other in pairs:
            ends[one, other], ends[other, one] = socket.socketpair()
        for process in self.processes:
            peers = tuple(sorted(other for one, other in ends if one == process))
            mine, theirs = socket.socketpair()
            self.controls[process] = Connection(mine)
            descriptors = [theirs.fileno(), arenas[process]]
            for peer in peers:
                descriptors += [ends[process, peer].fileno(), arenas[peer]]
            nursery.send(self.nursery, Fork(process, generation, start, peers, tuple(self.poison)), descriptors)
            theirs.close()
        for end in ends.values():
            end.close()
        for descriptor in arenas.values():
            os.close(descriptor)

    def dismiss(self) -> None:
        """Let all workers end."""
        for cell in self.plan.cells:
            self.tell(cell.index, RunOver())

    def abandon(self) -> None:
        """Kill all workers."""
        nursery.send(self.nursery, KillAll())

    def _serve(self, wait: float) -> list[Item]:
        """Take in what nursery and workers say; answers to `AskItem` are returned."""
        answers: list[Item] = []
        poller = select.poll()
        by_descriptor = {
            connection.fileno(): connection for connection in self.controls.values() if not connection.closed
        }
        for descriptor in (self.nursery.fileno(), self.woken.fileno(), *by_descriptor):
            poller.register(descriptor, select.POLLIN)
        for descriptor, _ in poller.poll(wait * 1000):
            if descriptor == self.nursery.fileno():
                self._hear_nursery()
            elif descriptor == self.woken.fileno():
                self.woken.recv(1024)
            elif self.controls and by_descriptor[descriptor] in self.controls.values():
                answers += self._hear_worker(by_descriptor[descriptor])
        return answers

    def _hear_nursery(self) -> None:
        try:
            message, _ = nursery.receive(self.nursery)
        except (EOFError, ConnectionResetError):
            self._begin_nursery()
            self.supervisor.died("The process that starts workers was killed.")
            return
        if isinstance(message, Exited) and message.generation == self.generation and self.supervisor.outcome is None:
            self._mourn(message)

    def _hear_worker(self, connection: Connection) -> list[Item]:
        answers = []
        for _, body in connection.receive():
            message = codec.decode_control(body)
            if isinstance(message, Item):
                answers.append(message)
            else:
                self.supervisor.handle(message)
        return answers

    def _mourn(self, exited: Exited) -> None:
        """A worker died. Find the item it had in hand; the second death on one item goes by the policy of its PE."""
        reason = f"Worker {exited.process} {_cause(exited.status)}."
        # What it said before it died comes first: its exception, or a part it had finished.
        self._hear_worker(self.controls[exited.process])
        if self.supervisor.outcome is not None:
            return
        for cell in self.plan.cells_of(exited.process):
            channel, number, index = self.supervisor.board.note(cell.index)
            if channel:
                item = self._ask(AskItem(channel - 1, number, index), exited.process)
                if item is not None and self._blame(item, reason):
                    return
        self.supervisor.died(reason)

    def _ask(self, asked: AskItem, dead: int) -> Item | None:
        writer = self.plan.cells[self.plan.channels[asked.channel].writer_cell].process
        if writer == dead or self.controls[writer].closed:
            return None
        self._send(writer, asked)
        until = time.monotonic() + _ASK
        while (left := until - time.monotonic()) > 0 and self.supervisor.outcome is None:
            poller = select.poll()
            poller.register(self.controls[writer], select.POLLIN)
            if poller.poll(left * 1000):
                for item in self._hear_worker(self.controls[writer]):
                    if item.asked == asked:
                        return item if item.digest else None
            if self.controls[writer].closed:
                return None
        return None

    def _blame(self, item: Item, reason: str) -> bool:
        """Count a death against an item; return whether that ends the run."""
        poison = Poison(item.asked.channel, item.digest, item.number)
        known = next(
            (other for other in self.deaths if (other.channel, other.digest) == (poison.channel, poison.digest)), poison
        )
        self.deaths[known] += 1
        if self.deaths[known] < _DEATHS:
            return False
        channel = self.plan.channels[item.asked.channel]
        instance = self.plan.instances[channel.reader]
        pe = next(pe for pe in self.enactment.workflow.graph.pes if pe.id == instance.pe)
        if Policy.parse(pe.on_error, of=f"PE {instance.pe!r}").quarantine:
            if known not in self.poison:
                self.poison.append(known)
            self.supervisor.coordinator.forgive()
            return False
        port = self.plan.routes[channel.route].input
        failure = Failure(
            pe=instance.pe,
            instance=instance.label,
            item=item.number,
            port=port,
            value=item.shown,
            error=f"{reason} It had died on this item before.",
            traceback="",
        )
        self.supervisor.fail(failure, failure.title)
        return True

    def _send(self, process: int, order: Any) -> None:
        connection = self.controls[process]
        connection.send(codec.encode_control(order))
        while connection.waiting and not connection.closed:
            _await_event(connection, select.POLLOUT, 1.0)
            connection.flush()

    def _await_exits(self) -> None:
        """Give workers time to end by themselves, so that what they have open is closed in good order."""
        until = time.monotonic() + _GRACE
        open_ends: Sequence[Connection] = list(self.controls.values())
        while open_ends and (left := until - time.monotonic()) > 0:
            poller = select.poll()  # select() refuses descriptors above 1,023
            for connection in open_ends:
                poller.register(connection, select.POLLIN)
            poller.poll(left * 1000)
            for connection in open_ends:
                for _ in connection.receive():
                    pass
            open_ends = [connection for connection in open_ends if not connection.closed]

    def _close(self) -> None:
        self.nursery.close()
        for connection in self.controls.values():
            connection.socket.close()
        self.process.wait()
        self.woken.close()
        self._wake.close()

    def _wake_up(self) -> None:
        with suppress(BlockingIOError):
            self._wake.send(b"w")

    @staticmethod
    def _descriptors_for(processes: int) -> None:
        """Every two processes may need a socket; allow as many as the system lets us."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        needed = needed_for(processes)
        if soft < needed:
            wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))


def _await_event(connection: Connection, event: int, seconds: float) -> None:
    poller = select.poll()
    poller.register(connection, event)
    poller.poll(seconds * 1000)


def _neighbours(plan: Plan) -> list[tuple[int, int]]:
    """Return the pairs of processes that have a channel."""
    pairs = set()
    for channel in plan.channels:
        one, other = plan.cells[channel.writer_cell].process, plan.cells[channel.reader_cell].process
        if one != other:
            pairs.add((min(one, other), max(one, other)))
    return sorted(pairs)


def _spawn(workers: int) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start the nursery. Its environment is that of all workers: one BLAS thread each, and an allocator that keeps large blocks."""
    mine, theirs = socket.socketpair()
    environment = dict(os.environ)
    if workers > 1:
        for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
            environment.setdefault(name, "1")
    environment = {**allocator.ENVIRONMENT, **environment}
    process = subprocess.Popen(
        [sys.executable, "-c", "from d4py.mappings.multi.nursery import main; main()", str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    theirs.close()
    return process, mine


def _load_order(enactment: Enactment) -> Load:
    workflow = enactment.workflow
    return Load(
        source=workflow.source,
        pickled=b"" if workflow.source else _by_value(workflow.graph),
        digest=workflow.digest,
        path=list(sys.path),
        folder=str(enactment.folder.path),
        on_error={pe.id or "": str(pe.on_error) for pe in workflow.graph.pes},
        terms=enactment.terms,
    )


def _by_value(graph: WorkflowGraph) -> bytes:
    """Pickle a graph that was drawn in a script or a notebook, code included."""
    import cloudpickle

    try:
        data: bytes = cloudpickle.dumps(graph, protocol=5)
    except Exception as error:
        for pe in graph.pes:
            for name, value in vars(pe).items():
                try:
                    cloudpickle.dumps(value)
                except Exception as own:
                    raise NotPicklable(
                        f"PE {pe.id!r} cannot be sent to a worker: attribute {name!r} cannot be pickled ({own}).",
                        hint="Make it in preprocess.",
                    ) from None
        raise NotPicklable(
            f"The graph cannot be sent to a worker: {error}.", hint="Keep the workflow in a file, and name the file."
        ) from error
    return data


def _cause(status: int) -> str:
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"ended with exit code {status}"
