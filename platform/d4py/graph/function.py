# SPDX-License-Identifier: Apache-2.0
"""PEs made from functions: the short form of a workflow."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from d4py.errors import ParameterError, did_you_mean, listed
from d4py.graph.pe import ConsumerPE, GenericPE, IterativePE, ProducerPE
from d4py.graph.types import hints_of, item_hint

if TYPE_CHECKING:
    from collections.abc import Callable


class FunctionPE(GenericPE):
    """A PE that calls a function with a value and fixed keyword parameters."""

    stateless = True
    function: Callable[..., Any]
    parameters: dict[str, Any]

    def bind(self, function: Callable[..., Any], parameters: dict[str, Any], settable: tuple[str, ...]) -> None:
        """Take the function, the values of its parameters and the names that may be set."""
        self.function = function
        self.parameters = dict(parameters)
        self.settable = settable
        self.name = function.__name__


class ProducerFunctionPE(FunctionPE, ProducerPE):
    """A source: the function is called without a value; a generator gives a stream."""

    def _process(self, inputs: Any) -> Any:
        return self.function(**{**self.parameters, **inputs})


class IterativeFunctionPE(FunctionPE, IterativePE):
    """One value in; None, one value, or a generator of values out."""

    def _process(self, inputs: Any) -> Any:
        return self.function(inputs, **self.parameters)


class ConsumerFunctionPE(FunctionPE, ConsumerPE):
    """A sink: what the function returns is dropped."""

    def _process(self, inputs: Any) -> Any:
        self.function(inputs, **self.parameters)


# What these do is call the function: an engine may call it directly.
FUNCTION_CALLS = (IterativeFunctionPE._process, ConsumerFunctionPE._process)


class SimpleFunctionPE(IterativePE):
    """dispel4py's way to make a PE of a function: `SimpleFunctionPE(fn, {"factor": 2})`."""

    stateless = True

    def __init__(self, compute_fn: Callable[..., Any] | None = None, params: dict[str, Any] | None = None) -> None:
        super().__init__()
        self.compute_fn = compute_fn
        self.params = dict(params or {})
        if compute_fn is not None:
            self.name = f"PE_{getattr(compute_fn, '__name__', 'function')}"

    def _process(self, inputs: Any) -> Any:
        assert self.compute_fn is not None
        return self.compute_fn(inputs, **self.params)


class Factory:
    """A decorated function: call it with parameters to make a PE; `factory.function` is the plain function."""

    def __init__(self, function: Callable[..., Any], kind: type[FunctionPE]) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.kind = kind

    def __call__(self, **parameters: Any) -> FunctionPE:
        settable, hints = _signature(self.function, self.kind)
        for name in parameters:
            if name not in settable:
                raise ParameterError(
                    f"{self.function.__name__}() has no parameter {name!r}; it has {listed(settable)}.",
                    hint=did_you_mean(name, settable),
                )
        pe = self.kind()
        pe.bind(self.function, parameters, tuple(settable))
        if "input" in pe.inputconnections:
            pe.inputconnections["input"]["hint"] = hints.get("input")
        if "output" in pe.outputconnections:
            pe.outputconnections["output"]["hint"] = hints.get("output")
        return pe

    def __rshift__(self, other: object) -> Any:
        raise ParameterError(
            f"{self.function.__name__} was not called.", hint=f"Write {self.function.__name__}() >> ..."
        )

    def __repr__(self) -> str:
        return f"<PE factory {self.function.__name__}>"

    def __reduce__(self) -> str:
        return self.function.__qualname__  # found again by name, as a function is


def producer(function: Callable[..., Any]) -> Factory:
    """Make a source of a function; a generator function gives a stream."""
    return Factory(function, ProducerFunctionPE)


def iterative(function: Callable[..., Any]) -> Factory:
    """Make a PE of a function of one value; None sends nothing, a generator many values."""
    return Factory(function, IterativeFunctionPE)


def consumer(function: Callable[..., Any]) -> Factory:
    """Make a sink of a function of one value."""
    return Factory(function, ConsumerFunctionPE)


def _signature(function: Callable[..., Any], kind: type[FunctionPE]) -> tuple[list[str], dict[str, Any]]:
    """Return the names of the parameters that may be set, and the hints of the ports."""
    code = function.__code__
    names = list(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    annotations = hints_of(function)
    hints: dict[str, Any] = {}
    if not issubclass(kind, ProducerFunctionPE):
        if code.co_argcount == 0:
            raise ParameterError(
                f"{function.__name__}() takes no value.",
                hint="Its first parameter gets the item; sources are @d4py.producer.",
            )
        hints["input"] = annotations.get(names.pop(0))
    hints["output"] = item_hint(function, annotations.get("return"))
    return names, hints
