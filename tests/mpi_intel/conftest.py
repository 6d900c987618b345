# SPDX-License-Identifier: Apache-2.0
"""The workflow of the suite mpi, on Intel MPI."""

from __future__ import annotations

import pytest
from tests.mpi.conftest import eventually, here
from tests.mpi.installed import INTEL, Mpi, installed

__all__ = ["eventually", "here"]


@pytest.fixture(scope="session")
def mpi() -> Mpi:
    """The one that SuperMUC-NG and its like have."""
    return installed(INTEL)


@pytest.fixture(scope="session")
def debian(mpi: Mpi) -> Mpi:
    """What is tried on the system's MPI alone is tried on this one here."""
    return mpi
