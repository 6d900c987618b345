# SPDX-License-Identifier: Apache-2.0
"""Which launchers really start ranks of one world at a site: found out by one small job."""

from __future__ import annotations

import shlex
import signal
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from d4py.errors import StateError, UsageError
from d4py.targets.slurm.commands import SlurmError, cancel_jobs, jobs_of_room, queued, send
from d4py.targets.slurm.job import checked
from d4py.targets.slurm.left import last_error
from d4py.targets.slurm.script import prologue

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from d4py.targets.slurm.profile import Profile

_LAUNCHERS = (
    ("mpiexec", "-n", "{ranks}"),
    ("srun", "--mpi=pmix"),
    ("srun", "--mpi=pmi2"),
    ("srun",),
)
_PROGRAM = "from d4py.mappings.mpi.job import job_of; job = job_of(); job.rank or print(job.size, 'ranks,', job.nodes, 'nodes')"
_OURS = "d4py.errors."  # what the last line of a traceback begins with, where d4py knows what is wrong
_LOOK = 0.5
_NAME = "d4py-check"


class Launcher(NamedTuple):
    """What a launcher came to."""

    words: tuple[str, ...]
    works: bool
    said: str


def check(profile: Profile, options: Mapping[str, object], *, patience: float) -> list[Launcher]:
    """Try the launchers in a job of two ranks, on two nodes where nothing else is asked; the profile's own first."""
    job = checked({"nodes": 2, "ntasks_per_node": 1, "time": "2", **options}, profile.options)
    tried = list(dict.fromkeys([profile.launcher, *_LAUNCHERS]))
    with tempfile.TemporaryDirectory(prefix=".d4py-check-", dir=Path.cwd(), ignore_cleanup_errors=True) as folder:
        script = Path(folder) / "script"
        script.write_text(_script(profile, tried, job.ranks, job.nodes, folder), encoding="utf-8")
        out = f"{folder}/out".replace("%", "%%")  # sbatch puts names and numbers in the place of %
        flags = [f"--chdir={folder}", f"--output={out}", f"--export={profile.export}", *profile.required]
        with _ended(Path(folder), job.clusters) as sent:
            sent.append(number := send(f"--job-name={_NAME}", *flags, *job.flags, str(script)))
            _wait(number, Path(folder), patience)
        return [_came_to(Path(folder), index, words) for index, words in enumerate(tried)]


@contextmanager
def _ended(folder: Path, clusters: str | None) -> Iterator[list[str]]:
    """Cancel the job that was sent where nobody waits for it any more, also where TERM ends the wait: its folder goes, too."""
    sent: list[str] = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        yield sent
    except BaseException:
        with suppress(SlurmError):
            cancel_jobs(*(sent or jobs_of_room(_NAME, folder, clusters)))
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _wait(number: str, folder: Path, patience: float) -> None:
    """Wait until the job has tried all. Raises UsageError for what it says, and StateError where it takes too long."""
    until = time.monotonic() + patience
    while not (folder / "done").exists():
        if list(folder.glob("exit.*")):
            raise UsageError(last_error(folder / "out"))
        if time.monotonic() > until:
            state = queued(number).get(number)
            said = f" ({state[0].lower()}, {state[1]})" if state else ""
            raise StateError(
                f"The job {number} has not ended after {patience:g} s{said}.",
                hint="Ask for less, or wait longer with --timeout.",
            )
        time.sleep(_LOOK)


def _script(profile: Profile, tried: list[tuple[str, ...]], ranks: int, nodes: int, folder: str) -> str:
    lines = [
        "#!/bin/bash",
        prologue(profile, shlex.quote(folder)),
        "unset SLURM_EXPORT_ENV",
        "export SLURM_KILL_BAD_EXIT=1",  # as in jobs: else ranks wait for those that are refused
        f"export D4PY_RANKS={ranks} D4PY_NODES={nodes}",
    ]
    for index, words in enumerate(tried):
        launch = shlex.join([word.format(ranks=ranks) for word in words])
        program = shlex.join([sys.executable, "-c", _PROGRAM])
        lines.append(f"timeout 60 {launch} {program} >{index}.out 2>{index}.err; echo $? >{index}.code")
    return "\n".join([*lines, f"touch {shlex.quote(folder)}/done", ""])


def _came_to(folder: Path, index: int, words: tuple[str, ...]) -> Launcher:
    out, err, code = (
        (folder / f"{index}.{kind}").read_text(encoding="utf-8", errors="replace").strip()
        for kind in ("out", "err", "code")
    )
    works = code == "0" and "ranks" in out
    lines = [line for line in err.splitlines() if line.startswith(_OURS)] or err.splitlines()
    said = out if works else (lines[-1] if lines else f"exit code {code}")
    return Launcher(words, works, said.partition(": ")[2] if said.startswith(_OURS) else said)
