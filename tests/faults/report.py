# SPDX-License-Identifier: Apache-2.0
"""What came of many cases: per kind of fault how often it hit and what was wrong, and how runs went on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import quantiles

from tests.faults.campaign import Verdict
from tests.faults.checker import FAULTS
from tests.faults.cuts import ITEMS, Cut
from tests.faults.evidence import Hit
from tests.faults.kinds import KINDS
from tests.faults.story import answer

_MANY = 2  # values, before there is a median


def page(
    seed: str, asked: int, verdicts: Sequence[Verdict], cuts: Sequence[Cut], *, seconds: float, about: dict[str, str]
) -> str:
    """Return the result as a page."""
    hits = [hit for verdict in verdicts for hit in verdict.evidence.hits]
    dealt = sum(verdict.evidence.counted for verdict in verdicts)
    wrong = Counter(complaint.fault for verdict in verdicts for complaint in verdict.complaints)
    lines = [
        "# Faults dealt to real runs",
        "",
        f"Made by `make faults N={asked} SEED={seed}`. Each case is a run of the real command: a small workflow, drawn from the seed, and one to four faults,",
        "each at a moment that is seen of the run. A fault counts only if the run was going on when it hit: its state said so, supervisor and",
        "victims lived, and then they were gone (or stopped, or the disk full). A checker compares the journal of the sources, the files that sinks",
        "committed, the run's outputs, its books, its exit codes, and what is left behind.",
        "",
        f"**{dealt:,} faults in {len(verdicts):,} runs**, {seconds:,.0f} s: "
        + ", ".join(f"{wrong[fault]} {fault}" for fault in FAULTS)
        + ".",
        "",
        ", ".join(f"{name} {value}" for name, value in about.items()),
        "",
        *_kinds(hits, verdicts),
        "",
        *_went_on(verdicts),
        "",
        *_cut_off(cuts),
        *_wrong(verdicts, cuts),
    ]
    return "\n".join(lines) + "\n"


def _kinds(hits: Sequence[Hit], verdicts: Sequence[Verdict]) -> Iterator[str]:
    yield "| fault | hit | came too late | runs with something wrong | until begun anew, median | longest |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for name in KINDS:
        own = [hit for hit in hits if hit.strike.kind == name]
        wrong = sum(
            bool(verdict.complaints) and any(hit.strike.kind == name for hit in verdict.evidence.hits)
            for verdict in verdicts
        )
        times = [hit.seconds for hit in own if hit.counts and hit.seconds is not None]
        middle = f"{quantiles(times, n=2)[0]:.3f} s" if len(times) >= _MANY else ""
        counted = sum(hit.counts for hit in own)
        longest = f"{max(times):.3f} s" if times else ""
        yield f"| {name} | {counted} | {len(own) - counted} | {wrong} | {middle} | {longest} |"


def _went_on(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Tell how runs went on after deaths, and how much was done again."""
    deaths = [hit for verdict in verdicts for hit in verdict.evidence.hits if hit.deadly and hit.counts]
    alone = sum(hit.alone is True for hit in deaths)
    back = sum(hit.alone is False for hit in deaths)
    yield (
        f"Of {len(deaths):,} deaths, {alone:,} were mended by replacing the instance alone, {back:,} by going back to a checkpoint or by `resume`, "
        f"{len(deaths) - alone - back:,} needed nothing or nobody anew."
    )
    calls = again = 0
    for verdict in verdicts:
        evidence = verdict.evidence
        once = answer(evidence.case.story).read
        calls += sum(once.values())
        again += max(0, sum(evidence.reads.values()) - sum(once.values()))
    yield f"Calls made again: {again:,}, where {calls:,} were to be made ({again / max(1, calls):.1%})."


def _cut_off(cuts: Sequence[Cut]) -> Iterator[str]:
    """Tell what came of the runs of the flagship that were cut off."""
    if not cuts:
        return
    yield "## Everything killed, and resumed"
    yield ""
    yield (
        f"The ambient-noise workflow on an hour of three stations, every process killed at an item drawn by chance, then `d4py resume` on 1 to 4 processes: "
        f"**{sum(cut.good for cut in cuts)} of {len(cuts)}** ended with the same outputs and the same bytes on disk as the run that was not cut; "
        f"{sum(cut.commits > 0 for cut in cuts)} of the cuts came after a checkpoint, at item {min(cut.read for cut in cuts)} to {max(cut.read for cut in cuts)} of {ITEMS}."
    )


def _wrong(verdicts: Sequence[Verdict], cuts: Sequence[Cut]) -> Iterator[str]:
    wrong = [str(verdict) for verdict in verdicts if verdict.complaints] + [str(cut) for cut in cuts if not cut.good]
    if wrong:
        yield from ("", "## What was wrong")
    for told in wrong:
        yield from ("", "```text", told, "```")
