# SPDX-License-Identifier: Apache-2.0
"""A job runs the code that was there when its run was sent, whatever becomes of it meanwhile. Slurm is played; bash runs the script as slurmd would."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.slurm.conftest import SOURCE_ROOT
from tests.slurm.played import Call, played

SITE = "--profile generic --mapping simple --time 10"
PLAYED = {
    "sbatch": 'case "$*" in *--test-only*) ;; *) echo $((6 + $(grep -c "^sbatch --parsable" called)));; esac',
    "squeue": "exit 0",
    "sacct": "exit 0",
    "scontrol": "exit 1",
}
MAIN = """
from pathlib import Path
import d4py
from helping import WORD

@d4py.producer
def words(n: int = 1):
    import lazily
    yield WORD, lazily.WORD, "main one", (Path(__file__).parent / "table.txt").read_text(), Path.cwd().name
    if Path("bad").exists():
        raise ValueError("bad")

workflow = d4py.WorkflowGraph()
workflow.add(words())
"""
FIRST = ["helping one", "lazily one", "main one", "table", "here"]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """The folder that runs are sent from."""
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


@pytest.fixture
def site(here: Path) -> Call:
    """Call d4py beside Slurm's programs as they are played."""
    return played(here, PLAYED)


def lay(place: Path, name: str) -> Path:
    """Write a workflow with all that belongs to it; return its file."""
    place.mkdir(parents=True, exist_ok=True)
    for module in ("helping", "lazily"):
        (place / f"{module}.py").write_text(f"WORD = '{module} one'\n")
    (place / "table.txt").write_text("table")
    (place / name).write_text(MAIN)
    return place / name


def edit(place: Path) -> None:
    """Change all code in a folder, but for what runs keep."""
    for path in codes(place):
        path.write_text(path.read_text().replace(" one", " two"))


def codes(place: Path) -> list[Path]:
    """Return the code in a folder."""
    return [path for path in place.rglob("*.py") if "state" not in path.parts]


def job(
    here: Path, run: str, number: int = 7, *, path: Path = SOURCE_ROOT, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run the job of a run to its end. path: where Python finds more."""
    told = {"SLURM_JOB_ID": f"{number}", **more, "XDG_STATE_HOME": str(here / "state")}
    told |= {"PYTHONPATH": f"{SOURCE_ROOT}:{path}", "PATH": f"{here / 'bin'}:{os.environ['PATH']}"}
    script = here / f"state/d4py/runs/{run}/job/script"
    return subprocess.run(
        ["bash", script], cwd="/", env={**os.environ, **told}, capture_output=True, text=True, timeout=60, check=False
    )


def values(site: Call, run: str) -> list[Any]:
    """Return what a run gave."""
    return [json.loads(line)["value"] for line in site(f"outputs {run} -o json").stdout.splitlines()]


@pytest.mark.parametrize(
    ("name", "file", "after"),
    [
        ("flow.py", "flow.py", "edited"),
        ("flow.py", "flow.py", "gone"),
        ("noise", "noise/workflow.py", "edited"),
        ("pack.flow", "pack/flow.py", "gone"),
    ],
)
def test_what_becomes_of_a_workflow_while_its_job_waits_changes_nothing(
    name: str, file: str, after: str, site: Call, here: Path
) -> None:
    """A file with what it imports from beside it, a folder, a module of a package in the working directory."""
    main = lay(here / Path(file).parent, Path(file).name)
    if name == "pack.flow":
        (here / "pack/__init__.py").touch()
        for module in ("helping", "lazily"):
            main.write_text(main.read_text().replace(f"from {module}", f"from pack.{module}"))
        main.write_text(main.read_text().replace("import lazily", "from pack import lazily"))
    sent = site(f"submit --slurm {name} {SITE} --run-id r")
    assert sent.returncode == 0, sent.stderr

    edit(here)
    if after == "gone":
        for path in codes(here):
            path.unlink()
    ended = job(here, "r")

    assert ended.returncode == 0, ended.stderr
    assert values(site, "r") == [FIRST]
    assert json.loads((here / "state/d4py/runs/r/run.json").read_text())["source"]["target"] in (str(main), name)


def test_a_run_goes_on_with_the_code_that_it_began_with_until_changes_are_accepted(site: Call, here: Path) -> None:
    lay(here / "noise", "workflow.py")
    (here / "bad").touch()
    assert site(f"submit --slurm noise {SITE} --run-id r").returncode == 0
    assert job(here, "r").returncode == 3
    edit(here / "noise")

    resumed = site("resume r")
    again = job(here, "r", 8)
    accepted = site("resume r --accept-changes")
    (here / "bad").unlink()
    edit(here / "noise")
    (here / "noise/helping.py").write_text("WORD = 'helping three'\n")
    last = job(here, "r", 9)

    assert (resumed.returncode, again.returncode, accepted.returncode) == (0, 3, 0), resumed.stderr + accepted.stderr
    assert resumed.stderr == (
        "d4py: the workflow was edited since; the run goes on with the code that it was sent with. "
        "To take it as it is now: --accept-changes.\n"
    )
    assert (accepted.stderr, "has changed" in again.stderr) == ("", False)
    assert last.returncode == 0, last.stderr
    assert values(site, "r") == [["helping two", "lazily two", "main two", "table", "here"]]


def test_changes_are_accepted_once_not_for_ever(site: Call, here: Path) -> None:
    """Of a workflow that has no copy, as that of an installed package has none."""
    place = here / "lib/site-packages"
    lay(place, "flow.py")
    (here / "bad").touch()
    begun = site(f"submit --slurm flow {SITE} --run-id r", PYTHONPATH=f"{SOURCE_ROOT}:{place}")
    assert begun.returncode == 0, begun.stderr
    assert not (here / "state/d4py/runs/r/code").exists()
    assert job(here, "r", path=place).returncode == 3
    edit(place)

    refused = job(here, "r", 8, path=place)
    assert site("resume r --accept-changes").returncode == 0
    accepted = job(here, "r", 9, path=place)
    goes_on = job(here, "r", 10, path=place)
    (place / "flow.py").write_text((place / "flow.py").read_text() + "\n")
    again = job(here, "r", 11, path=place)

    assert "has changed since the run 'r' began" in refused.stderr
    assert [accepted.returncode, goes_on.returncode] == [3, 3], accepted.stderr + goes_on.stderr
    assert (again.returncode, "has changed since" in again.stderr) == (2, True)


def test_a_package_that_is_installed_anew_while_the_job_waits_is_refused_by_the_job(site: Call, here: Path) -> None:
    place = here / "lib/site-packages"
    lay(place, "flow.py")
    assert site(f"submit --slurm flow {SITE} --run-id r", PYTHONPATH=f"{SOURCE_ROOT}:{place}").returncode == 0
    edit(place)

    ended = job(here, "r", path=place)

    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1), ended.stderr
    assert "The code of 'flow' has changed since the run was submitted. Submit it again" in ended.stderr


def test_code_and_nothing_else_of_a_folder_is_copied(site: Call, here: Path) -> None:
    place = here / "noise"
    lay(place, "workflow.py")
    for name in (".git/hook.py", "__pycache__/x.py", "venv/lib/x.py", "data/big.bin", "more/inner.py"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text("x = 1\n")
    (place / "venv/pyvenv.cfg").touch()
    (place / "workflow.toml").write_text("[parameters]\nn = 1\n")

    assert site(f"submit --slurm noise {SITE} --run-id r").returncode == 0

    kept = here / "state/d4py/runs/r/code"
    names = sorted(str(path.relative_to(kept)) for path in kept.rglob("*") if path.is_file())
    assert names == ["helping.py", "lazily.py", "more/inner.py", "workflow.py", "workflow.toml"]
    shutil.rmtree(place / "more")
    (place / "workflow.toml").write_text("[parameters]\nm = 1\n")
    assert job(here, "r").returncode == 0
    assert values(site, "r") == [FIRST]


def test_a_folder_with_too_much_code_is_refused_in_one_line(site: Call, here: Path) -> None:
    place = here / "noise"
    lay(place, "workflow.py")
    (place / "tables.py").write_text("#" * (65 << 20))

    told = site(f"submit --slurm noise {SITE} --run-id r")

    assert (told.returncode, len(told.stderr.splitlines())) == (2, 1)
    assert "of code, and its run is to keep a copy of it: 64 MB at most" in told.stderr
    assert not (here / "state/d4py/runs/r/submission.json").exists()


def test_members_of_a_sweep_share_a_copy(site: Call, here: Path) -> None:
    lay(here, "flow.py")
    assert site(f"submit --slurm flow.py {SITE} --sweep n=1,2 --run-id s").returncode == 0
    edit(here)

    for number in range(2):
        ended = job(here, "s", 7 + number, SLURM_ARRAY_JOB_ID="7", SLURM_ARRAY_TASK_ID=f"{number}")
        assert ended.returncode == 0, ended.stderr

    assert values(site, "s/0") == values(site, "s/1") == [FIRST]


def test_items_in_quarantine_are_retried_with_the_code_as_it_is_now(site: Call, here: Path) -> None:
    lay(here, "flow.py")
    (here / "bad").touch()
    assert site(f"submit --slurm flow.py {SITE} --run-id r --on-error quarantine").returncode == 0
    assert job(here, "r").returncode == 4
    edit(here)

    assert "'main two'" in site("retry r").stdout


def test_a_run_whose_job_waits_is_not_continued_where_one_happens_to_be(site: Call, here: Path) -> None:
    lay(here, "flow.py")
    assert site(f"submit --slurm flow.py {SITE} --run-id r").returncode == 0
    folder = here / "state/d4py/runs/r"
    assert job(here, "r").returncode == 0
    done = json.loads((folder / "state.json").read_text())
    (folder / "state.json").write_text(json.dumps({**done, "status": "stopped", "exit_code": 5}))
    (folder / "job/ids").write_text("8\n")
    (here / "bin/squeue").write_text("#!/bin/sh\necho '8|PENDING|Dependency'\n")
    cases = {
        "-n 2": "--processes is not for a run that its cluster continues. Add --here to continue it on this machine.",
        "-m multi": "--mapping is not for a run that its cluster continues. Add --here",
        "--output o": "--output is not for a run that its cluster continues. Its outputs: d4py outputs r --output FILE",
        "--metrics 0": "--metrics is not for a run that its cluster continues. Add --here",
        "--here -n 2": "A job of the run 'r' waits. d4py cancel r first; or --gone where you know that there is none.",
    }

    for words, says in cases.items():
        told = site(f"resume r {words}")

        assert (told.returncode, len(told.stderr.splitlines())) == (2, 1), told.stderr
        assert says in told.stderr
        assert json.loads((folder / "state.json").read_text())["status"] == "stopped"


def test_a_run_of_which_no_job_is_left_is_continued_here(site: Call, here: Path) -> None:
    lay(here, "flow.py")
    (here / "bad").touch()
    assert site(f"submit --slurm flow.py {SITE} --run-id r").returncode == 0
    assert job(here, "r").returncode == 3
    (here / "bad").unlink()
    edit(here)

    told = site("resume r --here -m threads -n 2 -q")

    assert told.returncode == 0, told.stderr
    assert values(site, "r") == [FIRST]
