# SPDX-License-Identifier: Apache-2.0
"""What must hold of each commit, whatever happened before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from rules import Part, Violation
from systems import PE, System, rank

from d4py.engine.outlet import Choice

Parts = Mapping[int, Part]  # of a commit, by cell


def check_commit(system: System, parts: Parts, before: Parts) -> None:
    """Raise Violation unless the parts make a consistent cut. before: those of the commit that this one follows."""
    _check_kept(system, parts, before)
    _check_books(system, parts)
    _check_items(system, parts)
    if system.alone:
        _check_counts(system, parts)
    if system.ordered:
        _check_order(system, parts)


def _check_kept(system: System, parts: Parts, before: Parts) -> None:
    """What was committed once stays."""
    for cell, part in before.items():
        for channel, values in part.out.items():
            now = parts[cell].out.get(channel, ())
            if now[: len(values)] != values:
                raise Violation(f"{system.places[cell].name} had committed {values}; now it has {now}.")


def _check_books(system: System, parts: Parts) -> None:
    """Writers and readers agree, and readers have what they count."""
    for channel, (writer, reader) in enumerate(system.channels):
        wrote, read = parts[writer].counters, parts[reader].counters
        names = system.places[writer].name, system.places[reader].name
        if wrote.written[channel] != read.read[channel]:
            raise Violation(
                f"A commit whose books do not balance: {names[0]} wrote {wrote.written[channel]} items "
                f"to {names[1]}, which read {read.read[channel]}."
            )
        if (channel in read.ended) != wrote.finished:
            raise Violation(f"A commit in which {names[0]} and {names[1]} disagree on whether it ended.")
        values = parts[reader].out.get(channel, ())
        if system.places[reader].pe.reads_last and read.read[channel] != len(values):
            raise Violation(
                f"A commit whose books are wrong: {names[1]} counts {read.read[channel]} items of channel {channel}, "
                f"and has {values}."
            )


def _check_items(system: System, parts: Parts) -> None:
    """Nothing that the sources' positions cover is lost, nothing is there twice, nothing else is there."""
    written = {pe.name: pe.items for pe in system.pes}
    ended = set()
    for place in system.places:
        if parts[place.index].final:
            ended.add(place.pe.name)
        elif place.pe.kind == "source":
            written[place.pe.name] = parts[place.index].position or 0
    expected = system.expected(written, frozenset(ended))
    for pe in system.pes:
        found = _read(system, parts, pe)
        if found is not None and found != expected[pe.name]:
            raise Violation(f"Committed: {pe.name} has {_told(found)}; it should have {_told(expected[pe.name])}.")


def _read(system: System, parts: Parts, pe: PE) -> Counter[int] | None:
    """Return what the instances of a PE have read, where their parts say so."""
    found: Counter[int] = Counter()
    for place in system.places:
        if place.pe is not pe:
            continue
        part = parts[place.index]
        if pe.reads_last and pe.keeps and part.seen is not None and part.seen != part.out:
            raise Violation(f"Committed: {place.name} has seen {part.seen} and spooled {part.out}.")
        if pe.reads_last:
            found.update(value for values in part.out.values() for value in values)
        elif pe.kind == "total" and part.seen is not None:
            found.update(value for values in part.seen.values() for value in values)
        else:
            return None
    return found


def _check_counts(system: System, parts: Parts) -> None:
    """What a cell that was replaced has counted is what its channels have."""
    for place in system.places:
        if not place.pe.replaceable:
            continue
        counters, counts = parts[place.index].counters, parts[place.index].counts
        each = [(choice, sum(counters.written[channel] for channel in ids), len(ids)) for choice, ids in place.lanes]
        lanes = [written // readers if choice is Choice.EVERY else written for choice, written, readers in each]
        wrote = sum(sum(lanes[lane] for lane in route) for route in place.routes)
        if counts != (sum(counters.read.values()), wrote):
            raise Violation(
                f"A commit in which {place.name} has counted {counts[0]} items read and {counts[1]} written, "
                f"and its channels {sum(counters.read.values())} and {wrote}."
            )


def _check_order(system: System, parts: Parts) -> None:
    tens = {pe.base // 10 for pe in system.pes if pe.kind == "source"}
    for place in system.places:
        for channel, values in parts[place.index].out.items():
            for source in tens:
                ranks = [rank(value) for value in values if value < 1000 and value % 100 // 10 == source]
                if ranks != sorted(set(ranks)):
                    raise Violation(f"Committed: {place.name} has {values} of channel {channel}, out of order.")


def _told(values: Counter[int]) -> str:
    return "the items " + (", ".join(str(value) for value in sorted(values.elements())) or "(none)")
