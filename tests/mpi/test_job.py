# SPDX-License-Identifier: Apache-2.0
"""`mpiexec -n N d4py run`, on each MPI: what it gives, how it fails, how it is killed, stopped and resumed."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.mpi.conftest import ANSWER
from tests.mpi.installed import Mpi, installed

LATEST = 3 * 10.0  # seconds from a raise to the end of its job: three times the promise, where other work goes on
Eventually = Callable[[Callable[[], object], str], None]


def outputs(file: str) -> list[tuple[str, int]]:
    """Return what a run gave."""
    return sorted(tuple(json.loads(line)["value"]) for line in Path(file).read_text().splitlines())


def status(folder: str) -> dict[str, Any]:
    """Return the state of a run."""
    from d4py.runs import Folder

    return Folder(Path(folder)).state().to_json()


def test_a_job_gives_what_one_process_gives_and_says_it_once(mpi: Mpi, here: Path) -> None:
    told = mpi.run(mpi.command(3, "run", "wf.py", "--mapping", "mpi", "--output", "out.jsonl", "--run-dir", "r"))

    assert told.returncode == 0, told.stderr
    assert outputs("out.jsonl") == ANSWER
    assert told.stdout.count("exit code 0") == 1
    assert "Count            2  2,000" in told.stdout
    assert len(list(Path().glob("rank-*"))) == 2
    assert status("r")["mapping"] == "mpi"


TOLD = """
import os, sys
from d4py.cli.main import main
from d4py.items import codec
from d4py.mappings.mpi.job import job_of
from d4py.mappings.mpi.orders import Done, Exit, Order

made, encode = [], codec.encode_control

def counted(value):
    made.append(type(value))
    return encode(value)

codec.encode_control = counted
code = main(sys.argv[1:])
if job_of().rank == 0:
    print("made", [made.count(kind) for kind in (Order, Done)])
sys.exit(code)
"""


def test_what_all_ranks_are_told_is_made_once(debian: Mpi, here: Path) -> None:
    Path("told.py").write_text(TOLD)
    words = ["run", "wf.py", "--mapping", "mpi", "--run-dir", "r"]

    told = debian.run([debian.mpiexec, "-n", "4", debian.python, "told.py", *words])

    assert told.returncode == 0, told.stderr
    assert "made [1, 1]" in told.stdout


@pytest.mark.parametrize("who", ["source", "reader"])
def test_a_pe_that_raises_ends_the_job_though_another_rank_is_in_a_long_call(who: str, mpi: Mpi, here: Path) -> None:
    Path("bad").touch()
    Path(f"stuck-{who}").touch()

    told = mpi.run(mpi.command(3, "run", "wf.py", "--mapping", "mpi", "--run-dir", "r", "-q"))

    assert time.time() - float(Path("raised").read_text()) < LATEST
    assert told.returncode == 3
    assert "d4py: error: PE 'Count', instance Count[" in told.stderr
    assert "ValueError: fifteen hundred" in told.stderr
    assert 'raise ValueError("fifteen hundred")' in told.stderr
    assert (status("r")["status"], status("r")["exit_code"]) == ("failed", 3)


LATE = """
import os, signal, subprocess, sys
from d4py.mappings.mpi import abort
from d4py.mappings.mpi.job import job_of

abort._HEARD = 60.0
job = job_of()
launcher = os.getppid()
nothing = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
if job.rank == 0:
    subprocess.Popen(["sh", "-c", f"sleep 0.5; kill -CONT {launcher}"], **nothing)
    os.kill(launcher, signal.SIGSTOP)
    sys.stderr.write("d4py: error: " + "x" * 50_000 + "\\n")
    job.abort(3)
else:
    signal.pause()
"""


def test_what_was_said_is_read_by_a_launcher_that_is_late_before_the_job_ends(here: Path) -> None:
    Path("late.py").write_text(LATE)
    mpich = installed("mpich")  # Open MPI's reads it in any case; of MPICH a third was lost
    jobs = [mpich.start([mpich.mpiexec, "-n", "2", mpich.python, "late.py"]) for _ in range(10)]

    for job in jobs:
        said = job.communicate(timeout=60)[1]
        assert job.returncode == 3
        assert "d4py: error: " + "x" * 50_000 in said


def test_a_killed_rank_ends_the_job_and_resume_goes_on_with_another_number_of_ranks(
    mpi: Mpi, here: Path, eventually: Eventually
) -> None:
    words = ("--mapping", "mpi", "--set", "live=yes", "--run-dir", "r", "--checkpoint", "0.2", "-q")
    job = mpi.start(mpi.command(3, "run", "wf.py", *words))
    eventually(lambda: list(Path("r/commits").glob("e*.json")) and len(list(Path().glob("rank-*"))) == 2, "a commit")
    victim = int(max(Path().glob("rank-*")).read_text())

    os.kill(victim, signal.SIGKILL)
    job.communicate(timeout=60)

    assert job.returncode != 0
    assert (status("r")["status"], status("r")["exit_code"]) == ("lost", 5)
    Path("go").touch()
    told = mpi.run(mpi.command(2, "resume", "./r", "--output", "out.jsonl", "-q"))
    assert told.returncode == 0, told.stderr
    assert outputs("out.jsonl") == ANSWER


def test_usr1_makes_a_checkpoint_and_the_job_exits_5(mpi: Mpi, here: Path, eventually: Eventually) -> None:
    job = mpi.start(mpi.command(3, "run", "wf.py", "--mapping", "mpi", "--set", "live=yes", "--run-dir", "r", "-q"))
    eventually(lambda: len(list(Path().glob("rank-*"))) == 2, "items")

    job.send_signal(signal.SIGUSR1)
    job.communicate(timeout=60)

    assert job.returncode == 5
    assert (status("r")["status"], status("r")["exit_code"]) == ("stopped", 5)
    Path("go").touch()
    told = mpi.run(mpi.command(4, "resume", "./r", "--output", "out.jsonl", "-q"))
    assert told.returncode == 0, told.stderr
    assert outputs("out.jsonl") == ANSWER


@pytest.mark.parametrize(
    ("words", "variables", "says"),
    [
        (("-n", "3"), {}, "The world has 2 ranks; 3 were asked for. Give the number once"),
        ((), {"D4PY_RANKS": "8"}, "The world has 2 ranks; 8 were asked for."),
        ((), {"D4PY_NODES": "2"}, "The 2 ranks are on 1 of the 2 nodes that were asked for. Give --ntasks-per-node"),
    ],
    ids=["-n", "ranks", "nodes"],
)
def test_a_world_that_is_not_what_was_asked_for_is_refused_once(
    words: tuple[str, ...], variables: dict[str, str], says: str, mpi: Mpi, here: Path
) -> None:
    told = mpi.run(mpi.command(2, "run", "wf.py", "--mapping", "mpi", "--run-dir", "r", *words), **variables)

    assert told.returncode == 2
    assert told.stderr.count("d4py: error: ") == 1
    assert says in told.stderr
    assert not Path("r/run.json").exists()


def test_a_run_that_cannot_be_resumed_is_told_once(mpi: Mpi, here: Path) -> None:
    assert mpi.run(mpi.command(3, "run", "wf.py", "--mapping", "mpi", "--run-dir", "r", "-q")).returncode == 0
    absent = mpi.run(mpi.command(3, "resume", "./absent"))
    complete = mpi.run(mpi.command(3, "resume", "./r"))
    Path("r/state.json").write_text("nonsense")
    broken = mpi.run(mpi.command(3, "resume", "./r"))

    for told, says in ((absent, "There is no run './absent'."), (complete, "is complete"), (broken, "state.json")):
        assert told.returncode == 2
        assert told.stderr.count("d4py: error: ") == 1, told.stderr
        assert says in told.stderr


def test_a_run_that_only_one_rank_does_not_find_is_told_with_that_rank(debian: Mpi, here: Path) -> None:
    assert debian.run(debian.command(1, "run", "wf.py", "--mapping", "mpi", "--run-dir", "r", "-q")).returncode == 0
    Path("apart").mkdir()
    state = Path("r/state.json")
    state.write_text(state.read_text().replace('"done"', '"stopped"'))
    words = ["-n", "1", debian.python, "-m", "d4py.cli.main", "resume", "./r"]

    told = debian.run([debian.mpiexec, *words, ":", "--wdir", str(here / "apart"), *words])

    assert told.returncode == 2
    assert told.stderr.count("d4py: error: ") == 1, told.stderr
    assert "d4py: error: Rank 1 on " in told.stderr
    assert "There is no run './r'." in told.stderr


def test_bad_input_is_told_once_and_lets_all_ranks_go(mpi: Mpi, here: Path) -> None:
    absent = mpi.run(mpi.command(2, "run", "absent.py", "--mapping", "mpi"))
    unknown = mpi.run(mpi.command(2, "run", "wf.py", "--mapping", "mpi", "-d", '{"Cuont": [{"input": 1}]}'))

    for told, says in ((absent, "There is no file 'absent.py'"), (unknown, "Did you mean 'Count'?")):
        assert told.returncode == 2
        assert told.stderr.count("d4py: error: ") == 1
        assert says in told.stderr


LONE = """
import os, sys, time
from d4py.cli.main import main
from d4py.mappings import enact
from d4py.mappings.mpi.mpi import _Crew

rank = os.environ.get("OMPI_COMM_WORLD_RANK") or os.environ["PMI_RANK"]
with open(f"pid-{rank}", "w") as file:
    file.write(str(os.getpid()))

def standing(call):
    def stand(*args, **options):
        open("stands", "w").close()
        while not os.path.exists("go-on"):
            time.sleep(0.01)
        return call(*args, **options)
    return stand

if sys.argv[1] == "launch":
    _Crew.launch = standing(_Crew.launch)
else:
    enact.audit = standing(enact.audit)
sys.exit(main(sys.argv[2:]))
"""


@pytest.mark.parametrize("at", ["launch", "audit"])
def test_usr1_is_for_the_first_rank_to_hear_also_before_and_after_the_others_have_work(
    at: str, mpi: Mpi, here: Path, eventually: Eventually
) -> None:
    """What srun passes on, or scancel sends, goes to all."""
    Path("lone.py").write_text(LONE)
    words = ["run", "wf.py", "--mapping", "mpi", "--run-dir", "r", "-q"]
    job = mpi.start([mpi.mpiexec, "-n", "3", mpi.python, "lone.py", at, *words])
    eventually(Path("stands").exists, "the first rank to stand")

    for rank in (1, 2):
        os.kill(int(Path(f"pid-{rank}").read_text()), signal.SIGUSR1)
    Path("go-on").touch()
    said = job.communicate(timeout=60)[1]

    assert job.returncode == 0, said
    assert (status("r")["status"], status("r")["exit_code"]) == ("done", 0)
