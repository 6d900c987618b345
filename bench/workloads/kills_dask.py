# SPDX-License-Identifier: Apache-2.0
"""Tasks of 50 ms in dask.distributed: a scheduler and four workers, whose nannies start them again."""

# mypy: disable-error-code="import-not-found"

from __future__ import annotations

import os

from bench.workloads import kills
from distributed import Client, LocalCluster, as_completed

if __name__ == "__main__":
    with (
        LocalCluster(n_workers=4, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        futures = client.map(kills.work, range(kills.tasks()), pure=False)
        if os.environ.get("BENCH_VARIANT") == "gathered":
            for number in client.gather(futures):
                kills.got(number)
        else:
            waiting = as_completed(futures)
            del futures  # what has come is let go, so that its loss costs nothing
            for future in waiting:
                kills.got(future.result())
