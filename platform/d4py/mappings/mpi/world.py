# SPDX-License-Identifier: Apache-2.0
"""Whether the world that MPI found is the one that was meant. Started wrongly, a job of N ranks is often N jobs of one, each content."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from d4py.errors import WrongWorld

if TYPE_CHECKING:
    from collections.abc import Mapping

# What launchers tell each process: how many there are, and which it is.
_SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS")
_RANKS = ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "MV2_COMM_WORLD_RANK", "SLURM_PROCID")
RANKS, NODES = "D4PY_RANKS", "D4PY_NODES"  # what the one who submitted the job expects


class World(NamedTuple):
    """What MPI found."""

    rank: int
    size: int
    nodes: int
    library: str  # Open MPI, MPICH ...


def check(world: World, environment: Mapping[str, str], asked: int | None = None) -> None:
    """Raise WrongWorld where the world is another than was asked for, or than its launcher made. asked: ranks, by -n."""
    wanted = asked if asked is not None else _number(environment, RANKS)
    told = _told(environment)
    if world.size == 1 and (wanted or told) > 1:
        cause, remedy = _alone(world, environment)
        raise WrongWorld(
            f"This is one of {wanted or told} ranks, but MPI found a world of 1: {cause}.",
            hint=remedy,
        )
    if wanted and world.size != wanted:
        raise WrongWorld(
            f"The world has {world.size} ranks; {wanted} were asked for.",
            hint="Give the number once: mpiexec -n N d4py run WORKFLOW --mapping mpi.",
        )
    nodes = _number(environment, NODES)
    if nodes and world.nodes < nodes:
        raise WrongWorld(
            f"The {world.size} ranks are on {world.nodes} of the {nodes} nodes that were asked for.",
            hint="Give --ntasks-per-node, and let the launcher place ranks by node.",
        )


def first(environment: Mapping[str, str]) -> bool:
    """Whether the launcher calls this process its first: of many that are wrong in the same way one says so."""
    return all(_number(environment, name) == 0 for name in _RANKS)


def _alone(world: World, environment: Mapping[str, str]) -> tuple[str, str]:
    """Return why a process that a launcher started with others is alone, and the remedy."""
    library = world.library
    open_mpi = library == "Open MPI"
    if "OMPI_COMM_WORLD_SIZE" in environment and not open_mpi:
        return f"the launcher is Open MPI's, the library is {library}", f"Start it with the mpiexec of {library}."
    if "PMI_SIZE" in environment and open_mpi:
        return (
            f"the launcher speaks PMI, as MPICH's do, the library is {library}",
            "Start it with the mpiexec of Open MPI, or by srun --mpi=pmix.",
        )
    if "SLURM_STEP_NUM_TASKS" in environment and _number(environment, "SLURM_STEP_NUM_TASKS") > 1:
        kind = "pmix" if open_mpi else "pmi2"
        return f"srun's --mpi type is not one that {library} speaks", f"Use srun --mpi={kind}, or mpiexec in the job."
    return (
        "nothing launched it",
        "Start it by mpiexec -n N d4py run WORKFLOW --mapping mpi, in a Slurm job by srun or mpiexec.",
    )


def _told(environment: Mapping[str, str]) -> int:
    """Return how many processes the launcher says there are; 0 if it says nothing."""
    return max(_number(environment, name) for name in _SIZES)


def _number(environment: Mapping[str, str], name: str) -> int:
    text = environment.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else 0
