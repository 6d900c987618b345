# SPDX-License-Identifier: Apache-2.0
"""`d4py status`: how a run is doing."""

from __future__ import annotations

import json

from d4py.cli.members import show
from d4py.cli.parser import Namespace, Parser, add_format, add_run
from d4py.cli.summary import pe_table, run_name
from d4py.cli.table import lasting, painted_status
from d4py.errors import StateError
from d4py.runs import Folder, State, find
from d4py.runs.counts import Counts, published
from d4py.runs.sweep import Sweep, as_json
from d4py.targets.find import look_at, look_at_all, target_of

ABOUT = "Show how a run is doing. Exits 0 whenever it could tell; d4py wait exits as the run did."


def options(parser: Parser) -> None:
    """Take a run."""
    add_run(parser)
    add_format(parser)


def call(args: Namespace) -> int:
    """Print its status."""
    folder = find(args.run)
    if isinstance(folder, Sweep):
        return of_sweep(folder, args)
    state = look_at(folder)()
    counts = counts_of(folder)
    room = target_of(folder)
    if args.format == "json":
        print(json.dumps({**state.to_json(), "folder": str(folder.path), "counts": counts}, indent=1))
        return 0
    name = run_name(folder.path, state.run)
    facts = [
        ("run", name),
        ("workflow", state.workflow),
        ("mapping", state.mapping),
        ("status", told(state)),
        ("job", room.told(folder) if room else ""),
        ("started", state.started.replace("T", " ").replace("Z", " UTC")),
        ("took", lasting(state.seconds) if state.ended else ""),
        ("checkpoint", str(state.epoch) if state.epoch else ""),
        ("output", state.output),
        ("folder", str(folder.path)),
    ]
    print("\n".join(f"{title:<11}{value}" for title, value in facts if value))
    if counts:
        print("\n" + "\n".join(pe_table(counts)))
    for warning in state.warnings:
        print(f"warning: {warning}")
    if state.traceback:
        print(f"\n{state.traceback}")
    return 0


def of_sweep(sweep: Sweep, args: Namespace) -> int:
    """Print how a sweep is doing, and each of its members."""
    states = look_at_all(sweep)
    state = sweep.together(states)
    if args.format == "json":
        members = [as_json(member, one) for member, one in zip(sweep.members, states, strict=True)]
        print(json.dumps({**state.to_json(), "folder": str(sweep.path), "members": members}, indent=1))
        return 0
    room = target_of(sweep)
    facts = [
        ("run", run_name(sweep.path, state.run)),
        ("workflow", state.workflow),
        ("mapping", state.mapping),
        ("status", told(state)),
        ("job", room.told(sweep) if room else ""),
        ("folder", str(sweep.path)),
    ]
    print("\n".join(f"{title:<11}{value}" for title, value in facts if value))
    print("\n" + "\n".join(show(sweep, states)))
    return 0


def told(state: State) -> str:
    """Return the status with what there is to say about it."""
    more = [f"exit code {state.exit_code}"] if state.exit_code is not None else []
    if not state.status.over and state.pid:
        more.append(f"process {state.pid} on {state.host}")
    if state.error not in ("", state.status.value):
        more.append(state.error)
    return f"{painted_status(state.status.value)}{' (' if more else ''}{'; '.join(more)}{')' if more else ''}"


def counts_of(folder: Folder) -> Counts:
    """Return what the PEs have done, as far as the folder says."""
    try:
        return published(folder)
    except StateError:
        return {}
