# SPDX-License-Identifier: Apache-2.0
"""Where the files of a run are, and how its checkpoints are found again."""

from __future__ import annotations

import json
import os
import pickle
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d4py.engine.coordinator import Commit
from d4py.errors import StateError, UnknownRun, did_you_mean
from d4py.plan.plan import Plan
from d4py.runs import atomic
from d4py.runs.state import State, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from d4py.engine.link import Part

VERSION = 1
_NEEDED = ("id", "source", "digest", "mapping", "options", "on_error")
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
    path = Path(run)
    if "/" in run and (path / "run.json").is_file():
        return Folder(path)
    known = (
        sorted(entry.name for entry in home().iterdir() if (entry / "run.json").is_file()) if home().is_dir() else []
    )
    near = [name for name in known if name == run] or [name for name in known if run and name.startswith(run)]
    if len(near) == 1:
        return Folder(home() / near[0])
    if near:
        raise UnknownRun(f"The run {run!r} fits {len(near)} runs.", hint="Give more of its id; d4py list shows them.")
    raise UnknownRun(f"There is no run {run!r}.", hint=did_you_mean(run, known) or "d4py list shows the runs.")


class Folder:
    """One run's files."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()

    @classmethod
    def create(cls, path: Path, description: dict[str, Any]) -> Folder:
        """Make the folder of a new run. Raises StateError if there is one."""
        try:
            path.mkdir(parents=True, exist_ok=True)
            if (path / "run.json").exists():
                raise StateError(
                    f"The folder {str(path)!r} already holds a run.",
                    hint=f"Continue it with d4py resume {path}, or choose another --run-dir or --run-id.",
                )
            path.chmod(0o700)  # pickles in it are read back, so nobody else may write here, whatever the umask
            for name in _FOLDERS:
                (path / name).mkdir(exist_ok=True)
        except OSError as error:
            raise StateError(
                f"The run folder {str(path)!r} cannot be made: {error.strerror}.", hint="Choose another with --run-dir."
            ) from None
        folder = cls(path)
        atomic.write_json(path / "run.json", {"version": VERSION, **description}, durable=False)
        return folder

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
        return data

    def write_plan(self, plan: Plan) -> None:
        """Keep the plan."""
        atomic.write_json(self.path / "plan.json", plan.to_json(), durable=False)

    def plan(self) -> Plan:
        """Return the plan."""
        self.description()
        data = self._json("plan.json")
        try:
            return Plan.from_json(data)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._damaged("plan.json", repr(error)) from None

    def write_state(self, state: State) -> None:
        """Replace the state."""
        atomic.write_json(self.path / "state.json", state.to_json(), durable=False)

    def state(self) -> State:
        """Return the state; a run whose process is gone is `lost`."""
        from d4py.runs.process import alive

        data = self._json("state.json")
        try:
            state = State.from_json(data)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._damaged("state.json", repr(error)) from None
        if not state.status.over and not alive(state.pid, state.pid_start, state.host):
            state.status = Status.LOST
            state.exit_code = 5
            state.error = state.error or "its process ended without a word"
        return state

    def write_part(self, part: Part) -> str:
        """Make a part durable; return its key."""
        key = f"{part.generation:04d}-{'end' if part.final else format(part.epoch, '06d')}-{part.cell:05d}"
        atomic.write(self.path / "parts" / f"{key}.part", pickle.dumps(part, protocol=5))
        return key

    def part(self, key: str) -> Part:
        """Return a part."""
        from d4py.engine.link import PART_VERSION, Part

        name = f"parts/{key}.part"
        try:
            part = pickle.loads((self.path / name).read_bytes())
        except Exception as error:
            raise self._damaged(name, f"{type(error).__name__}: {error}") from None
        if not isinstance(part, Part):
            raise self._damaged(name, f"it holds {type(part).__name__}")
        if part.version != PART_VERSION:
            raise StateError(
                f"{self.path / name} has format {part.version}; this d4py reads {PART_VERSION}.",
                hint="Use the d4py that made it.",
            )
        return part

    def begin_generation(self, generation: int, start: Commit | None) -> None:
        """Make a generation durable before anyone hears of it. Raises StateError if another process made it."""
        data = {"generation": generation, "start": _name(start) if start else None}
        try:
            atomic.create(self.path / "generations" / f"{generation:04d}.json", json.dumps(data).encode())
        except FileExistsError:
            raise StateError(
                f"Generation {generation} of the run in {self.path} was begun by another process.",
                hint="Let one process resume a run.",
            ) from None

    def write_commit(self, commit: Commit) -> None:
        """Make a commit durable by one rename."""
        parts = {str(cell): key for cell, key in commit.parts.items()}
        atomic.write_json(self.path / "commits" / f"{_name(commit)}.json", {**asdict(commit), "parts": parts})

    def forget(self, old: Commit, *, kept: Iterable[Commit]) -> None:
        """Remove a commit that later ones have made useless, and the parts that only it needs."""
        needed = {key for commit in kept for key in commit.parts.values()}
        (self.path / "commits" / f"{_name(old)}.json").unlink(missing_ok=True)
        for key in old.parts.values():
            if key not in needed:
                (self.path / "parts" / f"{key}.part").unlink(missing_ok=True)

    def generation(self) -> int:
        """Return the number of the last generation begun; 0 before the first."""
        names = sorted(entry.stem for entry in (self.path / "generations").glob("*.json"))
        return int(names[-1]) if names else 0

    def last_commit(self) -> Commit | None:
        """Return the commit that the run stands at: the newest of its last generation, else the one that this began from."""
        generation = self.generation()
        if not generation:
            return None
        own = sorted((self.path / "commits").glob(f"*-g{generation:04d}.json"))
        if own:
            return self._commit(own[-1].stem)
        start = self._json(f"generations/{generation:04d}.json")["start"]
        return self._commit(start) if start else None

    def finished_parts(self, commit: Commit | None) -> dict[int, str]:
        """Return the parts of a commit that are final."""
        return {} if commit is None else {cell: key for cell, key in commit.parts.items() if key.split("-")[1] == "end"}

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
        (self.path / f"request-{kind}-{os.urandom(4).hex()}").touch()

    def requests(self) -> list[str]:
        """Return what was asked, each `kind-mark`."""
        return [entry.name[8:] for entry in self.path.iterdir() if entry.name.startswith("request-")]

    def log(self, text: str) -> None:
        """Add a line to the run's own log."""
        with open(self.path / "logs" / "run.log", "a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")

    def log_path(self, label: str) -> Path:
        """Return the log file of an instance."""
        return self.path / "logs" / f"{label.replace('/', '_')}.log"

    def _commit(self, name: str) -> Commit:
        data = self._json(f"commits/{name}.json")
        try:
            parts = {int(cell): str(key) for cell, key in data["parts"].items()}
            return Commit(int(data["generation"]), int(data["epoch"]), parts, bool(data["final"]))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise self._damaged(f"commits/{name}.json", repr(error)) from None

    def _json(self, name: str) -> dict[str, Any]:
        try:
            data = json.loads((self.path / name).read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            raise StateError(
                f"{self.path} has no {name}: it is not a run's folder, or the run was never started.",
                hint="d4py list shows the runs.",
            ) from None
        except (json.JSONDecodeError, UnicodeDecodeError, RecursionError, OSError) as error:
            raise self._damaged(name, str(error)) from None
        if not isinstance(data, dict):
            raise self._damaged(name, f"it holds {type(data).__name__}")
        return data

    def _damaged(self, name: str, reason: str) -> StateError:
        return StateError(
            f"{self.path / name} is damaged: {reason}.", hint="Restore it, or prune the run and run it again."
        )


def _name(commit: Commit) -> str:
    return f"e{commit.epoch:06d}-g{commit.generation:04d}"
