# SPDX-License-Identifier: Apache-2.0
"""Runs a plan in worker processes and watches over them."""

from __future__ import annotations

import resource
import select
import signal
import socket
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from d4py.engine.failure import Failure
from d4py.engine.link import Drain, Event, RunOver, Standing
from d4py.engine.settlement import FIRST_ENTRIES, turn
from d4py.engine.succession import replaceable
from d4py.errors import D4pyError
from d4py.graph.policy import Policy
from d4py.items import codec
from d4py.mappings import another
from d4py.mappings.base import Enactment, Guarantees, Mapping, Options
from d4py.mappings.multi import nursery
from d4py.mappings.multi.descriptors import check, needed_for
from d4py.mappings.multi.inquest import Inquest
from d4py.mappings.multi.lines import Lines
from d4py.mappings.multi.orders import (
    Bereft,
    Claim,
    Exited,
    Fork,
    Granted,
    Interrupt,
    Item,
    Join,
    KillAll,
    Loaded,
    Place,
    Tell,
)
from d4py.mappings.multi.poison import Ledger, noted
from d4py.mappings.multi.start import fork, forkable, load_order, spawn
from d4py.mappings.multi.vacancies import Vacancies
from d4py.mappings.numerics import limit_threads
from d4py.mappings.signals import caught
from d4py.mappings.supervisor import Supervisor
from d4py.plan import Plan, layout

if TYPE_CHECKING:
    from collections.abc import Callable

    from d4py.engine.coordinator import Commit
    from d4py.engine.estate import Estate
    from d4py.graph.graph import WorkflowGraph
    from d4py.mappings.outcome import Outcome
    from d4py.plan.costs import Costs

_GRACE = 2.0  # seconds that workers get to end by themselves once the run is over


class Multi(Mapping):
    """Worker processes on this machine."""

    name = "multi"
    listens = True
    guarantees = Guarantees(
        parallel="yes",
        stateless_death="it is replaced alone; together with a neighbour, the run goes back to its last checkpoint, in place",
        stateful_death="the run goes back to its last checkpoint, in place",
        supervisor_death="workers end, nothing is left; resume continues from the last checkpoint",
        memory="bounded by credit on each channel",
        arrays="through recycled shared memory, read in place",
    )

    def prepare(self, processes: int | None) -> None:
        """Have the workflow loaded as workers need it, which are to be forked from this process."""
        if processes != 1:
            limit_threads()

    def layout(self, graph: WorkflowGraph, options: Options, costs: Costs) -> Plan:
        """N processes; instances share them where there are more."""
        plan = layout(graph, options.processes, fuse=options.fuse, measured=costs, assignment=options.assignment)
        check(len({cell.process for cell in plan.cells}))
        return plan

    def enact(self, enactment: Enactment) -> Outcome:
        """Run in workers, watched from this process."""
        another.check(enactment.plan, enactment.workflow.graph.pes)
        return _Crew(enactment).run()


class _Crew:
    """The nursery and the workers of the present generation."""

    def __init__(self, enactment: Enactment) -> None:
        self.enactment = enactment
        self.plan = enactment.plan
        self.processes = sorted({cell.process for cell in self.plan.cells})
        forked = enactment.alone and forkable()
        self.load = load_order(enactment, forked=forked)
        # First of all: a fork copies what is open here.
        if forked:
            self.nursery, self._wait = fork(self.load, enactment.workflow.graph)
        else:
            self.nursery, self._wait = spawn(self.load, len(self.processes))
        self.supervisor = Supervisor(enactment, self)
        self.generation = 0
        self.lines = Lines()
        self.ledger = Ledger(self.plan)
        self.inquest = Inquest()
        by_id = {pe.id: pe for pe in enactment.workflow.graph.pes}
        self.replaceable = replaceable(self.plan, {one.rank: by_id[one.pe] for one in self.plan.instances})
        self.vacancies = Vacancies(self.plan, self.replaceable)
        self.start: Commit | None = None  # of this generation
        self.entered: dict[int, int] = {}  # how often a worker's place had settled something when it began
        self.woken, self._wake = socket.socketpair()
        for end in (self.woken, self._wake):
            end.setblocking(False)
        self._descriptors_for(len(self.processes))

    def _begin_nursery(self) -> None:
        """Begin another nursery; workers of the old one end when their line to this process closes."""
        self.lines.close()
        self.load = load_order(self.enactment, forked=False)
        for _ in range(self.enactment.options.restarts + 1):
            self.nursery.close()
            self._wait()
            self.nursery, self._wait = spawn(self.load, len(self.processes))
            with suppress(EOFError):  # killed while it loads: once more
                self._await_loaded()
                return
        raise EOFError

    def _await_loaded(self) -> None:
        answer, _ = nursery.receive(self.nursery)
        assert isinstance(answer, Loaded)
        if answer.error is not None:
            raise answer.error

    def run(self) -> Outcome:
        """Start the workers and supervise them to the end."""
        supervisor = self.supervisor
        with caught(wake=self._wake_up) as stops:
            try:
                self._await_loaded()
                supervisor.begin()
                while supervisor.outcome is None:
                    self._serve(supervisor.patience)
                    while stops:
                        supervisor.stop(stops.popleft())
                    supervisor.tick(time.monotonic())
                if supervisor.outcome.failure is None and not supervisor.outcome.reason:
                    self.lines.await_ends(_GRACE)
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
        self.lines.tell(process, Tell(cell, event))
        if isinstance(event, Drain) and self.plan.cells[cell].source:
            self._order(Interrupt(process))

    def launch(self, generation: int, start: Commit | None) -> None:
        """Fork a worker for each process, joined by a socket to each other that it has a channel with."""
        if self.generation:
            self._order(KillAll())
        self.lines.close()
        self.lines = Lines(self.processes)
        self.generation, self.start = generation, start
        self.inquest = Inquest()
        self.vacancies = Vacancies(self.plan, self.replaceable)
        self.ledger.rewound(partial(self._covered, start))
        ends: dict[tuple[int, int], socket.socket] = {}
        for one, other in _neighbours(self.plan):
            ends[one, other], ends[other, one] = socket.socketpair()
        for process in self.processes:
            self._fork(process, {other: end for (one, other), end in ends.items() if one == process})
        for end in ends.values():
            end.close()

    def _fork(self, process: int, ends: dict[int, socket.socket], estates: dict[int, Estate] | None = None) -> None:
        """Start a worker. ends: its sockets, by neighbour. estates: of the one whose place it takes."""
        attempt = self.vacancies.attempt(process)
        self.entered[process] = self._settled(process) + FIRST_ENTRIES
        order = Fork(
            process, self.generation, self.start, tuple(sorted(ends)), self.ledger.poison, attempt, estates or {}
        )
        with self.lines.opened(process, ends) as descriptors:
            self._order(order, descriptors)

    def _settled(self, process: int) -> int:
        """Return how many entries the cells of a worker have made."""
        ledgers = [self.supervisor.board.ledger(cell.index) for cell in self.plan.cells_of(process)]
        return sum(turn(ledger) for ledger in ledgers)

    def _vacate(self, process: int) -> None:
        """A worker is to be replaced: have its neighbours say how far they have come with it."""
        self.lines.lose(process)
        for peer in self.vacancies.open(process, self.supervisor.coordinator):
            self.lines.ask(peer, Bereft(process))

    def _succeed(self, process: int, estates: dict[int, Estate]) -> None:
        """Start a worker that takes the place of one that died, and let its neighbours know."""
        arena = self.lines.renew(process)
        pairs = {peer: socket.socketpair() for peer in self.vacancies.heirs.neighbours[process]}
        self._fork(process, {peer: pair[0] for peer, pair in pairs.items()}, estates)
        for peer, pair in pairs.items():
            self.lines.ask(peer, Join(process), [pair[1].fileno(), arena])
            for end in pair:
                end.close()

    def _covered(self, start: Commit | None, channel: int) -> int:
        """Return how many items of a channel a commit covers."""
        if start is None:
            return 0
        part = self.supervisor.folder.part(start.parts[self.plan.channels[channel].reader_cell])
        return part.counters.read.get(channel, 0)

    def dismiss(self) -> None:
        """Let all workers end."""
        for cell in self.plan.cells:
            self.tell(cell.index, RunOver())

    def abandon(self) -> None:
        """Kill all workers."""
        self._order(KillAll())

    def _order(self, order: Any, descriptors: list[int] | None = None) -> None:
        """Tell the nursery. If it is dead, that is heard next, and another one begins anew."""
        with suppress(BrokenPipeError, ConnectionResetError):
            nursery.send(self.nursery, order, descriptors)

    def _serve(self, wait: float) -> None:
        """Take in what nursery and workers say."""
        heard: dict[int, Callable[[], object]] = {
            self.nursery.fileno(): self._hear_nursery,
            self.woken.fileno(): partial(self.woken.recv, 1024),
        }
        lines = self.lines
        for process, connection in lines.controls.items():
            if not connection.closed:
                heard[connection.fileno()] = partial(self._hear_worker, process)
        for process, line in lines.questions.items():
            heard[line.fileno()] = partial(self._hear_answer, process, line)
        poller = select.poll()
        for descriptor in heard:
            poller.register(descriptor, select.POLLIN)
        for descriptor, _ in poller.poll(wait * 1000):
            if self.lines is not lines:
                return  # the descriptors are others now, or none
            heard[descriptor]()

    def _hear_nursery(self) -> None:
        try:
            message, _ = nursery.receive(self.nursery)
        except (EOFError, ConnectionResetError):
            self._begin_nursery()
            self.supervisor.died("The process that starts workers was killed.")
            return
        if (
            isinstance(message, Exited)
            and (message.generation, message.attempt) == (self.generation, self.vacancies.attempt(message.process))
            and self.supervisor.outcome is None
        ):
            self._mourn(message)

    def _hear_worker(self, process: int) -> None:
        if process not in self.lines.controls:  # its death was heard of a moment ago
            return
        for _, body in self.lines.controls[process].receive():
            message = codec.decode_control(body)
            if isinstance(message, Claim):
                self.lines.tell(process, Granted(self.ledger.claim(*message)))
            elif isinstance(message, Standing):
                estates = self.vacancies.hear(message)
                if estates is not None and self.supervisor.outcome is None:
                    self._succeed(message.dead, estates)
            else:
                self.supervisor.handle(message)

    def _hear_answer(self, process: int, line: socket.socket) -> None:
        if self.lines.questions.get(process) is not line:  # its death was heard of a moment ago
            return
        try:
            item, _ = nursery.receive(line)
            self.inquest.hear(item)
        except (EOFError, ConnectionResetError):
            self.lines.questions.pop(process).close()
            self.inquest.silent(process)
        self._conclude()

    def _mourn(self, exited: Exited) -> None:
        """A worker died. Find out the item it had in hand: the second death on one goes by the policy of its PE."""
        # What it said before it died comes first: its exception, or a part it had finished.
        self._hear_worker(exited.process)
        if self.supervisor.outcome is not None:
            return
        self.inquest.open(f"Worker {exited.process} {_cause(exited.status)}.", exited.process)
        if exited.process in self.lines.questions:
            self.lines.questions.pop(exited.process).close()
        for cell in self.plan.cells_of(exited.process):
            channel, first, index, word = self.supervisor.board.note(cell.index)
            if channel:
                self._ask(Place(channel - 1, first + index), noted(word))
        self._conclude()

    def _ask(self, place: Place, digest: bytes) -> None:
        """Have an item described by the worker that wrote it, where that is needed and it lives."""
        writer = self.plan.cells[self.plan.channels[place.channel].writer_cell].process
        if writer not in self.lines.questions or not self.ledger.must_see(place):
            self.inquest.hear(Item(place, digest))
            return
        self.inquest.ask(place, writer, digest)
        self.lines.ask(writer, place)

    def _conclude(self) -> None:
        """When all is known: replace the dead alone where that can be, else go back."""
        for reason, dead, items in self.inquest.conclusion():
            if any(self._blame(item, reason) for item in items):
                continue
            coordinator = self.supervisor.coordinator
            done = items or all(self._settled(process) > self.entered[process] for process in dead)
            if not self.vacancies.may(dead, coordinator) or not (done or coordinator.stumbled()):
                self.supervisor.died(reason)
                continue
            self.supervisor.replaced(reason)
            for process in dead:
                self._vacate(process)

    def _blame(self, item: Item, reason: str) -> bool:
        """Count a death against an item; return whether that ends the run."""
        place, digest, shown = item
        if not self.ledger.count(place, digest):
            return False
        channel = self.plan.channels[place.channel]
        instance = self.plan.instances[channel.reader]
        pe = next(pe for pe in self.enactment.workflow.graph.pes if pe.id == instance.pe)
        if Policy.parse(pe.on_error, of=f"PE {instance.pe!r}").quarantine:
            self.ledger.set_aside(place, digest)
            self.supervisor.coordinator.forgive()
            return False
        failure = Failure(
            pe=instance.pe,
            instance=instance.label,
            item=place.number,
            port=self.plan.routes[channel.route].input,
            value=shown or "unknown",
            error=f"{reason} It had died on this item before.",
            traceback="",
        )
        self.supervisor.fail(failure, failure.title)
        return True

    def _close(self) -> None:
        self.nursery.close()
        self.lines.close()
        self._wait()
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


def _neighbours(plan: Plan) -> list[tuple[int, int]]:
    """Return the pairs of processes that have a channel."""
    pairs = set()
    for channel in plan.channels:
        one, other = plan.cells[channel.writer_cell].process, plan.cells[channel.reader_cell].process
        if one != other:
            pairs.add((min(one, other), max(one, other)))
    return sorted(pairs)


def _cause(status: int) -> str:
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"ended with exit code {status}"
