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
from d4py.runs import Folder, atomic, opened
from d4py.runs.submission import Submission, submission
from d4py.runs.sweep import Sweep
from d4py.targets.slurm import code, wheelhouse
from d4py.targets.slurm.commands import job_of, send
from d4py.targets.slurm.fit import fitted
from d4py.targets.slurm.job import check_time, checked, checked_flags
from d4py.targets.slurm.profile import find
from d4py.targets.slurm.script import Script, joined, local_of
from d4py.targets.slurm.status import notice, state_of, take_in, whole_of
from d4py.targets.slurm.sweep import Members, Place, again, note, place_of_member
from d4py.targets.slurm.trial import tried

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from d4py.graph.load import Workflow
    from d4py.targets.slurm.container import Container
    from d4py.targets.slurm.job import Job
    from d4py.targets.slurm.profile import Profile


def script_of(
    run: str,
    folder: Path,
    words: Sequence[str],
    *,
    profile: str,
    options: Mapping[str, object],
    more: Sequence[str] = (),
    mapping: str,
    processes: int | None,
    environment: str | None = None,
    image: Container | None = None,
    seen: Sequence[Path] = (),
    sweep: bool = False,
    workflow: Workflow | None = None,
) -> Script:
    """Return the script that would run `d4py run` with these words. Raises UsageError for what the site does not allow.

    more: flags of sbatch besides the options of the job. image: what it runs in; seen: what it reads and writes besides its folder, where it runs in an image.
    sweep: it is to be that of every member of one. workflow: what its PEs ask for is asked of the site.
    """
    site = find(profile)
    job = checked(options, site.options)
    further = checked_flags(more)
    _check_site(job, site, further)
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
        image.check(mapping)
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
        more=further,
        begin=[*program, "run", *place.begin, f"--mapping={mapping}", *more, *words],
        resume=[*program, "resume", "--gone", f"--mapping={mapping}", *more, place.resume],
        mpi=mpi,
        sweep=sweep,
        contained=image is not None,
        environment=wheelhouse.environment(wheels=f"{folder}/wheels", venv=venv, each=bool(local)) if wheels else "",
    )


def _check_site(job: Job, site: Profile, more: Sequence[str]) -> None:
    """Raise UsageError where a job is not what its site asks for."""
    missing = [f"--{name.replace('_', '-')}" for name in site.needed if getattr(job, name) is None]
    if missing:
        hint = "Give it." if len(missing) == 1 else "Give them."
        raise UsageError(f"The profile {site.name!r} needs {' and '.join(missing)}.", hint=hint)
    check_time(job.time, site.margin)
    banned = [flag for flag in (*job.flags, *more) if flag.partition("=")[0] in site.forbidden]
    if banned:
        raise UsageError(f"The site of the profile {site.name!r} forbids {banned[0]}.", hint="Leave it away.")


def submit(
    script: Script,
    *,
    workflow: str,
    mapping: str,
    warn: Callable[[str], None],
    sweep: Members | None = None,
    wheels: Path | None = None,
    source: Workflow | None = None,
    files: Mapping[str, bytes] | None = None,
) -> Folder:
    """Submit a job, or for a sweep an array of them; return the run's folder. A run that was submitted is not submitted again.

    wheels: what its environment is made of. source: what it runs, where it is to keep a copy of that. files: what else its job reads, by name below job/. warn: is told what the job has to wait for besides those of others.
    """
    path = Path(script.folder)
    if submission(path) is not None:
        return opened(path)
    if (path / "run.json").exists() and not _jobs_that_began(path):
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
        options={
            "accounting": script.profile.accounting,
            "local": bool(script.local),
            **({"at_once": sweep.at_once} if sweep else {}),
        },
    )
    _send(script, sent, sweep, wheels, warn, source, files or {})
    return opened(path)


def resubmit(folder: Folder, *, lasting: str | None = None, accept_changes: bool = False) -> None:
    """Submit the script of a run once more: it continues the run, or of a sweep what is not done. Raises StateError where it goes on, or is done.

    Raises SlurmError where Slurm cannot be asked whether it goes on.
    lasting: how long that job, and each that follows it, may take; None: as long as before. accept_changes: it continues with the code as it is now.
    """
    whole = whole_of(folder).path
    room = whole / "job"
    with _alone(room):
        late = notice(folder)
        if folder.path in late and lasting is None and not accept_changes:
            return
        state = state_of(folder, sure=True)  # a job that nobody was told of may wait
        if not isinstance(folder, Sweep) and (not state.status.over or state.exit_code == 0):
            raise StateError(f"The run {state.run!r} is {state.status.value}.", hint=f"See d4py status {state.run}.")
        sent = submission(folder.path)
        assert sent is not None
        if lasting is not None:
            _change_time(room, lasting)
        now = code.renewed(whole) if accept_changes else None

        def prepare(run: Folder) -> None:
            if accept_changes and (run.path / "run.json").exists():
                run.accept(None, now.kept if now else None)
            run.forget_requests()

        if sent.member is not None or isinstance(folder, Sweep):
            again(folder, _sbatch, prepare, late)
            return
        flags = (room / "flags").read_text(encoding="utf-8").split("\0")
        prepare(folder)
        take_in(folder, _sbatch(flags, room / "script"))


def _send(
    script: Script,
    sent: Submission,
    sweep: Members | None,
    wheels: Path | None,
    warn: Callable[[str], None],
    workflow: Workflow | None,
    files: Mapping[str, bytes],
) -> None:
    path = Path(script.folder)
    room = path / "job"
    with _made(path):
        room.mkdir(parents=True, exist_ok=True)
    flags = [*(sweep.flags if sweep else []), *script.flags]
    with _alone(room):
        if submission(path) is not None:
            return
        # Perhaps it was sent, and whoever sent it died before it was noted.
        known = job_of(f"d4py-{script.run}", room, script.job.clusters) or next(iter(_jobs_that_began(path)), None)
        if known is None:
            _lay(script, sweep, wheels, files)
            if workflow is not None and workflow.source is not None:
                code.note(code.lay(workflow.source, path), path, digest=workflow.digest)
            awaited = tried(flags, room / "script")
            if awaited:
                warn(awaited)
        sent.jobs.append(known or _sbatch(flags, room / "script"))
        if sweep is not None:
            note(Sweep(path), sent)
        sent.write(path)


def _lay(script: Script, sweep: Members | None, wheels: Path | None, files: Mapping[str, bytes]) -> None:
    """Write down what a job is made of. What was sent reads it: only who is alone with a run that was not may write it."""
    path = Path(script.folder)
    room = path / "job"
    with _made(path):
        (path / "logs").mkdir(exist_ok=True)
        path.chmod(0o700)
        (room / "script").write_text(script.text, encoding="utf-8")
        for name, data in files.items():
            (room / name).write_bytes(data)
        if wheels is not None:
            (room / "environment").write_text(script.environment, encoding="utf-8")
            wheelhouse.lay(wheels, path / "wheels")
        (room / "flags").write_text("\0".join(script.flags), encoding="utf-8")
        if sweep is not None:
            sweep.lay(path, script.run)


@contextmanager
def _made(path: Path) -> Iterator[None]:
    """Say of a run's folder that it cannot be made, where that is so."""
    try:
        yield
    except OSError as error:
        raise StateError(
            f"The run folder {str(path)!r} cannot be made: {error.strerror}.", hint="Choose another with --run-dir."
        ) from None


def _jobs_that_began(path: Path) -> list[str]:
    """Return the numbers of the jobs that have logs in a run's folder, the newest first."""
    logs = [*path.glob("logs/job-*.log"), *path.glob("*/logs/job-*.log")]  # of a sweep in those of its members
    numbers = {int(log.stem[4:]) for log in logs if log.stem[4:].isdigit()}
    return [str(number) for number in sorted(numbers, reverse=True)]


def _change_time(room: Path, lasting: str) -> None:
    """Let the jobs of a run take longer. Raises UsageError where Slurm would not give so much."""
    limit = f"--time={checked({'time': lasting}, {}).time}"
    flags, text = ((room / name).read_text(encoding="utf-8") for name in ("flags", "script"))
    before = flags.split("\0")
    margin = next((flag.partition("@")[2] for flag in before if flag.startswith("--signal=")), "")
    check_time(lasting, int(margin) if margin.isdigit() else 0)
    after = [*(flag for flag in before if not flag.startswith("--time=")), limit]
    tried(after, room / "script")
    # The script has the flags, too: for the jobs that it sends itself.
    atomic.write(room / "script", text.replace(joined(before), joined(after)).encode())
    atomic.write(room / "flags", "\0".join(after).encode())


@contextmanager
def _alone(room: Path) -> Iterator[None]:
    """Let whoever submits the same run meanwhile wait until this is done."""
    with open(room / "sending", "w", encoding="utf-8") as file:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sbatch(flags: Sequence[str], script: Path) -> str:
    return send(*flags, str(script))
