# SPDX-License-Identifier: Apache-2.0
"""Sends a run to Slurm. Whoever does it twice finds the first."""

from __future__ import annotations

import fcntl
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from d4py.errors import StateError, UsageError
from d4py.runs import Folder
from d4py.runs.submission import Submission, submission
from d4py.targets.slurm import wheelhouse
from d4py.targets.slurm.commands import call, job_of
from d4py.targets.slurm.job import checked
from d4py.targets.slurm.profile import find
from d4py.targets.slurm.script import Script, venv_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


def script_of(
    run: str,
    folder: Path,
    words: Sequence[str],
    *,
    profile: str,
    options: Mapping[str, object],
    mapping: str,
    processes: int | None,
    environment: str | None = None,
) -> Script:
    """Return the script that would run `d4py run` with these words. Raises UsageError for what the site does not allow."""
    site = find(profile)
    job = checked(options, site.options)
    missing = [name for name in site.needed if getattr(job, name, None) is None]
    if missing:
        raise UsageError(f"The profile {profile!r} needs --{missing[0]}.", hint="Give it.")
    banned = [flag for flag in job.flags if flag.partition("=")[0] in site.forbidden]
    if banned:
        raise UsageError(f"The site of the profile {profile!r} forbids {banned[0]}.", hint="Leave it away.")
    mpi = mapping == "mpi"
    if not mpi and job.nodes > 1:
        raise UsageError(f"The mapping {mapping!r} runs on one node; {job.nodes} were asked for.", hint="Use mpi.")
    if mpi and processes not in (None, job.ranks):
        raise UsageError(
            f"The job has {job.ranks} ranks, but -n {processes} was given.", hint="Give nodes and ranks per node only."
        )
    wheels = (environment or site.environment) == "wheelhouse"
    venv = venv_of(site, run, str(folder))
    program = [f"{venv}/bin/python" if wheels else sys.executable, "-m", "d4py.cli.main"]
    more = [] if mpi else [f"--processes={processes or job.ntasks_per_node}"]
    return Script(
        run=run,
        folder=str(folder),
        workdir=str(Path.cwd()),
        job=job,
        profile=site,
        begin=[*program, "run", f"--run-id={run}", f"--run-dir={folder}", f"--mapping={mapping}", *more, *words],
        resume=[*program, "resume", "--gone", f"--mapping={mapping}", *more, str(folder)],
        mpi=mpi,
        environment=wheelhouse.environment(wheels=f"{folder}/wheels", venv=venv) if wheels else "",
    )


def submit(script: Script, *, workflow: str, mapping: str, wheels: Path | None = None) -> Folder:
    """Submit a job; return the run's folder. A run that was submitted is not submitted again. wheels: what its environment is made of."""
    path = Path(script.folder)
    if submission(path) is not None:
        return Folder(path)
    if (path / "run.json").exists():
        raise StateError(
            f"The folder {str(path)!r} already holds a run.", hint="Continue it with d4py resume, or choose another."
        )
    sent = Submission(
        run=script.run,
        target="slurm",
        workflow=workflow,
        mapping=mapping,
        created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        profile=script.profile.name,
    )
    _send(script, sent, wheels)
    return Folder(path)


def resubmit(folder: Folder) -> str:
    """Submit the script of a run once more: it continues the run. Return the id of the job."""
    sent = submission(folder.path)
    assert sent is not None
    flags = (folder.path / "job" / "flags").read_text(encoding="utf-8").split("\0")
    sent.jobs.append(_sbatch(flags, folder.path / "job" / "script"))
    sent.generation = folder.state().generation + 1
    sent.write(folder.path)
    return sent.jobs[-1]


def _send(script: Script, sent: Submission, wheels: Path | None) -> None:
    path = Path(script.folder)
    room = path / "job"
    try:
        room.mkdir(parents=True, exist_ok=True)
        (path / "logs").mkdir(exist_ok=True)
        path.chmod(0o700)
        (room / "script").write_text(script.text, encoding="utf-8")
        if wheels is not None:
            (room / "environment").write_text(script.environment, encoding="utf-8")
            wheelhouse.lay(wheels, path / "wheels")
        (room / "flags").write_text("\0".join(script.flags), encoding="utf-8")
    except OSError as error:
        raise StateError(
            f"The run folder {str(path)!r} cannot be made: {error.strerror}.", hint="Choose another with --run-dir."
        ) from None
    with _alone(room):
        if submission(path) is not None:
            return
        known = job_of(
            f"d4py-{script.run}", script.job.clusters
        )  # it was sent, and whoever sent it died before it was noted
        if known is None:
            call("sbatch", "--test-only", *script.flags, str(room / "script"))  # what can never start waits for ever
        sent.jobs.append(known or _sbatch(script.flags, room / "script"))
        sent.write(path)


@contextmanager
def _alone(room: Path) -> Iterator[None]:
    """Let whoever submits the same run meanwhile wait until this is done."""
    with open(room / "sending", "w", encoding="utf-8") as file:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sbatch(flags: Sequence[str], script: Path) -> str:
    return call("sbatch", "--parsable", *flags, str(script)).strip()
