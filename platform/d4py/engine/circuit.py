# SPDX-License-Identifier: Apache-2.0
"""The PEs of one cell, wired: a write runs the reader in the cell at once, depth first, or puts the value on a lane.

What is called for each item is built once, here, as closures over just what it needs: this is the hot path.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from d4py.engine.chain import Chain, Stage
from d4py.engine.failure import RAISED, Failure, describe
from d4py.engine.outlet import Choice, Lane, Outlet
from d4py.engine.watch import Watch
from d4py.errors import UnknownPort, did_you_mean, listed
from d4py.graph.pe import ConsumerPE, GenericPE, IterativePE, ProducerPE
from d4py.graph.policy import Policy
from d4py.items.copying import copied
from d4py.plan.keys import partitioner

if TYPE_CHECKING:
    from d4py.graph.inputs import Calls
    from d4py.plan.plan import Instance, Plan, Route

Receive = Callable[[Any], None]


@dataclass(slots=True)
class Tally:
    """A count that closures share."""

    n: int = 0


@dataclass(slots=True)
class Count:
    """What one instance has read on each input, written on each output, was given, and had put into quarantine."""

    read: dict[str, Tally]
    written: dict[str, Tally]
    given: dict[str, Tally]
    quarantined: Tally

    @classmethod
    def of(cls, pe: GenericPE) -> Count:
        """Return zeros for each port of a PE."""
        inputs, outputs = pe.inputconnections, pe.outputconnections
        return cls(
            {name: Tally() for name in inputs},
            {name: Tally() for name in outputs},
            {name: Tally() for name in inputs},
            Tally(),
        )

    def totals(self) -> tuple[int, int, int]:
        """Return items read, written and in quarantine."""
        return (
            sum([tally.n for tally in self.read.values()]),
            sum([tally.n for tally in self.written.values()]),
            self.quarantined.n,
        )

    def to_json(self) -> dict[str, dict[str, int]]:
        """Return plain data for a part."""
        return {
            "read": {name: tally.n for name, tally in self.read.items()},
            "written": {name: tally.n for name, tally in self.written.items()},
            "given": {name: tally.n for name, tally in self.given.items()},
            "quarantined": {"": self.quarantined.n},
        }

    def restore(self, data: Mapping[str, Mapping[str, int]]) -> None:
        """Take back what `to_json` gave."""
        for mine, kept in ((self.read, data["read"]), (self.written, data["written"]), (self.given, data["given"])):
            for name, number in kept.items():
                mine[name].n = number
        self.quarantined.n = data["quarantined"][""]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What all cells of a run are told. Sent to workers."""

    calls: dict[str, Calls] = field(default_factory=dict)  # of PEs that are called without a stream
    readonly: frozenset[str] = frozenset()  # PEs that change nothing they receive
    window: int | None = None  # items of credit per channel, for tests
    debug: bool = False  # detect values that their writer changes after it wrote them


class Hooks:
    """What a circuit asks of its cell."""

    full: Callable[[Lane], None]
    output: Callable[[int, str, Any], None]
    fail: Callable[[Failure], None]  # never returns
    quarantine: Callable[[int, str, Any, Failure], None]
    pause: Callable[[float], None]


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
    ) -> None:
        """pes: by rank, of this cell. outlets: by channel. copies: whether sending makes a copy."""
        self.plan = plan
        self.instances: list[Instance] = [plan.instances[rank] for rank in plan.cells[cell].instances]
        self.pes = dict(pes)
        self.hooks = hooks
        self.copies = copies
        self.counts = {instance.rank: Count.of(self.pes[instance.rank]) for instance in self.instances}
        self.lanes: list[Lane] = []
        self.merging: dict[int, Lane] = {}  # rank -> lane for its partial state
        self._outlets = outlets
        self._receivers: dict[tuple[int, str], Receive] = {}
        self._chains: dict[tuple[int, str], Chain | None] = {}
        # Where an output leads: to one reader in the cell, to a lane, or to something that is called.
        self._ways: dict[tuple[int, str], tuple[int, str] | Lane | Receive] = {}
        self._readonly = terms.readonly
        self.debug = terms.debug
        for instance in reversed(self.instances):  # readers before writers
            self._wire(instance)

    def receiver(self, rank: int, port: str) -> Receive:
        """Return what takes a value for an instance's input."""
        key = (rank, port)
        if key not in self._receivers:
            self._receivers[key] = _receiver(
                self.pes[rank], self.plan.instances[rank], port, self.counts[rank], self.hooks
            )
        return self._receivers[key]

    def _wire(self, instance: Instance) -> None:
        pe = self.pes[instance.rank]
        pe.rank = instance.rank
        emits: dict[str, Receive] = {}
        for output in pe.outputconnections:
            routes = [route for route in self.plan.routes if route.writer == instance.pe and route.output == output]
            emit = self._emit(instance, output, [route for route in routes if route.grouping != "merge"])
            emits[output] = Watch(pe, output, emit).write if self.debug else emit
        pe._emit = emits
        for route in self.plan.routes:
            if route.grouping == "merge" and route.writer == instance.pe and instance.number > 0:
                self.merging[instance.rank] = self._lane(self._outlets_of(route, instance), Choice.ONE)

    def chain(self, rank: int, port: str) -> Chain | None:
        """Return the generated loop that begins at an instance's input, or None where nothing there is straight."""
        key = (rank, port)
        if key not in self._chains:
            stages: list[Stage] = []
            end = self._follow(rank, port, stages)
            self._chains[key] = Chain(stages, end, self.hooks) if stages else None
        return self._chains[key]

    def chain_after(self, rank: int, output: str) -> Chain | None:
        """Return the generated loop that takes what an instance writes on an output."""
        stages: list[Stage] = []
        end = self._next(rank, output, stages)
        return Chain(stages, end, self.hooks) if stages or isinstance(end, Lane) else None

    def _follow(self, rank: int, port: str, stages: list[Stage]) -> Lane | Receive | None:
        """Add the straight stages from an input on; return where their results go."""
        pe, instance = self.pes[rank], self.plan.instances[rank]
        policy = Policy.parse(pe.on_error, of=f"PE {pe.id!r}")
        sink = isinstance(pe, ConsumerPE) and type(pe).process is ConsumerPE.process
        if self.debug or policy.retries or policy.quarantine or not (sink or bare(pe)):
            return self.receiver(rank, port)
        emit = None if sink else pe._emit["output"]
        stages.append(Stage(instance=instance, port=port, call=pe._process, emit=emit, count=self.counts[rank]))
        return None if sink else self._next(rank, "output", stages)

    def _next(self, rank: int, output: str, stages: list[Stage]) -> Lane | Receive | None:
        way = self._ways[rank, output]
        return self._follow(*way, stages) if isinstance(way, tuple) else way

    def _emit(self, instance: Instance, output: str, routes: Sequence[Route]) -> Receive:
        count = self.counts[instance.rank].written[output]
        target = self._joined(instance, output, routes)

        def send(value: Any) -> None:
            count.n += 1
            target(value)

        return send

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
            lanes = [self._lane([outlet], Choice.ONE) for outlet in outlets]
            place = partitioner(route.key, len(outlets))

            def to_keyed(value: Any) -> None:
                lane = lanes[place(value)]
                lane.buffer.append(value)
                if len(lane.buffer) >= lane.limit:
                    full(lane)

            self._ways[instance.rank, route.output] = to_keyed
            return to_keyed
        lane = self._lane(outlets, Choice.EVERY if route.grouping == "all" else Choice.ANY)
        buffer = lane.buffer
        lane.copies = lane.choice is Choice.EVERY and not self.copies and route.reader not in self._readonly

        def to_lane(value: Any) -> None:
            buffer.append(value)
            if len(buffer) >= lane.limit:
                full(lane)

        self._ways[instance.rank, route.output] = lane
        return to_lane

    def _lane(self, outlets: list[Outlet], choice: Choice) -> Lane:
        lane = Lane(outlets, choice)
        self.lanes.append(lane)
        return lane

    def _outlets_of(self, route: Route, instance: Instance) -> list[Outlet]:
        return [
            self._outlets[channel.index]
            for channel in self.plan.channels
            if channel.route == route.index and channel.writer == instance.rank
        ]


def emission(pe: GenericPE) -> Callable[[Any], None]:
    """Return what sends the result of a call: a bare value (or a generator of them), or `{port: value}`."""
    emits = pe._emit
    if isinstance(pe, ConsumerPE) and type(pe).process is ConsumerPE.process:
        return lambda _result: None
    if bare(pe):

        def send(result: Any) -> None:
            if type(result) is GeneratorType:
                for value in result:
                    emits["output"](value)
            else:
                emits["output"](result)

        return send

    return _named(pe)


def _named(pe: GenericPE) -> Callable[[Any], None]:
    """Return what sends a result `{port: value}`, or a generator of such."""
    emits = pe._emit
    streams = isinstance(pe, (IterativePE, ProducerPE))

    def send(result: Any) -> None:
        if type(result) is GeneratorType:
            for part in result:
                if part is not None:
                    send(part)
            return
        if not isinstance(result, dict):
            raise TypeError(f"process() returned {type(result).__name__}; it returns None or {{output: value}}")
        for port, value in result.items():
            if port not in emits:
                raise UnknownPort(
                    f"PE {pe.name!r} has no output {port!r}; it has {listed(emits)}.",
                    hint=did_you_mean(port, list(emits)),
                )
            if streams and type(value) is GeneratorType:
                for one in value:
                    emits[port](one)
            else:
                emits[port](value)

    return send


def calling(pe: GenericPE, port: str) -> Callable[[Any], Any]:
    """Return what calls a PE with a value for one input."""
    if bare(pe) or (isinstance(pe, ConsumerPE) and type(pe).process is ConsumerPE.process):
        return pe._process
    process = pe.process
    return lambda value: process({port: value})


def bare(pe: GenericPE) -> bool:
    """Whether `_process` can be called with the value itself."""
    return (
        isinstance(pe, IterativePE)
        and type(pe).process is IterativePE.process
        and set(pe.inputconnections) == {"input"}
    )


def _receiver(pe: GenericPE, instance: Instance, port: str, count: Count, hooks: Hooks) -> Receive:
    policy = Policy.parse(pe.on_error, of=f"PE {pe.id!r}")
    call, send = calling(pe, port), emission(pe)
    if policy.retries or policy.quarantine:
        return _patient(pe, instance, port, count, hooks, policy)
    name, label, fail = instance.pe, instance.label, hooks.fail
    read = count.read[port]

    def receive(value: Any) -> None:
        read.n += 1
        try:
            result = call(value)
            if result is not None:
                send(result)
        except RAISED as error:
            fail(describe(error, pe=name, instance=label, item=read.n - 1, port=port, value=value))

    return receive


def _patient(pe: GenericPE, instance: Instance, port: str, count: Count, hooks: Hooks, policy: Policy) -> Receive:
    """Return a receiver that retries and quarantines. Each try gets the item as it came; writes already made are skipped."""
    state = {"made": 0, "skip": 0}

    def guarded(emit: Receive) -> Receive:
        def write(value: Any) -> None:
            if state["skip"]:
                state["skip"] -= 1
                return
            state["made"] += 1
            emit(value)

        return write

    pe._emit = {name: guarded(emit) for name, emit in pe._emit.items()}
    call, send = calling(pe, port), emission(pe)
    read = count.read[port]

    def receive(value: Any) -> None:
        read.n += 1
        state["made"], wait = 0, policy.backoff
        for attempt in range(policy.retries + 1):
            lent = copied(value)
            state["skip"] = state["made"]
            try:
                result = call(lent)
                if result is not None:
                    send(result)
                return
            except RAISED as error:  # the policy decides
                failure = describe(
                    error, pe=instance.pe, instance=instance.label, item=read.n - 1, port=port, value=value
                )
            finally:
                state["skip"] = 0
            if attempt < policy.retries:
                hooks.pause(wait)
                wait *= 2
        if not policy.quarantine:
            hooks.fail(failure)
        count.quarantined.n += 1
        hooks.quarantine(instance.rank, port, value, failure)

    return receive
