# SPDX-License-Identifier: Apache-2.0
"""Two PEs and one int, in d4py: the first result is the end."""

from __future__ import annotations

from bench.workloads.marks import end

import d4py


@d4py.producer
def one() -> int:
    return 1


@d4py.consumer
def show(value: int) -> None:
    end(value)


workflow = one() >> show()
