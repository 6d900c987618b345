# SPDX-License-Identifier: Apache-2.0
"""A PE that is called without a stream: a root, or one that is given input data. It knows its position and can go back to one."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from itertools import islice
from types import GeneratorType
from typing import TYPE_CHECKING, Any

from d4py.engine.emits import Emits
from d4py.engine.failure import RAISED, Failure, StopSource, describe
from d4py.engine.receiver import bare, emission
from d4py.graph.pe import ConsumerPE, GenericPE, IterativePE, ProducerPE
from d4py.graph.policy import Policy
from d4py.graph.written import twin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from d4py.engine.circuit import Circuit
    from d4py.engine.link import Journal
    from d4py.graph.inputs import Calls
    from d4py.plan.plan import Instance

_LONG = 0.01  # seconds; a source whose calls last longer keeps the state it had before each
_QUANTUM = 0.001
_MOST = 8192
_FEW = 8
_NOTHING = [0, 0, 0]  # a source has no item in hand
_FIRST_REST, _LONGEST_REST = 0.0005, 0.01  # seconds until a live source that has nothing is asked again


@dataclass(slots=True)
class Position:
    """How far a source is: whole calls, and whole writes since. `offset` is the source's own; `spooled` writes are in the journal."""

    calls: int = 0
    writes: int = 0
    offset: Any = None
    spooled: int = 0

    @property
    def moved(self) -> bool:
        """Whether it may be another than the beginning."""
        return bool(self.calls or self.writes or self.spooled) or self.offset is not None


class Source:
    """Runs the calls of one instance, some writes at a time."""

    def __init__(
        self,
        pe: GenericPE,
        instance: Instance,
        circuit: Circuit,
        calls: Calls,
        *,
        clock: Callable[[], float],
        meter: Callable[[], float],
        between: Callable[[], None],
        hurry: list[None],
        journal: Journal | None = None,
        position: Position | None = None,
    ) -> None:
        """clock: stands still while a write waits. meter: and while it is sent. between: called between two whole writes of a call, to serve the link and take a barrier. hurry: filled now and then, to end a step."""
        if position is not None and position.offset is not None:
            pe.seek(position.offset)  # type: ignore[attr-defined]
        self.pe = pe
        self.instance = instance
        self.circuit = circuit
        self.calls = calls
        self.clock = clock
        self.meter = meter
        self.between = between
        self.hurry = hurry
        self.dragged = False  # the last step took long for what it gave
        self.rest = 0.0  # seconds to wait before the next step: a live source has nothing at the moment
        self.journal = journal
        self.total = calls if isinstance(calls, int) else len(calls)
        position = position or Position()
        self.done = position.calls
        self.skip = position.writes
        self.writes = 0
        self.spooled = position.spooled
        self.exhausted = False
        self.boundary: bytes | None = None  # the state as it was before the call in progress
        self.calling = False
        self.inside = False  # the source's own code is running, not what it wrote to
        self.halted = False  # a signal told a live source to stop: its own code is not gone on with
        self._stream: Iterator[Any] | None = None
        self._last = _LONG  # seconds of the last call
        self._quantum = 1
        self._due = 0.0
        self._resend: Iterator[tuple[int, str, Any]] | None = iter(journal.since(self.spooled)) if journal else None
        self._tries = 0
        self.seconds = 0.0  # that its steps took, without waiting for readers
        self._count = circuit.counts[instance.rank]
        self._emits = Emits.of(pe)
        if self._is_root():
            pe._emit = self._emits.wrapped(self._counted)
        self._send = emission(pe)
        written = None if pe.live or pe.inputconnections or circuit.debug else twin(pe)
        self._twin = written.function if written else None
        # The output of bare values that a stream of this source consists of, and the loop that takes them.
        self._output = "output" if isinstance(pe, ProducerPE) else next(iter(pe.outputconnections)) if written else None
        self._chain = (
            circuit.chain_after(instance.rank, self._output, hurry)
            if self._output is not None and self._output in pe._emit and not circuit.debug
            else None
        )

    def step(self) -> None:
        """Make some progress: a part of a stream, or one call."""
        began = self.meter()
        try:
            self._step()
        finally:
            self.seconds += self.meter() - began

    def _step(self) -> None:
        self.hurry.clear()
        if self._resend is not None:
            kept = next(self._resend, None)
            if kept is not None:
                self._send_again(*kept)
                return
            self._resend = None
        try:
            self._enter()
            if self._stream is not None:
                self._pull(self._stream)
            else:
                self._calls()
            self.inside = False
        except StopSource:
            self.stop()
        except RAISED as error:
            self._failed(error)

    def stop(self) -> None:
        """End here, as if the source were exhausted."""
        self.inside = False
        if isinstance(self._stream, GeneratorType):
            self._stream.close()
        self._stream = None
        if self.calling:
            self._take_in()
        self.calling = False
        self.exhausted = True

    @property
    def slow(self) -> bool:
        """Whether the next step is one long call, or takes so few values that the clock may be looked at with each."""
        return self._quantum <= _FEW or (self._stream is None and self._last >= _LONG)

    @property
    def splittable(self) -> bool:
        """Whether a barrier may be taken now: between calls, or in one whose state before it is kept."""
        return not self.calling or self.boundary is not None or self.pe.stateless or self._seeks() or self._goes_on

    def position(self) -> Position:
        """Return the position for a part."""
        offset = self.pe.offset() if self._seeks() else None  # type: ignore[attr-defined]
        if self.journal is not None:
            self.journal.sync()
        writes = 0 if self._seeks() or self._goes_on else max(self.skip, self.writes if self.calling else 0)
        return Position(calls=self.done, writes=writes, offset=offset, spooled=self.spooled)

    def state(self) -> bytes | None:
        """Return the pickled state to keep instead of the present one, or None."""
        return self.boundary if self.calling and not self._goes_on else None

    @property
    def _goes_on(self) -> bool:
        """Whether a call that is made again gives what comes next, not what came: a live source that is kept in a journal."""
        return self.journal is not None and self.pe.live

    def _is_root(self) -> bool:
        return not any(
            route.reader == self.instance.pe and route.grouping != "merge" for route in self.circuit.plan.routes
        )

    def _seeks(self) -> bool:
        return hasattr(self.pe, "seek") and hasattr(self.pe, "offset")

    def _send_again(self, call: int, port: str, value: Any) -> None:
        """Send what the journal kept. The call that wrote it is made again, and skips as much, unless it goes on where the world is."""
        self.spooled += 1
        if not self._goes_on:
            self.skip = self.skip + 1 if call == self.done else 1
        self.done = call
        self._emits[port](value)

    def _calls(self) -> None:
        """Make calls for about a millisecond, or begin a stream."""
        began = self.clock()
        made = 0
        while made < self._quantum:
            made += 1
            if self.done >= self.total:
                self.exhausted = True
                return
            self._call()
            if self._stream is not None:
                return
            if self.hurry:
                break
        self._adapt(self.clock() - began, made)

    def _adapt(self, spent: float, made: int) -> None:
        self.dragged = spent > _QUANTUM / 2 * made
        if self.dragged:
            self._quantum = 1
        elif spent < _QUANTUM / 2:
            self._quantum = min(_MOST, self._quantum * 2)
        elif spent > 2 * _QUANTUM:
            self._quantum = max(1, min(self._quantum // 2, made))

    def _call(self) -> None:
        inputs = {} if isinstance(self.calls, int) else self.calls[self.done]
        if inputs and not self._is_root():
            for port, value in inputs.items():
                self._count.given[port].n += 1
                self.circuit.receiver(self.instance.rank, port)(value)
            self.done += 1
            return
        if not inputs and self.pe.inputconnections and isinstance(self.pe, (IterativePE, ConsumerPE)):
            self.done = self.total  # nothing feeds it
            return
        if self._last >= _LONG and not self.pe.stateless and not self._seeks():
            self.boundary = self._kept()
        self.writes = 0
        self.calling = True
        began = self.clock()
        result = self._result(inputs)
        if isinstance(result, GeneratorType) and (self.pe.unpacks or self._twin is not None):
            self._stream = result
            self._quantum = 1
            return
        if result is not None:
            self._send(result)
        self._ended(self.clock() - began)

    def _kept(self) -> bytes | None:
        """Return the state before a long call; nothing where it cannot be kept: such a run takes no checkpoints."""
        try:
            return pickle.dumps(self.pe.snapshot(), protocol=5)
        except Exception:
            return None

    def _result(self, inputs: dict[str, Any]) -> Any:
        pe = self.pe
        if self._twin is not None:
            return self._twin(pe, inputs)
        if isinstance(pe, ProducerPE) and type(pe).process is ProducerPE.process:
            result = pe._process(inputs)
            streamed = isinstance(result, GeneratorType) and pe.unpacks
            return result if result is None or streamed else {"output": result}
        return pe._process(inputs["input"]) if bare(pe) else pe.process(inputs)

    def _pull(self, stream: Iterator[Any]) -> None:
        """Take some values of a stream; as many as make about a millisecond. None from a live source: it has nothing at the moment."""
        began = self.clock()
        taken = 0
        idle = False
        if self._output is None:
            for value in islice(stream, self._quantum):
                taken += 1
                if value is not None:
                    self._send(value)
                idle = value is None and self.pe.live
                if self.hurry or idle:
                    break
        elif self.writes >= self.skip and self.journal is None and not self.pe.live:
            taken = self._through(islice(stream, self._quantum))
        else:
            emit = self.pe._emit[self._output]
            for value in islice(stream, self._quantum):
                taken += 1
                idle = value is None and self.pe.live
                if not idle:
                    emit(value)
                if self.hurry or idle:
                    break
        if taken < self._quantum and not self.hurry and not idle:
            self._stream = None
            self._ended(_LONG)
            return
        self._adapt(self.clock() - began, taken)
        self._relax(taken, idle=idle)

    def _relax(self, taken: int, *, idle: bool) -> None:
        """Rest, ever longer, while a live source has nothing."""
        self.dragged = self.dragged or idle
        if not idle:
            self.rest = 0.0
        else:
            self.rest = min(_LONGEST_REST, 2 * self.rest) if self.rest and taken == 1 else _FIRST_REST

    def _through(self, values: Iterator[Any]) -> int:
        """Send values on, through a generated loop where there is one; return how many there were."""
        assert self._output is not None
        if self._chain is None:
            taken, emit = 0, self._emits[self._output]
            try:
                for value in values:
                    taken += 1
                    emit(value)
                    if self.hurry:
                        break
            finally:
                self.writes += taken
            return taken
        try:
            self._chain.run(values, _NOTHING)
        finally:
            taken = self._chain.taken
            self.writes += taken
            self._count.written[self._output].n += taken
        return taken

    def _take_in(self) -> None:
        """Count the input of a call: once it is over, for until then it may be made again, by a retry or after a checkpoint in its middle."""
        if isinstance(self.calls, list) and self.pe.inputconnections:
            for port in self._count.read.keys() & self.calls[self.done].keys():
                self._count.given[port].n += 1
                self._count.read[port].n += 1

    def _ended(self, seconds: float) -> None:
        self._take_in()
        self.done += 1
        self.calling = False
        self.boundary = None
        self.writes = self.skip = 0
        self.rest = 0.0
        self._tries = 0
        self._last = seconds

    def _counted(self, port: str, emit: Callable[[Any], None]) -> Callable[[Any], None]:
        def write(value: Any) -> None:
            self.writes += 1
            if self.writes <= self.skip:
                return
            inside, self.inside = self.inside, False
            if self.journal is not None and self.calling:
                self.journal.append((self.done, port, value))
                self.spooled += 1
            emit(value)
            if self._stream is None and self.calling and self.clock() >= self._due:
                self.between()
                self._due = self.clock() + _QUANTUM
            if inside:
                self._enter()

        return write

    def _enter(self) -> None:
        """Go on in the source's own code. In this order, so that a signal finds it inside or is found here."""
        self.inside = True
        if self.halted:
            raise StopSource

    def _failed(self, error: BaseException) -> None:
        self.inside = False
        policy = Policy.parse(self.pe.on_error, of=f"PE {self.pe.id!r}")
        hooks = self.circuit.hooks
        given = {} if isinstance(self.calls, int) else self.calls[self.done]
        failure: Failure = describe(
            error,
            pe=self.instance.pe,
            instance=self.instance.label,
            item=self.done if given else None,
            port=", ".join(given),
            value=next(iter(given.values())) if len(given) == 1 else given,
            during=f"call {self.done}",
        )
        if self._tries < policy.retries and not failure.unread:
            hooks.pause(policy.backoff * 2**self._tries)
            self._tries += 1
            # A source that goes on where it is gives nothing a second time.
            self.skip = 0 if self._seeks() or self._goes_on else max(self.skip, self.writes)
            self._stream, self.calling = None, False
            return
        if failure.unread or not policy.quarantine:
            hooks.fail(failure)
        self._count.quarantined.n += 1
        hooks.quarantine(
            self.instance.rank, "", self.calls if isinstance(self.calls, int) else self.calls[self.done], failure
        )
        self._stream = None
        self._ended(_LONG)
