# SPDX-License-Identifier: Apache-2.0
"""A site like SuperMUC-NG: its profile, nothing of the user's environment in the job, mpiexec from a module, a job that depends for what is left."""

from __future__ import annotations

import json
import re
from pathlib import Path

from tests.mpi.installed import installed
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import ANSWER, Call, eventually
from tests.slurm.test_runs import done, outputs, state, written

from d4py.targets.slurm.profile import names

SETUP = '"module load slurm_setup"'
WORDS = "--profile ./site.toml --account pn12ab"
ROOT = [f"setenv {name} 1" for name in ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM")]


def lay(cluster: Cluster, here: Path, mpi: str) -> None:
    """Lay down the site's modules, and its profile with one line more, which loads an MPI: not Debian's, which is on any PATH."""
    found = installed(mpi)
    path = [f"prepend-path PATH {Path(found.mpiexec).parent}", f"setenv MPI4PY_LIBMPI {found.library}"]
    cluster.module("slurm_setup", *ROOT)
    cluster.module(mpi, *path)
    shipped = names()["supermuc-ng"].read_text()
    assert SETUP in shipped
    more = [f"module load {mpi}", f"env >{here}/told", f"command -v mpiexec >>{here}/which"]
    (here / "site.toml").write_text(shipped.replace(SETUP, ", ".join([SETUP, *map(json.dumps, more)])))


def goes_through(cluster: Cluster, here: Path, call: Call, mpi: str) -> None:
    """Run on 4 nodes x 2 ranks, be cut by USR1, go on in a job that depends, and give what an uncut run gives."""
    lay(cluster, here, mpi)
    folder = here / "state/d4py/runs/ng"
    gate = folder / "generations/0002.json"
    words = f"submit --slurm wf.py {WORDS} --nodes 4 --ntasks-per-node 2 --time 10 --run-id ng --set gate={gate}"

    sent = call(words, OF_THE_USER="1")
    assert sent.code == 0, sent.err
    eventually(lambda: written(call, "ng") > 10, "the run")
    first = json.loads((folder / "submission.json").read_text())["jobs"][-1]
    shown = cluster.call("scontrol", "show", "job", first)
    cluster.call("scancel", "--signal=USR1", "--batch", first)

    done(call, "ng")
    assert outputs(call, "ng") == ANSWER
    assert state(call, "ng")["generation"] == 2
    (second,) = (folder / "job/ids").read_text().split()
    assert second != first
    for part in ("Requeue=0", "Partition=micro", "Account=pn12ab", "NumNodes=4", "NumTasks=8"):
        assert part in shown
    assert "OF_THE_USER" not in (here / "told").read_text()
    assert "SLURM_EXPORT_ENV=NONE" in (here / "told").read_text()
    assert (here / "which").read_text().split() == [installed(mpi).mpiexec] * 2
    assert len(set(re.findall(r"on (n\d)", call("logs ng").out))) >= 2


def test_a_run_at_a_site_like_supermuc_ng_is_cut_and_goes_on_as_if_it_were_not(
    call: Call, here: Path, cluster: Cluster
) -> None:
    goes_through(cluster, here, call, "openmpi")
