# SPDX-License-Identifier: Apache-2.0
"""One run of one contestant: its command, its marks, its time; an answer that is wrong ends the benchmark."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.cases import OURS, PLAIN, START, Case, Contestant

ROOT = Path(__file__).resolve().parents[1]
WORKLOADS = ROOT / "bench" / "workloads"
PATIENCE_S = 300
LEFT_OUT = {"PYTHONDONTWRITEBYTECODE"}  # byte code is kept, as it is where users have installed both


class WrongRun(RuntimeError):
    """A contestant failed, or its answer is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Time:
    """How long one run took."""

    seconds: float
    efficiency: float | None = None  # CPU time of the tasks over workers x wall time


def measure(case: Case, contestant: Contestant, *, items: int, peer: Path | None) -> Time:
    """Run it once, check what came out, and return how long it took."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "marks"
        environment = {
            **{name: value for name, value in os.environ.items() if name not in LEFT_OUT},
            "BENCH_ITEMS": str(items),
            "BENCH_MARKS": str(file),
            "PYTHONPATH": str(ROOT),  # nothing else: the peer must not find our modules in the place of its own
            "XDG_STATE_HOME": scratch,
        }
        began = time.monotonic()
        done = subprocess.run(
            command(case, contestant, peer),
            check=False,
            env=environment,
            cwd=scratch,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
        )
        spent = time.monotonic() - began
        if done.returncode:
            raise WrongRun(
                f"{contestant.name} on {case.key} ended with {done.returncode}: {(done.stderr or done.stdout)[-2000:]}"
            )
        marks = [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []
    if case.kind == START:
        return started(case, contestant, marks, began, spent)
    passes = [timed(case, contestant, part, items) for part in split(marks)]
    if not passes:
        raise WrongRun(f"{contestant.name} on {case.key} made no item: {(done.stderr or done.stdout)[-2000:]}")
    middle = median(one.seconds for one in passes)
    return next(one for one in sorted(passes, key=lambda one: one.seconds) if one.seconds >= middle)


def command(case: Case, contestant: Contestant, peer: Path | None) -> list[str]:
    """Return what a user would type."""
    file = WORKLOADS / case.workload
    if contestant.system == PLAIN:
        return (
            [sys.executable, "-c", "pass"]
            if case.kind == START
            else [sys.executable, f"{WORKLOADS / 'loop.py'}", case.workload]
        )
    if contestant.system == OURS:
        program = Path(sys.executable).with_name("d4py")
        style = ["--set", f"style={contestant.style}"] if contestant.style else []
        return [
            str(program),
            "run",
            f"{file}_d4py.py",
            "--mapping",
            contestant.mapping,
            "-n",
            str(contestant.processes),
            *style,
        ]
    number = ["-n", str(contestant.processes)] if contestant.mapping != "simple" else []
    return [str(peer), contestant.mapping, f"{file}_stream_d4py.py", *number]


def split(marks: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return the marks of each pass; only the plain loop makes more than one."""
    starts = [at for at, mark in enumerate(marks) if "begin" in mark]
    return [marks[start:stop] for start, stop in zip(starts, [*starts[1:], len(marks)], strict=True)]


def timed(case: Case, contestant: Contestant, marks: list[dict[str, Any]], items: int) -> Time:
    """Check one pass; its time is from the first item made to the last sink's end."""
    begin, *ends = marks
    check(case, contestant, joined(case, contestant, [end["answer"] for end in ends]), items)
    seconds = max(end["end"] for end in ends) - begin["begin"]
    cpu = sum(end["cpu"] for end in ends)
    return Time(seconds=seconds, efficiency=cpu / contestant.workers / seconds if cpu else None)


def joined(case: Case, contestant: Contestant, answers: list[Any]) -> Any:
    """Return the answer that several sinks gave in parts, each with keys of its own."""
    if len(answers) == 1:
        return answers[0]
    whole: dict[str, int] = {}
    for answer in answers:
        if shared := whole.keys() & answer.keys():
            raise WrongRun(f"{contestant.name} on {case.key}: two counters have the key {min(shared)!r}.")
        whole.update(answer)
    return whole


def check(case: Case, contestant: Contestant, got: Any, items: int) -> None:
    """Compare an answer with the one that is known."""
    right = importlib.import_module(f"bench.workloads.{case.workload}").answer(items)
    if got != right:
        raise WrongRun(f"{contestant.name} on {case.key} gave {str(got)[:100]}; right is {str(right)[:100]}.")


def started(case: Case, contestant: Contestant, marks: list[dict[str, Any]], began: float, spent: float) -> Time:
    """Return the time to the first result; of a program without one, to its end."""
    if contestant.system == PLAIN:
        return Time(seconds=spent)
    results = [mark for mark in marks if "end" in mark]
    if [mark["answer"] for mark in results] != [1]:
        raise WrongRun(f"{contestant.name} on {case.key} gave {results}; right is one result, 1.")
    return Time(seconds=results[0]["end"] - began)
