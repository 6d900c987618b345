# SPDX-License-Identifier: Apache-2.0
"""Slurm takes hostile names as they are: those of jobs, of folders, of arguments; so does the job that a job sends to go on."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.slurm.cluster import Cluster
from tests.slurm.conftest import Call, eventually
from tests.slurm.test_input import NASTY

from d4py.targets.slurm.submit import script_of

# A run that is told of its time at once, and in the next job is done.
LAUNCHER = """\
trap 'exit 5' USR1
folder=${6#--run-dir=}
[ "$4" = run ] || folder=${@: -1}
printf '%s\\0' "$@" >>"$folder/words"
[ "$4" = run ] || exit 0
touch "$folder/run.json"
printf '{\\n "status": "stopped",\\n "further": true\\n}\\n' >"$folder/state.json"
kill -USR1 $PPID
while :; do sleep 0.02; done
"""


def test_nothing_of_a_name_is_read_by_slurm_or_by_a_shell(here: Path, cluster: Cluster) -> None:
    """As no `--run-id` may be: all but control characters, each name of a job, a folder and an argument."""
    (here / "launcher").write_text(LAUNCHER)
    (here / "site.toml").write_text(f'launcher = ["bash", "{here}/launcher"]\nagain = "dependent"\n')
    names = [piece for piece in map(str.strip, NASTY.split("|")) if piece.isprintable() and piece]
    # In the name of a log % and \ mean something to Slurm.
    folders = {name: here / f"{number} {name.translate({37: None, 92: None})}" for number, name in enumerate(names)}
    for name, folder in folders.items():
        for room in ("job", "logs"):
            (folder / room).mkdir(parents=True)
        words, site = [f"--set={name}", "--", name], f"{here}/site.toml"
        script = script_of(name, folder, words, profile=site, options={"time": "5"}, mapping="mpi", processes=None)
        (folder / "job/script").write_text(script.text)
        cluster.call("sbatch", *script.flags, str(folder / "job/script"))

    for folder in folders.values():
        eventually(lambda folder=folder: len(list((folder / "job").glob("exit.*"))) == 1, f"{folder} to be done")  # type: ignore[misc]

    jobs = Counter(cluster.call("squeue", "--noheader", "--states=all", "--format=%j").splitlines())
    assert [(name, jobs[f"d4py-{name}"]) for name in names] == [(name, 2) for name in names]
    for name, folder in folders.items():
        told = (folder / "words").read_text().split("\0")
        assert told[3:6] == ["run", f"--run-id={name}", f"--run-dir={folder}"]
        assert told[-2] == str(folder)
        assert [told.count(word) for word in (f"--set={name}", name)] == [1, 1]
    assert not list(here.rglob("HACKED"))


def test_a_name_that_is_no_id_comes_as_far_as_no_slurm(call: Call) -> None:
    told = [call(["submit", "--slurm", "wf.py", f"--run-id={name}"]) for name in ("$(touch HACKED)", "a\nb", "-rf")]

    assert [(one.code, len(one.err.splitlines())) for one in told] == [(2, 1)] * 3
    assert all(" is not an id: letters, digits, and -_. after the first" in one.err for one in told)
