# SPDX-License-Identifier: Apache-2.0
"""Ranks of an MPI job: `mpiexec -n N d4py run WORKFLOW --mapping mpi`.

Every rank loads the workflow. Rank 0 plans, supervises in a thread of its own, and lives its share of the cells like the others.
"""

from d4py.mappings.mpi.mpi import Mpi

__all__ = ["Mpi"]
