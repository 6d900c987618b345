# SPDX-License-Identifier: Apache-2.0
"""What is printed and kept: ratios first, with their goals and bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from bench.cases import START, Case
from bench.contest import Score, Spread

ABOUT = """# Side by side

Ratios of runs made in turn on one machine: plain Python, stream-d4py, d4py, and again. Each is the median over the rounds, with its least and most;
a ratio is taken within a round. More is faster. In (a) to (d) all are timed by the same two marks, which the workload itself leaves, on the
machine's one clock: from just before the source makes its first item until the last sink has its last item and is told of the end. Start-up of
the interpreter and of the processes before the first item is not in it; processes that are still starting then are. The plain loop calls the same
functions. (e) runs from the start of the command to the first result; its plain Python is `python -c pass`, to its end, and
each runs once before it counts. Every answer is checked.
"""


def document(machine: Mapping[str, str], scores: list[tuple[Case, int, list[Score]]], repeats: int) -> str:
    """Return all of it as Markdown."""
    facts = "\n".join(f"- {name}: {value}" for name, value in machine.items())
    parts = [ABOUT, f"Rounds: {repeats}.\n\n{facts}\n"]
    return "\n".join(parts + [table(case, items, found) for case, items, found in scores])


def table(case: Case, items: int, scores: list[Score]) -> str:
    """Return one case as Markdown."""
    efficiency = any(score.efficiency for score in scores)
    columns = [
        "",
        "share of plain Python",
        "over stream-d4py",
        *(["efficiency"] if efficiency else []),
        "goal",
        "reached",
        "ms",
        case.unit,
    ]
    count = f"{items:,}: " if case.kind != START else ""
    lines = [f"## ({case.key}) {count}{case.title}", "", row(columns), row(["---"] * len(columns))]
    for score in scores:
        goal, reached = aim(score)
        cells = [score.contestant.name, told(score.share), told(score.factor)]
        cells += [told(score.efficiency)] if efficiency else []
        cells += [
            goal,
            reached,
            f"{1000 * score.seconds.median:,.0f}",
            figures(items * case.per_item / score.seconds.median),
        ]
        lines.append(row(cells))
    return "\n".join(lines) + "\n"


def aim(score: Score) -> tuple[str, str]:
    """Return a contestant's goals, and whether the medians reach them."""
    contestant = score.contestant
    goals = [
        (f"share >= {contestant.share}", contestant.share, score.share),
        (f">= {contestant.factor}x", contestant.factor, score.factor),
        (f"efficiency >= {contestant.efficiency}", contestant.efficiency, score.efficiency),
    ]
    known = [(text, wanted, found) for text, wanted, found in goals if wanted is not None]
    judged = [found.median >= wanted for _, wanted, found in known if found is not None]
    return ", ".join(text for text, _, _ in known), ("yes" if all(judged) else "no") if judged else ""


def told(spread: Spread | None) -> str:
    """Return a median and its bounds."""
    return f"**{figures(spread.median)}** ({figures(spread.least)} to {figures(spread.most)})" if spread else ""


def figures(value: float) -> str:
    """Return three figures."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def row(cells: list[str]) -> str:
    """Return a row of a table."""
    return f"| {' | '.join(cells)} |"


def data(machine: Mapping[str, str], scores: list[tuple[Case, int, list[Score]]], repeats: int) -> dict[str, Any]:
    """Return all of it for JSON."""
    cases = {
        case.key: {
            "title": case.title,
            "items": items,
            "contestants": {score.contestant.name: {**asdict(score), "reached": aim(score)[1]} for score in found},
        }
        for case, items, found in scores
    }
    return {"version": 1, "machine": dict(machine), "repeats": repeats, "cases": cases}
