# SPDX-License-Identifier: Apache-2.0
"""Judges a case: what the sources gave, what sinks committed, the run's own outputs, its books, its exit codes, and what it left behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.faults.evidence import Evidence, Hit, Start
from tests.faults.kinds import KINDS
from tests.faults.story import SOURCES, answer, origin

LOST, TWICE, HANG, EXIT, LEAK, WRONG = "lost", "committed twice", "hang", "wrong exit code", "leak", "wrong"
FAULTS = (LOST, TWICE, HANG, EXIT, LEAK, WRONG)
_TOLD = 5  # values that a complaint shows
_COMPUTED = "All is computed"
_SAME_ITEM = "It had died on this item before"
_SLACK = 60.0  # seconds between two looks at one wall clock


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something that must not be."""

    fault: str
    text: str

    def __str__(self) -> str:
        return f"{self.fault}: {self.text}"


def judge(evidence: Evidence) -> list[Complaint]:
    """Return everything that is wrong with a case."""
    found = [*_ends(evidence), *_leaks(evidence), *_acts(evidence)]
    if not any(complaint.fault in (HANG, EXIT) for complaint in found):
        found += [*_generations(evidence), *_sources(evidence), *_values(evidence), *_books(evidence)]
    return found


def expected_codes(evidence: Evidence, number: int) -> set[int]:
    """Return the exit codes that a start may end with, for the faults that hit it."""
    start = evidence.starts[number]
    hits = [hit for hit in evidence.hits if hit.start == number]
    codes = {4 if _in_quarantine(evidence) else 0}
    ends = [set(KINDS[hit.strike.kind].ends) for hit in hits if KINDS[hit.strike.kind].ends and hit.struck]
    if ends:
        codes = set.union(*ends)
    if _COMPUTED in start.error and any(hit.deadly for hit in hits):
        codes.add(
            5
        )  # the last checkpoint was made as somebody died: what sinks have yet to commit is left to the next start
    if _SAME_ITEM in start.error and _struck_twice(hits, start.error):
        codes.add(3)
    return codes


def _in_quarantine(evidence: Evidence) -> list[tuple[str, int]]:
    """Return what must be in quarantine: poison of stages with that policy."""
    poison = [strike for strike in evidence.case.strikes if KINDS[strike.kind].policy == "quarantine"]
    hit = {hit.strike for hit in evidence.hits}
    return [(strike.moment.stage, strike.moment.number) for strike in poison if strike in hit]


def _struck_twice(hits: list[Hit], error: str) -> bool:
    """Whether the stage that is named may have been killed twice with one item in hand, which the engine takes for poison."""
    return sum(any(f"'{stage}'" in error for stage, _ in hit.instances) for hit in hits if hit.deadly) > 1


def _ends(evidence: Evidence) -> Iterator[Complaint]:
    for number, start in enumerate(evidence.starts):
        if start.exit_code is None:
            yield Complaint(HANG, f"{start.command} did not end; {_last(start)}")
            continue
        codes = expected_codes(evidence, number)
        if start.exit_code not in codes:
            told = " or ".join(map(str, sorted(codes)))
            yield Complaint(EXIT, f"{start.command} ended with {start.exit_code}, not {told}; {_last(start)}")
    last = evidence.starts[-1]
    if last.exit_code not in (0, 4, None):
        yield Complaint(EXIT, f"the last start, {last.command}, ended with {last.exit_code}; {_last(last)}")


def _last(start: Start) -> str:
    return (start.error or start.told.strip()[-300:] or "it said nothing").replace("\n", " ")


def _leaks(evidence: Evidence) -> Iterator[Complaint]:
    for start in evidence.starts:
        for left in start.left:
            yield Complaint(LEAK, f"{start.command} left {left}")
    for grown in evidence.growth:
        yield Complaint(LEAK, grown)


def _acts(evidence: Evidence) -> Iterator[Complaint]:
    for hit in evidence.hits:
        if hit.trouble:
            yield Complaint(WRONG, f"{hit.strike.kind}: {hit.trouble}")
        start = evidence.starts[hit.start]
        jumped = abs(start.ended_at - hit.strike.amount) < _SLACK
        if hit.strike.kind == "clock jump" and start.exit_code in (0, 4) and not jumped:
            yield Complaint(WRONG, f"the clock did not jump by {hit.strike.amount:g} s for the run")


def _generations(evidence: Evidence) -> Iterator[Complaint]:
    """A run goes back where somebody died, and only there: to stand still is not to be dead."""
    begun = evidence.generations - len(evidence.starts)
    if begun and not any(hit.deadly for hit in evidence.hits):
        yield Complaint(WRONG, f"the run went back {begun} times though nobody had died")


def _sources(evidence: Evidence) -> Iterator[Complaint]:
    story = evidence.case.story
    for source in story.of(*SOURCES):
        missing = set(story.numbers(source)) - evidence.wrote[source.name]
        if missing:
            yield Complaint(LOST, f"{source.name} never gave {_some(missing)}")


def _given(evidence: Evidence) -> dict[str, list[int]]:
    """Return what sources gave. A number that one took from its world and died on may be lost on the way: it is, where nobody has it."""
    story = evidence.case.story
    found = {origin(value) for value in evidence.outputs}
    return {
        source.name: [number for number in story.numbers(source) if number not in doubt or number in found]
        for source in story.of("tap")
        for doubt in (evidence.doubt[source.name],)
    }


def _values(evidence: Evidence) -> Iterator[Complaint]:
    """What sinks committed, and the outputs of the run, are the story's answer."""
    story = evidence.case.story
    ideal = answer(story, _given(evidence), _in_quarantine(evidence))
    right = ideal.written["sink"]
    for where, found in (("the files of the sink", evidence.committed), ("the outputs of the run", evidence.outputs)):
        missing, more = right - found, found - right
        for kind, values in (
            (LOST, missing),
            (TWICE, {value for value in more if value in right}),
            (WRONG, {value for value in more if value not in right}),
        ):
            if values:
                yield Complaint(kind, f"{where}: {_some(values)}")
    if evidence.in_order and list(evidence.order) != _sorted(evidence.order):
        yield Complaint(WRONG, "values of one source through single instances came out of order")
    aside = [
        (stage, origin) for stage, origin in _in_quarantine(evidence) for _ in range(ideal.came(story, stage, origin))
    ]
    if sorted(evidence.quarantined) != sorted(aside):
        yield Complaint(WRONG, f"in quarantine is {evidence.quarantined}, not {aside}")
    for stage, read in ideal.read.items():
        count = evidence.counts[stage]["read"]
        if count != read:
            yield Complaint(WRONG, f"the books say that {stage} read {count} items, not {read}")


def _sorted(values: tuple[Any, ...]) -> list[Any]:
    """Return values as one source gives them: numbers as they rise, then what a stage tells at its end."""
    numbers = sorted(value for value in values if isinstance(value, int))
    return [*numbers, *(value for value in values if not isinstance(value, int))]


def _books(evidence: Evidence) -> Iterator[Complaint]:
    if not evidence.balanced:
        yield Complaint(WRONG, "the books do not balance, and the exit code does not say so")
    if not evidence.audited:
        yield Complaint(WRONG, "an audit finds other books than the run kept")


def _some(values: Any) -> str:
    shown = sorted(values, key=repr)
    return ", ".join(map(str, shown[:_TOLD])) + (f" and {len(shown) - _TOLD} more" if len(shown) > _TOLD else "")
