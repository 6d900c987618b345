# SPDX-License-Identifier: Apache-2.0
"""What is true of a job on the MPIs of the suite mpi is true on Intel's."""

from tests.mpi.test_job import *  # noqa: F403
