# SPDX-License-Identifier: Apache-2.0
"""What was wrong with the data, in counts and names: it travels beside the data to the end of the workflow and is printed there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

KINDS = {  # kind -> what the count means, in the order in which they are told
    "corrupt file": "corrupt files skipped",
    "missing": "seconds without data",
    "gap": "gaps",
    "overlap": "identical overlaps, used once",
    "conflict": "overlaps that disagree, left out",
    "not finite": "samples that are not finite, left out",
    "short": "traces shorter than a window, left out",
    "flat": "stretches of one constant value, left out",
    "mixed rate": "traces at another sampling rate than the rest of their segment, left out",
    "too slow": "segments sampled too slowly for the band, left out",
    "no response": "segments without a response in the StationXML, left out",
    "no coordinates": "channels without coordinates, so without distance",
    "incomplete": "segments of a slab summed without all blocks of stations",
    "empty": "seconds asked for in which no channel has data",
    "cut off": "pairs whose signal window goes on beyond max_lag_s, where it is not looked at",
    "no noise": "pairs without a signal-to-noise ratio, as max_lag_s leaves less than a period of noise after the signal window",
    "edge": "pairs whose largest value lies at the edge of the signal window (* in the table; widen speeds_km_s), so it is a flank and no peak",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Counts by kind and name (a channel or a file). Adding reports is commutative, so their order does not matter."""

    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)  # name -> reason

    @classmethod
    def of(cls, kind: str, name: str, count: int = 1, *, detail: str = "") -> Report:
        """Report one thing; nothing for a count of 0."""
        if kind not in KINDS:
            raise KeyError(f"{kind!r} is no kind of a report; there are {', '.join(KINDS)}.")
        return cls(counts={kind: {name: count}} if count else {}, details={name: detail} if count and detail else {})

    @classmethod
    def sum(cls, reports: Iterable[Report]) -> Report:
        """Add many, with one copy of all names."""
        counts: dict[str, dict[str, int]] = {}
        details: dict[str, str] = {}
        for report in reports:
            for name, reason in report.details.items():
                details[name] = min(reason, details.get(name, reason))
            for kind, names in report.counts.items():
                mine = counts.setdefault(kind, {})
                for name, count in names.items():
                    mine[name] = mine.get(name, 0) + count
        return cls(counts=counts, details=dict(sorted(details.items())))

    def __add__(self, other: Report) -> Report:
        return Report.sum((self, other))

    def __bool__(self) -> bool:
        return bool(self.counts)

    def total(self, kind: str) -> int:
        """Count of a kind over all names."""
        return sum(self.counts.get(kind, {}).values())

    def lines(self, names: int = 4) -> list[str]:
        """Say it to a person, one line a kind."""
        told = []
        for kind, phrase in KINDS.items():
            found = self.counts.get(kind)
            if found:
                named = sorted(found)
                more = f" and {len(named) - names} more" if len(named) > names else ""
                total = len(found) if kind == "corrupt file" else self.total(kind)
                told.append(f"{phrase}: {total:,} ({', '.join(named[:names])}{more})")
        return told + list(self.details.values())

    def as_json(self) -> dict[str, dict[str, int]]:
        """Return the counts, sorted, as JSON can hold them."""
        return {kind: dict(sorted(self.counts[kind].items())) for kind in KINDS if self.counts.get(kind)}
