# SPDX-License-Identifier: Apache-2.0
"""Whether the world that MPI found is the one that was meant. Started wrongly, a job of N ranks is often N jobs of one, each content."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from d4py.errors import WrongWorld
from d4py.mappings.launchers import NODES, RANKS, launched, number, told

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class World(NamedTuple):
    """What MPI found."""

    rank: int
    size: int
    nodes: int
    library: str  # Open MPI, MPICH ...


class Library(NamedTuple):
    """What mpi4py found."""

    name: str
    version: tuple[int, ...]
    about: str  # its own words


def check_launcher(library: Library, environment: Mapping[str, str], speaks_pmi: Callable[[], bool]) -> None:
    """Raise WrongWorld, before MPI begins, where the library would end the process under the launcher that it has.

    speaks_pmi: whether an Open MPI before 5 was built to do without PMIx. Builds differ: what is not certain is left to the library.
    """
    if not launched(environment):
        return
    pmix, theirs = "PMIX_RANK" in environment, environment.get("OMPI_VERSION", "")
    older = library.name == "Open MPI" and library.version < (5,)
    deaf = library.name == "MPICH" and pmix and "PMI_RANK" not in environment and "pmix" not in library.about.lower()
    if older and theirs:
        cause, remedy = (
            f"the launcher is of Open MPI {theirs}, the library of Open MPI {'.'.join(map(str, library.version))}",
            "Start it with the library's own mpiexec.",
        )
    elif deaf or (older and not pmix and _by_srun(environment) and not speaks_pmi()):
        cause, remedy = _alone(library.name, environment)
    else:
        return
    raise WrongWorld(f"This is one of {_told(environment)} ranks, which cannot find each other: {cause}.", hint=remedy)


def races(library: Library, environment: Mapping[str, str]) -> bool:
    """Whether the library's start is one that ranks do not leave together: Open MPI's, where srun started them."""
    return library.name == "Open MPI" and launched(environment) and "OMPI_COMM_WORLD_SIZE" not in environment


def check(world: World, environment: Mapping[str, str], asked: int | None = None) -> None:
    """Raise WrongWorld where the world is another than was asked for, or than its launcher made. asked: ranks, by -n."""
    wanted = asked if asked is not None else number(environment, RANKS)
    meant = wanted or _told(environment)
    if world.size == 1 and meant > 1:
        cause, remedy = _alone(world.library, environment)
        raise WrongWorld(
            f"This is one of {meant} ranks, but MPI found a world of 1: {cause}.",
            hint=remedy,
        )
    if wanted and world.size != wanted:
        raise WrongWorld(
            f"The world has {world.size} ranks; {wanted} were asked for.",
            hint="Give the number once: mpiexec -n N d4py run WORKFLOW --mapping mpi.",
        )
    nodes = number(environment, NODES)
    if nodes and world.nodes < nodes:
        raise WrongWorld(
            f"The {world.size} ranks are on {world.nodes} of the {nodes} nodes that were asked for.",
            hint="Give --ntasks-per-node, and let the launcher place ranks by node.",
        )


def _alone(library: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """Return why a process that a launcher started with others is alone, and the remedy."""
    open_mpi = library == "Open MPI"
    if "OMPI_COMM_WORLD_SIZE" in environment and not open_mpi:
        return f"the launcher is Open MPI's, the library is {library}", f"Start it with the mpiexec of {library}."
    if "PMI_SIZE" in environment and open_mpi:
        return (
            f"the launcher speaks PMI, as MPICH's do, the library is {library}",
            "Start it with the mpiexec of Open MPI, or by srun --mpi=pmix.",
        )
    if "SLURM_STEP_NUM_TASKS" in environment and number(environment, "SLURM_STEP_NUM_TASKS") > 1:
        kind = "pmix" if open_mpi else "pmi2"
        return f"srun's --mpi type is not one that {library} speaks", f"Use srun --mpi={kind}, or mpiexec in the job."
    return (
        "nothing launched it",
        "Start it by mpiexec -n N d4py run WORKFLOW --mapping mpi, in a Slurm job by srun or mpiexec.",
    )


def _by_srun(environment: Mapping[str, str]) -> bool:
    """Whether srun has started this, or what did; other launchers in a job of Slurm have their own ways."""
    return "SLURM_STEP_NUM_TASKS" in environment and "FLUX_JOB_ID" not in environment


def _told(environment: Mapping[str, str]) -> int:
    """Return how many processes there are said to be: by their launcher, or where none says anything by the job; 0 if nothing does."""
    return told(environment) or number(environment, "SLURM_NTASKS")
