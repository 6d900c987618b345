# SPDX-License-Identifier: Apache-2.0
"""The PEs of one cell, wired: a write runs the reader in the cell at once, depth first, or puts the value on a lane.

What is called for each item is built once, here, as closures over just what it needs: this is the hot path.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import MethodType
from typing import TYPE_CHECKING, Any

from d4py.engine.chain import Chain, Gives, Stage
from d4py.engine.count import Count, Tally
from d4py.engine.emits import Emits
from d4py.engine.outlet import Choice, Lane, Outlet
from d4py.engine.receiver import Hooks, Receive, bare, calling, receiver, sinks, streams
from d4py.engine.refusal import Refusal
from d4py.engine.watch import Watch
from d4py.graph.policy import Policy
from d4py.graph.written import Writes, twin
from d4py.items.copying import copied
from d4py.items.sending import prove
from d4py.plan.keys import Partitioner

if TYPE_CHECKING:
    from d4py.engine.failure import Unwind
    from d4py.graph.inputs import Calls
    from d4py.graph.pe import GenericPE
    from d4py.plan.plan import Instance, Plan, Route

Way = Lane | Partitioner[Lane] | Receive  # out of a cell, or to what the general way calls
_GIVES = {Writes.LAST: Gives.WRITTEN, Writes.MANY: Gives.MANY, Writes.NONE: Gives.END}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What all cells of a run are told. Sent to workers."""

    calls: dict[str, Calls] = field(default_factory=dict)  # of PEs that are called without a stream
    readonly: frozenset[str] = frozenset()  # PEs that change nothing they receive
    window: int | None = None  # items of credit per channel, for tests
    debug: bool = False  # detect values that their writer changes after it wrote them
    folder: str = ""  # of the run


class Circuit:
    """Instances of one cell with everything that is called between them."""

    def __init__(
        self,
        plan: Plan,
        cell: int,
        pes: Mapping[int, GenericPE],
        outlets: Mapping[int, Outlet],
        hooks: Hooks,
        terms: Terms,
        *,
        copies: bool,
        near: Collection[int] = (),
    ) -> None:
        """pes: by rank, of this cell. outlets: by channel. copies: whether sending makes a copy. near: channels to cells that take turns with this one."""
        self.plan = plan
        self.instances: list[Instance] = [plan.instances[rank] for rank in plan.cells[cell].instances]
        self.pes = dict(pes)
        self.hooks = hooks
        self.copies = copies
        self._near = frozenset(near)
        self.counts = {instance.rank: Count.of(self.pes[instance.rank]) for instance in self.instances}
        self.lanes: list[Lane] = []
        self.merging: dict[int, Lane] = {}  # rank -> lane for its partial state
        self._outlets = outlets
        self._receivers: dict[tuple[int, str], Receive] = {}
        self._chains: dict[tuple[int, str], Chain | None] = {}
        # Where an output leads: to one reader in the cell, to a lane or one of several, or to something that is called.
        self._ways: dict[tuple[int, str], tuple[int, str] | Way] = {}
        self._readonly = terms.readonly
        self.debug = terms.debug
        self._folder = terms.folder
        for instance in reversed(self.instances):  # readers before writers
            self._wire(instance)

    def receiver(self, rank: int, port: str) -> Receive:
        """Return what takes a value for an instance's input."""
        key = (rank, port)
        if key not in self._receivers:
            self._receivers[key] = receiver(
                self.pes[rank], self.plan.instances[rank], port, self.counts[rank], self.hooks
            )
        return self._receivers[key]

    def refuse(self, unwind: Unwind) -> None:
        """From now on each write of a PE raises this."""
        refusal = Refusal(unwind)
        for pe in self.pes.values():
            Emits.of(pe).replace(refusal.write)

    def _wire(self, instance: Instance) -> None:
        pe = self.pes[instance.rank]
        pe._belong(instance.rank, self._folder)
        leaving = [route for route in self.plan.routes if route.writer == instance.pe and route.grouping != "merge"]
        emits = {
            output: self._emit(instance, output, [route for route in leaving if route.output == output])
            for output in pe.outputconnections
        }
        pe._emit = Emits(emits, partial(self._undeclared, instance) if pe.undeclared_ports else None)
        for route in self.plan.routes:
            if route.grouping == "merge" and route.writer == instance.pe and instance.number > 0:
                self.merging[instance.rank] = self._lane(
                    self._outlets_of(route, instance), Choice.ONE, instance, "merge()"
                )

    def _undeclared(self, instance: Instance, output: str) -> Receive:
        """Return what takes the values of an output that its PE does not declare, so that nobody reads it."""
        self.counts[instance.rank].written[output] = Tally()
        return self._emit(instance, output, [])

    def chain(self, rank: int, port: str) -> Chain | None:
        """Return the generated loop that begins at an instance's input, or None where nothing there is straight."""
        key = (rank, port)
        if key not in self._chains:
            stages: list[Stage] = []
            end = self._follow(rank, port, stages)
            self._chains[key] = Chain(stages, end, self.hooks) if stages else None
        return self._chains[key]

    def chain_after(self, rank: int, output: str, hurry: list[None]) -> Chain | None:
        """Return the generated loop that takes what a source writes on an output."""
        stages: list[Stage] = []
        way = self._ways[rank, output]
        end = self._follow(*way, stages) if isinstance(way, tuple) else way
        return Chain(stages, end, self.hooks, hurry=hurry) if stages or isinstance(end, (Lane, Partitioner)) else None

    def _follow(self, rank: int, port: str, stages: list[Stage]) -> Way | None:
        """Add the straight stages from an input on; return where their results go."""
        # No recursion: chains are long, and Python 3.12 limits calls through C whatever the recursion limit.
        while True:
            stage = self._stage(rank, port)
            if stage is None:
                return self.receiver(rank, port)
            stages.append(stage)
            if stage.gives is Gives.END:
                return None
            way = self._ways[rank, stage.output]
            if not isinstance(way, tuple):
                return way
            rank, port = way

    def _stage(self, rank: int, port: str) -> Stage | None:
        """Return an input's PE as a stage of a chain, if it can be one."""
        pe, instance, count = self.pes[rank], self.plan.instances[rank], self.counts[rank]
        policy = Policy.parse(pe.on_error, of=f"PE {pe.id!r}")
        if self.debug or policy.retries or policy.quarantine:
            return None
        stage = partial(Stage, instance=instance, port=port, count=count)
        if sinks(pe):
            return stage(output="", call=calling(pe), gives=Gives.END, emit=None)
        written = twin(pe)
        if written is not None:
            output = next(iter(pe.outputconnections), "")
            return stage(output=output, call=MethodType(written.function, pe), gives=_GIVES[written.writes], emit=None)
        if not bare(pe):
            return None
        gives = Gives.MANY if streams(pe) else Gives.RESULT if pe.unpacks else Gives.VALUE
        return stage(output="output", call=calling(pe), gives=gives, emit=pe._emit["output"])

    def _emit(self, instance: Instance, output: str, routes: Sequence[Route]) -> Receive:
        count = self.counts[instance.rank].written[output]
        target = self._joined(instance, output, routes)
        way = self._ways[instance.rank, output]
        if isinstance(way, tuple):  # one reader in this cell: one closure counts for both
            rank, port = way
            emit = receiver(self.pes[rank], self.plan.instances[rank], port, self.counts[rank], self.hooks, sent=count)
        else:

            def send(value: Any) -> None:
                count.n += 1
                target(value)

            emit = _proved(send) if self._careful(instance, routes) else send
        return Watch(self.pes[instance.rank], output, emit).write if self.debug else emit

    def _careful(self, instance: Instance, routes: Sequence[Route]) -> bool:
        """Whether a value that cannot be kept or sent must fail the write, for a policy to judge; else it fails the run when its frame is cut."""
        policy = Policy.parse(self.pes[instance.rank].on_error, of=f"PE {instance.pe!r}")
        leaves = not routes or ((self.copies or bool(self._near)) and not all(route.fused for route in routes))
        return leaves and bool(policy.retries or policy.quarantine)

    def _joined(self, instance: Instance, output: str, routes: Sequence[Route]) -> Receive:
        """Return what takes a written value to all its readers; note the way for chains."""
        targets = [self._target(instance, route) for route in routes]
        if len(targets) == 1:
            return targets[0]
        if not targets:
            keep, rank = self.hooks.output, instance.rank

            def to_spool(value: Any) -> None:
                keep(rank, output, value)

            self._ways[instance.rank, output] = to_spool
            return to_spool
        share = all(route.reader in self._readonly for route in routes)
        *firsts, last = targets

        def to_several(value: Any) -> None:
            for target in firsts:
                target(value if share else copied(value))
            last(value)

        self._ways[instance.rank, output] = to_several
        return to_several

    def _target(self, instance: Instance, route: Route) -> Receive:
        if route.fused:
            reader = next(
                other for other in self.instances if other.pe == route.reader and other.number == instance.number
            )
            self._ways[instance.rank, route.output] = (reader.rank, route.input)
            return self.receiver(reader.rank, route.input)
        outlets = self._outlets_of(route, instance)
        full = self.hooks.full
        if route.grouping == "key" and len(outlets) > 1:
            lanes = [self._lane([outlet], Choice.ONE, instance, route.output) for outlet in outlets]
            partitioner = Partitioner(route.key, lanes)
            find = partitioner.find

            def to_keyed(value: Any) -> None:
                lane = find(value)
                lane.buffer.append(value)
                if len(lane.buffer) >= lane.limit:
                    full(lane)

            self._ways[instance.rank, route.output] = partitioner
            return to_keyed
        choice = Choice.EVERY if route.grouping == "all" else Choice.ANY
        lane = self._lane(outlets, choice, instance, route.output)
        buffer = lane.buffer
        lane.copies = lane.choice is Choice.EVERY and not self.copies and route.reader not in self._readonly

        def to_lane(value: Any) -> None:
            buffer.append(value)
            if len(buffer) >= lane.limit:
                full(lane)

        self._ways[instance.rank, route.output] = lane
        return to_lane

    def _lane(self, outlets: list[Outlet], choice: Choice, writer: Instance, output: str) -> Lane:
        near = self._near.intersection(outlet.channel for outlet in outlets)
        lane = Lane(outlets, choice, writer=writer, output=output, near=near)
        self.lanes.append(lane)
        return lane

    def _outlets_of(self, route: Route, instance: Instance) -> list[Outlet]:
        return [self._outlets[channel.index] for channel in self.plan.channels.of(instance.rank, route.index)]


def _proved(target: Receive) -> Receive:
    def send(value: Any) -> None:
        prove(value)
        target(value)

    return send
