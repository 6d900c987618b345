# SPDX-License-Identifier: Apache-2.0
"""What launchers tell the processes that they start: how many there are, and which each is. It is wrong for what those start in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

RANKS, NODES = "D4PY_RANKS", "D4PY_NODES"  # what the one who submitted the job expects
# How many there are, and which this one is. What an mpiexec says counts before what srun says, which may only have started its helpers.
_SIZES = {
    "OMPI_COMM_WORLD_SIZE": "OMPI_COMM_WORLD_RANK",
    "PMI_SIZE": "PMI_RANK",
    "MV2_COMM_WORLD_SIZE": "MV2_COMM_WORLD_RANK",
}
_STEP, _PLACE = "SLURM_STEP_NUM_TASKS", "SLURM_PROCID"

# What the user told a launcher (OMPI_ALLOW_..., PRTE_MCA_..., OMPI_MCA_btl) stays.
_TOLD = (
    NODES, RANKS, "HYDI_", "MPI_LOCAL", "OMPI_APP_CTX", "OMPI_ARGV", "OMPI_COMM", "OMPI_FILE", "OMPI_FIRST", "OMPI_LIBDIR",
    "OMPI_MCA_PREFIXES", "OMPI_MCA_cpu_type", "OMPI_MCA_ess", "OMPI_MCA_initial", "OMPI_MCA_num_procs", "OMPI_MCA_orte", "OMPI_MCA_pmix",
    "OMPI_MCA_shmem_RUNTIME", "OMPI_NUM", "OMPI_TOOL", "OMPI_UNIVERSE", "OMPI_VERSION", "OMPI_WORLD", "OPAL_USER_PARAMS", "PMIX_", "PMI_",
    "PRTE_LAUNCHED", "PRTE_SHARED",
)  # fmt: skip


def untold(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment as if no launcher had started this process."""
    return {name: value for name, value in environment.items() if not name.startswith(_TOLD)}


def told(environment: Mapping[str, str]) -> int:
    """Return how many processes a launcher says that it started alike, of which this is one; 0 if none says anything."""
    return max(number(environment, name) for name in _SIZES) or number(environment, _STEP)


def launched(environment: Mapping[str, str]) -> bool:
    """Whether a launcher says that it started this process with others; in a job's own script none did."""
    return told(environment) > 1


def first(environment: Mapping[str, str]) -> bool:
    """Whether the launcher calls this process its first: of many that are wrong in the same way one says so."""
    ranks = [rank for rank in (*_SIZES.values(), "PMIX_RANK") if rank in environment]
    return all(number(environment, rank) == 0 for rank in ranks or [_PLACE])


def number(environment: Mapping[str, str], name: str) -> int:
    """Return the number that a variable holds; 0 where it holds none."""
    text = environment.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else 0
