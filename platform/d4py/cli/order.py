# SPDX-License-Identifier: Apache-2.0
"""`d4py submit --kubernetes`: what the arguments order, and where it is sent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d4py.cli.run import RESTARTS
from d4py.errors import UsageError

if TYPE_CHECKING:
    from d4py.cli.parser import Namespace, Parser
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
    from d4py.resources.yaml import document
    from d4py.targets import kubernetes

    order = order_of(args)
    if args.dry_run:
        print("---\n".join(document(each) for each in kubernetes.manifests(order)), end="")
        return 0
    run = kubernetes.submit(kubernetes.Cluster(namespace=args.namespace), order)
    print(run.id, flush=True)
    if args.follow:
        for line in run.lines(follow=True):
            print(line, flush=True)
    if args.wait or args.follow:
        from d4py.cli.kubernetes import until

        state = until(run, lambda state: state.status.over)
        assert state is not None
        return state.exit_code or 0
    return 0


def order_of(args: Namespace) -> Order:
    """Return what the arguments order. What is wrong with a workflow that is here is told at once."""
    from d4py.cli.workflow import inputs_of
    from d4py.targets.kubernetes import Order
    from d4py.targets.kubernetes.manifest import checked_name, name_of

    given = [option for option in _ELSEWHERE if getattr(args, option) not in (None, False, [], _USUAL.get(option))]
    if given:
        raise UsageError(f"--{given[0].replace('_', '-')} is not for Kubernetes.", hint=_ELSEWHERE[given[0]])
    inside = args.image is not None and not Path(args.workflow.partition(":")[0]).exists()
    found = _in_image(args) if inside else _here(args)
    mapping = found.pop("mapping") or "simple"
    processes = found.pop("processes")
    more = _values(args.values) if args.values is not None else {}
    if mapping == "mpi" and processes is None and not (more.get("mpi") or {}).get("ranks"):
        raise UsageError("The mapping 'mpi' needs a number of ranks.", hint="Give -n.")
    inputs = inputs_of(args)
    mark = os.urandom(3).hex()
    return Order(
        name=checked_name(args.run_id) if args.run_id else name_of(found["title"], mark),
        namespace=args.namespace,
        mapping=mapping,
        image=args.image,
        processes=processes,
        parameters=dict(args.parameters),
        iterations=inputs if isinstance(inputs, int) else None,
        data=inputs if isinstance(inputs, dict) else None,
        more=more,
        **found,
    )


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


def _here(args: Namespace) -> dict[str, Any]:
    """Return what is known of a workflow that is here, and its files."""
    from d4py.cli.workflow import inputs_of, loaded, mapping_of
    from d4py.graph import inputs
    from d4py.graph.check import check
    from d4py.targets.kubernetes import source

    workflow = loaded(args)
    calls = inputs.resolve(workflow.graph, inputs_of(args))
    check(workflow.graph, [pe for pe, call in calls.items() if isinstance(call, list)])
    mapping, processes = mapping_of(args, workflow)
    assert workflow.source is not None
    return {
        "title": workflow.name,
        "files": source.files(workflow.source),
        "variable": workflow.source.variable,
        "mapping": mapping,
        "processes": processes,
    }


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
        raise UsageError(f"The file {path!r} is no YAML: {' '.join(str(error).split())}.", hint="Mend it.") from None
    if not isinstance(read, dict):
        raise UsageError(
            f"The file {path!r} holds no fields.", hint="Write fields of a workflow's spec: kubectl explain d4wf.spec."
        )
    return read
