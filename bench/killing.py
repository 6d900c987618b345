# SPDX-License-Identifier: Apache-2.0
"""One run of a contestant whose workers are killed: five times, each time the process that has just begun a task."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from bench.peers import NoPeer, Peer

ROOT = Path(__file__).resolve().parents[1]
WORKLOADS = ROOT / "bench" / "workloads"
PROCESSES = 6  # a source, four that work, a sink
QUIET_S = 20.0  # nothing came in so long: what is missing does not come
_LOOK_S = 0.002
_GRACE_S = 5.0  # until a worker of Celery listens, or until what was ended is gone

DASK = Peer(name="dask.distributed", pins=("distributed==2026.8.0", "dask==2026.8.0"), newest=13)
CELERY = Peer(name="Celery", pins=("celery[redis]==5.7.0",), newest=13)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """Who does the tasks, and how it is started."""

    name: str
    peer: str = ""  # whose programs it needs
    variant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a journal tells."""

    calls: tuple[tuple[float, int, int], ...]  # time, task, process
    got: tuple[tuple[float, int], ...]  # time, task


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What came of a run."""

    kills: int
    lost: int
    twice: int
    again: int  # calls beyond one a task
    seconds: float  # from the first call to the last result
    ended: bool  # by itself

    @classmethod
    def of(cls, seen: Seen, results: list[int], *, tasks: int, kills: int, ended: bool) -> Tally:
        """Count. results: every result that came back, or was committed."""
        times = Counter(results)
        last = max((moment for moment, _ in seen.got), default=seen.calls[-1][0])
        return cls(
            kills=kills,
            lost=tasks - len(times),
            twice=sum(number - 1 for number in times.values()),
            again=len(seen.calls) - len({task for _, task, _ in seen.calls}),
            seconds=last - seen.calls[0][0],
            ended=ended,
        )


def journal(path: Path) -> Seen:
    """Read a journal as far as it is written."""
    calls, got = [], []
    text = path.read_text() if path.exists() else ""
    text = text[: text.rfind("\n") + 1]  # the last line may be on its way
    for line in text.splitlines():
        moment, kind, number, *process = line.split()
        if kind == "call":
            calls.append((float(moment), int(number), int(process[0])))
        else:
            got.append((float(moment), int(number)))
    return Seen(calls=tuple(calls), got=tuple(got))


def run(contestant: Contestant, programs: Mapping[str, Path], *, tasks: int, kills: int) -> Tally:
    """Let a contestant do the tasks, and kill the process of some of them."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch)
        path = folder / "journal"
        environment = {
            **os.environ,
            "BENCH_ITEMS": str(tasks),
            "BENCH_JOURNAL": str(path),
            "BENCH_VARIANT": contestant.variant,
            "XDG_STATE_HOME": scratch,
            "PYTHONPATH": str(ROOT),
        }
        with surroundings(contestant, programs, environment, folder):
            with open(folder / "told", "wb") as told:
                process = subprocess.Popen(
                    command(contestant, programs, folder),
                    env=environment,
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=told,
                    stderr=told,
                    start_new_session=True,
                )
            try:
                dealt = _kill(process, path, tasks, kills)
            finally:
                _end(process)
        seen = journal(path)
        if not seen.calls:
            raise NoPeer(f"{contestant.name} began no task: {(folder / 'told').read_text(errors='replace')[-500:]}")
        results = _committed(folder) if not contestant.peer else [number for _, number in seen.got]
        return Tally.of(seen, results, tasks=tasks, kills=dealt, ended=process.returncode == 0)


def _kill(process: subprocess.Popen[bytes], path: Path, tasks: int, kills: int) -> int:
    """Kill the process that has just begun one of every so many tasks; return how many were killed. Returns when all has ended, or nothing comes."""
    due = [(number + 1) * tasks // (kills + 1) for number in range(kills)]
    dealt, known, moved = 0, 0, time.monotonic()
    while process.poll() is None:
        calls = journal(path).calls
        if len(calls) > known:
            known, moved = len(calls), time.monotonic()
        if dealt < len(due) and calls and calls[-1][1] >= due[dealt]:
            os.kill(calls[-1][2], signal.SIGKILL)
            dealt += 1
        if time.monotonic() - moved > QUIET_S:
            return dealt
        time.sleep(_LOOK_S)
    return dealt


def _committed(folder: Path) -> list[int]:
    """Return what d4py gave: its outputs, once it has ended."""
    path = folder / "outputs.jsonl"
    return [json.loads(line)["value"] for line in path.read_text().splitlines()] if path.exists() else []


def command(contestant: Contestant, programs: Mapping[str, Path], folder: Path) -> list[str]:
    """Return what a user would type."""
    if not contestant.peer:
        d4py = [str(Path(sys.executable).with_name("d4py")), "run", str(WORKLOADS / "kills_d4py.py")]
        options = ["--mapping", "multi", "-n", str(PROCESSES), "--restarts", "10"]
        return [*d4py, *options, "--output", str(folder / "outputs.jsonl")]
    folder_of = programs[contestant.peer]
    if contestant.peer == DASK.name:
        return [str(folder_of / "python"), str(WORKLOADS / "kills_dask.py")]
    if contestant.peer == CELERY.name:
        return [str(folder_of / "python"), "-m", "bench.workloads.kills_celery"]
    return [str(folder_of / "dispel4py"), "multi", str(WORKLOADS / "kills_stream_d4py.py"), "-n", str(PROCESSES)]


@contextmanager
def surroundings(
    contestant: Contestant, programs: Mapping[str, Path], environment: dict[str, str], folder: Path
) -> Iterator[None]:
    """Have a broker and a worker while Celery does the tasks."""
    if contestant.peer != CELERY.name:
        yield
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment["BENCH_REDIS"] = f"redis://127.0.0.1:{port}/0"
    redis = [redis_server(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    worker = [str(programs[CELERY.name] / "python"), "-m", "celery", "-A", "bench.workloads.kills_celery", "worker"]
    started = []
    try:
        for command_ in (redis, [*worker, "--concurrency", "4", "--loglevel", "ERROR"]):
            started.append(
                subprocess.Popen(
                    command_,
                    env=environment,
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            )
            _listening(port)
        yield
    finally:
        for process in reversed(started):
            _end(process)


def redis_server() -> str:
    """Return the broker's program."""
    found = shutil.which("redis-server")
    if found is None:
        raise NoPeer("it needs a broker: apt-get install redis-server")
    return found


def _listening(port: int) -> None:
    until = time.monotonic() + _GRACE_S
    while time.monotonic() < until:
        with socket.socket() as line:
            if line.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(_LOOK_S)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what a command started, and wait for it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
