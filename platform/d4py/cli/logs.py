# SPDX-License-Identifier: Apache-2.0
"""`d4py logs`: what a run and its PEs have logged."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

from d4py.cli.parser import Namespace, Parser, add_run, whole
from d4py.cli.table import DIM, paint
from d4py.errors import UsageError, did_you_mean, listed
from d4py.runs import Folder, find
from d4py.runs.process import alive
from d4py.runs.sweep import Sweep
from d4py.runs.waiting import sleep
from d4py.targets.find import look_at

ABOUT = "Print the logs of a run: its own, and one of each instance that has logged."
_STAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")
_LAST = "~"  # sorts after every stamp
_LOOK = 0.2  # seconds
_LAST_WORDS = 2.0


def options(parser: Parser) -> None:
    """Take a run, and which of its logs."""
    add_run(parser)
    parser.add_argument("pes", metavar="PE", nargs="*", help="of these PEs or instances only")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the run is over")
    parser.add_argument("-n", "--lines", metavar="N", type=whole(0), help="the last so many lines only")


def call(args: Namespace) -> int:
    """Print the logs."""
    folder = find(args.run)
    plans = [run.plan() for run in runs_of(folder).values() if (run.path / "plan.json").exists()]
    instances = [instance for plan in plans for instance in plan.instances]
    known = dict.fromkeys(name for instance in instances for name in (instance.pe, instance.label))
    for pe in args.pes:
        if pe not in known:
            raise UsageError(f"The run has no PE {pe!r}; it has {listed(known)}.", hint=did_you_mean(pe, known))
    if args.follow:
        follow(folder, args.pes, args.lines)
        return 0
    lines = Logs(folder, args.pes).new()
    show(lines if args.lines is None else lines[len(lines) - min(args.lines, len(lines)) :])
    if not lines:
        print("Nothing was logged yet." if not folder.state().status.over else "Nothing was logged.", file=sys.stderr)
    return 0


def runs_of(folder: Folder) -> dict[str, Folder]:
    """Return a run, or the members of a sweep, by what their logs are to be marked with."""
    if isinstance(folder, Sweep):
        return {f"{member.number}/": member.folder for member in folder.members}
    return {"": folder}


def follow(folder: Folder, pes: list[str], last: int | None = None) -> None:
    """Print what is logged, as it comes, until the run is over."""
    logs, look = Logs(folder, pes), look_at(folder)
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
        sleep(state.pid, _LOOK)


def show(lines: list[tuple[str, str]]) -> None:
    """Print lines, each with where it comes from."""
    for label, text in lines:
        print(f"{paint(label + ' |', DIM)} {text}")
    sys.stdout.flush()


class Logs:
    """Log files that may still grow."""

    def __init__(self, folder: Folder, pes: list[str]) -> None:
        """pes: PEs or instances to read; none of them means all, and the run's own."""
        self._rooms = {mark: run.path / "logs" for mark, run in runs_of(folder).items()}
        self._pes = pes
        self._read: dict[Path, int] = {}

    def new(self, *, whole: bool = True) -> list[tuple[str, str]]:
        """Return lines that were not returned yet, by time. whole: also a last line without its end."""
        found: list[tuple[str, str, str]] = []
        for mark, path in ((mark, path) for mark, room in self._rooms.items() for path in sorted(room.glob("*.log"))):
            label = path.stem
            if not self._pes or label in self._pes or label.partition("[")[0] in self._pes:
                found.extend((stamp, mark + label, text) for stamp, text in self._lines(path, whole=whole))
        return [(label, text) for _, label, text in sorted(found, key=lambda line: line[0])]

    def _lines(self, path: Path, *, whole: bool) -> list[tuple[str, str]]:
        with open(path, "rb") as file:
            file.seek(self._read.get(path, 0))
            data = file.read()
        if not whole:
            data = data[: data.rfind(b"\n") + 1]
        self._read[path] = self._read.get(path, 0) + len(data)
        lines = []
        stamp = _LAST
        for text in data.decode("utf-8", "replace").splitlines():
            stamped = _STAMP.match(text)
            stamp = stamped[0] if stamped else stamp
            lines.append((stamp, text))
        return lines
