# SPDX-License-Identifier: Apache-2.0
"""Plays a case: starts the real command, lets the director deal its strikes, resumes what can be resumed, and gathers the evidence."""

from __future__ import annotations

import calendar
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from tests.faults.case import Case
from tests.faults.director import Director
from tests.faults.disk import Disk
from tests.faults.evidence import Evidence, Start
from tests.faults.kinds import KINDS
from tests.faults.story import origin
from tests.faults.victims import Held, marked
from tests.faults.workflow import NAME

from d4py.errors import D4pyError
from d4py.runs import Folder, Status
from d4py.runs.books import audit
from d4py.runs.outputs import Outputs
from d4py.runs.quarantine import kept_items

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 60.0  # seconds for one start of a run that takes two: a hang
GOING = 6.0  # seconds in which what a run started must have gone after it
_STARTS = 4
_RESTARTS = 40


def play(case: Case, folder: Path) -> Evidence:
    """Play a case in a folder of its own."""
    (folder / "home").mkdir(parents=True)
    disk = Disk(folder / "disk") if any(KINDS[strike.kind].disk for strike in case.strikes) else None
    ground = disk.path if disk is not None else folder
    (ground / "sink").mkdir()
    director = Director(case, folder, ground / "run", disk)
    try:
        _write_scene(case, folder, ground / "sink", director)
        starts = [_started(_run_command(case, folder, director.run), folder, director)]
        while _resumable(starts[-1], director.run) and len(starts) < _STARTS:
            director.mend()
            starts.append(_started(_resume_command(case, director.run), folder, director))
        return _gathered(case, starts, director, ground / "sink")
    finally:
        director.close()
        if disk is not None:
            disk.remove()


def _write_scene(case: Case, folder: Path, sink: Path, director: Director) -> None:
    moments = [strike.moment for strike in case.strikes if strike.moment.stage]
    scene = {
        "address": director.address,
        "folder": str(sink),
        "items": case.story.items,
        "pace": case.story.pace,
        "heavy": case.story.heavy,
        "defect": case.defect,
        "clock": str(director.clock) if any(strike.kind.startswith("clock") for strike in case.strikes) else "",
        "stages": [asdict(stage) for stage in case.story.stages],
        "marks": [(moment.stage, moment.during, moment.number) for moment in moments],
    }
    (folder / "scene.json").write_text(json.dumps(scene))


def _run_command(case: Case, folder: Path, run: Path) -> list[str]:
    story = case.story
    command = [
        "run",
        NAME,
        "--set",
        f"scene={folder / 'scene.json'}",
        "--mapping",
        story.mapping,
        "--run-dir",
        str(run),
    ]
    command += ["-n", str(story.processes), "--checkpoint", str(story.checkpoint), "--restarts", str(_RESTARTS)]
    command += [] if story.fuse else ["--no-fuse"]
    for strike in case.strikes:
        if policy := KINDS[strike.kind].policy:
            command += ["--on-error", f"{strike.moment.stage}={policy}"]
    return command


def _resumable(start: Start, run: Path) -> bool:
    """Whether there is more to be done; after a run that could not write its last words on a full disk, too."""
    if start.exit_code in (0, 4):
        return Folder(run).state().status is not Status.DONE
    return start.exit_code is not None


def _resume_command(case: Case, run: Path) -> list[str]:
    command = ["resume", str(run)]
    return [*command, "-n", str(case.resumed_on)] if case.resumed_on and case.story.mapping != "simple" else command


def _started(arguments: list[str], folder: Path, director: Director) -> Start:
    """Run a command of d4py to its end, or to the limit."""
    mark = f"D4PY_FAULTS={folder}"
    environment = {
        **os.environ,
        **dict([mark.split("=", 1)]),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "platform"), str(ROOT)]),
        "PYTHONFAULTHANDLER": "1",
        "XDG_STATE_HOME": str(folder / "home"),
        "TMPDIR": str(folder / "home"),
    }
    command = [sys.executable, "-m", "d4py.cli.main", *arguments, "--quiet"]
    began = time.monotonic()
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    told: list[bytes] = []
    reading = threading.Thread(target=_read, args=(process.stdout, told), daemon=True)
    reading.start()
    director.begin(process.pid)
    ended = director.until(lambda: process.poll() is not None, within=LIMIT)
    seconds = time.monotonic() - began
    if not ended:
        for pid in marked(mark):
            _signal(pid, signal.SIGABRT)  # faulthandler answers with every stack
        director.until(lambda: process.poll() is not None, within=1.0)
    left = _leftovers(mark, folder, director) if ended else []
    for pid in marked(mark):
        _signal(pid, signal.SIGKILL)
    code = process.wait() if ended else None
    process.wait()
    reading.join(GOING)
    (folder / f"told{director.start}").write_bytes(b"".join(told))
    return _told(arguments[0], code, seconds, b"".join(told).decode(errors="replace"), left, director.run)


def _read(pipe: IO[bytes], told: list[bytes]) -> None:
    with pipe:
        told.append(pipe.read())


def _leftovers(mark: str, folder: Path, director: Director) -> list[str]:
    """Return what is still there of a run that has ended, after the time that it has to go."""
    director.until(lambda: not marked(mark), within=GOING)
    director.until(director.heard_out, within=GOING)
    left = [f"process {pid}" for pid in marked(mark)]
    left += [f"the file {path.name}" for path in (folder / "home").iterdir() if path.is_file()]
    shared = Path("/dev/shm")
    return left + [f"shared memory {path.name}" for path in shared.glob("*d4py*")]


def _signal(pid: int, kind: signal.Signals) -> None:
    try:
        os.kill(pid, kind)
    except ProcessLookupError:
        return


def _told(command: str, code: int | None, seconds: float, told: str, left: list[str], run: Path) -> Start:
    """Return what is known of a start that has ended."""
    error, off = "", 0.0
    warnings: tuple[str, ...] = ()
    try:
        state = Folder(run).state()
        error, warnings = state.error, tuple(state.warnings)
        off = calendar.timegm(time.strptime(state.ended, "%Y-%m-%dT%H:%M:%SZ")) - time.time() if state.ended else 0.0
    except D4pyError as damage:
        error = str(damage)
    return Start(
        command=command,
        exit_code=code,
        seconds=seconds,
        told=told,
        error=error,
        warnings=warnings,
        left=tuple(left),
        ended_at=off,
    )


def _gathered(case: Case, starts: list[Start], director: Director, sink: Path) -> Evidence:
    """Put together all that was seen."""
    story = case.story
    known: dict[str, Any] = {
        "case": case,
        "starts": tuple(starts),
        "hits": tuple(director.hits),
        "wrote": {name: set(numbers) for name, numbers in director.wrote.items()},
        "reads": dict(director.reads),
        "doubt": director.doubt,
        "growth": tuple(_growth(director)),
    }
    if starts[-1].exit_code not in (0, 4):
        return Evidence(**known)
    folder = Folder(director.run)
    plan, books = folder.plan(), json.loads((folder.path / "books.json").read_text())
    outputs = [_hashable(value) for value in Outputs(folder).values("sink")]
    single = len(plan.instances) == len(story.stages) and len(director.wrote) == 1
    known |= {
        "generations": folder.generation(),
        "committed": Counter(_committed(sink)),
        "outputs": Counter(outputs),
        "order": tuple(outputs),
        "in_order": single and story.shape in ("chain", "state", "long"),
        "balanced": books["balanced"],
        "audited": audit(folder).to_json() == books,
        "counts": books["counts"],
        "quarantined": tuple((item.pe, origin(item.value)) for item in kept_items(folder)),
    }
    return Evidence(**known)


def _committed(sink: Path) -> Iterator[Any]:
    for path in sorted(sink.glob("*.json")):
        for value in json.loads(path.read_text()):
            yield _hashable(value)


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _growth(director: Director) -> Iterator[str]:
    """Tell what supervisor or nursery hold more of with each fault. Children may be as many as processes are to be."""
    workers = max(director.case.story.processes, director.case.resumed_on)
    for samples in director.samples:
        for (name, _), seen in samples.items():
            (first, before), (last, after) = seen[0], seen[-1]
            for what, less, more in zip(Held._fields, before, after, strict=True):
                least = max(less, workers) if what == "children" else less
                # While a worker is made, the nursery has two descriptors for each of its neighbours in hand.
                noise = _NOISE + 2 * workers if (name, what) == ("nursery", "descriptors") else _NOISE
                if last - first >= _ENOUGH and more - least > max(last - first - 1, noise):
                    yield f"the {name}'s {what} grew from {least} to {more} over {last - first} faults"


_ENOUGH = 2  # faults, before growth can be told from chance
_NOISE = 3  # descriptors that are open for a moment
