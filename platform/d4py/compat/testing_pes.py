# SPDX-License-Identifier: Apache-2.0
"""`dispel4py.examples.graph_testing.testing_PEs`: small PEs that example and test workflows are made of."""

from __future__ import annotations

import random
import time
from typing import Any

from d4py.compat.base import ConsumerPE, IterativePE, ProducerPE
from d4py.compat.core import GenericPE


class TestProducer(GenericPE):
    """Counts its iterations, and sends the count on each of its outputs."""

    __test__ = False  # for pytest

    def __init__(self, numOutputs: int = 1) -> None:
        GenericPE.__init__(self)
        self.outputnames = ["output"] if numOutputs == 1 else [f"output{number}" for number in range(numOutputs)]
        for name in self.outputnames:
            self._add_output(name, ["number"])
        self.counter = 0

    def _process(self, inputs: Any) -> dict[str, int]:
        self.counter += 1
        return dict.fromkeys(self.outputnames, self.counter)


class NumberProducer(GenericPE):
    """Writes some texts "iteration:number" each iteration."""

    def __init__(self, numIterations: int = 1) -> None:
        GenericPE.__init__(self)
        self._add_output("output", ["number"])
        self.counter = 0
        self.numIterations = numIterations

    def process(self, inputs: Any) -> None:
        """Write."""
        self.counter += 1
        for number in range(self.numIterations):
            self.write("output", f"{self.counter}:{number}")


class IntegerProducer(ProducerPE):
    """Writes the numbers from `start`, below `limit`, each iteration."""

    def __init__(self, start: int, limit: int) -> None:
        ProducerPE.__init__(self)
        self.start = start
        self.limit = limit

    def _process(self, inputs: Any) -> None:
        for number in range(self.start, self.limit):
            self.write("output", number)


class TestMultiProducer(GenericPE):
    """Writes the numbers below `num_output` each iteration."""

    __test__ = False

    def __init__(self, num_output: int = 10) -> None:
        GenericPE.__init__(self)
        self._add_output("output")
        self.num_output = num_output

    def _process(self, inputs: Any) -> None:
        for number in range(self.num_output):
            self.write("output", number)


class _Passing(GenericPE):
    def __init__(self) -> None:
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("output", ["number"])


class TestOneInOneOut(_Passing):
    """Returns what it gets."""

    __test__ = False

    def process(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Pass the value on."""
        return {"output": inputs["input"]}


class TestOneInOneOutWriter(_Passing):
    """Writes what it gets."""

    __test__ = False

    def process(self, inputs: dict[str, Any]) -> None:
        """Pass the value on."""
        self.write("output", inputs["input"])


class TestDelayOneInOneOut(_Passing):
    """Returns what it gets, some seconds later."""

    __test__ = False

    def __init__(self, delay: float = 1) -> None:
        _Passing.__init__(self)
        self.delay = delay

    def process(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Wait, and pass the value on."""
        time.sleep(self.delay)
        return {"output": inputs["input"]}


class TestTwoInOneOut(GenericPE):
    """Returns, as text, what it gets on either input."""

    __test__ = False

    def __init__(self) -> None:
        GenericPE.__init__(self)
        self._add_input("input0")
        self._add_input("input1")
        self._add_output("output", ["result"])

    def process(self, inputs: dict[str, Any]) -> dict[str, str] | None:
        """Pass the value on."""
        text = "".join(str(inputs[name]) for name in self.inputconnections if name in inputs)
        return {"output": text} if text else None


class RandomFilter(_Passing):
    """Passes about half of what it gets on."""

    input_name = "input"
    output_name = "output"

    def process(self, inputs: dict[str, Any]) -> dict[str, Any] | None:
        """Pass the value on, or not."""
        return {"output": inputs["input"]} if random.random() < 0.5 else None  # noqa: S311 - an example, not a secret


class RandomWordProducer(GenericPE):
    """Sends one of seven words each iteration."""

    words = ("Dispel4Py", "Earthquake", "Computing", "Seismology", "Modelling", "Analysis", "Infrastructure")

    def __init__(self) -> None:
        GenericPE.__init__(self)
        self._add_output("output", ["word"])

    def process(self, inputs: Any = None) -> dict[str, list[str]]:
        """Choose a word."""
        return {"output": [random.choice(self.words)]}  # noqa: S311


class WordCounter(GenericPE):
    """Counts how often each word came."""

    input_name = "input"
    output_name = "output"

    def __init__(self) -> None:
        GenericPE.__init__(self)
        self._add_input("input", grouping=[0])
        self._add_output("output", ["word", "count"])
        self.mywords: dict[str, int] = {}

    def process(self, inputs: dict[str, Any]) -> dict[str, list[Any]]:
        """Count a word."""
        word = inputs["input"][0]
        self.mywords[word] = self.mywords.get(word, 0) + 1
        return {"output": [word, self.mywords[word]]}


class TestIterative(IterativePE):
    """Returns what it gets."""

    __test__ = False

    def _process(self, data: Any) -> Any:
        return data


class PrintDataConsumer(ConsumerPE):
    """Prints what it gets."""

    def _process(self, data: Any) -> None:
        print(data)


class ProvenanceLogger(GenericPE):
    """Logs what it gets."""

    def __init__(self) -> None:
        GenericPE.__init__(self)
        self._add_input("metadata")

    def process(self, inputs: dict[str, Any]) -> None:
        """Log a record."""
        self.log(f"Logging metadata: {str(inputs['metadata'])[:300]}")
