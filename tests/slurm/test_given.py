# SPDX-License-Identifier: Apache-2.0
"""A job runs with the parameters and the input data that its run was submitted with, whatever becomes of their files meanwhile. Slurm is played."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.slurm.played import Call, played
from tests.slurm.test_code import PLAYED, SITE, job, values

FLOW = """
from pathlib import Path
import d4py

class Say(d4py.ProducerPE):
    def __init__(self, word="none", again=1):
        super().__init__()
        self._add_input("more")
        self.word, self.again = word, int(again)

    def _process(self, inputs):
        if Path("bad").exists():
            raise ValueError("bad")
        return f"{self.word} {self.again} {inputs.get('more', '')}".strip()

def configure(word: str = "none", again: int = 1):
    workflow = d4py.WorkflowGraph()
    workflow.add(Say(word, again))
    return workflow
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """The folder that runs are sent from, with a workflow and its files."""
    here = tmp_path / "here"
    here.mkdir()
    (here / "say.py").write_text(FLOW)
    write(here, "first")
    return here


@pytest.fixture
def site(here: Path) -> Call:
    """Call d4py beside Slurm's programs as they are played."""
    return played(here, PLAYED)


def write(here: Path, word: str) -> None:
    """Write both files anew."""
    (here / "p.json").write_text(json.dumps({"word": word}))
    (here / "in.json").write_text(json.dumps({"Say": [{"more": f"in {word}"}]}))


@pytest.mark.parametrize("after", ["edited", "gone"])
def test_what_becomes_of_files_while_the_job_waits_changes_nothing(after: str, site: Call, here: Path) -> None:
    for run in ("r1", "r2"):
        sent = site(f"submit --slurm say.py {SITE} --set-from p.json -f in.json --run-id {run}")
        assert sent.returncode == 0, sent.stderr
        write(here, "second")
    if after == "gone":
        for name in ("p.json", "in.json"):
            (here / name).unlink()

    for number, run in enumerate(("r1", "r2"), 7):
        ended = job(here, run, number)
        assert ended.returncode == 0, ended.stderr

    assert values(site, "r1") == ["first 1 in first"]
    assert values(site, "r2") == ["second 1 in second"]


def test_a_job_that_is_sent_again_before_its_run_began_has_them_too(site: Call, here: Path) -> None:
    """And one that goes on with what began."""
    assert site(f"submit --slurm say.py {SITE} --set-from p.json -f in.json --run-id r").returncode == 0
    folder = here / "state/d4py/runs/r"
    (folder / "job/exit.7").write_text("2\n")
    write(here, "second")
    resumed = site("resume r")
    assert resumed.returncode == 0, resumed.stderr
    (here / "bad").touch()
    assert job(here, "r", 8).returncode == 3
    (here / "bad").unlink()
    assert site("resume r").returncode == 0

    ended = job(here, "r", 9)

    assert ended.returncode == 0, ended.stderr
    assert values(site, "r") == ["first 1 in first"]


def test_whoever_submits_a_run_again_changes_nothing(site: Call, here: Path) -> None:
    assert site(f"submit --slurm say.py {SITE} --set-from p.json -f in.json --run-id r").returncode == 0
    write(here, "second")
    assert site(f"submit --slurm say.py {SITE} --set-from p.json -f in.json --run-id r").returncode == 0

    assert job(here, "r").returncode == 0
    assert values(site, "r") == ["first 1 in first"]


def test_members_of_a_sweep_have_the_parameters_of_a_file_besides_their_own(site: Call, here: Path) -> None:
    """What is swept over goes before the file, as --set does."""
    (here / "p.json").write_text('{"word": "first", "again": 9}')
    sent = site(f"submit --slurm say.py {SITE} --set-from p.json -f in.json --sweep again=1,2 --run-id s")
    assert sent.returncode == 0, sent.stderr
    write(here, "second")

    for number in range(2):
        ended = job(here, "s", 7 + number, SLURM_ARRAY_JOB_ID="7", SLURM_ARRAY_TASK_ID=f"{number}")
        assert ended.returncode == 0, ended.stderr

    assert values(site, "s/0") == ["first 1 in first"]
    assert values(site, "s/1") == ["first 2 in first"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--set-from absent.json", "The parameters in 'absent.json' cannot be read: No such file or directory."),
        ("-f absent.json", "The input file 'absent.json' cannot be read: No such file or directory."),
        ("-f say.py", "The input file 'say.py' is not JSON"),
        ("-f .", "The input file '.' cannot be read: Is a directory."),
        ("--env wheelhouse -f absent.json", "The input file 'absent.json' cannot be read: No such file or directory."),
    ],
)
def test_files_that_cannot_be_read_are_refused_when_they_are_submitted(
    words: str, says: str, site: Call, here: Path
) -> None:
    if "wheelhouse" in words:  # what cannot be imported here is read by its own environment alone
        (here / "say.py").write_text(f"import nothing_that_is_here\n{FLOW}")

    told = site(f"submit --slurm say.py {SITE} --run-id r {words}")

    assert (told.returncode, len(told.stderr.splitlines())) == (2, 1), told.stderr
    assert says in told.stderr
    assert not (here / "state/d4py/runs/r").exists()
