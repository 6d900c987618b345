# SPDX-License-Identifier: Apache-2.0
"""What commands do where a run is, or is to be, on Kubernetes: the same that they do here, asked of the cluster."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from d4py.cli.table import lasting, number_of, painted_status
from d4py.errors import StateError, UsageError, listed

if TYPE_CHECKING:
    from collections.abc import Callable

    from d4py.cli.parser import Namespace
    from d4py.runs import State
    from d4py.targets.kubernetes import Run

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
    state = until(run, lambda state: state.status.over, timeout=args.timeout)
    if state is None:
        raise StateError(
            f"The run {run.id!r} is not over after {args.timeout:g} s.", hint=f"It goes on; see d4py status {run.id}."
        )
    if not args.quiet:
        print(f"{run.id}: {painted_status(state.status.value)}, exit code {state.exit_code}")
        if state.error and state.exit_code:
            print(f"d4py: {state.error}", file=sys.stderr)
    return state.exit_code or 0


def until(run: Run, wanted: Callable[[State], bool], *, timeout: float | None = None) -> State | None:
    """Return the state once it is as wanted; None when the time is up."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while not wanted(state := run.state()):
        if deadline is not None and time.monotonic() > deadline:
            return None
        time.sleep(_LOOK)
    return state


def logs(run: Run, args: Namespace) -> int:
    """Print what its newest attempt has printed; of some PEs only what they have logged."""
    seen = False
    for line in run.lines(follow=args.follow, last=None if args.pes else args.lines):
        label = line.partition(" | ")[0].strip()
        if not args.pes or label in args.pes or label.partition("[")[0] in args.pes:
            print(line, flush=args.follow)
            seen = True
    if not seen:
        print("Nothing was logged yet." if not run.state().status.over else "Nothing was logged.", file=sys.stderr)
    return 0


def outputs(run: Run, args: Namespace) -> int:
    """Print its outputs, or write them to a file."""
    from d4py.targets.kubernetes import lines

    found = (line for line in lines(run) if args.pe is None or json.loads(line)["pe"] == args.pe)
    if args.output is not None:
        if args.pe is not None or args.limit is not None:
            raise UsageError(
                "--output writes all outputs.", hint="Leave out --pe and --limit, or print with -o json > FILE."
            )
        texts = list(found)
        Path(args.output).write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
        print(f"{number_of(len(texts), 'output')} in {args.output}")
        return 0
    for number, text in enumerate(found):
        if args.limit is not None and number >= args.limit:
            break
        entry = json.loads(text)
        print(text if args.format == "json" else f"{entry['pe']}.{entry['output']}: {entry['value']!r}")
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
    state = until(run, lambda state: state.status.over, timeout=args.timeout)
    if state is None:
        print(f"{run.id}: asked to suspend; its pods are still ending. Wait: d4py wait {run.id}", file=sys.stderr)
    else:
        print(f"{run.id}: {painted_status(state.status.value)}. Continue: d4py resume {run.id}")
    return 0


def resume(run: Run, args: Namespace) -> int:
    """Ask for a new attempt."""
    given = [name for name in ("mapping", "processes", "accept_changes", "gone", "here") if getattr(args, name)]
    if given:
        raise UsageError(f"--{given[0].replace('_', '-')} is not for runs on Kubernetes.", hint="Leave it out.")
    run.resume()
    print(run.id)
    return 0
