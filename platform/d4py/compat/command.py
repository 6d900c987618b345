# SPDX-License-Identifier: Apache-2.0
"""The old command line: `dispel4py MAPPING WORKFLOW -n -s -i -d -f -a`, run by our mappings."""

from __future__ import annotations

import importlib
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from d4py import mappings
from d4py.compat import loading, processor, running
from d4py.compat.mappings import OLD, Old, old
from d4py.compat.provenance import tell_absent
from d4py.errors import UsageError, did_you_mean
from d4py.mappings import copies

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Callable, Sequence

    from d4py.graph.inputs import Calls
    from d4py.graph.load import Workflow
    from d4py.mappings import Result

# Options that meant something to a mapping of dispel4py, and whether each has a value.
_PAST = {
    "-ct": True,
    "-ri": True,
    "-rp": True,
    "-thr": True,
    "--no-graph-figures": False,
    "--print-shape": False,
    "--redis-ip": True,
    "--redis-port": True,
    "--run-id": True,
    "--shape-file": True,
    "--threshold": True,
    "--timing-dir": True,
    "--timing-prefix": True,
}
_KNOWN = ("-a", "-d", "-f", "-i", "-n", "-s", "--attr", "--data", "--file", "--iter", "--num", "--simple")


def run(argv: Sequence[str], failed: Callable[[Result], None] | None = None) -> int:
    """Run what the arguments say; return the exit code. failed: tells how a run ended that did not end well."""
    args, left = processor.create_arg_parser().parse_known_args(argv)
    custom = _custom(args.target)
    if custom is not None:
        return _run_custom(custom, args, left)
    how = old(args.target)
    if how.mapping == "simple":
        args.num = args.simple = None
    else:
        args = processor.parallel_args(left, args)
        if args.num < 1:
            raise UsageError(f"The number of processes is {args.num}.", hint="Give -n a whole number of at least 1.")
    _tell_past(args, left, how)
    engine = mappings.get(how.mapping)
    copies.refuse(engine)
    engine.prepare(args.num)
    workflow = engine.begin(args.num, partial(loading.loaded, args.module, args.attr))
    calls = dict(processor.create_inputs(args, workflow.graph))
    began = time.monotonic()
    result = _run(workflow, how, args, calls)
    if result.exit_code != 0 and failed is not None:
        failed(result)
    print(f"ELAPSED TIME: {time.monotonic() - began}", flush=True)
    return result.exit_code


def _run(workflow: Workflow, how: Old, args: Namespace, calls: dict[str, Calls]) -> Result:
    if how.mapping == "simple":
        print(f"Inputs: {calls}", flush=True)
        running.unranked(workflow.graph.pes, how.mapping)
        result = mappings.run(workflow, how.mapping, inputs=calls, check=False, alone=True)
        if result.exit_code in (0, 4):
            print(f"SimplePE: {running.processed(1)}")
            print(f"Outputs: {running.outputs_of(result)}", flush=True)
        return result
    assignment = running.assigned(workflow.graph, args.num, partitioned=args.simple) if how.counted else None
    result = mappings.run(
        workflow,
        how.mapping,
        processes=args.num,
        inputs=calls,
        check=False,
        alone=True,
        assignment=assignment,
        observers=[running.Processes()],
    )
    if result.exit_code in (0, 4):
        running.tell_iterations(result, calls)
    return result


def _custom(target: str) -> Any:
    """Return a module of the user's that is a mapping, where a mapping is named by one."""
    if target in OLD or target in mappings.names() or not all(part.isidentifier() for part in target.split(".")):
        return None
    try:
        module = importlib.import_module(target)
    except ModuleNotFoundError as error:
        if error.name and (target == error.name or target.startswith(f"{error.name}.")):
            return None
        raise
    return module if hasattr(module, "process") else None


def _run_custom(module: Any, args: Namespace, left: list[str]) -> int:
    if hasattr(module, "parse_args"):
        args = module.parse_args(left, args)
    graph, inputs = processor.load_graph_and_inputs(args)
    began = time.monotonic()
    message = module.process(graph, inputs=inputs, args=args)
    if message:
        print(message)
    print(f"ELAPSED TIME: {time.monotonic() - began}", flush=True)
    return 0


def _tell_past(args: Namespace, left: list[str], how: Old) -> None:
    """Say, once each, what is done in another way now, or not at all."""
    if args.target not in (how.mapping, f"timed_{how.mapping}"):
        running.note(f"the job of {args.target} is done by d4py's {how.mapping}")
    past: list[str] = []
    provenance = args.provenance is not None or "--provenance-config" in sys.argv
    for word in left:
        option = word.partition("=")[0]
        provenance = provenance or option.startswith("--provenance")
        if option in _PAST:
            past.append(option)
        elif (
            option.startswith("-")
            and option not in _KNOWN
            and not option.startswith("--provenance")
            and not _number(option)
        ):
            near = did_you_mean(option, _KNOWN) if len(left) == 1 or option.startswith("--i") else ""
            running.note(f"{option} is no option of dispel4py's; it is left to the workflow. {near}".rstrip())
    if past:
        running.note(f"{', '.join(dict.fromkeys(past))} {'has' if len(past) == 1 else 'have'} no meaning any more")
    if provenance:
        tell_absent()


def _number(word: str) -> bool:
    return word.lstrip("-").replace(".", "", 1).isdigit()
