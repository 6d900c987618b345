# SPDX-License-Identifier: Apache-2.0
"""`d4py list`: the runs on this machine or on a cluster, newest first."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice

from d4py.cli.parser import Namespace, Parser, add_format, whole
from d4py.cli.table import lasting, table
from d4py.runs import State, Status, home, opened
from d4py.runs.listing import Entry, listed_runs
from d4py.runs.submission import submitted
from d4py.targets.find import look_at_each

ABOUT = "List the runs on this machine, or with --kubernetes those on the cluster of your kubeconfig, newest first."


def options(parser: Parser) -> None:
    """Take which, and how."""
    add_format(parser)
    parser.add_argument("-n", "--limit", metavar="N", type=whole(1), default=20, help="how many (default: 20)")
    parser.add_argument("-a", "--all", action="store_true", help="all of them")
    parser.add_argument("--status", choices=[status.value for status in Status], help="only those that are so")
    parser.add_argument("--host", metavar="LOGIN", help="those on the login node of a cluster, by ssh")
    parser.add_argument("-q", "--quiet", action="store_true", help="print ids only")
    parser.add_argument(
        "--kubernetes", action="store_true", help="those on Kubernetes, of one namespace; with -a of all"
    )
    parser.add_argument("--namespace", metavar="NAME", help="of this one (default: the namespace of the kubeconfig)")


def call(args: Namespace) -> int:
    """Print the list."""
    wanted = (
        entry for entry in known(args) if args.status is None or (entry.state and entry.state.status == args.status)
    )
    entries = list(wanted if args.all else islice(wanted, args.limit))
    if args.format == "json":
        print(json.dumps([as_json(entry) for entry in entries], indent=1))
    elif args.quiet:
        print("".join(f"{entry.name}\n" for entry in entries), end="")
    elif not entries:
        print(f"No runs yet. Start one: d4py {'submit WORKFLOW --kubernetes' if args.kubernetes else 'run WORKFLOW'}")
    else:
        lines = table(
            ("RUN", "WORKFLOW", "MAPPING", "STATUS", "EXIT", "TOOK", "STARTED (UTC)"),
            [row(entry) for entry in entries],
            right=(4, 5),
            status=3,
        )
        print("\n".join(lines))
    return 0


def known(args: Namespace) -> Iterable[Entry]:
    """Return the runs that there are."""
    if not args.kubernetes:
        return looked_at(listed_runs(), None if args.all or args.status else args.limit)
    from d4py.targets.kubernetes import Cluster, runs

    found = runs(Cluster(namespace=args.namespace), everywhere=args.all and args.namespace is None)
    return [Entry(name=state.run, state=state) for state in found]


def looked_at(entries: Iterator[Entry], at_once: int | None) -> Iterator[Entry]:
    """Yield runs with the states that their targets know of, where their folders leave that open. at_once: for how many these are asked."""
    while some := list(islice(entries, at_once)):
        known = {entry.name: entry.state for entry in some}
        unsure = [name for name, state in known.items() if state is not None and may_go_on(name, state)]
        known |= zip(unsure, look_at_each([opened(home() / name) for name in unsure]), strict=True)
        yield from (replace(entry, state=known[entry.name]) for entry in some)


def may_go_on(name: str, state: State) -> bool:
    """Whether a run may be going on, or be about to, as far as its folder says."""
    return not state.status.over or (state.status is not Status.DONE and submitted(home() / name))


def as_json(entry: Entry) -> dict[str, object]:
    """Return a run for machines."""
    if entry.state is None:
        return {"run": entry.name, "status": "damaged", "error": entry.problem}
    return entry.state.to_json()


def row(entry: Entry) -> tuple[object, ...]:
    """Return a run for people."""
    state = entry.state
    if state is None:
        return (entry.name, "", "", "damaged", "", "", "")
    code = "" if state.exit_code is None else state.exit_code
    return (
        entry.name,
        state.workflow,
        state.mapping,
        state.status.value,
        code,
        lasting(state.seconds) if state.ended else "",
        state.started.replace("T", " ").rstrip("Z"),
    )
