# SPDX-License-Identifier: Apache-2.0
"""What srun starts N times without --mapping mpi is refused; what a job's own script, or a shell on a node, starts once is not."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from tests.slurm.cluster import Cluster
from tests.slurm.conftest import PATIENCE, SOURCE_ROOT, eventually

D4PY = shlex.join([sys.executable, "-m", "d4py.cli.main"])
SCRIPT = f"""#!/bin/bash
#SBATCH --nodes=2 --ntasks-per-node=4 --time=5 --output=log
export PYTHONPATH={SOURCE_ROOT}
start() {{ "$@" {D4PY} run wf.py --mapping $mapping --run-dir $name -q; echo $name $? >>codes; }}
mapping=simple
name=itself start env
name=one start srun --mpi=none -N 1 -n 1 --exact &
name=other start srun --mpi=none -N 1 -n 1 --exact &
wait
name=mpiexec start mpiexec -n 1
name=rank mapping=mpi start mpiexec -n 1
name=copies start srun --mpi=none
"""


def errors(said: str) -> list[str]:
    """Return the errors among what was said."""
    return [line for line in said.splitlines() if "d4py: error: " in line]


def test_in_a_job_of_eight_tasks_what_is_started_once_runs_and_what_is_started_eight_times_is_told_once(
    cluster: Cluster, here: Path
) -> None:
    (here / "script").write_text(SCRIPT)

    job = cluster.call("sbatch", "--parsable", f"--chdir={here}", str(here / "script")).strip()
    eventually(lambda: not cluster.call("squeue", "--noheader", f"--jobs={job}"), "the job to end")

    log = (here / "log").read_text()
    codes = dict(line.split() for line in (here / "codes").read_text().splitlines())
    started_once = dict.fromkeys(("itself", "one", "other", "mpiexec", "rank"), "0")
    assert codes == {**started_once, "copies": "2"}, log
    (told,) = errors(log)
    assert "This is one of 8 processes that a launcher started, and each would do the whole run on" in told
    assert not (here / "copies").exists()


def test_what_is_typed_in_a_shell_on_a_node_is_no_copy(cluster: Cluster, here: Path) -> None:
    """The step has as many tasks as were asked for, and the shell of the first alone is there."""
    typed = f"export PYTHONPATH={SOURCE_ROOT}; cd {here}; {D4PY} run wf.py --run-dir typed -q; echo $? >code; env >told"
    step = ["srun", "--pty", "--nodes=1", "--ntasks=4", "--time=5", "bash", "-i"]
    master, slave = os.openpty()

    shell = subprocess.Popen(step, env=cluster.environment, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    os.write(master, f"{typed}; exit\n".encode())
    said = b""
    try:
        while chunk := os.read(master, 4096):
            said += chunk
    except OSError:  # it has ended
        pass
    os.close(master)
    shell.wait(PATIENCE)

    assert (here / "code").read_text() == "0\n", said.decode()
    assert "SLURM_STEP_NUM_TASKS=4" in (here / "told").read_text().splitlines()
