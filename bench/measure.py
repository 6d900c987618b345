# SPDX-License-Identifier: Apache-2.0
"""The figures of one run of one contestant, read from its marks; an answer that is wrong ends the benchmark."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from bench.cases import PLAIN, Case, Contestant, Kind
from bench.commands import ROOT, command
from bench.growth import Watched
from bench.running import Ran, WrongRun, run

Figures = dict[str, float]
_TIMES = re.compile(r"import time:\s*(\d+) \|\s*(\d+) \| (\s*)d4py$", re.MULTILINE)


def measure(
    case: Case,
    contestant: Contestant,
    *,
    items: int,
    peers: Mapping[str, Path],
    seconds: float = 0.0,
    home: Path | None = None,
) -> Figures:
    """Run it once, check what came out, and return its figures. seconds: how long memory is watched. home: what it keeps from run to run."""
    watched = Watched(seconds) if case.kind is Kind.GROWTH else None
    ran = run(
        command(case, contestant, peers, items=items),
        {
            "BENCH_ITEMS": str(items),
            "BENCH_VARIANT": case.variant,
            "PYTHONPATH": str(ROOT),  # nothing else: peers must not find our modules in the place of their own
            **({"XDG_STATE_HOME": str(home)} if home else {}),
        },
        watched=contestant.watched,
        watch=watched,
    )
    if ran.code and (watched is None or watched.ended):
        raise WrongRun(f"ended with {ran.code}: {last(ran)}")
    if watched is not None:
        return grown(case, ran, items, watched)
    if case.kind is Kind.ANSWERS:
        return answered(case, contestant, ran, items)
    if case.kind is Kind.WHOLE:
        return planned(ran, items)
    return started(contestant, ran) if case.kind is Kind.START else imported(contestant, ran)


def last(ran: Ran) -> str:
    """Return the end of what a command told."""
    return (ran.err or ran.out).strip()[-2000:]


def answered(case: Case, contestant: Contestant, ran: Ran, items: int) -> Figures:
    """Return the figures of the middle pass; only the plain loop makes more than one."""
    passes = [timed(case, contestant, marks, items) for marks in split(ran.marks)]
    if not passes:
        raise WrongRun(f"made no item: {last(ran)}")
    middle = median(one["s"] for one in passes)
    return next(one for one in sorted(passes, key=lambda one: one["s"]) if one["s"] >= middle)


def split(marks: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return the marks of each pass."""
    starts = [at for at, mark in enumerate(marks) if "begin" in mark]
    return [marks[start:stop] for start, stop in zip(starts, [*starts[1:], len(marks)], strict=True)]


def timed(case: Case, contestant: Contestant, marks: list[dict[str, Any]], items: int) -> Figures:
    """Check one pass; its time is from the first item made to the last sink's end."""
    begin, *others = marks
    ends = [mark for mark in others if "end" in mark]
    check(case, joined([end["answer"] for end in ends]), items)
    seconds = max(end["end"] for end in ends) - begin["begin"]
    figures = {"s": seconds, "ms": 1000 * seconds, "rate": items / seconds}
    if case.unit:
        figures[case.unit] = figures["rate"] * case.per_item
    if cpu := sum(mark.get("cpu", 0.0) for mark in others):
        figures["efficiency"] = cpu / contestant.workers / seconds
        figures["CPU us an item"] = 1e6 * cpu / items
    for end in ends:
        figures |= end.get("figures", {})
    return figures


def joined(answers: list[Any]) -> Any:
    """Return the answer that several sinks gave in parts: numbers to add, or counts, each with keys of its own."""
    if not answers:
        raise WrongRun("left no answer")
    if not isinstance(answers[0], dict):
        return sum(answers)
    whole: dict[str, int] = {}
    for answer in answers:
        if shared := whole.keys() & answer.keys():
            raise WrongRun(f"two counters have the key {min(shared)!r}")
        whole.update(answer)
    return whole


def check(case: Case, got: Any, items: int) -> None:
    """Compare an answer with the one that is known."""
    known = importlib.import_module(f"bench.workloads.{case.workload}").answer
    right = known(items, case.variant) if case.variant else known(items)
    if got != right:
        raise WrongRun(f"gave {str(got)[:100]}; right is {str(right)[:100]}")


def started(contestant: Contestant, ran: Ran) -> Figures:
    """Return the time to the first result; of a program without one, to its end."""
    if contestant.system == PLAIN:
        return {"ms": 1000 * ran.seconds}
    results = [mark for mark in ran.marks if "end" in mark]
    if [mark["answer"] for mark in results] != [1]:
        raise WrongRun(f"gave {results}; right is one result, 1")
    return {"ms": 1000 * (results[0]["end"] - ran.began)}


def planned(ran: Ran, items: int) -> Figures:
    """Return the time of a whole command, which plans so many PEs."""
    made = len(json.loads(ran.out)["pes"])
    if made != items:
        raise WrongRun(f"planned {made} PEs; right is {items}")
    return {"ms": 1000 * ran.seconds}


def imported(contestant: Contestant, ran: Ran) -> Figures:
    """Return what the import took by Python's own account, which bare Python does not have, and by the clock."""
    figures = {"ms": 1000 * ran.seconds}
    if contestant.system != PLAIN:
        found = _TIMES.search(ran.err)
        if found is None:
            raise WrongRun(f"did not tell how long the import took: {last(ran)}")
        figures["import ms"] = int(found[2]) / 1000
    return figures


def grown(case: Case, ran: Ran, items: int, watched: Watched) -> Figures:
    """Return how the writer's memory grew; the answer of a run that ended by itself is checked."""
    if watched.ended:
        check(case, joined([mark["answer"] for mark in ran.marks if "end" in mark]), items)
    figures = watched.figures()
    if not figures:
        raise WrongRun("was over before it could be watched")
    return figures
