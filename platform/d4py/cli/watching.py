# SPDX-License-Identifier: Apache-2.0
"""Who watches a run for the command that started it: progress, metrics, and what delivers the outputs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from d4py.cli.delivery import Delivery
    from d4py.cli.parser import Namespace
    from d4py.cli.progress import Known
    from d4py.mappings.base import Observer
    from d4py.mappings.metrics import Metrics


class Watching:
    """The observers that the arguments ask for."""

    def __init__(self, args: Namespace, *, folder: Path, known: Callable[[], Known], output: str = "") -> None:
        """known: returns what is known of the run. output: the file that an earlier start of the run was to write."""
        self.observers: list[Observer] = []
        self.delivery: Delivery | None = None
        self.metrics: Metrics | None = None
        if args.output is not None or output:
            from d4py.cli.delivery import Delivery, checked

            self.delivery = Delivery(folder, checked(output if args.output is None else args.output), args.stdout)
            self.observers.append(self.delivery)
        host, _, port = os.environ.get("D4PY_METRICS", "").rpartition(":")
        if args.metrics is not None or port.isdigit():
            from d4py.mappings.metrics import HOST, Metrics

            self.metrics = Metrics(args.metrics) if args.metrics is not None else Metrics(int(port), host or HOST)
            self.observers.append(self.metrics)
            if not args.quiet:
                print(f"d4py: metrics on {self.metrics.address}", file=sys.stderr)
        if os.environ.get("D4PY_LOGS") == "stdout":
            from d4py.cli.echo import Echo

            self.observers.append(Echo(folder))
        if not args.quiet:
            from d4py.cli.progress import Progress

            self.observers.append(Progress(known()))

    def close(self) -> None:
        """Let go of what a run that never began did not."""
        if self.metrics is not None:
            self.metrics.end()
