# SPDX-License-Identifier: Apache-2.0
"""Cuts a real workflow off, again and again: every process is killed at a moment drawn by chance, `d4py resume` goes on, and the end must be the same.

The workflow is the flagship, on an hour of noise at three stations that is made here.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from tests.faults.victims import marked

from d4py.errors import D4pyError
from d4py.runs import Folder, Status
from d4py.runs.board import Board
from d4py.runs.outputs import Outputs

ROOT = Path(__file__).resolve().parents[2]
FLAGSHIP = ROOT / "workflows" / "ambient_noise"
STATIONS = ("A", "B", "C")
RATE_HZ, DURATION_S, SPEED_KM_S = 10.0, 3600.0, 2.0
PARAMETERS: dict[str, Any] = {
    "rate_hz": 5.0,
    "band_hz": [0.3, 1.5],
    "edge_hz": 0.1,
    "window_s": 12.0,
    "max_lag_s": 6.0,
    "segment_s": 30.0,
    "speeds_km_s": [1.0, 4.0],
    "block": 1,
    "slabs": 2,
    "tile": 2,
}
PROCESSES = 2
CHECKPOINT = 0.2  # seconds; the first comes while most of the work is still to be done
ITEMS = 360  # blocks that come to the PE that is watched: 3 stations, 120 segments
_MOST = ITEMS * 9 // 10  # items after which a cut waits for nothing more
_ATTEMPTS = 3
_WATCHED = "WindowSpectra"
_EARLY = 8  # one of so many cuts need not wait for a checkpoint
_LIMIT = 120.0
_GOING = 6.0  # seconds in which what a run started must have gone after it
_LOOK = 0.005  # seconds between two looks
_MARK = "D4PY_CUTS"  # in the environment of all processes of a run


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One run that was cut off and resumed."""

    number: int
    processes: int  # that it was resumed on
    commits: int  # checkpoints before the cut
    read: int  # items that the watched PE had read
    running: bool  # it was cut off, not ended
    codes: tuple[int, int]  # of the run and of the resume
    same: bool  # the outputs, and every byte of the stacks
    left: int  # processes that outlived the cut
    told: str

    def __str__(self) -> str:
        told = f"cut {self.number} at item {self.read}, after {self.commits} checkpoints, resumed on {self.processes}: exit codes {self.codes}"
        return told if self.good else f"{told}, same {self.same}, running {self.running}, left {self.left}; {self.told}"

    @property
    def good(self) -> bool:
        """Whether it is as it must be."""
        return self.running and self.same and self.codes == (-signal.SIGKILL, 0) and not self.left


def network(folder: Path) -> Path:
    """Make an hour of isotropic noise at three stations."""
    sys.path.insert(0, str(FLAGSHIP))
    import numpy as np
    import obspy

    from noise.geometry import AXIS_M
    from noise.synthetic import Field, plane_waves, stations_in_disc

    folder.mkdir(parents=True)
    field = Field(rate_hz=RATE_HZ, duration_s=DURATION_S, band_hz=(0.2, 2.0), speed_km_s=SPEED_KM_S, waves=60)
    places = stations_in_disc(len(STATIONS), radius_km=6.0, seed=8)
    lines = ["network,station,latitude,longitude,elevation_m"]
    degree = np.degrees(1000 / AXIS_M)
    samples = np.round(1000 * plane_waves(places, field, seed=21)).astype(np.int32)
    for station, (east, north), data in zip(STATIONS, places, samples, strict=True):
        header = {"network": "XX", "station": station, "location": "00", "channel": "HHZ", "sampling_rate": RATE_HZ}
        obspy.Trace(data, {**header, "starttime": obspy.UTCDateTime("2020-01-01")}).write(
            str(folder / f"{station}.mseed"), format="MSEED"
        )
        lines.append(f"XX,{station},{45 + north * degree:.6f},{7 + east * degree / np.cos(np.radians(45)):.6f},0")
    (folder / "stations.csv").write_text("\n".join(lines) + "\n")
    return folder


class Cutter:
    """Runs the workflow once whole, and then cuts it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = network(folder / "data")
        self.whole = folder / "whole"
        process = self._start(["run", *self._run(self.whole)], self.whole)
        told, _ = process.communicate(timeout=_LIMIT)
        if process.returncode:
            raise RuntimeError(f"the workflow does not run even whole: {told.decode()[-500:]}")
        self.right = result(self.whole)

    def cuts(self, seed: str, number: int, *, at_once: int = 2) -> Iterator[Cut]:
        """Cut and resume so many runs."""
        with ThreadPoolExecutor(at_once, thread_name_prefix="cut") as pool:
            yield from pool.map(lambda index: self.cut(seed, index), range(number))

    def cut(self, seed: str, number: int) -> Cut:
        """Cut one run off and resume it. A run that was quicker is no cut: another is begun."""
        random = Random(f"{seed}/cut/{number}")
        for attempt in range(_ATTEMPTS):
            found = self._cut(random, number, self.folder / f"{number}-{attempt}")
            if found.running:
                break
        return found

    def _cut(self, random: Random, number: int, place: Path) -> Cut:
        early = number % _EARLY == _EARLY - 1
        least = 0 if early else random.choice((1, 1, 2, 3))
        item = random.randrange(1, ITEMS // 4) if early else random.randrange(ITEMS // 10, ITEMS * 3 // 4)
        process = self._start(["run", *self._run(place)], place)
        read, commits = self._await(process, Folder(place / "run"), item, least)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=_LIMIT)
        left, running = self._left(place), Folder(place / "run").state().status is Status.LOST
        processes = random.randint(1, 4)
        resumed = self._start(["resume", str(place / "run"), "-n", str(processes)], place)
        told, _ = resumed.communicate(timeout=_LIMIT)
        return Cut(
            number=number,
            processes=processes,
            commits=commits,
            read=read,
            running=running,
            codes=(process.returncode, resumed.returncode),
            same=resumed.returncode == 0 and result(place) == self.right,
            left=left,
            told=told.decode(errors="replace")[-500:],
        )

    @staticmethod
    def _await(process: subprocess.Popen[bytes], folder: Folder, item: int, commits: int) -> tuple[int, int]:
        """Wait until the watched PE has read so many items and so many checkpoints were made, or not much is left; return what there was then."""
        until, seen = time.monotonic() + _LIMIT, (0, 0)
        while process.poll() is None and time.monotonic() < until:
            seen = _seen(folder) or seen
            if (seen[0] >= item and seen[1] >= commits) or seen[0] >= _MOST:
                break
            time.sleep(_LOOK)
        return seen

    @staticmethod
    def _left(place: Path) -> int:
        """Return how many processes of a run that was killed are still there after the time that they have to go."""
        until = time.monotonic() + _GOING
        while marked(f"{_MARK}={place}") and time.monotonic() < until:
            time.sleep(_LOOK)
        return len(marked(f"{_MARK}={place}"))

    def _run(self, place: Path) -> list[str]:
        parameters = {**PARAMETERS, "data": str(self.data), "output": str(place / "out")}
        sets = [part for name, value in parameters.items() for part in ("--set", f"{name}={value}")]
        return [
            *(str(FLAGSHIP), "--mapping", "multi", "-n", str(PROCESSES), "--checkpoint", str(CHECKPOINT)),
            *("--run-dir", str(place / "run"), *sets),
        ]

    def _start(self, arguments: list[str], place: Path) -> subprocess.Popen[bytes]:
        environment = {**os.environ, _MARK: str(place), "PYTHONPATH": str(ROOT / "platform")}
        environment["XDG_STATE_HOME"] = str(self.folder / "home")
        return subprocess.Popen(
            [sys.executable, "-m", "d4py.cli.main", *arguments, "--quiet"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def result(place: Path) -> tuple[list[Any], dict[str, str]]:
    """Return the outputs of a run, without the names of its folders, and a digest of each file that it wrote."""
    out = place / "out"
    values = [str(output.value).replace(str(out), "") for output in Outputs(Folder(place / "run"))]
    files = {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }
    return values, files


def _seen(folder: Folder) -> tuple[int, int] | None:
    """Return what the watched PE has read, and the newest checkpoint; nothing where the run has not begun."""
    try:
        plan = folder.plan()
        board = Board(folder.path / "board", len(plan.instances), len(plan.cells))
    except (D4pyError, OSError, ValueError):
        return None
    try:
        read = sum(board.counts(instance.rank)[0] for instance in plan.instances if instance.pe == _WATCHED)
    finally:
        board.close()
    return read, max((int(path.name[1:7]) for path in (folder.path / "commits").glob("e*.json")), default=0)
