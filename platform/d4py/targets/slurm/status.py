# SPDX-License-Identifier: Apache-2.0
"""How a run on Slurm is doing: by its state file first, then by what Slurm knows of its job. What is not known is no failure."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from d4py.errors import StateError, UsageError
from d4py.runs.state import Status
from d4py.runs.submission import submission
from d4py.runs.sweep import Sweep, sweep_of
from d4py.targets.slurm.commands import JOB, SlurmError, accounted, cancel_jobs, jobs_of_room, queued, rooms_at_work
from d4py.targets.slurm.left import ended, last_code, last_word, said_early, unbegun
from d4py.targets.slurm.script import UNSENT

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from d4py.runs import Folder, State

_EACH, _LONGEST, _SLOWER = 3.0, 30.0, 1.5  # seconds between two questions to Slurm, at first and where nothing changes
_GRACE = 15.0  # seconds that a job which is gone may still be about to write its state
_WAITING = ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT")
_RUNNING = ("RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING")
_CLEARING = 15.0  # seconds that a job has to remove what it made on the disks of its nodes
_STOPPED = "5"  # the exit code of a job whose run can be continued
_ALIVE = (*_WAITING, *_RUNNING)
_OPEN = (Status.STOPPED, Status.LOST)  # over, and perhaps a job goes on with it
_FRUITLESS = ", no further than where its job began, so that no job follows: d4py resume {} --time gives it more time, offset() and seek() spare a source what it wrote before"


def jobs_of(folder: Folder) -> list[str]:
    """Return the ids of a run's jobs, the newest last: those that were submitted, and those that jobs submitted."""
    sent = submission(folder.path)
    jobs = [*(sent.jobs if sent else []), *_followers(folder)]
    return jobs if sent is None or sent.member is None else [_task(job, sent.member) for job in jobs]


def _followers(folder: Folder) -> list[str]:
    """Return the ids of the jobs that jobs of a run submitted. A site may have sbatch print more than that."""
    ids = folder.path / "job" / "ids"
    return [word for word in ids.read_text(encoding="utf-8").split() if JOB.fullmatch(word)] if ids.exists() else []


def take_in(folder: Folder, job: str, *, durable: bool = True, begun: bool = False) -> None:
    """Keep a further job of a run: from now on it is the newest, also of those that jobs submitted.

    begun: it is noted late, and what the folder says may be of it.
    """
    sent = submission(folder.path)
    assert sent is not None
    sent.jobs += _followers(folder)
    sent.renew(job, folder.state().generation + (0 if begun else 1))
    sent.write(folder.path, durable=durable)
    (folder.path / "job" / "ids").unlink(missing_ok=True)


def notice(run: Folder) -> set[Path]:
    """Keep the jobs that somebody sent for a run, a member or a sweep, who died before that was noted; return the folders of those runs."""
    folder = whole_of(run)
    sent = submission(folder.path)
    assert sent is not None
    runs = _runs_of(folder)
    noted = {_array(job) for jobs in (sent.jobs, *map(jobs_of, runs)) for job in jobs}
    clusters = ",".join({job.partition(";")[2] for job in sent.jobs} - {""})
    late: set[Path] = set()
    for job, tasks in jobs_of_room(f"d4py-{sent.run}", folder.path / "job", clusters or None).items():
        if job in noted:
            continue
        of = {runs[task]: _task(job, task) for task in tasks} if isinstance(folder, Sweep) else {folder: job}
        known = queued(*of.values())
        for one, own in of.items():
            take_in(one, job, begun=own in known and known[own][0] in _RUNNING)
        if isinstance(folder, Sweep):
            sent.jobs.append(job)
            sent.write(folder.path)
        late.update(one.path for one in of)
    return late


def whole_of(folder: Folder) -> Folder:
    """Return the sweep that a run is a member of; a run that is none, and a sweep, is a whole itself."""
    return (None if isinstance(folder, Sweep) else sweep_of(folder)) or folder


def _array(job: str) -> str:
    """Return the id of the array that a task is of; a job that is none has its own."""
    number, semicolon, cluster = job.partition(";")
    return f"{number.partition('_')[0]}{semicolon}{cluster}"


def _task(job: str, number: int) -> str:
    """Return the id of a task of an array."""
    array, semicolon, cluster = job.partition(";")
    return f"{array}_{number}{semicolon}{cluster}"


class Watcher:
    """Tells the states of runs again and again, or of sweeps and their members, and asks Slurm now and then only: once for all.

    sure: to raise SlurmError where Slurm cannot be asked, instead of telling what the folders say.
    """

    def __init__(self, *folders: Folder, sure: bool = False) -> None:
        self._sure_only = sure
        self._folders = {folder: _runs_of(folder) for folder in folders}
        self._runs = [run for runs in self._folders.values() for run in runs]
        self._asked, self._pause = -_EACH, _EACH
        self._names: dict[str, str] = {}  # Slurm's words for how jobs are doing
        self._silence = ""  # why Slurm could not be asked
        self._sure: set[tuple[str, bool, int]] = set()  # what it was asked

    def state(self) -> State:
        """Return the state of the one run, or of the one whole sweep."""
        return self.each()[0]

    def each(self) -> list[State]:
        """Return the state of each run, and of each sweep as a whole."""
        states = iter(self.states())
        each = {folder: [next(states) for _ in runs] for folder, runs in self._folders.items()}
        return [folder.together(of) if isinstance(folder, Sweep) else of[0] for folder, of in each.items()]

    def states(self) -> list[State]:
        """Return the states of the runs, and of the members of sweeps."""
        states = [run.state() for run in self._runs]
        open_ = {
            index: _Open(run, states[index], past)
            for index, run in enumerate(self._runs)
            if (past := _past(run, states[index])) or not (_settled(states[index]) or self._beats(run, states[index]))
        }
        new = {one.question for one in open_.values()} - self._sure
        if open_ and (new or time.monotonic() - self._asked >= self._pause):
            self._ask(open_.values())
        for index, one in open_.items():
            states[index] = one.unasked(self._silence) if self._silence else one.judged(self._names.get(one.job))
        return states

    def _beats(self, run: Folder, state: State) -> bool:
        """Whether a run showed just now that it runs: then Slurm has nothing to add."""
        return not self._sure_only and state.status is Status.RUNNING and not _quiet(run)

    def _ask(self, runs: Collection[_Open]) -> None:
        before, self._asked = self._names, time.monotonic()
        try:
            self._names, self._silence = _names(runs), ""
        except SlurmError as error:
            if self._sure_only:
                raise
            self._names, self._silence = {}, error.message
        self._sure = {one.question for one in runs}
        gone = any(self._names.get(one.job) not in _ALIVE for one in runs) and not self._silence
        changed = gone or self._names != before  # what is gone is soon known to be over
        self._pause = _EACH if changed else min(_LONGEST, self._pause * _SLOWER)


def _runs_of(folder: Folder) -> list[Folder]:
    return [member.folder for member in folder.members] if isinstance(folder, Sweep) else [folder]


def state_of(folder: Folder, *, sure: bool = False) -> State:
    """Return the state of a run. Raises SlurmError where it is to be sure, and Slurm cannot be asked."""
    return Watcher(folder, sure=sure).state()


def free(folder: Folder) -> bool:
    """Whether a run is over, so that it may be continued without Slurm. Raises StateError where a job of it waits, SlurmError where Slurm does not say."""
    state = state_of(folder, sure=shutil.which("squeue") is not None)
    if state.status is Status.QUEUED:
        raise StateError(
            f"A job of the run {state.run!r} waits.",
            hint=f"d4py cancel {state.run} first; or --gone where you know that there is none.",
        )
    return state.status.over


def states_of(sweep: Sweep) -> list[State]:
    """Return the states of the members of a sweep. Raises SlurmError where Slurm cannot be asked."""
    return Watcher(sweep, sure=True).states()


def _settled(state: State) -> bool:
    return state.status.over and state.status not in _OPEN


def _past(run: Folder, state: State) -> bool:
    """Whether a newer job was sent than the one that left this state."""
    sent = submission(run.path)
    return sent is not None and state.generation < sent.generation


def _names(runs: Collection[_Open]) -> dict[str, str]:
    """Return Slurm's words for how the newest jobs of runs are doing, where it has any."""
    jobs = [one.job for one in runs if one.job]
    known = {job: state for job, (state, _) in queued(*jobs).items()}
    forgotten = [one.job for one in runs if one.job and one.job not in known and one.accounted]
    known |= accounted(*forgotten) if forgotten else {}
    moved = [one for one in runs if known.get(one.job) not in _ALIVE and one.renewed()]
    return _names(runs) if moved else known


class _Open:
    """A run whose folder alone does not say how it is doing."""

    def __init__(self, run: Folder, state: State, past: bool) -> None:
        self.run, self.state, self.past = run, state, past
        self.job = ""
        self.renewed()

    @property
    def question(self) -> tuple[str, bool, int]:
        """What Slurm is asked: of which job, whether what is over may go on, and after how many jobs said that they ended."""
        return self.job, self.state.status in _OPEN, len(list((self.run.path / "job").glob("exit.*")))

    @property
    def accounted(self) -> bool:
        """Whether sacct may know of its jobs: at some sites it answers nobody."""
        sent = submission(self.run.path)
        return sent is None or bool(sent.options.get("accounting", True))

    def renewed(self) -> bool:
        """Look for the newest job; return whether it is another: one that ended may have submitted it."""
        before, self.job = self.job, next(reversed(jobs_of(self.run)), "")
        return self.job != before

    def unasked(self, silence: str) -> State:
        """Return the state as the folder has it, where Slurm cannot be asked: its job may wait or run all the same."""
        if self.past:
            self.state.status, self.state.exit_code, self.state.pid = Status.QUEUED, None, 0
        if not self.state.status.over:
            self.state.error = silence.rstrip(".")
        return self.state

    def judged(self, name: str | None) -> State:
        """Return the state, by what Slurm says of the newest job."""
        if self.past and name in _ALIVE:
            self.state.status, self.state.exit_code, self.state.error = Status.QUEUED, None, ""
            self.state.pid = 0  # that of the job before
            return self.state
        if name not in _ALIVE and self.state.status.over:
            return _stood(self.run, self.state) if self.state.status is not Status.LOST else self.state
        return _judged(self.run, self.state, name)


def _stood(folder: Folder, state: State) -> State:
    """Return the state of a run that stopped, with why no job has gone on with it."""
    path = folder.path / "state.json"
    code = last_code(folder, path.stat().st_mtime if path.exists() else 0.0)
    early = said_early(folder) if code == _STOPPED else ""
    unsent = last_word(folder) if code == _STOPPED else ""
    if unsent.startswith(UNSENT):
        state.error = "; ".join(filter(None, (state.error, f"no job follows: {unsent}")))
    elif code == str(UsageError.exit_code) or early:
        refusal = early or last_word(folder) or f"d4py logs {state.run} may say why."
        state.error = "; ".join(filter(None, (state.error, f"its job could not go on with it: {refusal}")))
    elif code not in ("", "0", _STOPPED):
        why = f"the job that was to go on with it ended with exit code {code}: d4py logs {state.run} says why"
        state.error = "; ".join(filter(None, (state.error, why)))
    elif not state.further:
        state.error += _FRUITLESS.format(state.run)
    return state


def _judged(folder: Folder, state: State, name: str | None) -> State:
    stays = state.status in _OPEN and name in _RUNNING and not ended(folder)  # it has yet to go on
    if name in _WAITING or stays:
        if state.status is not Status.QUEUED:
            state.error = f"{state.error}; it goes on in a job that waits" if state.error else "its job waits"
            state.exit_code = None
        state.status, state.pid = Status.QUEUED, 0
    elif name not in _RUNNING and not state.status.over and unbegun(folder) == str(UsageError.exit_code):
        state.status, state.exit_code = Status.FAILED, UsageError.exit_code
        state.error = last_word(folder) or f"its job could not begin it: d4py logs {state.run} may say why"
    elif name not in _RUNNING and not state.status.over and (code := unbegun(folder)):
        state.status, state.exit_code = Status.LOST, 5
        why = f"its job ended with exit code {code} before the run began: d4py logs {state.run} says why"
        state.error = (said_early(folder) if code == _STOPPED else "") or why
    elif name not in _RUNNING and not state.status.over and _quiet(folder):
        state.status, state.exit_code = Status.LOST, 5
        state.error = f"its job has ended{f' ({name.lower()})' if name else ''} without a word{_why(folder, name)}"
    return state


def _why(folder: Folder, name: str | None) -> str:
    """Return why a job may have ended without a word. One that was cancelled while it waited has no log."""
    if shutil.disk_usage(folder.path).free == 0:
        return ": there is no space left on the device of its folder. Make room, then d4py resume"
    begun = any((folder.path / "logs").glob("job-*.log")) or (folder.path / "run.json").exists()
    if not begun and name != "CANCELLED":
        return ", not even a log: do the nodes see its folder? If not, submit it with another --run-dir"
    return ""


def told(folder: Folder) -> str:
    """Return the job of a run, and what Slurm says of it; of a sweep the arrays."""
    jobs = jobs_of(folder)
    if not jobs:
        return ""
    if isinstance(folder, Sweep):
        return f"{', '.join(jobs)}, of {len(folder.members)} tasks"
    try:
        known = queued(jobs[-1]).get(jobs[-1])
    except SlurmError:
        known = None
    if known is None:
        return f"{jobs[-1]}"
    state, reason = known
    return f"{jobs[-1]}, {state.lower()}" + (f" ({reason})" if reason not in ("", "None") else "")


def cancel(folder: Folder) -> None:
    """Cancel those jobs of a run, or of a sweep, that wait; what has not begun is cancelled with that."""
    runs = _runs_of(folder)
    jobs = {job: run for run in runs for job in jobs_of(run)}
    states = queued(*jobs)
    waiting = [job for job in jobs if states.get(job, ("", ""))[0] in _WAITING]
    cancel_jobs(*waiting)
    for run in runs:
        sent = submission(run.path)
        if sent is not None and not (run.path / "run.json").exists():
            sent.cancelled = True
            sent.write(run.path)


def end(folder: Folder, *, now: bool = False) -> list[Folder]:
    """Kill the jobs of a run that was cancelled, or of those of a sweep that were; return which of them had not ended by themselves.

    What is done has its job end by itself, and what has a live source drains. now: that is killed, too.
    """
    dying = [
        (run, state)
        for run, state in zip(_runs_of(folder), Watcher(folder).states(), strict=True)
        if state.status is Status.CANCELLED or not (state.status.over or (_drains(state) and not now))
    ]
    for run, state in dying:
        if state.status is Status.CANCELLED and not now:
            _let_clear(run)
    jobs = {run: jobs_of(run) for run, _ in dying}
    known = queued(*(job for some in jobs.values() for job in some))
    left = {job for job, (name, _) in known.items() if name in _ALIVE}
    cancel_jobs(*dict.fromkeys(job for some in jobs.values() for job in some if job in left))
    return [run for run, state in dying if not state.status.over and left.intersection(jobs[run])]


def _let_clear(run: Folder) -> None:
    """Let the job of a run that ended by itself remove what it made on the disks of its nodes: who kills it leaves that there."""
    sent = submission(run.path)
    until = time.monotonic() + _CLEARING
    while sent and sent.options.get("local") and (run.path / "state.json").exists() and not ended(run):
        if time.monotonic() > until:
            return
        time.sleep(0.1)


def _drains(state: State) -> bool:
    """Whether a run that was asked to end takes its time for it: what a live source gave is worked off."""
    return state.live and state.status is Status.RUNNING


def held(folders: Sequence[Folder]) -> list[Folder]:
    """Return those runs and sweeps for which a job waits or runs, also where nobody noted it. Raises SlurmError."""
    clusters = {folder: {job.partition(";")[2] for job in jobs_of(folder)} or {""} for folder in folders}
    at_work = {cluster: rooms_at_work(cluster) for cluster in sorted(set().union(*clusters.values()))}
    return [
        folder
        for folder in folders
        if any((folder.path / "job").resolve() in at_work[cluster] for cluster in clusters[folder])
    ]


def _quiet(folder: Folder) -> bool:
    """Whether nothing was written for a while."""
    paths = [folder.path / name for name in ("state.json", "submission.json", "job")]
    newest = max((path.stat().st_mtime for path in paths if path.exists()), default=0.0)
    return time.time() - newest > _GRACE
