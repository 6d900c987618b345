# SPDX-License-Identifier: Apache-2.0
"""Processing elements: what a user subclasses.

The vocabulary is dispel4py's. A PE has named inputs and outputs, gets one value on one input per call, and writes any number of values.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from d4py.errors import GraphError, UnknownPort, did_you_mean, listed
from d4py.graph.resources import NONE, Resources

if TYPE_CHECKING:
    from d4py.graph.graph import WorkflowGraph

Grouping = str | Sequence[object] | None
Port = dict[str, Any]
Emit = Callable[[Any], None]

# Set by the engine or by the graph: not part of a PE's state.
RUNTIME_ATTRIBUTES = frozenset(
    {
        "_emit",
        "_logger",
        "_empty",
        "_folder",
        "inputconnections",
        "outputconnections",
        "rank",
        "id",
        "name",
        "numprocesses",
        "resources",
    }
)


class _Unbound(dict[str, Emit]):
    def __missing__(self, name: str) -> Emit:
        raise GraphError(
            f"write({name!r}) was called outside a run.", hint="Write in preprocess, process or postprocess."
        )


class Belonging:
    """What an attribute of a PE inherits to be told whose it is, before anything else of a run happens to it."""

    def belong(self, owner: str) -> None:
        """Take in which attribute of which instance of which run this is: the same at each start of the instance."""
        raise NotImplementedError


class GenericPE:
    """A processing element with any number of inputs and outputs."""

    # What a class may promise or ask for; each can also be set on an object.
    stateless: ClassVar[bool] = False
    readonly: ClassVar[bool] = False
    undeclared_ports: ClassVar[bool] = (
        False  # whether it may write on outputs, and be given inputs, that it does not declare
    )
    unpacks: ClassVar[bool] = True  # whether a generator that it returns is a stream of values, not a value
    live: bool = False
    replay: str = "rerun"
    on_error: str = "fail"
    cost: float | None = None  # seconds an item; without one, what earlier runs took
    resources: Resources = NONE  # what is asked for it, by workflow.toml or on the command line
    pickleIgnore: Sequence[str] = ()  # noqa: N815 - dispel4py's name

    inputconnections: dict[str, Port]
    outputconnections: dict[str, Port]
    _emit: MutableMapping[str, Emit] = _Unbound()
    _logger: Callable[[str], None] | None = None
    _empty: Callable[[Any, Any], Any] | None = None
    _folder: str = ""  # of the run

    def __init__(self, numprocesses: int = 1) -> None:
        self.inputconnections = {}
        self.outputconnections = {}
        self.numprocesses = numprocesses
        self.name = type(self).__name__
        self.id: str | None = None
        self.rank = 0

    def _add_input(
        self, name: str, grouping: Grouping = None, tuple_type: Sequence[str] | None = None, *, type: object = None
    ) -> None:
        """Declare an input. grouping: None (shuffle), "global", "all", or the elements that make the key."""
        self._begun()
        port: Port = {"name": name, "type": tuple_type, "hint": type}
        if grouping is not None:
            port["grouping"] = grouping
        self.inputconnections[name] = port

    def _add_output(self, name: str, tuple_type: Sequence[str] | None = None, *, type: object = None) -> None:
        """Declare an output."""
        self._begun()
        self.outputconnections[name] = {"name": name, "type": tuple_type, "hint": type}

    def _begun(self) -> None:
        if "outputconnections" not in self.__dict__:
            raise GraphError(
                f"PE class {type(self).__name__!r} declares a port before it calls super().__init__().",
                hint="Call it first in __init__.",
            )

    def _belong(self, rank: int, folder: str) -> None:
        """Take in which instance of which run this is. For the engine."""
        self.rank, self._folder = rank, folder
        for name, value in vars(self).items() if folder else ():
            if isinstance(value, Belonging):
                value.belong(f"{folder} {rank} {name}")

    def preprocess(self) -> None:
        """Prepare an instance; called at each start of it."""
        self._preprocess()

    def _preprocess(self) -> None:
        pass

    def process(self, inputs: dict[str, Any]) -> Any:
        """Take one value, `{port: value}`; return None or `{output: value}`."""
        return self._process(inputs)

    def _process(self, inputs: Any) -> Any:
        return None

    def postprocess(self) -> None:
        """Finish an instance when its streams have ended; what it writes travels on."""
        self._postprocess()

    def _postprocess(self) -> None:
        pass

    def write(self, name: str, data: Any, **_metadata: Any) -> None:
        """Send a value on an output. The value is given away: don't change it afterwards."""
        try:
            emit = self._emit[name]
        except KeyError:
            raise UnknownPort(
                f"PE {self.name!r} has no output {name!r}; it has {listed(self.outputconnections)}.",
                hint=did_you_mean(name, self.outputconnections),
            ) from None
        emit(data)

    def empty(self, shape: int | Sequence[int], dtype: Any = float) -> Any:
        """Return an array to compute in, of values that mean nothing yet.

        Where what is written goes to another process, it lies in memory that both share: then to write it, whole and once, copies nothing. Any other array can be written as well.
        """
        if self._empty is None:
            raise GraphError("empty() was called outside a run.", hint="Compute in preprocess, process or postprocess.")
        return self._empty(shape, dtype)

    def log(self, message: object) -> None:
        """Write a line to the log of this instance."""
        if self._logger is not None:
            self._logger(str(message))

    def snapshot(self) -> Any:
        """Return the state to keep in a checkpoint: by default the attributes less `pickleIgnore`."""
        left_out = RUNTIME_ATTRIBUTES.union(self.pickleIgnore)
        return {name: value for name, value in self.__dict__.items() if name not in left_out}

    def restore(self, state: Any) -> None:
        """Take back what `snapshot` returned; called after preprocess."""
        self.__dict__.update(state)

    def __rshift__(self, other: GenericPE | WorkflowGraph) -> WorkflowGraph:
        from d4py.graph.graph import WorkflowGraph

        return WorkflowGraph._starting_with(self) >> other

    def __repr__(self) -> str:
        return f"<PE {self.id or self.name}>"


class IterativePE(GenericPE):
    """One input, one output: `_process(value)` returns the output, or None for none."""

    def __init__(self, numprocesses: int = 1) -> None:
        super().__init__(numprocesses)
        self._add_input("input")
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> Any:
        """Hand the bare value to `_process`."""
        result = self._process(inputs["input"])
        return None if result is None else {"output": result}


class ProducerPE(GenericPE):
    """No input, one output: `_process(inputs)` is called once per iteration."""

    def __init__(self, numprocesses: int = 1) -> None:
        super().__init__(numprocesses)
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> Any:
        """Run one iteration."""
        result = self._process(inputs)
        return None if result is None else {"output": result}


class ConsumerPE(GenericPE):
    """One input, no output: `_process(value)`."""

    def __init__(self, numprocesses: int = 1) -> None:
        super().__init__(numprocesses)
        self._add_input("input")

    def process(self, inputs: dict[str, Any]) -> Any:
        """Hand the bare value to `_process`."""
        self._process(inputs["input"])
