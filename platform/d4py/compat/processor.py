# SPDX-License-Identifier: Apache-2.0
"""`dispel4py.new.processor`: the arguments of the old command, and what it makes of them."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from d4py.compat import loading, running
from d4py.errors import UsageError
from d4py.graph import inputs as given

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from d4py.graph.graph import WorkflowGraph

STATUS_ACTIVE = 10
STATUS_INACTIVE = 11
STATUS_TERMINATED = 12
STATUS = {STATUS_ACTIVE: "ACTIVE", STATUS_INACTIVE: "INACTIVE", STATUS_TERMINATED: "TERMINATED"}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}.", hint=f"See {self.prog} --help.")


def create_arg_parser() -> argparse.ArgumentParser:
    """Return the parser of what all mappings take."""
    parser = _Parser(prog="dispel4py", description="Run a workflow of dispel4py's with d4py.")
    parser.add_argument("target", metavar="mapping", help="simple, multi, mpi, redis, storm ...")
    parser.add_argument("module", help="a module that draws a graph, or a file")
    parser.add_argument("-a", "--attr", metavar="NAME", help="the variable that holds the graph")
    parser.add_argument("-f", "--file", metavar="FILE", help="a file with input data in JSON; used before -d")
    parser.add_argument("-d", "--data", metavar="JSON", help="""input data: '{"PE": [{"input": 1}]}' or '{"PE": 10}'""")
    parser.add_argument("-i", "--iter", metavar="N", type=int, default=1, help="how often each source is called (1)")
    parser.add_argument("--provenance-config", dest="provenance", metavar="FILE", nargs="?", help="not there yet")
    return parser


def parallel_args(args: Sequence[str] | None, namespace: argparse.Namespace | None = None) -> argparse.Namespace:
    """Read what parallel mappings take: -n and -s."""
    parser = _Parser(prog="dispel4py")
    parser.add_argument("-n", "--num", metavar="N", type=int, required=True, help="processes")
    parser.add_argument("-s", "--simple", action="store_true", help="let the PEs of a partition share a process")
    return parser.parse_known_args(args, namespace)[0]


def parse_common_args() -> tuple[argparse.Namespace, list[str]]:
    """Read the arguments of this program; return what is left of them, too."""
    return create_arg_parser().parse_known_args()


def get_inputs_from_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """Return the input data that -f or -d give."""
    if args.file:
        return given.read(args.file)
    return given.parse(args.data, where="The data of -d") if args.data else {}


def create_inputs(args: argparse.Namespace, graph: WorkflowGraph) -> Mapping[str, Any]:
    """Return the input data by PE id; without any, the number of iterations for each root. Prints how many."""
    inputs = get_inputs_from_arguments(args)
    if inputs:
        return running.named(graph, inputs)
    if args.iter < 0:
        raise UsageError(f"The number of iterations is {args.iter}.", hint="Give -i a whole number of at least 0.")
    print("Processing 1 iteration." if args.iter == 1 else f"Processing {args.iter} iterations.", flush=True)
    return running.named(graph, args.iter)


def load_graph_and_inputs(args: argparse.Namespace) -> tuple[WorkflowGraph, Mapping[str, Any]]:
    """Load the workflow that the arguments name, and its input data."""
    graph = loading.load_graph(args.module, args.attr)
    return graph, create_inputs(args, graph)


def get_inputs(pe: Any, inputs: Mapping[Any, Any]) -> Any:
    """Return what is given to a PE: by itself, its name or its id."""
    for key in (pe, getattr(pe, "name", None), getattr(pe, "id", None)):
        if key in inputs:
            return inputs[key]
    return None


def simpleLogger(self: Any, msg: object) -> None:
    """Print a line of a PE."""
    print(f"{self.id} (rank {self.rank}): {msg}" if hasattr(self, "rank") else f"{self.id}: {msg}")


simple_logger = simpleLogger


def main() -> None:
    """Run the old command with the arguments of this program, and exit as it does."""
    from d4py.compat.command import run

    sys.exit(run(sys.argv[1:]))
