# SPDX-License-Identifier: Apache-2.0
"""The mapping: begins and ends the job on every rank, and supervises it on the first."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from d4py.engine.link import Abandon, Event, RunOver
from d4py.mappings import another, launchers
from d4py.mappings.base import Enactment, Guarantees, Mapping, Options
from d4py.mappings.mpi.abort import abort
from d4py.mappings.mpi.failing import first
from d4py.mappings.mpi.job import Job, begun, job_of
from d4py.mappings.mpi.orders import Counts, Done, Order, Reported, Tell
from d4py.mappings.mpi.rank import Rank
from d4py.mappings.numerics import limit_threads
from d4py.mappings.signals import caught
from d4py.mappings.supervisor import Supervisor
from d4py.plan import Plan, layout
from d4py.plan.layout import placed

if TYPE_CHECKING:
    from d4py.engine.coordinator import Commit
    from d4py.graph.graph import WorkflowGraph
    from d4py.graph.load import Workflow
    from d4py.mappings.outcome import Outcome
    from d4py.plan.costs import Costs

_GRACE = 5.0  # seconds that ranks get to notice the end of a run that did not end well
_ENDING = 5.0  # seconds that a rank which has told its failure, before this one came to it, has to end the job
_LOOK = 0.005  # seconds between two looks of the supervisor at what ranks report


class Mpi(Mapping):
    """Ranks of an MPI job."""

    name = "mpi"
    listens = True
    ranks = True
    guarantees = Guarantees(
        parallel="yes",
        stateless_death="the job ends; resume continues from the last checkpoint, with any number of ranks",
        stateful_death="the same",
        supervisor_death="the same",
        memory="bounded by credit on each channel",
        arrays="sent as they lie in memory",
    )

    @property
    def launched(self) -> bool:
        """Whether this is a rank of several."""
        return launchers.launched(os.environ)

    def prepare(self, processes: int | None) -> None:
        """Have numerical libraries begin with one thread: ranks share a machine."""
        limit_threads()

    def begin(self, processes: int | None, load: Callable[[], Workflow]) -> Workflow:
        """Check the world, load the workflow on every rank, and return on the first. The others live their cells, and exit as it does."""
        return job_of(processes).begin(load)

    def layout(self, graph: WorkflowGraph, options: Options, costs: Costs) -> Plan:
        """N ranks; instances share them where there are more."""
        return layout(graph, options.processes, fuse=options.fuse, measured=costs, assignment=options.assignment)

    def place(self, plan: Plan, options: Options) -> Plan:
        """The same cells on the ranks that there are now."""
        return placed(plan, job_of().size)

    @property
    def nodes(self) -> Sequence[int] | None:
        """Those of the ranks."""
        return job_of().places if begun() else None

    @property
    def default_processes(self) -> int | None:  # type: ignore[override]
        """The ranks of the job, once it has begun."""
        return job_of().size if begun() else None

    def enact(self, enactment: Enactment) -> Outcome:
        """Run on all ranks, watched from a thread of this one."""
        another.check(enactment.plan, enactment.workflow.graph.pes)
        return _Crew(enactment, job_of()).run()


class _Crew:
    """The supervisor, in a thread of rank 0, and that rank's own cells in the main thread."""

    def __init__(self, enactment: Enactment, job: Job) -> None:
        self.enactment, self.job, self.plan = enactment, job, enactment.plan
        self.inbox: SimpleQueue[Any] = SimpleQueue()
        self.rank: Rank | None = None
        self.ready = threading.Event()  # the order is there, or none will be
        self.done: set[int] = set()  # ranks whose cells have all ended
        self.error: BaseException | None = None

    @cached_property
    def supervisor(self) -> Supervisor:
        """The supervisor; it opens the run's folder."""
        return Supervisor(self.enactment, self)

    def run(self) -> Outcome:
        """Run to the end on all ranks."""
        with caught() as self.stops:
            thread = threading.Thread(target=self._supervise, name="supervisor", daemon=True)
            thread.start()
            self.ready.wait()
            if self.rank is not None:
                self.rank.run()
                self.rank.settle(lambda: self.job.aborting)
                self.inbox.put((0, Done()))
                self.rank.linger(lambda: not thread.is_alive())
            thread.join()
            if self.rank is not None and not self.job.aborting:
                self.rank.close()
        if self.error is not None:
            self.job.abort(1)
            raise self.error
        outcome = self.supervisor.outcome
        assert outcome is not None
        return outcome

    def _supervise(self) -> None:
        try:
            supervisor = self.supervisor
            supervisor.begin()
            while supervisor.outcome is None:
                self._serve()
            self._await_ends()
        except BaseException as error:
            self.error = error
            self._local(Abandon())
        finally:
            self.ready.set()
            if "supervisor" in vars(self):
                self.supervisor.end()

    def _serve(self) -> None:
        """Take in what ranks report, signals, and the time."""
        supervisor = self.supervisor
        with suppress(Empty):
            self._handle(*self.inbox.get(timeout=_LOOK))
        for rank, message in self.job.line.hear():
            self._handle(rank, message)
        while self.stops:
            supervisor.stop(self.stops.popleft())
        supervisor.tick(time.monotonic())

    def _handle(self, rank: int, message: Any) -> None:
        match message:
            case Counts(counts):
                for instance, count in counts.items():
                    self.supervisor.board.publish(instance, *count)
            case Reported(report):
                self.supervisor.handle(report)
            case Done():
                self.done.add(rank)

    def _await_ends(self) -> None:
        """Let all ranks end; who is in a call of its own for long ends with the job."""
        outcome = self.supervisor.outcome
        assert outcome is not None
        well = outcome.failure is None and not outcome.reason
        until = time.monotonic() + _GRACE
        while len(self.done) < self.job.size and (well or time.monotonic() < until):
            self._serve()
        if outcome.failure is not None and not first(
            self.enactment.folder, self.supervisor.generation, outcome.failure
        ):
            time.sleep(_ENDING)
        if len(self.done) == self.job.size:
            self.job.done()
            return
        code = 3 if outcome.failure is not None else 5
        self.job.abort(code)
        if 0 not in self.done and self.rank is not None:
            self.rank.break_off()
            until = time.monotonic() + _GRACE / 2
            while 0 not in self.done and time.monotonic() < until:
                self._serve()
            if 0 not in self.done:  # not even Python gets a word in: say it here
                sys.stderr.write(f"d4py: error: {outcome.reason}\n")
                abort(self.job.world, code)

    def tell(self, cell: int, event: Event) -> None:
        """Give an event to a cell."""
        process = self.plan.cells[cell].process
        if process:
            self.job.line.tell(process, Tell(cell, event))
        elif self.rank is not None:
            self.rank.take(cell, event)

    def launch(self, generation: int, start: Commit | None) -> None:
        """Let all ranks begin. There is no second time: what is lost on the way goes on with the next resume."""
        if self.rank is not None:
            self.supervisor.torn("A frame went missing between two ranks; resume goes on from the last checkpoint.")
            return
        policies = {pe.id or "": str(pe.on_error) for pe in self.enactment.workflow.graph.pes}
        order = Order(self.plan, str(self.enactment.folder.path), policies, self.enactment.terms, generation, start)
        workflow = self.enactment.workflow
        self.job.order(order, workflow)
        self.rank = Rank(self.job.world, self.job.line, self.job.lock, order, workflow.graph, self._report)
        self.ready.set()

    def dismiss(self) -> None:
        """Let all cells end."""
        for cell in self.plan.cells:
            self.tell(cell.index, RunOver())

    def abandon(self) -> None:
        """Give up what runs: at the next write or wait of each cell."""
        for cell in self.plan.cells:
            self.tell(cell.index, Abandon())

    def _local(self, event: Event) -> None:
        if self.rank is not None:
            for cell in self.rank.turns.cells:
                self.rank.take(cell, event)

    def _report(self, message: Any) -> None:
        self.inbox.put((0, message))
