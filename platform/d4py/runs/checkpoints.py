# SPDX-License-Identifier: Apache-2.0
"""Where a run stands, in files: its generations, its commits, and the parts that these name."""

from __future__ import annotations

import json
import os
import pickle
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, BinaryIO

from d4py.engine.coordinator import Commit
from d4py.errors import StateError, Superseded
from d4py.runs import atomic

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

    from d4py.engine.link import Part


class Checkpoints:
    """The checkpoints in a run's folder, and how its files are read."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._unsettled = [self.path, self.path.parent]  # folders with entries that may not be durable yet

    def write_part(self, part: Part) -> str:
        """Make a part durable, but for its entry in the folder, which the commit that names it syncs; return its key.

        What PEs keep comes last in its file: whoever counts what was done reads the head of it alone.
        """
        key = f"{part.generation:04d}-{'end' if part.final else format(part.epoch, '06d')}-{part.cell:05d}"
        kept = pickle.dumps((part.states, part.partials), protocol=5)
        head = pickle.dumps((replace(part, states={}, partials={}), len(kept)), protocol=5)
        atomic.write(self.path / "parts" / f"{key}.part", head, kept, entered=False)
        return key

    def part(self, key: str) -> Part:
        """Return a part."""
        name = f"parts/{key}.part"
        with self._opened(name) as file:  # states are long: they are not read twice over
            part = self._head(name, file)
            states, partials = pickle.load(file)
        return replace(part, states=states, partials=partials)

    def head(self, key: str) -> Part:
        """Return a part without what PEs keep, which is not read: of a run on thousands of ranks that takes minutes."""
        name = f"parts/{key}.part"
        with self._opened(name) as file:
            return self._head(name, file)

    @contextmanager
    def _opened(self, name: str) -> Iterator[BinaryIO]:
        try:
            with open(self.path / name, "rb") as file:
                yield file
        except StateError:
            raise
        except Exception as error:
            raise self._damaged(name, f"{type(error).__name__}: {error}") from None

    def _head(self, name: str, file: BinaryIO) -> Part:
        """Read a part up to what PEs keep. Raises StateError also where not all of that is there."""
        from d4py.engine.link import PART_VERSION, Part

        found = pickle.load(file)
        part, kept = found if isinstance(found, tuple) else (found, 0)
        if not isinstance(part, Part):
            raise self._damaged(name, f"it holds {type(part).__name__}")
        if part.version != PART_VERSION:
            raise StateError(
                f"{self.path / name} has format {part.version}; this d4py reads {PART_VERSION}.",
                hint="Use the d4py that made it.",
            )
        if (size := os.fstat(file.fileno()).st_size) != file.tell() + kept:
            raise self._damaged(name, f"it has {size} bytes of {file.tell() + kept}")
        return part

    def begin_generation(self, generation: int, start: Commit | None) -> None:
        """Claim a generation before anyone hears of it. Raises Superseded if another process made it.

        It need not be durable. If a power cut takes it, it has made no commit, for that would be the newest and say the same; then the run
        stands where the generation before it had come to, which is where this one began.
        """
        data = {"generation": generation, "start": _name(start) if start else None}
        try:
            atomic.create(self.path / "generations" / f"{generation:04d}.json", json.dumps(data).encode())
        except FileExistsError:
            raise Superseded(
                f"Generation {generation} of the run in {self.path} was begun by another process.",
                hint="Let one process resume a run.",
            ) from None

    def check_generation(self, generation: int) -> None:
        """Raise Superseded if a newer one was begun."""
        newest = self.generation()
        if newest > generation:
            raise Superseded(
                f"The run in {self.path} was taken over by another process, which began generation {newest}.",
                hint="Let one process resume a run.",
            )

    def write_commit(self, commit: Commit) -> None:
        """Make a commit durable by one rename, after all that it stands on. Raises Superseded if a newer generation was begun."""
        self.check_generation(commit.generation)
        self._settle()
        atomic.sync(self.path / "parts")
        parts = {str(cell): key for cell, key in commit.parts.items()}
        atomic.write_json(self.path / "commits" / f"{_name(commit)}.json", {**asdict(commit), "parts": parts})

    def _settle(self) -> None:
        """Make durable what the first commit stands on, and not before: until then the run has nothing that beginning anew would not give.

        So nothing is synced before the first item, and a run without checkpoints syncs once, at its end.
        """
        if not self._unsettled:
            return
        for name in ("run.json", "plan.json", "inputs.pickle"):
            if (self.path / name).exists():
                atomic.sync(self.path / name)
        for folder in self._unsettled:
            atomic.sync(folder)
        self._unsettled = []

    def forget(self, old: Commit, *, kept: Iterable[Commit]) -> None:
        """Remove a commit that later ones have made useless, and the parts that only it needs."""
        needed = {key for commit in kept for key in commit.parts.values()}
        _remove(self.path / "commits" / f"{_name(old)}.json")
        for key in old.parts.values():
            if key not in needed:
                _remove(self.path / "parts" / f"{key}.part")

    def sweep(self, kept: Collection[Commit]) -> None:
        """Remove what earlier generations left behind and no commit of `kept` needs: their files, their commits, parts that none names."""
        newest, oldest = (choose(commit.generation for commit in kept) for choose in (max, min))
        names = {_name(commit) for commit in kept}
        keys = {key for commit in kept for key in commit.parts.values()}
        useless = [path for number, path in self._generations().items() if number < oldest]
        useless += [path for path in (self.path / "commits").glob("*.json") if path.stem not in names]
        useless += [
            path
            for path in (self.path / "parts").glob("*.part")
            if path.stem not in keys and int(path.stem.partition("-")[0]) < newest
        ]
        for path in useless:
            _remove(path)

    def generation(self) -> int:
        """Return the number of the last generation begun; 0 before the first."""
        return max((*self._generations(), *self._commits()), default=0)

    def last_commit(self) -> Commit | None:
        """Return the commit that the run stands at: the newest of its last generation, else the one that this began from."""
        begun, commits = self._generations(), self._commits()
        for generation in sorted({*begun, *commits}, reverse=True):
            if generation in commits:
                return self._commit(max(commits[generation])[1])
            try:
                start = json.loads(begun[generation].read_bytes())["start"]
            except ValueError:
                continue  # a power cut has cut it short: it has no commit, so it began where the one before it stands
            except (KeyError, TypeError, OSError) as error:
                raise self._damaged(f"generations/{begun[generation].name}", repr(error)) from None
            return self._commit(start) if start else None
        return None

    def is_past(self, start: Commit | None) -> bool:
        """Whether the run has come further than a commit; None is its beginning. That there are later commits does not say so.

        Of a source that writes again what it wrote before, each is the same.
        """
        last = self.last_commit()
        if last is None or last == start:
            return False
        before = start.parts if start else {}
        try:
            return any(
                self.head(key).is_past(self.head(before[cell]) if start else None)
                for cell, key in last.parts.items()
                if before.get(cell) != key
            )
        except StateError:
            return True  # what it began from is gone: later commits took its place

    def _generations(self) -> dict[int, Path]:
        return {int(path.stem): path for path in (self.path / "generations").glob("*.json")}

    def _commits(self) -> dict[int, list[tuple[int, str]]]:
        """Return the epoch and the name of each commit, by generation."""
        found: dict[int, list[tuple[int, str]]] = {}
        for path in (self.path / "commits").glob("*.json"):
            epoch, generation = path.stem.split("-")
            found.setdefault(int(generation[1:]), []).append((int(epoch[1:]), path.stem))
        return found

    def finished_parts(self, commit: Commit | None) -> dict[int, str]:
        """Return the parts of a commit that are final."""
        return {} if commit is None else {cell: key for cell, key in commit.parts.items() if key.split("-")[1] == "end"}

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


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _name(commit: Commit) -> str:
    return f"e{commit.epoch:06d}-g{commit.generation:04d}"
