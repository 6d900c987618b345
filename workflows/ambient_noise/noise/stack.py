# SPDX-License-Identifier: Apache-2.0
"""A linear stack whose bits do not depend on who added what first.

Floating-point addition is not associative, so the order is part of the definition: segments are the leaves of a binary
tree, numbered from 0, and a node is always left + right. Only aligned siblings [k 2^m, (k + 1) 2^m) are ever added, so
partial stacks may be built anywhere, in any order, moved and merged; a subtree without segments adds nothing. The
rounding error grows as log n, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noise.errors import SegmentError

Array = NDArray[Any]
Value = tuple[Array, ...] | None  # None: known to be empty
Node = tuple[int, int]  # level, index: segments [index 2^level, (index + 1) 2^level)


class Stack:
    """A sum of tuples of arrays over numbered segments; a commutative monoid.

    It owns the arrays it is given and adds into them. Segments that arrive in order leave O(log n) arrays in memory, as
    long as those that will never come are told by `skip`. It can be pickled.
    """

    def __init__(self) -> None:
        self._nodes: dict[Node, Value] = {}

    def add(self, segment: int, arrays: Sequence[Array]) -> None:
        """Add the arrays of one segment. Raises SegmentError if the segment is in the stack."""
        self._put((0, _checked(segment)), tuple(arrays))

    def skip(self, segment: int) -> None:
        """Say that a segment is empty: the total is the same with and without, but its neighbours can be added up."""
        self._put((0, _checked(segment)), None)

    def merge(self, other: Stack) -> None:
        """Take over all segments of another stack, which is empty afterwards. Raises SegmentError if they share one."""
        for node in other._nodes:
            self._refuse_overlap(node)
        nodes, other._nodes = other._nodes, {}
        for node, value in nodes.items():
            self._put(node, value)

    def total(self) -> tuple[Array, ...] | None:
        """Sum what is here, as the whole tree would; None if there is nothing. The stack can grow further."""
        level = 0
        layer: dict[int, Value] = {}
        waiting = sorted(self._nodes)
        while waiting or len(layer) > 1:
            while waiting and waiting[0][0] == level:
                node = waiting.pop(0)
                layer[node[1]] = self._nodes[node]
            layer = _next_layer(layer)
            level += 1
        value = next(iter(layer.values()), None)
        return None if value is None else tuple(array.copy() for array in value)

    def segments(self) -> list[range]:
        """The segments present, skipped ones too, as ascending ranges."""
        return [range(k << level, (k + 1) << level) for level, k in sorted(self._nodes, key=lambda n: n[1] << n[0])]

    def _put(self, node: Node, value: Value) -> None:
        self._refuse_overlap(node)
        level, index = node
        while (level, index ^ 1) in self._nodes:
            sibling = self._nodes.pop((level, index ^ 1))
            value = _sum_in_place(value, sibling)
            level, index = level + 1, index >> 1
        self._nodes[level, index] = value

    def _refuse_overlap(self, node: Node) -> None:
        first, last = node[1] << node[0], ((node[1] + 1) << node[0]) - 1
        for level, index in self._nodes:
            if first >> level <= index <= last >> level:
                raise SegmentError(
                    f"segments {first}..{last} overlap {index << level}..{((index + 1) << level) - 1}, "
                    "which the stack already holds; add each segment once."
                )


def _checked(segment: int) -> int:
    if segment < 0:
        raise SegmentError(f"segment is {segment}; segments are numbered from 0.")
    return int(segment)


def _next_layer(layer: dict[int, Value]) -> dict[int, Value]:
    """The parents of the nodes of a layer; nothing is changed in place."""
    parents: dict[int, Value] = {}
    for index, right in layer.items():
        left = parents.get(index >> 1)
        if left is None or right is None:
            parents[index >> 1] = right if left is None else left
        else:
            parents[index >> 1] = tuple(a + b for a, b in zip(left, right, strict=True))
    return parents


def _sum_in_place(one: Value, other: Value) -> Value:
    """Addition commutes to the last bit, so either may be the left one; what cannot be written is left alone."""
    if one is None or other is None:
        return other if one is None else one
    return tuple(np.add(a, b, out=a if a.flags.writeable else None) for a, b in zip(one, other, strict=True))
