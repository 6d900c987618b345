# SPDX-License-Identifier: Apache-2.0
"""Arrays of 0.8 MB from one rank to another by bare mpi4py: one recycled buffer at each end, and the sum."""

from __future__ import annotations

import numpy as np
from bench.workloads import arrays
from bench.workloads.marks import end, items
from mpi4py import MPI

world = MPI.COMM_WORLD
number = items()
if world.Get_rank() == 0:
    for array in arrays.arrays(number):
        world.Send(array, dest=1)
else:
    room, total = np.empty(arrays.VALUES), arrays.Sum()
    for _ in range(number):
        world.Recv(room, source=0)
        total.add(room)
    end(total.total)
