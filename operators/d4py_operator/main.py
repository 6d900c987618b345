# SPDX-License-Identifier: Apache-2.0
"""`d4py-operator`: reads its arguments, runs the operator, and ends it when it is told to."""

from __future__ import annotations

import argparse
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Sequence
from typing import NoReturn

from d4py.errors import D4pyError, UsageError
from d4py_operator.cluster.lease import NAME

EVERYWHERE = "kube-system"  # where the lease is of those who work in all namespaces: they are of one cluster


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong with the arguments in one line."""
        raise UsageError(f"{self.prog}: {message}.", hint=f"See {self.prog} --help.")


def parser() -> argparse.ArgumentParser:
    """Return what reads the arguments."""
    found = _Parser(
        prog="d4py-operator",
        allow_abbrev=False,
        description="Run the Workflows of a Kubernetes, in a pod of it or outside.",
    )
    found.add_argument(
        "--kubeconfig", metavar="FILE", help="how to reach the cluster (default: as a pod, or as kubectl does)"
    )
    found.add_argument(
        "--namespace",
        metavar="NS",
        action="append",
        default=[],
        help="where to work; several may be given (default: everywhere)",
    )
    found.add_argument(
        "--lease-namespace",
        metavar="NS",
        help=f"where the lease of those for all namespaces is ({EVERYWHERE}); with --namespace it is in each of these",
    )
    found.add_argument(
        "--lease-name",
        metavar="NAME",
        default=NAME,
        help=f"of operators with the same one acts ({NAME})",
    )
    found.add_argument(
        "--lease-seconds", metavar="S", type=_seconds, default=15.0, help="how long a lease lasts unrenewed (15)"
    )
    found.add_argument("--metrics-port", metavar="PORT", type=_port, default=8080, help="/metrics (8080; 0: none)")
    found.add_argument(
        "--health-port", metavar="PORT", type=_port, default=8081, help="/healthz, /readyz (8081; 0: none)"
    )
    found.add_argument(
        "--threads", metavar="N", type=_threads, default=8, help="how many objects are looked at at once (8)"
    )
    found.add_argument("-v", "--verbose", action="store_true", help="log more")
    return found


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the arguments. Raises UsageError."""
    found = parser().parse_args(argv)
    if found.namespace and found.lease_namespace:
        raise UsageError(
            "--lease-namespace is for an operator of all namespaces.",
            hint="With --namespace its lease is there: leave one of them out.",
        )
    return found


def _seconds(text: str) -> float:
    value = float(text)
    if not 1 <= value <= 3600:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds from 1 to 3600")
    return value


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port, a number from 0 to 65535")
    return value


def _threads(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 64:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 1 to 64")
    return value


def main(argv: Sequence[str] | None = None) -> int:
    """Run the operator; return its exit code."""
    try:
        return run(arguments(argv))
    except ImportError as error:
        if error.name and error.name.partition(".")[0] in ("kubernetes", "cryptography"):
            return _told(f"{error.name} is not installed. Install it: pip install 'd4py[operator]'")
        raise
    except D4pyError as error:
        return _told(str(error), error.exit_code)


def _told(message: str, code: int = 2) -> int:
    print(f"d4py-operator: error: {' '.join(message.split())}", file=sys.stderr)  # noqa: T201 - it is a command
    return code


def run(args: argparse.Namespace) -> int:
    """Run the operator as the arguments say."""
    from d4py_operator.cluster.api import Api, configuration
    from d4py_operator.cluster.lease import Lease, Leases
    from d4py_operator.metrics import CONTENT
    from d4py_operator.operator import Operator
    from d4py_operator.serving import serve, verdict

    logging.basicConfig(
        level=logging.DEBUG if args.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        stream=sys.stderr,
    )
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    logging.getLogger("kubernetes").setLevel(logging.ERROR)  # at DEBUG it would log bodies
    api = Api(configuration(args.kubeconfig))
    check(api)
    identity = f"{os.environ.get('POD_NAME') or socket.gethostname()}-{secrets.token_hex(4)}"
    places = args.namespace or [args.lease_namespace or EVERYWHERE]
    leases = [
        Lease(api, place, identity, name=args.lease_name, seconds=args.lease_seconds) for place in dict.fromkeys(places)
    ]
    operator = Operator(api, Leases(leases), namespaces=args.namespace, threads=args.threads)
    servers = []
    if args.metrics_port:
        servers.append(serve(args.metrics_port, {"/metrics": lambda: (200, CONTENT, operator.metrics.text())}))
    if args.health_port:
        pages = {"/healthz": verdict(operator.unwell), "/readyz": verdict(operator.unready)}
        servers.append(serve(args.health_port, pages))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: operator.ending.set())
    try:
        return operator.run()
    finally:
        for server in servers:
            server.shutdown()
        api.close()


def check(api: object) -> None:
    """Raise ClusterError where the cluster does not answer, or does not know the custom resources."""
    from d4py.resources import APPLY
    from d4py_operator.cluster.api import Api
    from d4py_operator.cluster.errors import ClusterError

    assert isinstance(api, Api)
    if not api.serves("Workflow"):
        raise ClusterError(
            "This cluster does not know workflows.d4py.dev.",
            hint=f"Tell it: {APPLY}",
        )


if __name__ == "__main__":
    sys.exit(main())
