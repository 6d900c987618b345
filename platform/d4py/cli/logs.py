# SPDX-License-Identifier: Apache-2.0
"""`d4py logs`: what a run and its PEs have logged."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from d4py.cli.origin import BAR, Origin, Wanted, ranks_of
from d4py.cli.parser import Namespace, Parser, add_run, whole
from d4py.cli.table import DIM, paint
from d4py.cli.wait import telling
from d4py.runs import Folder, find
from d4py.runs.process import alive
from d4py.runs.sweep import Sweep
from d4py.runs.waiting import sleep

ABOUT = "Print the logs of a run: its own, and one of each instance that has logged."
_STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")
_LAST = "~"  # sorts after every stamp
_LOOK = 0.2  # seconds
_FILES = 1_000  # that are looked at in a second: a file system of many ranks has others to serve
_LAST_WORDS = 2.0


def options(parser: Parser) -> None:
    """Take a run, and which of its logs."""
    add_run(parser)
    parser.add_argument("named", metavar="PE", nargs="*", help="of these PEs or instances only")
    parser.add_argument("--pe", metavar="PE", action="append", default=[], help="the same, as an option")
    parser.add_argument("--rank", metavar="N", type=whole(0), help="of the instances on this rank of an MPI job only")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the run is over")
    parser.add_argument("-n", "--lines", metavar="N", type=whole(0), help="the last so many lines only")


def wanted_of(args: Namespace) -> Wanted:
    """Return which lines the arguments ask for."""
    return Wanted([*args.named, *args.pe], args.rank)


def call(args: Namespace) -> int:
    """Print the logs."""
    folder, wanted = find(args.run), wanted_of(args)
    begun = [run for run in runs_of(folder).values() if (run.path / "plan.json").exists()]
    plans = [run.plan() for run in begun]
    instances = [instance for plan in plans for instance in plan.instances]
    wanted.check_pes(dict.fromkeys(name for instance in instances for name in (instance.pe, instance.label)))
    if begun:
        wanted.check_rank(begun[0].state().mapping, max(plan.processes for plan in plans))
    if args.follow:
        follow(folder, wanted, args.lines)
        return 0
    lines = Logs(folder, wanted).new()
    show(lines if args.lines is None else lines[len(lines) - min(args.lines, len(lines)) :])
    if not lines:
        print("Nothing was logged yet." if not folder.state().status.over else "Nothing was logged.", file=sys.stderr)
    return 0


def runs_of(folder: Folder) -> dict[str, Folder]:
    """Return a run, or the members of a sweep, by what their logs are to be marked with."""
    if isinstance(folder, Sweep):
        return {f"{member.number}/": member.folder for member in folder.members}
    return {"": folder}


def follow(folder: Folder, wanted: Wanted, last: int | None = None) -> None:
    """Print what is logged, as it comes, until the run is over."""
    logs, look = Logs(folder, wanted), telling(folder)
    lines = logs.new()
    show(lines if last is None else lines[len(lines) - min(last, len(lines)) :])
    while True:
        state = look()
        if state.status.over:
            until = time.monotonic() + _LAST_WORDS  # a process says how it ended after it has ended the run
            while alive(state.pid, state.pid_start, state.host) and time.monotonic() < until:
                sleep(state.pid, _LOOK)
        show(logs.new(whole=state.status.over))
        if state.status.over:
            return
        sleep(state.pid, max(_LOOK, logs.files / _FILES))


def show(lines: list[tuple[str, str]], *, plain: bool = False) -> None:
    """Print lines, each with where it comes from. plain: for whoever reads them again, though mpiexec lends ranks a terminal."""
    for label, text in lines:
        # In one piece: a PE may print at this moment.
        sys.stdout.write(f"{label + BAR if plain else paint(label + BAR, DIM)} {text}\n")
    sys.stdout.flush()


class Logs:
    """Log files that may still grow."""

    def __init__(self, folder: Folder, wanted: Wanted) -> None:
        self._runs = runs_of(folder)
        self._wanted = wanted
        self._ranks: dict[str, dict[str, int]] = {}  # of runs that have a plan, by their mark
        self._read: dict[Path, int] = {}
        self._sizes: dict[Path, int] = {}  # as they were when they were read
        self.files = 0  # how many there are

    def new(self, *, whole: bool = True) -> list[tuple[str, str]]:
        """Return lines that were not returned yet, by time. whole: also a last line without its end."""
        found: list[tuple[str, str, str]] = []
        self.files = 0
        for mark, run in self._runs.items():
            for path in sorted((run.path / "logs").glob("*.log")):
                self.files += 1
                origin = Origin(path.stem, self._ranks_of(mark).get(path.stem))
                if origin in self._wanted:
                    found.extend((stamp, f"{mark}{origin}", text) for stamp, text in self._lines(path, whole=whole))
        return [(label, text) for _, label, text in sorted(found, key=lambda line: line[0])]

    @property
    def places(self) -> dict[str, int]:
        """How far each file was read, by its name."""
        return {path.name: place for path, place in self._read.items()}

    def begin_at(self, places: Mapping[str, int]) -> None:
        """Take what is before these places for returned. A file that has lost its end in a power cut is shorter."""
        for run in self._runs.values():
            for path in (run.path / "logs").glob("*.log"):
                self._read[path] = min(places.get(path.name, 0), path.stat().st_size)

    def _ranks_of(self, mark: str) -> dict[str, int]:
        """Return where the instances of a run live; nothing for what is no MPI job, or has no plan yet."""
        run = self._runs[mark]
        if mark not in self._ranks and (run.path / "plan.json").exists():
            self._ranks[mark] = ranks_of(run.plan()) if run.state().mapping == "mpi" else {}
        return self._ranks.get(mark, {})

    def _lines(self, path: Path, *, whole: bool) -> list[tuple[str, str]]:
        size, read = path.stat().st_size, self._read.get(path, 0)
        if size == (read if whole else self._sizes.get(path, 0)):
            return []
        self._sizes[path] = size
        with open(path, "rb") as file:
            file.seek(read)
            data = file.read()
        if not whole:
            data = data[: data.rfind(b"\n") + 1]
        self._read[path] = read + len(data)
        lines = []
        stamp = _LAST
        for text in data.decode("utf-8", "replace").splitlines():
            stamped = _STAMP.match(text)
            stamp = stamped[0] if stamped else stamp
            lines.append((stamp, text))
        return lines
