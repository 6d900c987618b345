# SPDX-License-Identifier: Apache-2.0
"""The books of a run: what writers say they wrote against what readers say they read. Green only if every line agrees."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from d4py.runs import spool

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from d4py.engine.link import Part
    from d4py.plan.plan import Plan
    from d4py.runs.folder import Folder

_LISTED = 256  # channels of a route that have a line each


class Line(NamedTuple):
    """Two counts of the same items that were made independently."""

    kind: str  # "channel", "input", or "output"
    name: str
    written: int
    read: int

    @property
    def agrees(self) -> bool:
        """Whether the two counts are one."""
        return self.written == self.read


class Books(NamedTuple):
    """All lines, and what each PE did."""

    lines: tuple[Line, ...]
    counts: dict[str, dict[str, int]]  # PE -> read, written, quarantined, instances
    seconds: dict[int, float]  # cell -> what its PEs took, without waiting for others

    @property
    def balanced(self) -> bool:
        """Whether every line agrees."""
        return all(line.agrees for line in self.lines)

    @property
    def quarantined(self) -> int:
        """Items in quarantine."""
        return sum(count["quarantined"] for count in self.counts.values())

    def to_json(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "balanced": self.balanced,
            "quarantined": self.quarantined,
            "counts": self.counts,
            "lines": [line._asdict() for line in self.lines],
        }


def keep(plan: Plan, parts: Sequence[Part], spooled: Counter[tuple[int, str]]) -> Books:
    """Make the books of a commit. spooled: records per rank and output."""
    counts = {rank: count for part in parts for rank, count in part.counts.items()}
    lines = [*_channels(plan, parts), *_inputs(plan, counts), *_outputs(plan, counts, spooled)]
    return Books(tuple(lines), _per_pe(plan, counts), {part.cell: part.seconds for part in parts})


def audit(folder: Folder, *, opened: bool = True) -> Books:
    """Recompute the books of a run from its last commit, counting what is in the spools. opened: else what its parts say that they reach, and no spool is read."""
    commit = folder.last_commit()
    if commit is None:
        return Books((), {}, {})
    plan = folder.plan()
    spooled: Counter[tuple[int, str]] = Counter()
    parts = [replace(folder.head(key), positions={}) for _, key in sorted(commit.parts.items())]
    consumed = _consumed(plan)
    for part in parts:
        spooled.update(_spooled(folder, part) if opened else _reached(part, consumed))
    return keep(plan, parts, spooled)


def _spooled(folder: Folder, part: Part) -> Counter[tuple[int, str]]:
    """Count the records that a part reaches, by rank and output."""
    return Counter((rank, name) for rank, name, _ in spool.read(folder.path / "outputs", part.outputs or ()))


def _reached(part: Part, consumed: Collection[tuple[int, str]]) -> Counter[tuple[int, str]]:
    """Count them by what the spool counted when it wrote them: a spool tells the outputs of a cell not apart, so all that is missing is of one."""
    found = Counter(
        {
            (rank, output): number
            for rank, count in part.counts.items()
            for output, number in count["written"].items()
            if (rank, output) not in consumed
        }
    )
    if found:
        found[max(found, key=found.__getitem__)] += spool.records(part.outputs) - found.total()
    return found


def _consumed(plan: Plan) -> set[tuple[int, str]]:
    """Return the outputs that some PE reads, by rank."""
    read = {(route.writer, route.output) for route in plan.routes}
    outputs = {pe: [output for writer, output in read if writer == pe] for pe, _ in read}
    return {(instance.rank, output) for instance in plan.instances for output in outputs.get(instance.pe, ())}


def _channels(plan: Plan, parts: Sequence[Part]) -> Iterable[Line]:
    """Give a line for each channel; of a route with very many, one for all that agree."""
    written = {channel: number for part in parts for channel, number in part.counters.written.items()}
    read = {channel: number for part in parts for channel, number in part.counters.read.items()}
    agreed: Counter[int] = Counter()
    for channel in plan.channels:
        route = plan.routes[channel.route]
        line = Line(
            "channel",
            f"{plan.instances[channel.writer].label}.{route.output} -> {plan.instances[channel.reader].label}.{route.input}",
            written.get(channel.index, 0),
            read.get(channel.index, 0),
        )
        if line.agrees and plan.channels.number(route.index) > _LISTED:
            agreed[route.index] += line.read
        else:
            yield line
    for route in plan.routes:
        if (number := plan.channels.number(route.index)) > _LISTED:
            name = f"{route.writer}.{route.output} -> {route.reader}.{route.input}, of {number:,} channels"
            yield Line("channel", name, agreed[route.index], agreed[route.index])


def _inputs(plan: Plan, counts: dict[int, dict[str, dict[str, int]]]) -> Iterable[Line]:
    """Every item sent to an input, from all its writers and from outside, was read by its instances."""
    ranks: dict[str, list[int]] = {}
    for instance in plan.instances:
        ranks.setdefault(instance.pe, []).append(instance.rank)
    for pe, own in ranks.items():
        for port in counts.get(own[0], {}).get("read", {}):
            sent = sum(counts[rank]["given"][port] for rank in own if rank in counts)
            for route in plan.routes:
                if route.reader == pe and route.input == port and route.grouping != "merge":
                    fan = len(own) if route.grouping == "all" else 1
                    sent += fan * sum(
                        counts[rank]["written"][route.output] for rank in ranks[route.writer] if rank in counts
                    )
            yield Line("input", f"{pe}.{port}", sent, sum(counts[rank]["read"][port] for rank in own if rank in counts))


def _outputs(
    plan: Plan, counts: dict[int, dict[str, dict[str, int]]], spooled: Counter[tuple[int, str]]
) -> Iterable[Line]:
    consumed = _consumed(plan)
    for instance in plan.instances:
        for output, number in counts.get(instance.rank, {}).get("written", {}).items():
            if (instance.rank, output) not in consumed:
                yield Line("output", f"{instance.label}.{output}", number, spooled[instance.rank, output])


def _per_pe(plan: Plan, counts: dict[int, dict[str, dict[str, int]]]) -> dict[str, dict[str, int]]:
    totals: dict[str, dict[str, int]] = {}
    for instance in plan.instances:
        count = counts.get(instance.rank)
        total = totals.setdefault(instance.pe, {"read": 0, "written": 0, "quarantined": 0, "instances": instance.of})
        if count is not None:
            for kind in ("read", "written", "quarantined"):
                total[kind] += sum(count[kind].values())
    return totals
