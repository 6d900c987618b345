# SPDX-License-Identifier: Apache-2.0
"""Arrays from one actor to another, as a compiled graph of Ray: shared-memory channels with a buffer of 1 MB, some arrays in flight."""

# mypy: disable-error-code="import-not-found, misc, untyped-decorator, attr-defined"

from __future__ import annotations

from collections import deque
from typing import Any

import ray
from bench.workloads import arrays
from bench.workloads.marks import end, items
from ray.dag import InputNode

IN_FLIGHT = 8
PATIENCE_S = 60


@ray.remote
class Arrays:
    def __init__(self) -> None:
        self.made = arrays.arrays(items())

    def next(self, _number: int) -> arrays.Array:
        return next(self.made)


@ray.remote
class Total:
    def __init__(self) -> None:
        self.sum = arrays.Sum()

    def add(self, array: arrays.Array) -> float:
        self.sum.add(array)
        return self.sum.total


def main() -> None:
    ray.init(
        num_cpus=2,
        include_dashboard=False,
        object_store_memory=300 << 20,
        log_to_driver=False,
        logging_level="ERROR",
        _node_ip_address="127.0.0.1",
    )
    source, sink = Arrays.remote(), Total.remote()
    with InputNode() as number:
        drawn = sink.add.bind(source.next.bind(number))
    graph = drawn.experimental_compile(_buffer_size_bytes=1 << 20, _max_inflight_executions=IN_FLIGHT)
    flying: deque[Any] = deque()
    total = 0.0
    for number in range(items()):
        flying.append(graph.execute(number))
        if len(flying) == IN_FLIGHT:
            total = ray.get(flying.popleft(), timeout=PATIENCE_S)
    while flying:
        total = ray.get(flying.popleft(), timeout=PATIENCE_S)
    end(total)
    graph.teardown()
    ray.shutdown()


if __name__ == "__main__":
    main()
