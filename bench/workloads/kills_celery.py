# SPDX-License-Identifier: Apache-2.0
"""Tasks of 50 ms in Celery: a worker with four processes, a broker in Redis, and the one who waits for the results."""

# mypy: disable-error-code="import-not-found, untyped-decorator"

from __future__ import annotations

import os
import time

from bench.workloads import kills
from celery import Celery

app = Celery("kills", broker=os.environ["BENCH_REDIS"], backend=os.environ["BENCH_REDIS"])
app.conf.broker_connection_retry_on_startup = True
if os.environ.get("BENCH_VARIANT") == "late":
    app.conf.task_acks_late = True
    app.conf.task_reject_on_worker_lost = True


@app.task(name="work")
def work(number: int) -> int:
    return kills.work(number)


if __name__ == "__main__":
    waiting = [work.delay(number) for number in range(kills.tasks())]
    while waiting:
        ready = [result for result in waiting if result.state == "SUCCESS"]
        for result in ready:
            kills.got(result.get())
        waiting = [result for result in waiting if result not in ready]
        time.sleep(0.05)
