# SPDX-License-Identifier: Apache-2.0
"""What takes a value for one input of a PE, and what sends on the result of a call: closures over just what they need."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import FunctionType, GeneratorType
from typing import TYPE_CHECKING, Any

from d4py.engine.count import Tally
from d4py.engine.emits import Emits
from d4py.engine.failure import RAISED, Failure, describe
from d4py.errors import UnknownPort, did_you_mean, listed
from d4py.graph.function import FUNCTION_CALLS, FunctionPE
from d4py.graph.pe import ConsumerPE, GenericPE, IterativePE, ProducerPE
from d4py.graph.policy import Policy
from d4py.items.copying import copied

if TYPE_CHECKING:
    from d4py.engine.count import Count
    from d4py.engine.outlet import Lane
    from d4py.plan.plan import Instance

Receive = Callable[[Any], None]
CO_GENERATOR = 0x20


class Hooks:
    """What a circuit asks of its cell."""

    full: Callable[[Lane], None]
    output: Callable[[int, str, Any], None]
    fail: Callable[[Failure], None]  # never returns
    quarantine: Callable[[int, str, Any, Failure], None]
    pause: Callable[[float], None]


def emission(pe: GenericPE) -> Callable[[Any], None]:
    """Return what sends the result of a call: a bare value (or a generator of them), or `{port: value}`."""
    emits = pe._emit
    if sinks(pe):
        return lambda _result: None
    if bare(pe):
        if not pe.unpacks:

            def send_whole(result: Any) -> None:
                emits["output"](result)

            return send_whole

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
    bare_values = isinstance(pe, (IterativePE, ProducerPE)) and pe.unpacks

    def send(result: Any) -> None:
        if type(result) is GeneratorType and pe.unpacks:
            for part in result:
                if part is not None:
                    send(part)
            return
        if not isinstance(result, dict):
            raise TypeError(f"process() returned {type(result).__name__}; it returns None or {{output: value}}")
        for port, value in result.items():
            try:
                emit = emits[port]
            except KeyError:
                raise UnknownPort(
                    f"PE {pe.name!r} has no output {port!r}; it has {listed(emits)}.",
                    hint=did_you_mean(port, list(emits)),
                ) from None
            if bare_values and type(value) is GeneratorType:
                for one in value:
                    emit(one)
            else:
                emit(value)

    return send


def calling(pe: GenericPE) -> Callable[[Any], Any]:
    """Return what calls a PE that takes a bare value; of a function PE that is the function itself."""
    if isinstance(pe, FunctionPE) and type(pe)._process in FUNCTION_CALLS:
        return partial(pe.function, **pe.parameters) if pe.parameters else pe.function
    return pe._process


def sinks(pe: GenericPE) -> bool:
    """Whether a PE takes a bare value and sends nothing that its call returns."""
    return isinstance(pe, ConsumerPE) and type(pe).process is ConsumerPE.process


def bare(pe: GenericPE) -> bool:
    """Whether `_process` can be called with the value itself."""
    return (
        isinstance(pe, IterativePE)
        and type(pe).process is IterativePE.process
        and set(pe.inputconnections) == {"input"}
    )


def streams(pe: GenericPE) -> bool:
    """Whether each call of `_process` gives a generator."""
    if not pe.unpacks:
        return False
    call: Any = pe.function if isinstance(pe, FunctionPE) and type(pe)._process in FUNCTION_CALLS else type(pe)._process
    return isinstance(call, FunctionType) and bool(call.__code__.co_flags & CO_GENERATOR)


def receiver(
    pe: GenericPE, instance: Instance, port: str, count: Count, hooks: Hooks, *, sent: Tally | None = None
) -> Receive:
    """Return what takes a value for an input. sent: counts what the one writer has written, too."""
    policy = Policy.parse(pe.on_error, of=f"PE {pe.id!r}")
    sent = sent or Tally()
    if policy.retries or policy.quarantine:
        return _patient(pe, instance, port, count, hooks, policy, sent)
    send, name, label, fail = emission(pe), instance.pe, instance.label, hooks.fail
    read = count.read[port]
    if bare(pe) or sinks(pe):
        call = calling(pe)

        def receive(value: Any) -> None:
            sent.n += 1
            read.n += 1
            try:
                result = call(value)
                if result is not None:
                    send(result)
            except RAISED as error:
                fail(describe(error, pe=name, instance=label, item=read.n - 1, port=port, value=value))

        return receive
    process = pe.process

    def receive_named(value: Any) -> None:
        sent.n += 1
        read.n += 1
        try:
            result = process({port: value})
            if result is not None:
                send(result)
        except RAISED as error:
            fail(describe(error, pe=name, instance=label, item=read.n - 1, port=port, value=value))

    return receive_named


def _patient(
    pe: GenericPE, instance: Instance, port: str, count: Count, hooks: Hooks, policy: Policy, sent: Tally
) -> Receive:
    """Return a receiver that retries and quarantines. Each try gets the item as it came; writes already made are skipped."""
    state = {"made": 0, "skip": 0}

    def guarded(_output: str, emit: Receive) -> Receive:
        def write(value: Any) -> None:
            if state["skip"]:
                state["skip"] -= 1
                return
            state["made"] += 1
            emit(value)

        return write

    pe._emit = Emits.of(pe).wrapped(guarded)
    send, read = emission(pe), count.read[port]
    straight, process = bare(pe) or sinks(pe), pe.process
    call = calling(pe) if straight else lambda value: process({port: value})

    def receive(value: Any) -> None:
        sent.n += 1
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
            if failure.unread:
                hooks.fail(failure)
            if attempt < policy.retries:
                hooks.pause(wait)
                wait *= 2
        if not policy.quarantine:
            hooks.fail(failure)
        count.quarantined.n += 1
        hooks.quarantine(instance.rank, port, value, failure)

    return receive
