# SPDX-License-Identifier: Apache-2.0
"""The cluster of the suite slurm with accounting, for what takes long."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.slurm.conftest import call, here, nothing_is_left_running
from tests.slurm.numbers import NAME, ROOM, held
from tests.slurm_long.accounting import Accounted

__all__ = ["call", "here", "nothing_is_left_running"]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Accounted]:
    """Slurm, up."""
    with held() as number, tempfile.TemporaryDirectory(prefix=NAME, dir=ROOM) as folder:
        slurm = Accounted(Path(folder), number)
        try:
            slurm.up()
            yield slurm
        finally:
            slurm.down()
