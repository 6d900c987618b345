# SPDX-License-Identifier: Apache-2.0
"""`dispel4py.new.aggregate`: count, sum, minimum, maximum, mean and standard deviation, each as a PE or as instances with one reducer.

All give their result at the end of the stream; without any item there is none, but for a count and a sum.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from d4py.compat.core import GenericPE
from d4py.compat.workflow_graph import WorkflowGraph

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class AggregatePE(GenericPE):
    """Folds elements of each item into one value each, and sends the list of them at the end."""

    INPUT_NAME = "input"
    OUTPUT_NAME = "output"

    def __init__(self, indexes: Sequence[Any] | None = None) -> None:
        """indexes: of the elements."""
        GenericPE.__init__(self)
        self._add_input(self.INPUT_NAME)
        self._add_output(self.OUTPUT_NAME)
        self.indexes = [0] if indexes is None else list(indexes)
        self.value: list[Any] = [0 for _ in self.indexes]

    def _postprocess(self) -> None:
        if None not in self.value:  # no item came
            self.write(self.OUTPUT_NAME, self.value)


class ContinuousReducePE(AggregatePE):
    """Sends what it has so far with each item."""

    def process(self, inputs: dict[str, Any]) -> None:
        """Take an item."""
        self._process(inputs[self.INPUT_NAME])
        self.write(self.OUTPUT_NAME, self.value)

    def _postprocess(self) -> None:
        pass


class CountPE(AggregatePE):
    """The number of items."""

    def __init__(self) -> None:
        AggregatePE.__init__(self, [0])

    def _process(self, inputs: dict[str, Any]) -> None:
        self.value = [self.value[0] + 1]


class SumPE(AggregatePE):
    """The sum of each element."""

    def _process(self, inputs: dict[str, Any]) -> None:
        item = inputs[self.INPUT_NAME]
        self.value = [value + item[index] for value, index in zip(self.value, self.indexes, strict=True)]


class _ExtremePE(AggregatePE):
    choose: Callable[..., Any]

    def __init__(self, indexes: Sequence[Any] | None = None) -> None:
        AggregatePE.__init__(self, indexes)
        self.value = [None for _ in self.indexes]

    def _process(self, inputs: dict[str, Any]) -> None:
        item, choose = inputs[self.INPUT_NAME], type(self).choose
        self.value = [
            item[index] if value is None else choose(value, item[index])
            for value, index in zip(self.value, self.indexes, strict=True)
        ]


class MaxPE(_ExtremePE):
    """The largest of each element."""

    choose = max


class MinPE(_ExtremePE):
    """The smallest of each element."""

    choose = min


class _MomentsPE(GenericPE):
    """Sums of the powers 0, 1 and 2 of an element, about a shift that is close to the mean, so that nothing cancels."""

    INPUT_NAME = "input"
    OUTPUT_NAME = "output"

    def __init__(self, index: Any = 0, *, grouping: str | None = None) -> None:
        GenericPE.__init__(self)
        self._add_input(self.INPUT_NAME, grouping=grouping)
        self._add_output(self.OUTPUT_NAME)
        self.index = index
        self.count, self.mean, self.squares = 0, 0.0, 0.0  # squares: of the distances from the mean
        self.sum: Any = 0

    def _add(self, count: int, total: Any, squares: float) -> None:
        """Take in so many values with this sum and these squares. After Chan, Golub and LeVeque (1983)."""
        if not count:
            return
        apart = total / count - self.mean
        whole = self.count + count
        self.squares += squares + apart * apart * self.count * count / whole
        self.mean += apart * count / whole
        self.count, self.sum = whole, self.sum + total


class AverageParallelPE(_MomentsPE):
    """The mean of an element: [mean, count, sum]."""

    def _process(self, inputs: dict[str, Any]) -> None:
        self._add(1, inputs[self.INPUT_NAME][self.index], 0.0)

    def _postprocess(self) -> None:
        if self.count:
            self.write(self.OUTPUT_NAME, [self.sum / self.count, self.count, self.sum])


class AverageReducePE(AverageParallelPE):
    """The mean of all, from the means of parts."""

    def __init__(self) -> None:
        AverageParallelPE.__init__(self, grouping="global")

    def _process(self, inputs: dict[str, Any]) -> None:
        _, count, total = inputs[self.INPUT_NAME]
        self._add(count, total, 0.0)


class StdDevPE(_MomentsPE):
    """The sample standard deviation of an element: (deviation, count, sum, sum of squares). Of one value it is 0."""

    def _process(self, inputs: dict[str, Any]) -> None:
        self._add(1, inputs[self.INPUT_NAME][self.index], 0.0)

    def _postprocess(self) -> None:
        if self.count:
            deviation = math.sqrt(self.squares / max(1, self.count - 1))
            self.write(self.OUTPUT_NAME, (deviation, self.count, self.sum, self.squares + self.sum * self.mean))


class StdDevReducePE(StdDevPE):
    """The standard deviation of all, from those of parts."""

    def __init__(self) -> None:
        StdDevPE.__init__(self, grouping="global")

    def _process(self, inputs: dict[str, Any]) -> None:
        deviation, count, total, _ = inputs[self.INPUT_NAME]
        self._add(count, total, deviation * deviation * (count - 1))


def parallel_aggregate(inst_pe: Any, reduce_pe: Any) -> WorkflowGraph:
    """Return a composite: instances of one PE, whose results one instance of another reduces."""
    composite = WorkflowGraph()
    reduce_pe.inputconnections[AggregatePE.INPUT_NAME]["grouping"] = "global"
    reduce_pe.numprocesses = 1
    composite.connect(inst_pe, AggregatePE.OUTPUT_NAME, reduce_pe, AggregatePE.INPUT_NAME)
    composite.inputmappings = {"input": (inst_pe, AggregatePE.INPUT_NAME)}
    composite.outputmappings = {"output": (reduce_pe, AggregatePE.OUTPUT_NAME)}
    return composite


def parallel_count() -> WorkflowGraph:
    """Return what counts items."""
    reduce = SumPE([0])
    reduce.name = "CountReduce"
    return parallel_aggregate(CountPE(), reduce)


def _parallel(kind: Callable[..., AggregatePE], indexes: Sequence[Any] | None) -> WorkflowGraph:
    places = [0] if indexes is None else list(indexes)
    return parallel_aggregate(kind(places), kind(range(len(places))))


def parallel_sum(indexes: Sequence[Any] | None = None) -> WorkflowGraph:
    """Return what adds elements of items up."""
    return _parallel(SumPE, indexes)


def parallel_min(indexes: Sequence[Any] | None = None) -> WorkflowGraph:
    """Return what finds the smallest of elements of items."""
    return _parallel(MinPE, indexes)


def parallel_max(indexes: Sequence[Any] | None = None) -> WorkflowGraph:
    """Return what finds the largest of elements of items."""
    return _parallel(MaxPE, indexes)


def parallel_avg(index: Any = 0) -> WorkflowGraph:
    """Return what finds the mean of an element of items."""
    return parallel_aggregate(AverageParallelPE(index), AverageReducePE())


def parallel_std_dev(index: Any = 0) -> WorkflowGraph:
    """Return what finds the sample standard deviation of an element of items."""
    return parallel_aggregate(StdDevPE(index), StdDevReducePE())


# dispel4py 1.x's names
parallelCount = parallel_count
parallelSum = parallel_sum
parallelMin = parallel_min
parallelMax = parallel_max
parallelAvg = parallel_avg
parallelStdDev = parallel_std_dev
