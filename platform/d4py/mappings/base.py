# SPDX-License-Identifier: Apache-2.0
"""What a mapping is: the contract of a room."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

from d4py.engine.circuit import Terms
from d4py.plan.layout import placed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from d4py.graph.graph import WorkflowGraph
    from d4py.graph.inputs import Calls
    from d4py.graph.load import Workflow
    from d4py.mappings.outcome import Outcome
    from d4py.plan import Plan
    from d4py.plan.costs import Costs
    from d4py.plan.layout import Assignment
    from d4py.runs import Folder, State
    from d4py.runs.board import Board


class Guarantees(NamedTuple):
    """What a mapping promises, as data: the table in the docs is made of it."""

    parallel: str
    stateless_death: str
    stateful_death: str
    supervisor_death: str
    memory: str
    arrays: str
    live_stop: str = "drained, exit 0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a run is enacted; kept with the run."""

    processes: int = 1
    fuse: bool = True
    checkpoint: float | None = None  # seconds between checkpoints; None: 10, then at most 3 % of the time
    restarts: int = 3
    assignment: Assignment | None = None  # what runs where, where that is decided already
    window: int | None = None  # items of credit per channel, for tests
    debug: bool = False  # detect values changed after they were written


class Followed(SystemExit):
    """This process took part in a run that another leads, and is done."""


class Observer(Protocol):
    """Watches a run from the supervising process."""

    def begin(self, plan: Plan, board: Board, state: State) -> None:
        """The run starts."""

    def end(self) -> None:
        """The run has ended, however."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enactment:
    """Everything a mapping needs for one start of a run."""

    workflow: Workflow
    plan: Plan
    folder: Folder
    calls: dict[str, Calls]
    options: Options
    state: State
    observers: Sequence[Observer] = field(default_factory=tuple)
    alone: bool = False  # this process does nothing but this run, so it may be forked

    @property
    def terms(self) -> Terms:
        """What all cells are told."""
        readonly = frozenset(pe.id or "" for pe in self.workflow.graph.pes if pe.readonly)
        return Terms(
            calls=self.calls,
            readonly=readonly,
            window=self.options.window,
            debug=self.options.debug,
            folder=str(self.folder.path),
        )

    @property
    def live(self) -> bool:
        """Whether a source never ends by itself."""
        return any(pe.live for pe in self.workflow.graph.roots())


class Mapping(ABC):
    """An engine that enacts plans."""

    name: ClassVar[str]
    guarantees: ClassVar[Guarantees]
    ranks: ClassVar[bool] = False  # whether all processes that a launcher started do one run together
    listens: ClassVar[bool] = False  # whether enact takes the signals that ask for a stop, by `caught`
    default_processes: ClassVar[int | None] = None  # None: the processors of this machine

    @property
    def launched(self) -> bool:
        """Whether something else than this mapping has started this process with others, all alike."""
        return False

    def prepare(self, processes: int | None) -> None:  # noqa: B027 - most have nothing to prepare
        """Called before the workflow is loaded, in a process that does nothing but this run."""

    def begin(self, processes: int | None, load: Callable[[], Workflow]) -> Workflow:
        """Have the workflow loaded, in each process that the run was started in; return in the one that leads it."""
        return load()

    @property
    def nodes(self) -> Sequence[int] | None:
        """Of each process the number of its node; None where all of them are on this machine."""
        return None

    @abstractmethod
    def layout(self, graph: WorkflowGraph, options: Options, costs: Costs) -> Plan:
        """Return the plan of a flat graph for this mapping. costs: what PEs took when it last ran, by id; often nothing."""

    def place(self, plan: Plan, options: Options) -> Plan:
        """Return the plan of a run that this mapping is to resume: the same cells, placed anew. Raises StateError if it can't."""
        return placed(plan, options.processes)

    @abstractmethod
    def enact(self, enactment: Enactment) -> Outcome:
        """Run a plan to its end, or to its next stop."""
