# SPDX-License-Identifier: Apache-2.0
"""`d4py submit`: start a run in the background."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from d4py.cli.members import add_sweep
from d4py.cli.order import add_kubernetes
from d4py.cli.parser import run_id, whole
from d4py.cli.run import add_course
from d4py.cli.workflow import add_inputs, add_mapping, add_workflow
from d4py.errors import LoadError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from d4py.cli.parser import Namespace, Parser
    from d4py.graph.load import Workflow
    from d4py.runs import Folder
    from d4py.targets.slurm import Members
    from d4py.targets.slurm.container import Container

ABOUT = "Start a run in the background, here or on a cluster, and print its id. See how it does with d4py status, logs -f and wait."
_KUBERNETES = ("namespace", "values")
_SLURM = ("profile", "host", "env", "sweep", "at_once", "sbatch")
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
    group.add_argument("--host", metavar="LOGIN", help="the login node of the cluster, by ssh (default: this machine)")
    group.add_argument(
        "--env",
        choices=("host", "wheelhouse", "image"),
        help="packages: installed there, wheels that go along, or an image that was built (see docs/hpc.md)",
    )
    group.add_argument("--received", action="store_true", help=argparse.SUPPRESS)  # what --host sends is on stdin
    add_sweep(group)
    for name, about in _NUMBERS.items():
        group.add_argument(f"--{name}", metavar="N", type=whole(1), help=about)
    for name, about in _WORDS.items():
        group.add_argument(f"--{name}", metavar=name.upper(), help=about)
    group.add_argument(
        "--sbatch",
        metavar="FLAG",
        action="append",
        default=[],
        help="a further flag of sbatch: --sbatch=--gres=gpu:1; it may be given several times",
    )


def call(args: Namespace) -> int:
    """Start the run."""
    from d4py.cli.staging import give_back
    from d4py.cli.summary import run_name
    from d4py.connectors.uri import is_uri
    from d4py.runs import home, new_id
    from d4py.runs.outputs import Outputs
    from d4py.runs.submission import submitted
    from d4py.runs.waiting import until
    from d4py.targets.find import look_at

    if args.kubernetes:
        return to_kubernetes(args)
    name = args.run_id or new_id()
    if args.slurm and args.host:
        from d4py.cli import far

        return far.submit(sys.modules[__name__], args, name)
    path = Path(args.run_dir).absolute() if args.run_dir else home() / name
    send = received if args.received else to_slurm if args.slurm else here
    before = args.slurm and submitted(path)
    folder = send(args, name, path)
    if folder is None:
        return 0
    told = ("slurm://" if args.slurm else "") + run_name(folder.path, name)
    print(told, flush=True)
    if before and not args.received:  # that comes once more when a connection is lost
        is_now = look_at(folder)().status.value
        print(f"d4py: {told} was submitted before, and is {is_now}: nothing was sent.", file=sys.stderr)
    if args.follow:
        from d4py.cli.logs import follow
        from d4py.cli.origin import Wanted

        follow(folder, Wanted())
    if args.wait or args.follow:
        state = until(folder, lambda state: state.status.over, look=look_at(folder))
        code = 5 if state is None or state.exit_code is None else state.exit_code
        if args.slurm and code in (0, 4) and is_uri(args.output):
            give_back(Outputs(folder), args.output, room=folder.path)
        if code and state is not None:
            word = f"{state.status.value}, exit code {code}"
            print(f"d4py: {told}: {word}. See d4py status {told} and d4py logs {told}.", file=sys.stderr)
        return code
    return 0


def here(args: Namespace, name: str, path: Path) -> Folder:
    """Start it on this machine."""
    from d4py.targets import local

    refuse(args, (*_SLURM, *_fields()), "Add --slurm.")
    refuse(args, ("dry_run", "image"), "Add --slurm or --kubernetes.")
    refuse(args, _KUBERNETES, "Add --kubernetes.")
    mapping = [] if args.mapping is None else [f"--mapping={args.mapping}"]
    processes = [] if args.processes is None else [f"--processes={args.processes}"]
    return local.submit([f"--run-id={name}", f"--run-dir={path}", *mapping, *processes, *words(args)], folder=path)


def received(args: Namespace, name: str, path: Path) -> Folder | None:
    """Send to Slurm what came here by --host. What was sent before is only found."""
    from d4py.cli.parcel import unpacked
    from d4py.runs import opened
    from d4py.runs.submission import submitted

    if submitted(path):
        return opened(path)
    with unpacked(path, kept=not args.dry_run):
        return to_slurm(args, name, path)


def to_slurm(args: Namespace, name: str, path: Path) -> Folder | None:
    """Send it to Slurm; None where only the script is wanted. What is wrong with the workflow is told at once."""
    from d4py.cli.given import kept
    from d4py.cli.members import wanted
    from d4py.cli.staging import check_output, stage
    from d4py.cli.workflow import mapping_of
    from d4py.mappings import get
    from d4py.runs.submission import submitted
    from d4py.targets import slurm
    from d4py.targets.slurm.code import NOTE

    refuse(args, _KUBERNETES, "Add --kubernetes.")
    check_output(args)
    stage(args, slurm.find(args.profile or "generic"), path, warn=warned)
    sweep = wanted(args)
    environment = args.env or slurm.find(args.profile or "generic").environment
    image = in_image(args, environment)
    seen = [*things_of(args), *map(Path, slurm.find(args.profile or "generic").bind)]
    workflow = judged(args, environment, sweep)
    mapping = mapping_of(args, workflow)[0] if args.mapping or "mapping" in workflow.toml.get("defaults", {}) else "mpi"
    get(mapping)
    own = image is None and keeps(args, workflow)
    files = kept(args, path / "job")
    script = slurm.script_of(
        name,
        path,
        [*([f"--source={path / NOTE}"] if own else []), *words(args)],
        profile=args.profile or "generic",
        options={option: getattr(args, option) for option in _fields()},
        more=args.sbatch,
        mapping=mapping,
        processes=args.processes,
        environment=environment,
        image=image,
        seen=seen,
        sweep=sweep is not None,
        workflow=workflow if workflow.digest else None,
    )
    if args.dry_run:
        print(script.text, end="")
        return None
    if script.unseen:
        warned(script.unseen)
    if image is not None:
        path.mkdir(parents=True, exist_ok=True)
        image.lay([Path.cwd(), path, *seen])
    wheels = wheels_of(args, workflow, mapping) if environment == "wheelhouse" and not submitted(path) else None
    pinned = replace(workflow, digest=workflow.digest if environment == "host" else "")
    return slurm.submit(
        script,
        workflow=workflow.name,
        mapping=mapping,
        warn=warned,
        sweep=sweep,
        wheels=wheels,
        source=pinned if own else None,
        files=files,
    )


def wheels_of(args: Namespace, workflow: Workflow, mapping: str) -> Path:
    """Return the folder of the wheels that the environment of a run is made of."""
    from d4py.cli.parcel import wheels_sent
    from d4py.targets.slurm.wheelhouse import gathered, requirements_of

    if args.received:
        return wheels_sent()
    return gathered(requirements_of(workflow.toml, workflow.name), mapping=mapping)


def keeps(args: Namespace, workflow: Workflow) -> bool:
    """Whether a run is to keep a copy of its workflow's code; what was sent here is one already."""
    return not (args.received and workflow.source is not None and workflow.source.kind == "file")


def judged(args: Namespace, environment: str, sweep: Members | None) -> Workflow:
    """Return the workflow when all is well with it, as far as that can be told here."""
    from d4py.cli.members import swept
    from d4py.cli.workflow import inputs_of, loaded
    from d4py.graph import inputs
    from d4py.graph.check import check
    from d4py.graph.load import check_values

    load = loaded if environment == "host" else loaded_or_not
    with swept(args):
        workflow = load(args, sweep.parameters(0) if sweep else {})
        if sweep is not None and workflow.source is not None and workflow.digest:
            check_values(workflow.source, dict(args.sweep))
    if workflow.digest:
        calls = inputs.resolve(workflow.graph, inputs_of(args))
        check(workflow.graph, [pe for pe, call in calls.items() if isinstance(call, list)])
    return workflow


def warned(text: str) -> None:
    """Say what is not wrong, and may surprise."""
    print(f"d4py: {text}.", file=sys.stderr)


def in_image(args: Namespace, environment: str) -> Container | None:
    """Return the image that the run is to be in, if it is to be in one."""
    if environment != "image":
        if args.image:
            raise UsageError("--image is for runs in an image.", hint="Add --env image.")
        return None
    if args.received or args.host:
        raise UsageError("An image does not travel by --host.", hint="Build it there, and submit there.")
    from d4py.targets import slurm
    from d4py.targets.slurm.container import container

    if slurm.find(args.profile or "generic").containers == "none":
        raise UsageError("The site has no container runtime.", hint="Take --env wheelhouse, or host.")
    return container(args.workflow, args.image)


def things_of(args: Namespace) -> list[Path]:
    """Return the files and folders that the parameters name."""
    return [Path(value) for _, value in args.parameters if value and Path(value).exists()]


def loaded_or_not(args: Namespace, values: Mapping[str, str]) -> Workflow:
    """Load the workflow, or read its workflow.toml where it needs what only its environment will have."""
    from d4py.cli.workflow import loaded
    from d4py.graph import load

    try:
        return loaded(args, values)
    except LoadError as error:
        if not isinstance(error.__cause__, ModuleNotFoundError):
            raise
        return load.unloaded(load.find(args.workflow, parameters=dict(args.parameters), variable=args.graph))


def to_kubernetes(args: Namespace) -> int:
    """Send it to Kubernetes."""
    from d4py.cli import order

    refuse(args, ("slurm", *_SLURM, *_fields()), "Leave it out: --kubernetes was given.")
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
    from d4py.connectors.uri import is_uri

    given = {
        "graph": args.graph,
        "iterations": args.iterations,
        "data": args.data,
        "file": args.file,
        "checkpoint": args.checkpoint,
        "restarts": args.restarts,
        "output": None if is_uri(args.output) else args.output,
        "metrics": args.metrics,
        "set-from": args.set_from,
    }
    options = [f"--{name}={value}" for name, value in given.items() if value is not None]
    options += [f"--set={name}={value}" for name, value in args.parameters]
    options += [f"--resource={pe}.{name}={value}" for pe, name, value in args.resources]
    options += [f"--on-error={policy}" for policy in args.on_error]
    options += ["--no-fuse"] if args.no_fuse else []
    return [*options, "--", args.workflow]
