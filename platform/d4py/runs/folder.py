# SPDX-License-Identifier: Apache-2.0
"""Where the files of a run are: what it was started with, its plan, its state, what was asked of it."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from d4py.errors import DiskError, StateError, UnknownRun, WorkflowFailed, did_you_mean
from d4py.plan.plan import Plan
from d4py.runs import atomic
from d4py.runs.checkpoints import Checkpoints
from d4py.runs.state import State, Status
from d4py.runs.submission import submission, submitted

VERSION = 1
_NEEDED = ("id", "source", "digest", "mapping", "options", "on_error")
_ACCEPTED = "accepted.json"  # which code it goes on with, where that is another
_SUGGESTED = 1_000  # runs, the last by name, among which one is looked for that may have been meant
_SILENT = 60.0  # seconds without a heartbeat; one comes every 5 s
_FOLDERS = ("generations", "commits", "parts", "outputs", "quarantine", "sources", "logs")


def home() -> Path:
    """Return the folder that holds the runs of this user."""
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "d4py" / "runs"


def new_id() -> str:
    """Return a run id: sorts by time, tells runs of one second apart."""
    return time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + os.urandom(3).hex()


def find(run: str) -> Folder:
    """Return the folder of a run by its id, the start of one, or a path. Raises UnknownRun."""
    run = run.partition("://")[2] or run  # slurm://...
    path = Path(run)
    if "/" in run and _is_run(path):
        return opened(path)
    whole, _, number = run.rpartition("/")
    if number.isdigit() and whole and (_is_run(Path(whole)) or "/" not in whole):
        return _member(find(whole), number)
    where = home()
    known = sorted(entry.name for entry in os.scandir(where)) if where.is_dir() else []
    near = [run] if run in known and _is_run(where / run) else []
    near = near or [name for name in known if run and name.startswith(run) and _is_run(where / name)]
    if len(near) == 1:
        return opened(where / near[0])
    if near:
        raise UnknownRun(f"The run {run!r} fits {len(near)} runs.", hint="Give more of its id; d4py list shows them.")
    runs = [name for name in known[-_SUGGESTED:] if _is_run(where / name)]
    raise UnknownRun(f"There is no run {run!r}.", hint=did_you_mean(run, runs) or "d4py list shows the runs.")


def opened(path: Path) -> Folder:
    """Return the folder of a run, or of a sweep."""
    from d4py.runs.sweep import Sweep, is_sweep

    return Sweep(path) if is_sweep(path) else Folder(path)


def _member(folder: Folder, number: str) -> Folder:
    from d4py.runs.sweep import Sweep

    if not isinstance(folder, Sweep):
        raise UnknownRun(
            f"The run {folder.path.name!r} is no sweep, so it has no member {number!r}.",
            hint=f"See d4py status {folder.path.name}.",
        )
    return folder.member(number)


def _is_run(path: Path) -> bool:
    return (path / "run.json").is_file() or submitted(path)


class Folder(Checkpoints):
    """One run's files."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._plan: Plan | None = None  # what plan.json holds, as far as this process knows

    @classmethod
    def create(cls, path: Path, description: dict[str, Any]) -> Folder:
        """Make the folder of a new run. Raises StateError if there is one."""
        held = StateError(
            f"The folder {str(path)!r} already holds a run.",
            hint=f"Continue it with d4py resume {path}, or choose another --run-dir or --run-id.",
        )
        try:
            made = [folder for folder in (path, *path.absolute().parents) if not folder.exists()]
            path.mkdir(parents=True, exist_ok=True)
            if (path / "run.json").exists():
                raise held
            path.chmod(0o700)  # pickles in it are read back, so nobody else may write here, whatever the umask
            for name in _FOLDERS:
                (path / name).mkdir(exist_ok=True)
        except OSError as error:
            raise StateError(
                f"The run folder {str(path)!r} cannot be made: {error.strerror}.", hint="Choose another with --run-dir."
            ) from None
        try:
            atomic.create(path / "run.json", atomic.as_json({"version": VERSION, **description}))
        except FileExistsError:
            raise held from None
        except DiskError as error:
            raise StateError(error.message, hint=error.hint) from None
        folder = cls(path)
        folder._unsettled += [other.parent for other in made[1:]]
        return folder

    def abolish(self) -> None:
        """Give up a run that could not be begun, so that another can be begun in this folder."""
        (self.path / "run.json").unlink(missing_ok=True)

    @property
    def run_id(self) -> str:
        """The run's id."""
        return str(self.description()["id"])

    def description(self) -> dict[str, Any]:
        """Return what the run was started with."""
        data: dict[str, Any] = self._json("run.json")
        if data.get("version") != VERSION:
            raise StateError(
                f"The run in {self.path} has format {data.get('version')}; this d4py reads {VERSION}.",
                hint="Use the d4py that made it.",
            )
        missing = [name for name in _NEEDED if name not in data]
        if missing:
            raise self._damaged("run.json", f"it has no {missing[0]}")
        if data["source"] is not None and (self.path / _ACCEPTED).exists():
            accepted = self._json(_ACCEPTED)
            data["digest"], data["source"]["kept"] = accepted["digest"], accepted["kept"]
        return data

    def accept(self, digest: str | None, kept: dict[str, str] | None) -> None:
        """Let the run go on with other code than it began with. digest: of it; None: of what is found next. kept: where its copy is."""
        atomic.write_json(self.path / _ACCEPTED, {"digest": digest, "kept": kept})

    def write_plan(self, plan: Plan) -> None:
        """Keep the plan."""
        if plan != self._plan:
            # The first is synced before a commit needs it. Where it is replaced one may already need it: then the old one or the new must be there.
            atomic.write(self.path / "plan.json", json.dumps(plan.to_json()).encode(), durable=self._plan is not None)
            self._plan = plan

    def plan(self) -> Plan:
        """Return the plan."""
        self.description()
        data = self._json("plan.json")
        try:
            self._plan = Plan.from_json(data)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise self._damaged("plan.json", repr(error)) from None
        return self._plan

    def write_state(self, state: State) -> None:
        """Replace the state."""
        atomic.write_json(self.path / "state.json", state.to_json(), durable=False)

    def state(self) -> State:
        """Return the state; a run whose process is gone is `lost`."""
        from d4py.runs.process import alive

        sent = None if (self.path / "state.json").exists() else submission(self.path)
        if sent is not None:
            return sent.state
        if self._blank("state.json"):
            return self._lost()
        data = self._json("state.json")
        try:
            state = State.from_json(data)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._damaged("state.json", repr(error)) from None
        if state.status is Status.RUNNING:
            self._take_failure(state)
        if not state.status.over and not alive(state.pid, state.pid_start, state.host):
            state.status = Status.LOST
            state.exit_code = 5
            state.error = state.error or "its process ended without a word"
        elif not (state.status.over or submitted(self.path)):
            state.error = state.error or self._silence(state)
        return state

    def _silence(self, state: State) -> str:
        """Return what is to be said of a run on another host that shows no life; nothing can be told of its process from here."""
        from d4py.runs.process import here

        silent = time.time() - (self.path / "state.json").stat().st_mtime
        if silent < _SILENT or state.host in ("", here()):
            return ""
        name = state.run if self.path == (home() / state.run).resolve() else self.path
        return f"no sign of life from {state.host} for {silent:.0f} s; if its job is over: d4py resume {name} --gone"

    def write_failure(self, generation: int, error: str, traceback: str) -> bool:
        """Leave why a run has failed, where the process that writes its state cannot; return whether nobody has in this start."""
        ended = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        told = {"error": error, "traceback": traceback, "ended": ended}
        try:
            atomic.create(self._failure(generation), atomic.as_json(told))
        except FileExistsError:
            return False
        return True

    def _failure(self, generation: int) -> Path:
        return self.path / f"failure-{generation:04d}.json"

    def _take_failure(self, state: State) -> None:
        """Fill in the failure that was left by this start of a run; that of an earlier start means nothing."""
        try:
            told = json.loads(self._failure(state.generation).read_bytes())
        except (OSError, ValueError):
            return
        state.status, state.exit_code = Status.FAILED, WorkflowFailed.exit_code
        state.error, state.traceback, state.ended = told["error"], told["traceback"], told["ended"]

    def _lost(self) -> State:
        """The state is never synced: a power cut may leave its file empty. What a resume needs of it is known from elsewhere."""
        description = self.description()
        return State(
            run=str(description["id"]),
            status=Status.LOST,
            mapping=str(description["mapping"]),
            workflow=str((description["source"] or {}).get("name", "workflow")),
            created=str(description.get("created", "")),
            exit_code=5,
            error="its state was lost, as in a power cut",
        )

    def _blank(self, name: str) -> bool:
        """Whether a file has nothing in it, or zeros: what a power cut makes of one that was not synced."""
        try:
            return not (self.path / name).read_bytes().strip(b"\0")
        except OSError:
            return False

    def keep_inputs(self, data: bytes) -> None:
        """Keep the input data of the run."""
        atomic.write(self.path / "inputs.pickle", data, durable=False)

    def inputs(self) -> bytes:
        """Return the input data of the run."""
        try:
            return (self.path / "inputs.pickle").read_bytes()
        except OSError as error:
            raise StateError(
                f"{self.path / 'inputs.pickle'} cannot be read: {error.strerror}.", hint="Run the workflow again."
            ) from None

    def write_books(self, books: Any) -> None:
        """Keep the books."""
        atomic.write_json(self.path / "books.json", books, durable=False)

    def request(self, kind: str) -> None:
        """Ask the process that runs this run: cancel, suspend or snapshot."""
        path = self.path / f"request-{kind}-{os.urandom(4).hex()}"
        try:
            path.touch()
        except OSError as error:
            raise DiskError.of(path, error) from error

    def requests(self) -> list[str]:
        """Return what was asked, each `kind-mark`."""
        try:
            return [entry.name[8:] for entry in os.scandir(self.path) if entry.name.startswith("request-")]
        except OSError:
            return []

    def past_requests(self) -> list[str]:
        """Return what was asked of an earlier start: it was obeyed then, or came to nothing.

        What is younger than the state in which a run stopped was asked while a job of it waited to go on: it is for that.
        """
        requests, state = self.requests(), self.path / "state.json"
        if not (submitted(self.path) and state.exists() and self.state().status is Status.STOPPED):
            return requests
        since = state.stat().st_mtime
        return [name for name in requests if (self.path / f"request-{name}").stat().st_mtime <= since]

    def answered(self, request: str) -> None:
        """Take back what was asked: it is obeyed, or has come to nothing."""
        with suppress(OSError):
            (self.path / f"request-{request}").unlink()

    def forget_requests(self) -> None:
        """Take back what was asked of a run that has ended, or has not begun."""
        for request in self.requests():
            self.answered(request)

    def log(self, text: str) -> None:
        """Add a line to the run's own log, if the disk takes it."""
        with suppress(OSError), open(self.path / "logs" / "run.log", "a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")

    def log_path(self, label: str) -> Path:
        """Return the log file of an instance."""
        return self.path / "logs" / f"{label.replace('/', '_')}.log"
