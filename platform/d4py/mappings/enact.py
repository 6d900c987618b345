# SPDX-License-Identifier: Apache-2.0
"""Begin a run on a mapping, or resume one, and tell how it ended."""

from __future__ import annotations

import copy
import os
import pickle
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d4py.errors import DiskError, InputError, StateError, Superseded, UsageError, WorkflowFailed
from d4py.graph import inputs as given
from d4py.graph.check import check as check_graph
from d4py.graph.graph import WorkflowGraph
from d4py.graph.load import Source, Workflow, find, load, of_graph, threads_of
from d4py.graph.policy import Policy
from d4py.mappings.base import Enactment, Mapping, Observer, Options
from d4py.mappings.find import get
from d4py.mappings.numerics import grant_threads
from d4py.mappings.outcome import Outcome
from d4py.mappings.signals import deferred
from d4py.plan.costs import learned
from d4py.plan.demand import asked_of, spread
from d4py.runs import Folder, State, Status, costs, home, lock, new_id, process
from d4py.runs.books import Books, audit
from d4py.runs.outputs import Outputs

if TYPE_CHECKING:
    from collections.abc import Mapping as Mapping_
    from collections.abc import Sequence

    from d4py.engine.coordinator import Commit
    from d4py.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How a run ended and what it gave."""

    run_id: str
    folder: Path
    mapping: str
    status: Status
    exit_code: int
    seconds: float
    books: Books
    outputs: Outputs
    error: str = ""
    traceback: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, dict[str, int]]:
        """Items read, written and in quarantine, and instances, per PE."""
        return self.books.counts


def run(
    workflow: WorkflowGraph | Workflow | str,
    mapping: str = "simple",
    *,
    processes: int | None = None,
    inputs: Mapping_[Any, Any] | int | None = None,
    parameters: Mapping_[str, Any] | None = None,
    run_dir: str | Path | None = None,
    run_id: str | None = None,
    on_error: Mapping_[str, str] | str | None = None,
    observers: Sequence[Observer] = (),
    check: bool = True,
    alone: bool = False,
    own: bool = True,
    **options: Any,
) -> Result:
    """Run a workflow here and wait.

    check: raise WorkflowFailed where a PE failed. alone: this process does nothing else. own: leave the PEs of a graph as they are, and run
    copies. options: the fields of `Options`.
    """
    engine = get(mapping)
    workflow = engine.begin(processes, partial(_loaded, workflow, parameters))
    calls = given.resolve(workflow.graph, inputs)
    set_policies(workflow.graph, on_error)
    warnings = check_graph(workflow.graph, [name for name, value in calls.items() if isinstance(value, list)])
    settled = settled_options(engine, processes, options)
    if own:
        workflow = replace(workflow, graph=_own_copy(workflow.graph))
    plan = _spread(engine, workflow, engine.layout(workflow.graph, settled, costs.recall(workflow)))
    name = run_id or new_id()
    data = _pickled_calls(calls)
    folder = Folder.create(
        Path(run_dir) if run_dir else home() / name, _description(name, workflow, mapping, settled, on_error)
    )
    with lock.held(folder.path) as unlocked, deferred(engine.listens):
        state = State(run=name, mapping=mapping, workflow=workflow.name, created=_now(), warnings=warnings + unlocked)
        _sign(state)
        try:
            folder.write_plan(plan)
            folder.keep_inputs(data)
            folder.write_state(state)
        except DiskError as error:
            folder.abolish()
            raise StateError(error.message, hint=error.hint) from None
        enactment = Enactment(
            workflow=workflow,
            plan=plan,
            folder=folder,
            calls=calls,
            options=settled,
            state=state,
            observers=tuple(observers),
            alone=alone,
        )
        return _enacted(engine, enactment, check=check)


def resume(
    folder: Folder,
    *,
    mapping: str | None = None,
    processes: int | None = None,
    accept_changes: bool = False,
    gone: bool = False,
    observers: Sequence[Observer] = (),
    check: bool = True,
    alone: bool = False,
) -> Result:
    """Continue a run from its last checkpoint. Raises StateError if it still runs, is done, or its code has changed.

    gone: the process that had it, on another host, is known to be no more.
    """
    description = folder.description()
    engine = get(mapping or description["mapping"])
    if alone:
        grant_threads(threads_of(Source(**description["source"])) if description["source"] else 0)
        engine.prepare(processes or description["options"].get("processes"))
    workflow = engine.begin(processes, partial(_resumable, folder, accept_changes=accept_changes, gone=gone))
    processes = processes or engine.default_processes or description["options"]["processes"]
    with lock.held(folder.path) as unlocked, deferred(engine.listens):
        enactment = _resumed(folder, engine, workflow, processes, alone=alone, gone=gone)
        if enactment.workflow.digest != description["digest"]:
            folder.accept(workflow.digest, workflow.source.kept if workflow.source else None)
        enactment.state.warnings += [warning for warning in unlocked if warning not in enactment.state.warnings]
        return _enacted(engine, replace(enactment, observers=tuple(observers)), check=check)


def _check_over(state: State, *, gone: bool) -> None:
    if not state.status.over and not (gone and state.host != process.here()):
        raise StateError(
            f"The run {state.run!r} is still running (process {state.pid}).",
            hint=f"There is {state.error}." if state.error else f"Wait for it: d4py wait {state.run}.",
        )


def _loaded(workflow: WorkflowGraph | Workflow | str, parameters: Mapping_[str, Any] | None) -> Workflow:
    if isinstance(workflow, str):
        return load(find(workflow, parameters=parameters))
    return of_graph(workflow) if isinstance(workflow, WorkflowGraph) else workflow


def _resumable(folder: Folder, *, accept_changes: bool, gone: bool) -> Workflow:
    """Load the workflow of a run that can go on. Raises StateError where it cannot."""
    state = folder.state()
    _check_over(state, gone=gone)
    commit = folder.last_commit()
    if commit is not None and commit.final and state.status is Status.DONE:
        raise StateError(f"The run {state.run!r} is complete.", hint=f"Its results: d4py outputs {state.run}.")
    description = folder.description()
    if description["source"] is None:
        raise StateError(
            f"The run {state.run!r} was started from Python, not from a file.", hint="Run its script again."
        )
    source = Source(**description["source"])
    workflow = load(replace(source, kept=None) if accept_changes else source)  # changes are in what it is a copy of
    if description["digest"] not in (None, workflow.digest) and not accept_changes:
        raise StateError(
            f"The code of {workflow.name!r} has changed since the run {state.run!r} began.",
            hint="Continue all the same with --accept-changes.",
        )
    return workflow


def _resumed(
    folder: Folder, engine: Mapping, workflow: Workflow, processes: int, *, alone: bool, gone: bool
) -> Enactment:
    """Return what goes on where a run stands. It is kept from other processes meanwhile; nothing is written yet."""
    state, description = folder.state(), folder.description()
    _check_over(state, gone=gone)
    set_policies(workflow.graph, description["on_error"])
    kept = Options(**{**description["options"], "assignment": None})  # the plan is kept
    settled = settled_options(
        engine,
        processes,
        {name: value for name, value in asdict(kept).items() if name != "processes"},
    )
    plan = _spread(engine, workflow, engine.place(folder.plan(), settled))
    state.exit_code, state.error, state.traceback, state.ended, state.further = None, "", "", "", True
    state.mapping = engine.name
    _sign(state)
    return Enactment(
        workflow=workflow,
        plan=plan,
        folder=folder,
        calls=pickle.loads(folder.inputs()),
        options=settled,
        state=state,
        alone=alone,
    )


def set_policies(graph: WorkflowGraph, on_error: Mapping_[str, str] | str | None) -> None:
    """Set error policies: one for all PEs, or by PE id or name."""
    if on_error is None:
        return
    if isinstance(on_error, str):
        Policy.parse(on_error, of="The run")
        for pe in graph.pes:
            pe.on_error = on_error
        return
    for name, text in on_error.items():
        found = [pe for pe in graph.pes if name in (pe.id, pe.name)]
        if not found:
            raise UsageError(
                f"There is no PE {name!r} to set a policy for.",
                hint=f"There is {', '.join(pe.id or '' for pe in graph.pes)}.",
            )
        for pe in found:
            Policy.parse(text, of=f"PE {name!r}")
            pe.on_error = text


def _sign(state: State) -> None:
    """Let a state say that this process has the run."""
    state.pid, state.host = os.getpid(), process.here()
    state.pid_start, state.started = process.started(state.pid), _now()
    state.status = Status.STARTING


def _enacted(engine: Mapping, enactment: Enactment, *, check: bool) -> Result:
    """Enact. Where another process has taken the run, what it says in the folder is left alone."""
    began, start = time.monotonic(), enactment.folder.last_commit()
    try:
        outcome = engine.enact(enactment)
    except Superseded:
        raise
    except DiskError as error:
        outcome = Outcome(status=Status.STOPPED, reason=error.reason)
    except BaseException as error:
        outcome = Outcome(status=Status.FAILED, reason=f"{type(error).__name__}: {error}")
        with deferred(not engine.listens):
            _close(enactment, outcome, began, start)
        raise
    if outcome.superseded is not None:
        raise outcome.superseded
    with deferred(not engine.listens):
        result = _close(enactment, outcome, began, start)
    if check and result.status is Status.FAILED:
        raise WorkflowFailed(result.error, hint=result.traceback and f"\n{result.traceback}")
    return result


def _close(enactment: Enactment, outcome: Outcome, began: float, start: Commit | None) -> Result:
    state, folder = enactment.state, enactment.folder
    over = outcome.status in (Status.DONE, Status.FAILED)  # else it goes on, and a job that is about to end has no time
    books = audit(folder, opened=over)
    state.status = outcome.status
    state.ended, state.seconds = _now(), state.seconds + time.monotonic() - began
    state.error = outcome.reason if outcome.status is not Status.DONE else ""
    state.traceback = outcome.failure.traceback if outcome.failure else ""
    state.exit_code = _exit_code(outcome, books)
    if outcome.status is Status.STOPPED and not (
        enactment.live or outcome.asked
    ):  # what is live may have had nothing to give
        state.further = folder.is_past(start)
    if state.exit_code in (0, 4):
        learn(enactment, books)
    if state.exit_code == 6:
        state.error = " ".join(filter(None, ("The books do not balance.", outcome.reason)))
    try:
        folder.write_books(books.to_json())
        folder.write_state(state)
    except DiskError as error:  # nothing is lost: the commit says all that these do
        state.warnings.append(error.message)
    return result_of(folder, state, books)


def learn(enactment: Enactment, books: Books) -> None:
    """Keep what the PEs of a whole run cost, for the plans of runs to come."""
    known = costs.recall(enactment.workflow)
    costs.remember(enactment.workflow, learned(enactment.plan, books.seconds, books.counts, known))


def result_of(folder: Folder, state: State, books: Books) -> Result:
    """Return the result of a run from what its folder says."""
    return Result(
        run_id=state.run,
        folder=folder.path,
        mapping=state.mapping,
        status=state.status,
        exit_code=state.exit_code if state.exit_code is not None else 5,
        seconds=state.seconds,
        books=books,
        outputs=Outputs(folder),
        error=state.error,
        traceback=state.traceback,
        warnings=tuple(state.warnings),
    )


def _exit_code(outcome: Outcome, books: Books) -> int:
    if outcome.status is Status.FAILED and not outcome.torn:
        return 3
    if outcome.torn or not books.balanced:
        return 6
    if outcome.status is not Status.DONE:
        return 5
    return 4 if books.quarantined else 0


def settled_options(engine: Mapping, processes: int | None, options: Mapping_[str, Any]) -> Options:
    """Return the options of a run with what was not given filled in; raise UsageError for what cannot be."""
    if processes is None:
        processes = engine.default_processes or _processors()
    if type(processes) is not int or processes < 1:
        raise UsageError(f"The number of processes is {processes!r}.", hint="Give -n a whole number of at least 1.")
    try:
        return replace(Options(processes=processes), **options)
    except TypeError as error:
        raise UsageError(f"{error}.", hint="Options are the fields of d4py.mappings.Options.") from None


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _description(name: str, workflow: Workflow, mapping: str, options: Options, on_error: object) -> dict[str, Any]:
    return {
        "id": name,
        "source": asdict(workflow.source) if workflow.source else None,
        "digest": workflow.digest,
        "mapping": mapping,
        "options": asdict(options),
        "on_error": on_error,
        "created": _now(),
    }


def _own_copy(graph: WorkflowGraph) -> WorkflowGraph:
    """Return a graph that the run may change, so that the caller can run the same one again; the caller's own where it can't be copied."""
    try:
        return copy.deepcopy(graph)
    except Exception:
        return graph


def _spread(engine: Mapping, workflow: Workflow, plan: Plan) -> Plan:
    """Return the plan as its PEs may share the nodes that there are."""
    nodes = engine.nodes
    return plan if nodes is None else spread(plan, asked_of(workflow.graph), nodes)


def _pickled_calls(calls: dict[str, Any]) -> bytes:
    try:
        return pickle.dumps(calls, protocol=5)
    except Exception as error:
        raise InputError(f"The input data cannot be kept: {error}.", hint="Give plain data.") from None


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


__all__ = ["Result", "result_of", "resume", "run", "set_policies"]
