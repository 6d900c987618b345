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
from d4py.runs import Folder, opened
from d4py.runs.submission import Submission, submission
from d4py.runs.sweep import Sweep
from d4py.targets.slurm import wheelhouse
from d4py.targets.slurm.commands import call, job_of
from d4py.targets.slurm.fit import fitted
from d4py.targets.slurm.job import checked
from d4py.targets.slurm.profile import find
from d4py.targets.slurm.script import Script, local_of
from d4py.targets.slurm.sweep import Members, Place, again, note, place_of_member

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from d4py.graph.load import Workflow
    from d4py.targets.slurm.container import Container


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
    image: Container | None = None,
    seen: Sequence[Path] = (),
    sweep: bool = False,
    workflow: Workflow | None = None,
) -> Script:
    """Return the script that would run `d4py run` with these words. Raises UsageError for what the site does not allow.

    image: what it runs in; seen: what it reads and writes besides its folder, where it runs in an image.
    sweep: it is to be that of every member of one. workflow: what its PEs ask for is asked of the site.
    """
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
    if workflow is not None:
        job = fitted(job, site, workflow, mapping=mapping, processes=processes, fuse="--no-fuse" not in words)
    wheels = (environment or site.environment) == "wheelhouse"
    local = local_of(site, run, sweep=sweep)
    venv = local or f"{folder}/venv"
    program = [f"{venv}/bin/python" if wheels else sys.executable, "-m", "d4py.cli.main"]
    if image is not None:
        program = image.program(Path.cwd(), [folder, *seen], together=job.ntasks_per_node if mpi else 1)
        words = [*words[:-1], image.workflow]
    more = [] if mpi else [f"--processes={processes or job.ntasks_per_node}"]
    place = place_of_member(run) if sweep else Place([f"--run-id={run}", f"--run-dir={folder}"], str(folder))
    return Script(
        run=run,
        folder=str(folder),
        workdir=str(Path.cwd()),
        job=job,
        profile=site,
        begin=[*program, "run", *place.begin, f"--mapping={mapping}", *more, *words],
        resume=[*program, "resume", "--gone", f"--mapping={mapping}", *more, place.resume],
        mpi=mpi,
        sweep=sweep,
        environment=wheelhouse.environment(wheels=f"{folder}/wheels", venv=venv, each=bool(local)) if wheels else "",
    )


def submit(
    script: Script, *, workflow: str, mapping: str, sweep: Members | None = None, wheels: Path | None = None
) -> Folder:
    """Submit a job, or for a sweep an array of them; return the run's folder. A run that was submitted is not submitted again.

    wheels: what its environment is made of.
    """
    path = Path(script.folder)
    if submission(path) is not None:
        return opened(path)
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
        options={"at_once": sweep.at_once} if sweep else {},
    )
    _send(script, sent, sweep, wheels)
    return opened(path)


def resubmit(folder: Folder) -> str:
    """Submit the script of a run once more: it continues the run, or of a sweep what is not done. Return the id of the job."""
    sent = submission(folder.path)
    assert sent is not None
    if sent.member is not None or isinstance(folder, Sweep):
        return again(folder, _sbatch)
    flags = (folder.path / "job" / "flags").read_text(encoding="utf-8").split("\0")
    folder.forget_requests()
    sent.renew(_sbatch(flags, folder.path / "job" / "script"), folder.state().generation + 1)
    sent.write(folder.path)
    return sent.jobs[-1]


def _send(script: Script, sent: Submission, sweep: Members | None, wheels: Path | None) -> None:
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
        members = sweep.lay(path, script.run) if sweep else None
    except OSError as error:
        raise StateError(
            f"The run folder {str(path)!r} cannot be made: {error.strerror}.", hint="Choose another with --run-dir."
        ) from None
    flags = [*(sweep.flags if sweep else []), *script.flags]
    with _alone(room):
        if submission(path) is not None:
            return
        # Perhaps it was sent, and whoever sent it died before it was noted.
        known = job_of(f"d4py-{script.run}", script.job.clusters)
        if known is None:
            call("sbatch", "--test-only", *flags, str(room / "script"))  # what can never start waits for ever
        sent.jobs.append(known or _sbatch(flags, room / "script"))
        if members is not None:
            note(members, sent)
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
