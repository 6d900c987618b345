# SPDX-License-Identifier: Apache-2.0
"""The arguments that say which workflow, on which mapping, with which data; the same for every command that takes a workflow."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from d4py.cli.parser import Namespace, Parser, pair, resource, whole
from d4py.errors import D4pyError, LoadError, StateError, UsageError, did_you_mean, listed

if TYPE_CHECKING:
    from collections.abc import Mapping as Parameters

    from d4py.graph.inputs import Calls
    from d4py.graph.load import Source, Workflow
    from d4py.mappings import Mapping, Options
    from d4py.plan import Plan

_DEFAULTS: dict[str, type] = {"mapping": str, "processes": int}


def add_workflow(parser: Parser) -> None:
    """Take a workflow and its parameters."""
    parser.add_argument(
        "workflow", metavar="WORKFLOW", help="a .py file, a folder with workflow.py, or package.module[:graph]"
    )
    parser.add_argument(
        "--set",
        metavar="NAME=VALUE",
        type=pair,
        action="append",
        default=[],
        dest="parameters",
        help="set a parameter of the workflow",
    )
    parser.add_argument(
        "--set-from", metavar="FILE", help="set parameters as a JSON file says, {name: value}; --set goes before it"
    )
    parser.add_argument(
        "--resource",
        metavar="PE.NAME=VALUE",
        type=resource,
        action="append",
        default=[],
        dest="resources",
        help="ask for something for a PE: processes, threads, memory (8G), per_node",
    )
    parser.add_argument("--graph", metavar="NAME", help="the variable that holds the graph, where there are several")


def add_mapping(parser: Parser) -> None:
    """Take a mapping and a number of processes."""
    parser.add_argument(
        "-m", "--mapping", metavar="NAME", help="simple, threads, multi ... (default: the workflow's, else simple)"
    )
    parser.add_argument(
        "-n",
        "--processes",
        metavar="N",
        type=whole(1),
        help="processes or threads (default: the processors of this machine)",
    )
    parser.add_argument("--no-fuse", action="store_true", help="give each PE of a chain a place of its own")


def add_inputs(parser: Parser) -> None:
    """Take input data, in dispel4py's three forms."""
    parser.add_argument(
        "-i", "--iterations", metavar="N", type=int_of, help="how often to call each source (default: once)"
    )
    parser.add_argument("-d", "--data", metavar="JSON", help="""input data: '{"PE": [{"input": 1}]}' or '{"PE": 10}'""")
    parser.add_argument(
        "-f",
        "--file",
        metavar="FILE",
        help="a file with input data, or its URI; used before -d, which is used before -i",
    )


def int_of(text: str) -> int:
    """Read a number of iterations; the graph says what is wrong with a negative one."""
    return -1 if text.startswith("-") and text[1:].isdigit() else whole(0)(text)


def inputs_of(args: Namespace) -> dict[str, Any] | int | None:
    """Return the input data that the arguments give."""
    from d4py.graph import inputs

    if args.file is not None:
        return _read(args.file)
    if args.data is not None:
        return inputs.parse(args.data, where="The data of -d")
    iterations: int | None = args.iterations
    return iterations


def _read(file: str) -> dict[str, Any]:
    """Read a file of input data, fetched for as long as that takes where it is named by URI."""
    import tempfile
    from pathlib import Path

    from d4py.connectors.uri import fetch, is_uri
    from d4py.graph import inputs

    if not is_uri(file):
        return inputs.read(file)
    with tempfile.TemporaryDirectory(prefix="d4py-") as folder:
        return inputs.read(str(fetch(file, Path(folder))), name=file)


def loaded(args: Namespace, more: Parameters[str, str] | None = None) -> Workflow:
    """Load the workflow that the arguments name. more: further parameters. Raises StateError where it is not what was submitted."""
    from d4py.graph.load import load

    workflow = load(source_of(args, more))
    if getattr(args, "source", None) is not None:
        from d4py.targets.slurm.code import noted

        if noted(args.source)[1] not in ("", workflow.digest):
            raise StateError(
                f"The code of {workflow.name!r} has changed since the run was submitted.",
                hint="Submit it again, or continue with d4py resume --accept-changes.",
            )
    return workflow


def source_of(args: Namespace, more: Parameters[str, str] | None = None) -> Source:
    """Return what the arguments name. more: further parameters."""
    from d4py.graph.load import find

    kept = parameters_in(args.set_from) if args.set_from is not None else {}
    kept |= parameters_in(args.member) if getattr(args, "member", None) is not None else {}
    asked: dict[str, dict[str, str]] = {}
    for pe, name, value in args.resources:
        asked.setdefault(pe, {})[name] = value
    given = {**kept, **dict(args.parameters), **(more or {})}
    if getattr(args, "source", None) is not None:
        from d4py.targets.slurm.code import noted

        return replace(noted(args.source)[0], parameters=given, resources=asked)
    return replace(find(args.workflow, parameters=given, variable=args.graph), resources=asked)


def parameters_in(file: str) -> dict[str, Any]:
    """Return the parameters that a file holds."""
    import json

    try:
        with open(file, encoding="utf-8") as stream:
            data = json.load(stream)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"The parameters in {file!r} cannot be read: {why}.", hint="It is a JSON object.") from None
    if not isinstance(data, dict):
        raise UsageError(f"The parameters in {file!r} are no JSON object.", hint='Write {"name": value}.')
    return data


def begun(args: Namespace) -> Workflow:
    """Load the workflow that the arguments name, in a process that does nothing but run it."""
    from d4py.graph.load import threads_of
    from d4py.mappings import get
    from d4py.mappings.numerics import grant_threads

    with suppress(D4pyError):  # what is wrong is told when it is loaded, by one rank of all
        grant_threads(threads_of(source_of(args)))
    if args.mapping is None:
        return sealed(args)
    engine = get(args.mapping)
    engine.prepare(args.processes)
    return engine.begin(args.processes, partial(sealed, args))


def sealed(args: Namespace) -> Workflow:
    """Load the workflow that the arguments name; in an image it must be the one that the image is for."""
    from d4py.packaging.seal import check

    workflow = loaded(args)
    check(workflow)
    return workflow


def mapping_of(args: Namespace, workflow: Workflow) -> tuple[str, int | None]:
    """Return the mapping and the number of processes: as given, else as workflow.toml says in [defaults], else simple."""
    defaults = workflow.toml.get("defaults", {})
    where = f"[defaults] of the workflow.toml of {workflow.name!r}"
    if not isinstance(defaults, dict):
        raise LoadError(f"{where} is not a table.", hint="Write mapping = 'multi' below [defaults].")
    for name, value in defaults.items():
        if name not in _DEFAULTS:
            raise LoadError(f"{where} has {name!r}; it takes {listed(_DEFAULTS)}.", hint=did_you_mean(name, _DEFAULTS))
        if type(value) is not _DEFAULTS[name] or (isinstance(value, int) and value < 1):
            raise LoadError(
                f"{where} has {name} = {value!r}.", hint="mapping is a name, processes a whole number of at least 1."
            )
    mapping = args.mapping if args.mapping is not None else defaults.get("mapping", "simple")
    return mapping, args.processes if args.processes is not None else defaults.get("processes")


def planned(
    args: Namespace, workflow: Workflow, calls: dict[str, Calls] | None = None
) -> tuple[Mapping, Options, Plan, list[str]]:
    """Return what would run where, and what is doubtful about it. calls: the input data."""
    from d4py.graph.check import check
    from d4py.mappings import get
    from d4py.mappings.enact import settled_options
    from d4py.runs.costs import recall

    name, processes = mapping_of(args, workflow)
    mapping = get(name)
    options = settled_options(mapping, processes, {"fuse": not args.no_fuse})
    warnings = check(workflow.graph, [pe for pe, call in (calls or {}).items() if isinstance(call, list)])
    return mapping, options, mapping.layout(workflow.graph, options, recall(workflow)), warnings


def policies_of(texts: list[str]) -> dict[str, str] | str | None:
    """Return error policies: one for the run, or by PE."""
    if not texts:
        return None
    whole_run = [text for text in texts if "=" not in text]
    if not whole_run:
        return dict(text.split("=", 1) for text in texts)
    if len(texts) > 1:
        raise UsageError(
            f"--on-error {whole_run[0]} is for the whole run.", hint="Give it once, or give each as PE=POLICY."
        )
    return whole_run[0]
