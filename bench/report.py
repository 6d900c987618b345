# SPDX-License-Identifier: Apache-2.0
"""What is printed and kept: goals first, then each case with its ratios and bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from bench.cases import Case, Goal, Kind
from bench.contest import Score, Spread
from bench.peers import PEERS

ABOUT = """# Side by side

Runs made in turn on one machine: plain Python, peers, d4py, and again. Each figure is the median over the rounds, with its least and most; a ratio is taken
within a round. Every answer is checked. A peer that fails, gives a wrong answer or does not end is a row that says so.

A *share* is of the rate of a plain loop that calls the same functions. Rates are timed by two marks, which the workload itself leaves, on the machine's one
clock: from just before the source makes its first item until the last sink has its last item and is told of the end. Start-up of the interpreter and of the
processes before the first item is not in it; processes that are still starting then are. Slow contestants do fewer items; rates are compared. d4py runs with
default settings: counts, books, progress and checkpoints are on, and metrics are served. "start" runs from the start of the command to the first result;
its plain Python is `python -c pass`, to its end. *Efficiency* is the CPU time of the tasks over workers times wall time (at most the cores).
"""

Found = list[tuple[Case, list[Score]]]


def document(machine: Mapping[str, str], found: Found, rounds: int) -> str:
    """Return all of it as Markdown."""
    facts = "\n".join(f"- {name}: {value}" for name, value in machine.items())
    parts = [ABOUT, f"Rounds: {rounds}, where a table does not say otherwise.\n\n{facts}\n", goals(found)]
    return "\n".join(parts + [table(case, scores, rounds) for case, scores in found])


def goals(found: Found) -> str:
    """Return all goals and how far each was reached."""
    lines = ["## Goals", "", row(["", "who", "figure", "must", "moonshot", "measured", "reached"]), row(["---"] * 7)]
    for case, scores in found:
        for score in scores:
            for goal in score.contestant.goals:
                spread = score.figures.get(goal.figure)
                if spread is None:
                    continue  # a ratio to a peer that is not here
                cells = [
                    case.key,
                    score.contestant.name,
                    goal.figure,
                    bound(goal, goal.must),
                    bound(goal, goal.moonshot),
                ]
                lines.append(row([*cells, told(spread), goal.reached(spread.median)]))
    return "\n".join(lines) + "\n"


def table(case: Case, scores: list[Score], rounds: int) -> str:
    """Return one case as Markdown."""
    known = {name for score in scores for name in score.figures}
    peers = [f"over {peer.name}" for peer in PEERS]
    wanted = [case.against, *peers, *case.columns, case.unit, "ms" if case.kind is Kind.ANSWERS else ""]
    columns = [name for name in dict.fromkeys(wanted) if name in known]
    lines = [f"## {case.key}: {case.title}", ""]
    if case.rounds is not None and case.rounds != rounds:
        lines += [f"Rounds: {case.rounds}.", ""]
    several = max(score.items for score in scores) > 1
    heads = ["", *(["items"] if several else []), *columns, "goals"]
    lines += [row(heads), row(["---"] * len(heads))]
    for score in scores:
        cells = [score.contestant.name, *([f"{score.items:,}"] if several else [])]
        cells += [told(score.figures.get(name)) for name in columns]
        lines.append(row([*cells, aims(score)]))
    return "\n".join(lines) + "\n"


def aims(score: Score) -> str:
    """Return a contestant's goals, and how far the medians reach them; of a peer in trouble the last line of what it told."""
    if score.trouble:
        first, *others = score.trouble.splitlines()
        return " ... ".join([first, *others[-1:]])[:200].replace("|", "/")
    return ", ".join(
        f"{goal.figure} {bound(goal, goal.must)}: {goal.reached(score.figures[goal.figure].median)}"
        for goal in score.contestant.goals
        if goal.figure in score.figures
    )


def bound(goal: Goal, value: float | None) -> str:
    """Return what a figure is to reach."""
    return "" if value is None else f"{'<=' if goal.most else '>='} {figures(value)}"


def told(spread: Spread | None) -> str:
    """Return a median and its bounds."""
    if spread is None:
        return ""
    if spread.least == spread.most:
        return f"**{figures(spread.median)}**"
    return f"**{figures(spread.median)}** ({figures(spread.least)} to {figures(spread.most)})"


def figures(value: float) -> str:
    """Return three figures."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def row(cells: list[str]) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(cells)} |"


def data(machine: Mapping[str, str], found: Found, rounds: int) -> dict[str, Any]:
    """Return all of it for JSON."""
    cases = {
        case.key: {
            "title": case.title,
            "rounds": case.rounds or rounds,
            "contestants": {score.contestant.name: kept(score) for score in scores},
        }
        for case, scores in found
    }
    return {"version": 3, "machine": dict(machine), "rounds": rounds, "cases": cases}


def kept(score: Score) -> dict[str, Any]:
    """Return a score for JSON."""
    return {
        "items": score.items,
        "trouble": score.trouble,
        "figures": {name: asdict(spread) for name, spread in score.figures.items()},
        "goals": [
            {**asdict(goal), "reached": goal.reached(score.figures[goal.figure].median)}
            for goal in score.contestant.goals
            if goal.figure in score.figures
        ],
    }
