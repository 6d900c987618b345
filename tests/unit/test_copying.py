# SPDX-License-Identifier: Apache-2.0
"""Copies for a second reader, and how large values are."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from d4py.errors import NotPicklable
from d4py.items.copying import copied, sized, unchangeable


@dataclass
class Box:
    content: list[int]


@pytest.mark.parametrize(
    "value",
    [1, 1.5, "text", b"bytes", None, True, 1j, range(3), int, (), (1, ("a", None)), frozenset({1, 2})],
    ids=lambda value: f"{value!r}",
)
def test_what_nobody_can_change_is_shared(value: Any) -> None:
    assert copied(value) is value


@pytest.mark.parametrize(
    ("value", "change"),
    [
        ([1], lambda value: value.append(2)),
        ({"a": [1]}, lambda value: value["a"].append(2)),
        (([1], 2), lambda value: value[0].append(2)),
        (bytearray(b"a"), lambda value: value.extend(b"b")),
        ({1}, lambda value: value.add(2)),
        (Box([1]), lambda value: value.content.append(2)),
        (np.array([1, 2]), lambda value: value.fill(7)),
        (np.array([[1], None], dtype=object), lambda value: value[0].append(2)),
        (np.ma.masked_array([1, 2], [False, True]), lambda value: value.__setitem__(0, 7)),
    ],
    ids=["list", "dict", "tuple", "bytearray", "set", "object", "array", "array of objects", "masked array"],
)
def test_a_change_of_a_copy_does_not_show_in_the_original(value: Any, change: Any) -> None:
    before = repr(value)

    change(copied(value))

    assert repr(value) == before


def test_a_copy_of_a_read_only_view_can_be_written() -> None:
    view = np.arange(3)
    view.flags.writeable = False

    copied(view)[0] = 7

    assert view[0] == 0


def test_a_value_that_cannot_be_copied_is_named_with_the_remedy() -> None:
    with pytest.raises(NotPicklable) as raised:
        copied({"lock": threading.Lock()})

    assert "A value of type dict goes to several readers but cannot be copied" in str(raised.value)
    assert "readonly = True" in str(raised.value)


@given(
    st.recursive(
        st.one_of(st.integers(), st.text(), st.none(), st.booleans()),
        lambda parts: st.one_of(st.lists(parts), st.tuples(parts), st.dictionaries(st.text(), parts)),
    )
)
def test_a_copy_is_equal_and_shares_nothing_that_can_be_changed(value: Any) -> None:
    copy = copied(value)

    assert copy == value
    assert copy is not value or unchangeable(value) or isinstance(value, tuple)


@pytest.mark.parametrize(
    ("value", "at_least", "at_most"),
    [
        (np.zeros(1000), 8000, 8000),
        ([np.zeros(1000)] * 3, 24_000, 25_000),
        ({"a": np.zeros(1000)}, 8000, 9000),
        (b"x" * 5000, 5000, 5100),
        ("", 1, 200),
    ],
    ids=["array", "list", "dict", "bytes", "text"],
)
def test_sizes_are_about_right(value: Any, at_least: int, at_most: int) -> None:
    assert at_least <= sized(value) <= at_most
