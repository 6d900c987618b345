# SPDX-License-Identifier: Apache-2.0
"""`d4py submit --kubernetes`: what the arguments order, and where it is sent."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d4py.cli.run import RESTARTS
from d4py.errors import UsageError, did_you_mean, listed

if TYPE_CHECKING:
    from d4py.cli.parser import Namespace, Parser
    from d4py.graph.load import Workflow
    from d4py.targets.kubernetes import Order

# Options of a run that its pod is not given: a workflow has fields for what they are about.
_ELSEWHERE = {
    "checkpoint": "Give checkpoint.volume.claimName in --values FILE.",
    "output": "Give outputs.volume.claimName in --values FILE; d4py outputs reads them.",
    "restarts": "Give runPolicy.backoffLimit in --values FILE.",
    "metrics": "Leave it out.",
    "run_dir": "Leave it out: the run is in the cluster.",
    "on_error": "Say it in the workflow: pe.on_error = ...",
    "no_fuse": "Leave it out.",
}
_USUAL = {"restarts": RESTARTS}


def add_kubernetes(parser: Parser) -> None:
    """Take what a workflow on Kubernetes is to be."""
    group = parser.add_argument_group("on Kubernetes, where d4py's operator is")
    group.add_argument("--kubernetes", action="store_true", help="send it to the cluster of your kubeconfig")
    group.add_argument("--namespace", metavar="NAME", help="where (default: the namespace of the kubeconfig)")
    group.add_argument(
        "--image",
        metavar="IMAGE",
        help="with what the workflow needs (default: d4py's own), WORKFLOW may be a module in it; "
        "with --slurm --env image: which was built (default: the workflow's)",
    )
    group.add_argument(
        "--values", metavar="FILE", help="YAML with fields of the workflow's spec: volumes, resources ..."
    )


def submit(args: Namespace) -> int:
    """Send it, or print what would be sent."""
    from d4py.cli.kubernetes import over, patience, say_why
    from d4py.resources.yaml import document
    from d4py.targets import kubernetes

    order = order_of(args)
    if args.dry_run:
        print("---\n".join(document(each) for each in kubernetes.manifests(order)), end="")
        return 0
    run = kubernetes.submit(kubernetes.Cluster(namespace=args.namespace), order)
    if not (args.wait or args.follow):
        print(run.id, flush=True)
        return 0
    one = patience()
    try:
        print(run.id, flush=True)  # whoever reads it may interrupt at once
        for line in run.lines(follow=one) if args.follow else ():
            print(line, flush=True)
        state = over(run, one)
    except KeyboardInterrupt:
        print(f"d4py: {run.id} goes on. See d4py status {run.id}; d4py cancel {run.id} ends it.", file=sys.stderr)
        raise
    assert state is not None
    say_why(state)
    return state.exit_code or 0


def order_of(args: Namespace) -> Order:
    """Return what the arguments order. What is wrong with a workflow that is here is told at once."""
    from d4py.cli.workflow import inputs_of
    from d4py.connectors.uri import is_uri
    from d4py.targets.kubernetes import Order
    from d4py.targets.kubernetes.manifest import checked_name, name_of

    _check_mapping(args.mapping)
    given = [option for option in _ELSEWHERE if getattr(args, option) not in (None, False, [], _USUAL.get(option))]
    if given:
        raise UsageError(f"--{given[0].replace('_', '-')} is not for Kubernetes.", hint=_ELSEWHERE[given[0]])
    address = args.file if is_uri(args.file) else None  # perhaps only the cluster reaches it
    more = _values(args.values) if args.values is not None else {}
    found = _in_image(args) if _inside(args) else _here(args, more)
    mapping = found.pop("mapping") or (None if "templateRef" in more else "simple")
    processes = found.pop("processes")
    if mapping == "mpi" and processes is None and not _ranks(more):
        raise UsageError("The mapping 'mpi' needs a number of ranks.", hint="Give -n.")
    inputs = None if address else inputs_of(args)
    mark = os.urandom(3).hex()
    return Order(
        name=checked_name(args.run_id) if args.run_id else name_of(found["title"], mark),
        namespace=args.namespace,
        mapping=mapping,
        image=args.image,
        processes=processes,
        per_pe=_instances(args),
        parameters=dict(args.parameters),
        iterations=inputs if isinstance(inputs, int) else None,
        data=inputs if isinstance(inputs, dict) else None,
        address=address,
        more=more,
        **found,
    )


def _check_mapping(name: str | None) -> None:
    """Raise UsageError for a mapping that no workflow on Kubernetes has."""
    from d4py.resources.policies import MAPPINGS

    if name is not None and name not in MAPPINGS:
        raise UsageError(
            f"There is no mapping {name!r} on Kubernetes; there is {listed(MAPPINGS)}.",
            hint=did_you_mean(name, MAPPINGS),
        )


def _inside(args: Namespace) -> bool:
    """Whether the workflow is one that only an image has. A file that is meant to be here, and is not, is none."""
    path = Path(args.workflow.partition(":")[0])
    return args.image is not None and not path.exists() and (path.is_absolute() or path.suffix != ".py")


def _ranks(more: dict[str, Any]) -> object:
    mpi = more.get("mpi")
    return mpi.get("ranks") if isinstance(mpi, dict) else mpi


def _instances(args: Namespace) -> dict[str, int]:
    """Return how many instances of PEs are asked for. What else PEs may ask for is of pods."""
    from d4py.graph.resources import read

    for pe, name, _ in args.resources:
        if name != "processes":
            raise UsageError(
                f"--resource {pe}.{name} is not for Kubernetes.",
                hint="Give resources.worker in --values FILE: what a pod has.",
            )
    return {pe: read({name: value}, f"--resource, {pe}")[name] for pe, name, value in args.resources}


def _in_image(args: Namespace) -> dict[str, Any]:
    """Return what is known of a workflow that only an image has."""
    module, _, variable = args.workflow.partition(":")
    return {
        "title": module.rpartition("/")[2].rpartition(".")[2],
        "module": module,
        "variable": args.graph or variable or None,
        "mapping": args.mapping,
        "processes": args.processes,
    }


def _here(args: Namespace, more: dict[str, Any]) -> dict[str, Any]:
    """Return what is known of a workflow that is here, and its files. more: fields of its spec."""
    from d4py.cli.workflow import inputs_of, loaded, mapping_of
    from d4py.connectors.uri import is_uri
    from d4py.graph import inputs
    from d4py.graph.check import check
    from d4py.targets.kubernetes import source

    workflow = loaded(args)
    calls = inputs.resolve(workflow.graph, None if is_uri(args.file) else inputs_of(args))
    check(workflow.graph, [pe for pe, call in calls.items() if isinstance(call, list)])
    mapping, processes = mapping_of(args, workflow)
    if args.mapping is None and "mapping" not in workflow.toml.get("defaults", {}):
        mapping = ""  # a template may name another
    if args.image is None and not {"image", "templateRef"} & more.keys():
        _check_requirements(workflow)
    assert workflow.source is not None
    return {
        "title": workflow.name,
        "files": source.files(workflow.source),
        "variable": workflow.source.variable,
        "mapping": mapping,
        "processes": processes,
    }


def _check_requirements(workflow: Workflow) -> None:
    """Raise UsageError where a workflow needs packages that d4py's own image has not."""
    from importlib.metadata import requires

    from d4py.targets.slurm.wheelhouse import requirements_of

    there = {"d4py", "mpi4py", *(_name(one) for one in requires("d4py") or () if ";" not in one)}
    needed = [one for one in requirements_of(workflow.toml, workflow.name) if _name(one) not in there]
    if needed:
        raise UsageError(
            f"The workflow {workflow.name!r} has requirements ({', '.join(needed)}); d4py's own image does not have them.",
            hint="Build one that does, and name it: d4py build, then --image.",
        )


def _name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def _values(path: str) -> dict[str, Any]:
    """Return the fields of a spec that a file gives."""
    try:
        import yaml
    except ImportError:
        raise UsageError("This d4py reads no YAML.", hint="pip install 'd4py[kubernetes]'.") from None
    try:
        read = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(
            f"The file {path!r} cannot be read: {reason}.", hint="Check the path given with --values."
        ) from None
    except yaml.YAMLError as error:
        raise UsageError(f"The file {path!r} is no YAML: {_place(error)}.", hint="Mend it.") from None
    if not isinstance(read, dict):
        raise UsageError(
            f"The file {path!r} holds no fields.", hint="Write fields of a workflow's spec: kubectl explain d4wf.spec."
        )
    return read


def _place(error: Exception) -> str:
    """Return what a reader of YAML has against a text, and where."""
    problem, mark = getattr(error, "problem", None), getattr(error, "problem_mark", None)
    if not problem or mark is None:
        return " ".join(str(error).split())
    return f"line {mark.line + 1}, column {mark.column + 1}: {problem}"
