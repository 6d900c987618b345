# SPDX-License-Identifier: Apache-2.0
"""What commands do where a run is, or is to be, on Kubernetes: the same that they do here, asked of the cluster."""

from __future__ import annotations

import json
import sys
import time
from collections import deque
from typing import TYPE_CHECKING

from d4py.cli.table import lasting, painted_status
from d4py.errors import StateError, UsageError, listed
from d4py.runs import Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from d4py.cli.parser import Namespace
    from d4py.runs import State
    from d4py.targets.kubernetes import Patience, Run

SCHEME = "kubernetes://"
_LOOK = 0.5  # seconds


def call(command: str, args: Namespace) -> int:
    """Call a command on a run of a cluster."""
    calls = {
        "status": status,
        "wait": wait,
        "logs": logs,
        "outputs": outputs,
        "cancel": cancel,
        "suspend": suspend,
        "resume": resume,
        "snapshot": snapshot,
    }
    if command not in calls:
        raise UsageError(f"d4py {command} is not for runs on Kubernetes.", hint=f"What is: {listed(calls)}.")
    from d4py.targets.kubernetes import find

    run = find(args.run)
    assert run is not None
    return calls[command](run, args)


def status(run: Run, args: Namespace) -> int:
    """Print how it does."""
    state = run.state()
    if args.format == "json":
        print(json.dumps(state.to_json(), indent=1))
        return 0
    code = f" (exit code {state.exit_code})" if state.exit_code is not None else ""
    facts = [
        ("run", run.id),
        ("workflow", state.workflow),
        ("mapping", state.mapping),
        ("status", painted_status(state.status.value) + code),
        ("cluster", run.told()),
        ("reason", state.error),
        ("started", state.started.replace("T", " ").replace("Z", " UTC")),
        ("took", lasting(state.seconds) if state.ended else ""),
        ("checkpoint", str(state.epoch) if state.epoch else ""),
        ("output", state.output),
    ]
    print("\n".join(f"{title:<11}{value}" for title, value in facts if value))
    return 0


def wait(run: Run, args: Namespace) -> int:
    """Wait until it is over, and exit as it did."""
    state = over(run, patience(quiet=args.quiet), timeout=args.timeout)
    if state is None:
        raise StateError(
            f"The run {run.id!r} is not over after {args.timeout:g} s.", hint=f"It goes on; see d4py status {run.id}."
        )
    if not args.quiet:
        print(f"{run.id}: {painted_status(state.status.value)}, exit code {state.exit_code}")
        say_why(state)
    return state.exit_code or 0


def say_why(state: State) -> None:
    """Say what a run ended for, where that was not its work."""
    if state.error and state.exit_code:
        print(f"d4py: {state.error}", file=sys.stderr)


def patience(*, quiet: bool = False) -> Patience:
    """Return that of one who is told here what a run waits for."""
    from d4py.targets.kubernetes import Patience

    return Patience(lambda line: None if quiet else print(f"d4py: {line}", file=sys.stderr, flush=True))


def over(run: Run, patience: Patience, *, timeout: float | None = None) -> State | None:
    """Return the state at the end; None when the time is up. Raises UsageError where it cannot even begin."""
    return until(lambda: run.awaited(patience), timeout)


def until(
    look: Callable[[], State],
    timeout: float | None,
    *,
    wanted: Callable[[State], bool] = lambda state: state.status.over,
) -> State | None:
    """Return the state once it is as wanted; None when the time is up."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while not wanted(state := look()):
        if deadline is not None and time.monotonic() > deadline:
            return None
        time.sleep(_LOOK)
    return state


def logs(run: Run, args: Namespace) -> int:
    """Print what its newest attempt has printed; of some PEs, or of one rank, only what they have logged."""
    from d4py.cli.logs import wanted_of
    from d4py.cli.origin import Origin

    wanted = wanted_of(args)
    state = run.state()
    if plan := run.plan:
        wanted.check_pes([*plan, *(f"{pe}[{number}]" for pe, size in plan.items() for number in range(size))])
    if wanted.rank is not None:
        spec = run.look()["spec"]
        wanted.check_rank(state.mapping, (spec.get("mpi") or {}).get("ranks", 1))
    lines = run.lines(follow=patience() if args.follow else None, last=args.lines if wanted.all else None)
    found: Iterable[str] = (line for line in lines if wanted.all or Origin.read(line) in wanted)
    if args.lines is not None and not args.follow:
        found = deque(found, args.lines)
    seen = False
    for line in found:
        print(line, flush=args.follow)
        seen = True
    if not seen:
        print(_silence(run), file=sys.stderr)
    return 0


def _silence(run: Run) -> str:
    """Return why there is no line."""
    state = run.state()
    if not state.status.over:
        return "Nothing was logged yet."
    return (
        "There are no logs any more: they went with the pods of the run." if run.pods_gone() else "Nothing was logged."
    )


def outputs(run: Run, args: Namespace) -> int:
    """Print its outputs, or write them to a file."""
    from d4py.cli.outputs import deliver
    from d4py.targets.kubernetes import Outputs

    deliver(Outputs(run), args)
    return 0


def cancel(run: Run, args: Namespace) -> int:
    """Delete its workflow."""
    run.cancel()
    deadline = time.monotonic() + args.timeout
    while not run.gone() and time.monotonic() < deadline:
        time.sleep(_LOOK)
    print(f"{run.id}: {painted_status('cancelled')}; its workflow is deleted")
    return 0


def suspend(run: Run, args: Namespace) -> int:
    """Ask for a checkpoint and an end, and wait a little for it."""
    if run.state().status.over:
        raise StateError(
            f"The run {run.id!r} cannot be suspended: it is {run.state().status.value}.",
            hint=f"See d4py status {run.id}.",
        )
    run.suspend()
    state = until(run.state, args.timeout)
    if state is None:
        print(f"{run.id}: asked to suspend; its pods are still ending. Wait: d4py wait {run.id}", file=sys.stderr)
    else:
        _say_end(run, state)
    return 0


def _say_end(run: Run, state: State) -> None:
    """Say how a run has ended of which something was asked: perhaps by itself, meanwhile."""
    tail = f", exit code {state.exit_code}"
    if state.status is Status.STOPPED:
        again = "Continue" if run.continues else "It has no checkpoint. Begin anew"
        tail = f". {again}: d4py resume {run.id}"
    print(f"{run.id}: {painted_status(state.status.value)}{tail}")


def snapshot(run: Run, args: Namespace) -> int:
    """Ask for a checkpoint, and wait a little until another attempt goes on from it."""
    before = run.state()
    if before.status.over:
        raise StateError(
            f"The run {run.id!r} makes no checkpoint: it is {before.status.value}.", hint=f"See d4py status {run.id}."
        )
    run.snapshot()
    state = until(run.state, args.timeout, wanted=lambda state: state.status.over or run.snapshotted)
    if state is None:
        print(f"{run.id}: asked for a checkpoint; its pods are still ending. See d4py status {run.id}", file=sys.stderr)
    elif state.status.over:
        _say_end(run, state)
    elif state.generation > before.generation:
        print(f"{run.id}: stopped at a checkpoint; attempt {state.generation} goes on from there")
    else:
        print(f"{run.id}: nothing ran that could make a checkpoint")
    return 0


def resume(run: Run, args: Namespace) -> int:
    """Ask for a new attempt."""
    given = [name for name in ("mapping", "processes", "accept_changes", "gone", "here") if getattr(args, name)]
    if given:
        raise UsageError(f"--{given[0].replace('_', '-')} is not for runs on Kubernetes.", hint="Leave it out.")
    run.resume()
    print(run.id)
    return 0
