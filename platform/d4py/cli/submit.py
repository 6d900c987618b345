# SPDX-License-Identifier: Apache-2.0
"""`d4py submit`: start a run in the background."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from d4py.cli.order import add_kubernetes
from d4py.cli.parser import run_id, whole
from d4py.cli.run import add_course
from d4py.cli.workflow import add_inputs, add_mapping, add_workflow
from d4py.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from d4py.cli.parser import Namespace, Parser
    from d4py.runs import Folder

ABOUT = "Start a run in the background, here or on a cluster, and print its id. See how it does with d4py status, logs -f and wait."
_KUBERNETES = ("namespace", "image", "values")
_NUMBERS = {
    "nodes": "how many nodes (default: 1)",
    "ntasks-per-node": "ranks on each (default: the profile's, else 1)",
    "cpus-per-task": "processors for each rank",
}
_WORDS = {
    "time": "how long at most, as Slurm writes it: 1:30:00",
    "partition": "where",
    "account": "who pays",
    "qos": "which quality of service",
    "mem": "memory of each node, such as 4G",
    "constraint": "what nodes must have",
    "reservation": "which reservation",
    "clusters": "which of several clusters",
}


def options(parser: Parser) -> None:
    """Take what `run` takes, but for what only a terminal shows; and where to send it."""
    add_workflow(parser)
    add_mapping(parser)
    add_inputs(parser)
    add_course(parser)
    parser.add_argument("--dry-run", action="store_true", help="print what a cluster would be sent, and send nothing")
    add_slurm(parser)
    add_kubernetes(parser)
    parser.add_argument("--run-id", metavar="ID", type=run_id, help="its id (default: made from the time)")
    parser.add_argument("--wait", action="store_true", help="wait for it, and exit with its code")
    parser.add_argument("--follow", action="store_true", help="the same, and print its logs meanwhile")


def add_slurm(parser: Parser) -> None:
    """Take what a job of Slurm is to be."""
    group = parser.add_argument_group("on a cluster under Slurm")
    group.add_argument("--slurm", action="store_true", help="send it to Slurm, on the mapping mpi if none is named")
    group.add_argument("--profile", metavar="NAME", help="the site: see d4py profile list (default: generic)")
    for name, about in _NUMBERS.items():
        group.add_argument(f"--{name}", metavar="N", type=whole(1), help=about)
    for name, about in _WORDS.items():
        group.add_argument(f"--{name}", metavar=name.upper(), help=about)


def call(args: Namespace) -> int:
    """Start the run."""
    from d4py.cli.summary import run_name
    from d4py.runs import home, new_id
    from d4py.runs.waiting import until
    from d4py.targets.find import look_at

    if args.kubernetes:
        return to_kubernetes(args)
    name = args.run_id or new_id()
    path = Path(args.run_dir).absolute() if args.run_dir else home() / name
    folder = to_slurm(args, name, path) if args.slurm else here(args, name, path)
    if folder is None:
        return 0
    print(("slurm://" if args.slurm else "") + run_name(folder.path, name), flush=True)
    if args.follow:
        from d4py.cli.logs import follow

        follow(folder, [])
    if args.wait or args.follow:
        state = until(folder, lambda state: state.status.over, look=look_at(folder))
        return 5 if state is None or state.exit_code is None else state.exit_code
    return 0


def here(args: Namespace, name: str, path: Path) -> Folder:
    """Start it on this machine."""
    from d4py.targets import local

    refuse(args, ("profile", *_fields()), "Add --slurm.")
    refuse(args, ("dry_run",), "Add --slurm or --kubernetes.")
    refuse(args, _KUBERNETES, "Add --kubernetes.")
    mapping = [] if args.mapping is None else [f"--mapping={args.mapping}"]
    processes = [] if args.processes is None else [f"--processes={args.processes}"]
    return local.submit([f"--run-id={name}", f"--run-dir={path}", *mapping, *processes, *words(args)], folder=path)


def to_slurm(args: Namespace, name: str, path: Path) -> Folder | None:
    """Send it to Slurm; None where only the script is wanted. What is wrong with the workflow is told at once."""
    from d4py.cli.workflow import inputs_of, loaded, mapping_of
    from d4py.graph import inputs
    from d4py.graph.check import check
    from d4py.mappings import get
    from d4py.targets import slurm

    refuse(args, _KUBERNETES, "Add --kubernetes.")
    workflow = loaded(args)
    calls = inputs.resolve(workflow.graph, inputs_of(args))
    check(workflow.graph, [pe for pe, call in calls.items() if isinstance(call, list)])
    mapping = mapping_of(args, workflow)[0] if args.mapping or "mapping" in workflow.toml.get("defaults", {}) else "mpi"
    get(mapping)
    script = slurm.script_of(
        name,
        path,
        words(args),
        profile=args.profile or "generic",
        options={option: getattr(args, option) for option in _fields()},
        mapping=mapping,
        processes=args.processes,
    )
    if args.dry_run:
        print(script.text, end="")
        return None
    return slurm.submit(script, workflow=workflow.name, mapping=mapping)


def to_kubernetes(args: Namespace) -> int:
    """Send it to Kubernetes."""
    from d4py.cli import order

    refuse(args, ("slurm", "profile", *_fields()), "Leave it out: --kubernetes was given.")
    return order.submit(args)


def refuse(args: Namespace, options: Sequence[str], hint: str) -> None:
    """Raise UsageError where an option was given that means nothing here."""
    for option in options:
        if getattr(args, option):
            raise UsageError(f"--{option.replace('_', '-')} means nothing here.", hint=hint)


def _fields() -> list[str]:
    return [name.replace("-", "_") for name in (*_NUMBERS, *_WORDS)]


def words(args: Namespace) -> list[str]:
    """Return the arguments of `d4py run` that mean the same."""
    given = {
        "graph": args.graph,
        "iterations": args.iterations,
        "data": args.data,
        "file": args.file,
        "checkpoint": args.checkpoint,
        "restarts": args.restarts,
        "output": args.output,
        "metrics": args.metrics,
    }
    options = [f"--{name}={value}" for name, value in given.items() if value is not None]
    options += [f"--set={name}={value}" for name, value in args.parameters]
    options += [f"--on-error={policy}" for policy in args.on_error]
    options += ["--no-fuse"] if args.no_fuse else []
    return [*options, "--", args.workflow]
