# SPDX-License-Identifier: Apache-2.0
"""What `submit --slurm` refuses, and that nothing of a name or an argument is ever read by a shell."""

from __future__ import annotations

import random
import shlex
import subprocess
from pathlib import Path

import pytest
from tests.slurm.conftest import Call

from d4py.targets.slurm.profile import find, names
from d4py.targets.slurm.submit import script_of


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("wf.py --profile generc", "There is no profile 'generc'"),
        ("wf.py --profile generc", "Did you mean 'generic'?"),
        ("wf.py --time 5x", "--time is '5x'. Write it as minutes"),
        ("wf.py --mem lots", "--mem is 'lots'."),
        ("wf.py --partition a;b", "--partition is 'a;b'."),
        ("wf.py --partition nowhere", "sbatch refuses: "),
        ("wf.py --nodes 99", "ask for fewer with --nodes or --ntasks-per-node."),
        ("wf.py --partition short --time 20", "sbatch refuses: "),
        ("wf.py --ntasks-per-node 99", "ask for fewer with --nodes or --ntasks-per-node."),
        ("wf.py --profile supermuc-ng", "needs --account and --time. Give them."),
        ("wf.py --profile ./absent.toml", "There is no file './absent.toml'. Name a profile"),
        ("wf.py --sweep n=1..5", "takes int, not '1..5'. Write --sweep n=10,..."),
        ("wf.py --sweep n=1,two", "takes int, not 'two'. Write --sweep n=10,..."),
        ("wf.py --wait --output file:///nowhere/out.jsonl", "does not exist. Make it first: mkdir -p /nowhere."),
        ("wf.py --profile supermuc-ng --account a --time 5 --mem 4G", "forbids --mem=4G"),
        ("wf.py --mapping multi --nodes 2", "'multi' runs on one node"),
        ("wf.py --nodes 2 -n 3", "The job has 2 ranks, but -n 3 was given."),
        ("wf.py --nodes 0", "not a whole number of at least 1"),
        ("absent.py", "There is no file 'absent.py'"),
    ],
)
def test_bad_input_is_one_line_with_the_remedy(words: str, says: str, call: Call, here: Path) -> None:
    told = call(f"submit --slurm {words}")

    assert told.code == 2
    assert len(told.err.splitlines()) == 1
    assert says in told.err
    assert not list((here / "state").glob("d4py/runs/*/submission.json"))


def test_without_slurm_the_remedy_is_named(call: Call) -> None:
    told = call("submit --slurm wf.py", PATH="/nonexistent")

    assert (told.code, told.err) == (
        2,
        "d4py: error: There is no squeue on this machine. Submit on a login node; --host LOGIN does so from elsewhere.\n",
    )


def test_options_of_a_cluster_need_one(call: Call) -> None:
    assert "--nodes means nothing here. Add --slurm." in call("submit wf.py --nodes 2").err


def test_a_dry_run_prints_a_script_that_bash_can_read_and_sends_nothing(call: Call, here: Path) -> None:
    told = call("submit --slurm wf.py --profile supermuc-ng --account pn12 --time 30 --nodes 2 --dry-run")

    assert told.code == 0, told.err
    assert subprocess.run(["bash", "-n"], input=told.out, text=True, check=False).returncode == 0
    for part in ("--no-requeue", "--export=NONE", "--account=pn12", "module load slurm_setup", "mpiexec -n 96"):
        assert part in told.out
    assert not (here / "state").exists()


@pytest.mark.parametrize("name", ["generic", "debian-test", "supermuc-ng", "lrz-linux"])
def test_profiles_are_listed_and_shown(name: str, call: Call) -> None:
    assert name in call("profile list").out
    assert call(["profile", "show", name]).out == names()[name].read_text()
    assert find(name).about


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("launcher = 3", "has launcher = 3"),
        ("again = 'soon'", "has again = 'soon'"),
        ("lancher = []", "Did you mean 'launcher'?"),
        ("launcher = [", "cannot be read"),
        ('launcher = "srun --mpi=pmix"', 'Write a list of words: launcher = ["srun", "--mpi=pmix"].'),
        ('launcher = ["mpiexec", "-n", "{rank}"]', '"{ranks}" is their number.'),
        ("launcher = []", "has launcher = []"),
        ("required = [1]", "Write a list of words: required = "),
        ("margin = '2 min'", "Write a number."),
        ("[options]\npartiton = 'main'", "has 'partiton' in options"),
        ("[options]\npartiton = 'main'", "Did you mean 'partition'?"),
        ("needed = ['acount']", "Did you mean 'account'?"),
        ("forbidden = ['mem']", 'Write a flag of sbatch: "--mem".'),
    ],
)
def test_a_profile_that_is_wrong_is_told_with_its_file(text: str, says: str, call: Call, here: Path) -> None:
    folder = here / "config" / "d4py" / "profiles"
    folder.mkdir(parents=True)
    (folder / "mine.toml").write_text(text)

    told = call("submit --slurm wf.py --profile mine")

    assert told.code == 2
    assert says in told.err
    assert "mine.toml" in told.err


def test_a_profile_that_is_wrong_hides_no_other(call: Call, here: Path) -> None:
    folder = here / "config" / "d4py" / "profiles"
    folder.mkdir(parents=True)
    (folder / "mine.toml").write_text("lancher = []")

    told = call("profile list")

    assert told.code == 0
    assert "generic" in told.out
    assert next(line for line in told.out.splitlines() if line.startswith("mine")).endswith("Did you mean 'launcher'?")


def test_a_profile_is_shown_by_the_path_of_its_file(call: Call, here: Path) -> None:
    (here / "mine.toml").write_text('about = "Ours."\n')

    assert call("profile show ./mine.toml").out == 'about = "Ours."\n'


NASTY = (
    "; touch HACKED #|`touch HACKED`|$(touch HACKED)|'\"\"' \n touch HACKED\n|\\|\t|*|~|-rf|--flag|${IFS}|{x}|%s|é|\x7f"
)


def test_nothing_of_a_name_or_an_argument_is_read_by_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand scripts are run by bash with a launcher that notes its words: all words come through as they are."""
    monkeypatch.chdir(tmp_path)
    chance = random.Random("hostile")
    pieces = NASTY.split("|")
    launcher = tmp_path / "note"
    launcher.write_text("#!/bin/sh\nprintf '%s\\0' \"$@\" >>words\nprintf 'END\\1\\0' >>words\n")
    launcher.chmod(0o755)
    expected, scripts = [], []
    for number in range(1000):
        words = ["".join(chance.choices(pieces, k=chance.randint(1, 6))) for _ in range(chance.randint(1, 4))]
        folder = tmp_path / f"run {number} {chance.choice(pieces).replace('/', '')}"
        script = script_of(f"r{number}", folder, words, profile="generic", options={}, mapping="mpi", processes=None)
        text = script.text.replace("mpiexec -n 1", shlex.quote(str(launcher)))
        scripts.append(text.replace('exit "$code"', ":").replace("cd ", ": cd "))
        expected.append([*script.begin[3:]])

    (tmp_path / "all").write_text("SLURM_JOB_ID=1\n" + "\n".join(f"(\n{text}\n)" for text in scripts))
    subprocess.run(["bash", "all"], cwd=tmp_path, capture_output=True, timeout=100, check=False)

    told = [words.split("\0")[:-1] for words in (tmp_path / "words").read_text().split("END\1\0")[:-1]]
    assert [words[3:] for words in told] == expected
    assert not list(tmp_path.rglob("HACKED"))
