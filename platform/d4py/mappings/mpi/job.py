# SPDX-License-Identifier: Apache-2.0
"""The job that a process is a rank of: whether it is the one that was meant, what each rank loads, and who lives which cells."""

from __future__ import annotations

import atexit
import os
import pickle
import sys
import threading
from typing import TYPE_CHECKING, Any, NoReturn

from d4py.errors import D4pyError, LoadError, UsageError
from d4py.graph.load import load
from d4py.mappings.base import Followed
from d4py.mappings.enact import set_policies
from d4py.mappings.mpi import start
from d4py.mappings.mpi import world as worlds
from d4py.mappings.mpi.abort import abort
from d4py.mappings.mpi.orders import Done, Ending, Exit, Loaded, Order, Served
from d4py.mappings.mpi.rank import Line, Rank
from d4py.mappings.signals import Stop, caught, pass_over
from d4py.mappings.spokesman import end_by_itself, let_the_first_speak

if TYPE_CHECKING:
    from collections.abc import Callable

    from d4py.graph.graph import WorkflowGraph
    from d4py.graph.load import Workflow


class Job:
    """The job that this process is a rank of.

    Every rank loads the workflow, and all but the first live their cells and exit. Or all but the first serve: they live the cells of one run
    after another, which the first begins.
    """

    def __init__(self, asked: int | None = None, *, serving: bool = False) -> None:
        """asked: ranks, by -n."""
        library = _mpi()
        self.world = library.COMM_WORLD
        self.size, self.rank = self.world.Get_size(), self.world.Get_rank()
        names = self.world.allgather(library.Get_processor_name())
        known = list(dict.fromkeys(names))
        self.nodes = len(known)
        self.places = [known.index(name) for name in names]  # of each rank the number of its node
        vendor, _ = library.get_vendor()
        try:
            worlds.check(worlds.World(self.rank, self.size, self.nodes, vendor), os.environ, asked)
        except UsageError:
            if self.size == 1:
                let_the_first_speak()
            end_by_itself()
            if self.rank:
                raise Followed(UsageError.exit_code) from None  # the first says it
            raise
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
        if self.rank:
            self._defer_to_the_first()
        all_loaded = self.world.allgather(mine)
        if any(one.problem for one in all_loaded) or len({(one.digest, one.pes) for one in all_loaded}) > 1:
            end_by_itself()
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
        if self.serving:
            self.line.tell_all(range(1, self.size), _served(workflow))
        self.line.tell_all(range(1, self.size), order)

    def done(self) -> None:
        """All ranks are done with an order."""
        self.line.tell_all(range(1, self.size), Done())
        if not self.serving:
            self.end(0)
        self.flush()

    def end(self, code: int) -> None:
        """Let the other ranks exit."""
        if self.over:
            return
        self.over = True
        if code:
            end_by_itself()
        self.line.tell_all(range(1, self.size), Exit(code))
        self.flush()

    def flush(self) -> None:
        """Wait until what was said is on its way."""
        while self.line.busy:
            self.line.hear()

    def abort(self, code: int) -> None:
        """End all ranks when this process has said all it has to say: some do not listen."""
        self.over = self.aborting = True
        self.line.tell_all(range(1, self.size), Ending())
        atexit.register(abort, self.world, code)

    def serve(self) -> NoReturn:
        """Live the cells of one run after another, until the first rank ends."""
        self._defer_to_the_first()
        while True:
            match self.line.next():
                case Served(source, pickled, path, finders):
                    sys.path[:] = path
                    known = {type(finder) for finder in sys.meta_path}
                    sys.meta_path[:0] = [finder for finder in finders if type(finder) not in known]
                    graph = load(source).graph if source else pickle.loads(pickled)
                case Order() as order:
                    with caught():
                        self._live(order, graph)
                case Exit(code):
                    end_by_itself()
                    raise Followed(code)

    def _follow(self, workflow: Workflow) -> NoReturn:
        """Live the cells of this rank, and exit as the first does."""
        while True:
            match self.line.next():
                case Order() as order:
                    pass_over()
                    self._live(order, workflow.graph)
                case Exit(code):
                    end_by_itself()
                    raise Followed(code)

    def _live(self, order: Order, graph: WorkflowGraph) -> None:
        set_policies(graph, order.on_error)
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
            abort(self.world, 1)

    @staticmethod
    def _defer_to_the_first() -> None:
        """Let the first rank decide what a signal to all means: from now on it may run. Of SIGTERM a rank without work dies, for so a launcher ends all with one that died."""
        pass_over(kind for kind in Stop if kind is not Stop.TERMINATE)

    def _report(self, message: Any) -> None:
        self.line.tell(0, message)


_jobs: list[Job] = []  # one at most


def job_of(asked: int | None = None) -> Job:
    """Return the job that this process is a rank of. asked: ranks, by -n."""
    if not _jobs:
        _jobs.append(Job(asked))
    return _jobs[0]


def begun() -> bool:
    """Whether this process is a rank of a job already."""
    return bool(_jobs)


def serve() -> Job:
    """Make this rank's job one that serves; return on the first rank."""
    _jobs.append(job := Job(serving=True))
    if job.rank:
        job.serve()
    atexit.register(job.end, 0)
    return job


def _mpi() -> Any:
    """Return MPI, initialised; where its library is not of the launcher, the first of all that are alone says so."""
    try:
        return start.begun()
    except UsageError:
        let_the_first_speak()
        raise


def _served(workflow: Workflow) -> Served:
    import cloudpickle

    finders = [finder for finder in sys.meta_path if getattr(finder, "travels", False)]
    pickled = b"" if workflow.source else cloudpickle.dumps(workflow.graph, protocol=5)
    return Served(workflow.source, pickled, list(sys.path), finders)


def _loaded(workflow: Workflow | None, problem: D4pyError | None) -> Loaded:
    if workflow is None:
        return Loaded("", (), str(problem), _mpi().Get_processor_name())
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
