# SPDX-License-Identifier: Apache-2.0
"""The linear stack: one sum, to the last bit, whatever the order and wherever it was made."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from noise.errors import SegmentError
from noise.stack import Stack

Array = NDArray[Any]


def leaf(segment: int) -> Array:
    """Values so different in size that the order of a sum shows in its last bits."""
    rng = np.random.default_rng(segment)
    return (rng.standard_normal(8) * 10.0 ** rng.integers(-6, 7, 8)).astype(np.float32)


def tree(first: int, size: int, present: set[int]) -> Array | None:
    """Define the sum: left half plus right half; a half without segments adds nothing."""
    if size == 1:
        return leaf(first) if first in present else None
    left, right = tree(first, size // 2, present), tree(first + size // 2, size // 2, present)
    if left is None or right is None:
        return right if left is None else left
    return left + right


def bits(stack: Stack) -> bytes:
    total = stack.total()
    assert total is not None
    return total[0].tobytes()


segments = st.sets(st.integers(0, 63), min_size=1, max_size=40)


@given(present=segments, data=st.data())
def test_any_order_and_any_split_among_instances_gives_the_bits_of_the_tree(
    present: set[int], data: st.DataObject
) -> None:
    order = data.draw(st.permutations(sorted(present)))
    homes = data.draw(st.lists(st.integers(0, 3), min_size=len(order), max_size=len(order)))
    skipped = data.draw(st.sets(st.integers(0, 63))) - present
    stacks = [Stack() for _ in range(4)]
    for segment, home in zip(order, homes, strict=True):
        stacks[home].add(segment, [leaf(segment)])
    for segment in skipped:
        stacks[segment % 4].skip(segment)
    while len(stacks) > 1:
        one = stacks.pop(data.draw(st.integers(0, len(stacks) - 1)))
        stacks[data.draw(st.integers(0, len(stacks) - 1))].merge(one)

    expected = tree(0, 64, present)
    assert expected is not None
    assert bits(stacks[0]) == expected.tobytes()


@given(present=segments, data=st.data())
def test_totals_on_the_way_and_a_journey_by_pickle_change_nothing(present: set[int], data: st.DataObject) -> None:
    stack = Stack()
    for segment in data.draw(st.permutations(sorted(present))):
        stack.add(segment, [leaf(segment)])
        total = stack.total()
        assert total is not None
        total[0][:] = np.nan  # what is handed out belongs to whoever has it
        stack = pickle.loads(pickle.dumps(stack))

    expected = tree(0, 64, present)
    assert expected is not None
    assert bits(stack) == expected.tobytes()


def test_the_order_of_a_plain_sum_would_show() -> None:
    """Else these tests would prove nothing."""
    forward = np.sum([leaf(k) for k in range(40)], axis=0, dtype=np.float32)
    tree_sum = tree(0, 64, set(range(40)))

    assert tree_sum is not None
    assert forward.tobytes() != tree_sum.tobytes()


def test_memory_grows_with_the_logarithm_when_segments_come_in_order() -> None:
    stack = Stack()
    most = 0
    for segment in range(1000):
        if segment % 7 == 3:
            stack.skip(segment)
        else:
            stack.add(segment, [leaf(segment)])
        most = max(most, len(stack.segments()))

    assert most == 9  # 511 = 111111111 in binary
    assert stack.segments() == [
        range(512),
        range(512, 768),
        range(768, 896),
        range(896, 960),
        range(960, 992),
        range(992, 1000),
    ]


def test_an_empty_stack_has_no_total() -> None:
    stack = Stack()
    assert stack.total() is None

    stack.skip(3)
    assert stack.total() is None


def test_all_arrays_of_a_segment_are_summed() -> None:
    stack = Stack()
    for segment in range(5):
        stack.add(segment, [np.full(2, 1.0 + segment), np.ones(3, complex)])

    total = stack.total()

    assert total is not None
    assert [a.tolist() for a in total] == [[15.0, 15.0], [5.0, 5.0, 5.0]]


def test_arrays_that_cannot_be_written_are_left_alone() -> None:
    arrays = [np.full(2, float(k)) for k in range(4)]
    stack = Stack()
    for segment, array in enumerate(arrays):
        array.flags.writeable = False
        stack.add(segment, [array])

    assert bits(stack) == np.full(2, 6.0).tobytes()
    assert [a[0] for a in arrays] == [0.0, 1.0, 2.0, 3.0]


@pytest.mark.parametrize("again", [0, 5, 8])
def test_a_segment_is_added_once(again: int) -> None:
    stack = Stack()
    for segment in range(9):
        stack.add(segment, [leaf(segment)])
    before = bits(stack)

    with pytest.raises(SegmentError, match=f"segments {again}..{again} overlap"):
        stack.add(again, [leaf(again)])
    assert bits(stack) == before


def test_a_merge_that_shares_a_segment_changes_neither() -> None:
    one, other = Stack(), Stack()
    for segment in range(4):
        one.add(segment, [leaf(segment)])
    for segment in (3, 6):
        other.add(segment, [leaf(segment)])
    before = bits(one), bits(other)

    with pytest.raises(SegmentError, match=r"segments 3..3 overlap 0..3"):
        one.merge(other)
    assert (bits(one), bits(other)) == before


def test_a_negative_segment_is_refused() -> None:
    with pytest.raises(SegmentError, match="segment is -1"):
        Stack().add(-1, [leaf(0)])
