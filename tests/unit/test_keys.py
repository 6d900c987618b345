# SPDX-License-Identifier: Apache-2.0
"""The hash of keys: the same everywhere, and equal for keys that compare equal."""

from __future__ import annotations

import datetime
import enum
import os
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from d4py.errors import PlanError
from d4py.plan.keys import Partitioner, partition_of, stable_hash


class Colour(enum.Enum):
    RED = 1


class Level(enum.IntEnum):
    LOW = 1


UTC, CET = datetime.timezone.utc, datetime.timezone(datetime.timedelta(hours=1))

GOLDEN: list[tuple[Any, int]] = [
    (0, 0),
    (1, 6238072747940578789),
    (-1, 15719503542151743746),
    (1.5, 156718437198615019),
    ("UV05", 121803156823242674),
    ("", 0),
    (b"UV05", 783011966302351587),
    (None, 2185194620014831856),
    ((1, "a"), 17467217999415952911),
    ((), 7),
    (frozenset({1, 2}), 15737269366553770680),
    (datetime.date(2020, 1, 31), 4181708717154953456),
    (
        datetime.datetime(2020, 1, 31, 12, 30),  # noqa: DTZ001 - keys may be without a zone
        8462642611804539900,
    ),
    (PurePosixPath("a/b"), 12311207705981405548),
    (UUID(int=7), 7031371790878625506),
]


@pytest.mark.parametrize(("key", "expected"), GOLDEN)
def test_a_key_has_the_hash_that_it_always_had(key: Any, expected: int) -> None:
    assert stable_hash(key) == expected


def test_the_hash_does_not_depend_on_the_process() -> None:
    code = "from d4py.plan.keys import stable_hash as h; print(h(('UV05', 1.5, None)), h(frozenset('abc')), h('é'))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    told = {
        subprocess.check_output([sys.executable, "-c", code], env={**environment, "PYTHONHASHSEED": seed}, text=True)
        for seed in ("1", "2")
    }

    assert told == {f"{stable_hash(('UV05', 1.5, None))} {stable_hash(frozenset('abc'))} {stable_hash('é')}\n"}


@pytest.mark.parametrize(
    "equal",
    [
        (
            1,
            1.0,
            True,
            np.int64(1),
            np.uint8(1),
            np.float32(1),
            np.bool_(True),
            Decimal(1),
            Fraction(1),
            1 + 0j,
            Level.LOW,
        ),
        (0, -0.0, False, np.float64(0)),
        (float("nan"), np.float64("nan"), Decimal("nan")),
        (2**70, float(2**70), Fraction(2**70)),
        ("UV05", np.str_("UV05")),
        (b"UV05", bytearray(b"UV05"), memoryview(b"UV05"), np.bytes_(b"UV05")),
        ((1, "a"), (1.0, "a"), (True, "a")),
        (frozenset({1, 2}), frozenset({2.0, 1.0}), {1, 2}),
        ([1, "a"], [1.0, "a"]),
        ({"a": 1, "b": [2]}, {"b": [2.0], "a": True}),
        (datetime.datetime(2020, 1, 1, 1, tzinfo=CET), datetime.datetime(2020, 1, 1, tzinfo=UTC)),
        (datetime.time(1, tzinfo=CET), datetime.time(0, tzinfo=UTC)),
        (datetime.timedelta(days=1), datetime.timedelta(hours=24)),
    ],
    ids=lambda keys: f"{keys[0]!r:.40}",
)
def test_keys_that_compare_equal_have_one_hash(equal: tuple[Any, ...]) -> None:
    assert len({stable_hash(key) for key in equal}) == 1


AS_OTHER_NUMBERS: list[Callable[[int], Any]] = [
    float,
    Fraction,
    Decimal,
    complex,
    np.float64,
    lambda n: np.int64(n % 2**62),
]
NUMBERS = st.one_of(
    st.integers(), st.floats(), st.booleans(), st.fractions(), st.decimals(allow_nan=False), st.complex_numbers()
)


@given(st.integers(-(2**80), 2**80), st.sampled_from(AS_OTHER_NUMBERS))
def test_a_number_has_one_hash_whatever_its_type(number: int, kind: Callable[[int], Any]) -> None:
    other = kind(number)

    assert stable_hash(other) == stable_hash(number) or other != number


@given(NUMBERS, NUMBERS)
def test_equal_numbers_have_equal_hashes(one: Any, other: Any) -> None:
    assert one != other or stable_hash(one) == stable_hash(other)


@given(st.recursive(st.one_of(st.text(), st.integers(), st.none(), st.binary()), lambda keys: st.tuples(keys, keys)))
def test_every_key_of_plain_parts_has_a_partition(key: Any) -> None:
    assert 0 <= partition_of(key) < 256


def test_text_that_is_no_unicode_has_a_hash() -> None:
    assert stable_hash("\udcff") != stable_hash("\udcfe")


def test_keys_of_different_kinds_differ() -> None:
    keys = ["1", b"1", 1, None, ("1",), (1,), (), frozenset(), "", Colour.RED, PurePosixPath("1"), UUID(int=1)]

    assert len({stable_hash(key) for key in keys}) == len(keys)


@pytest.mark.parametrize("key", [object(), np.array([1]), [object()]], ids=["object", "array", "in a list"])
def test_a_type_that_has_no_stable_hash_is_refused_by_name(key: Any) -> None:
    with pytest.raises(PlanError, match=r"A key of type (object|ndarray) cannot be hashed the same everywhere"):
        stable_hash(key)


def test_few_keys_are_spread_over_many_instances() -> None:
    place = Partitioner((0,), range(4)).find
    shares = [0, 0, 0, 0]
    for number in range(4000):
        shares[place((f"station{number}",))] += 1

    assert min(shares) > 800
    assert max(shares) < 1200


def test_a_partitioner_takes_elements_of_tuples_and_keys_of_dicts() -> None:
    assert Partitioner((0, 2), range(8)).find(("a", "ignored", "b")) == partition_of(("a", "b")) * 8 // 256
    assert Partitioner(("slab",), range(8)).find({"slab": 3, "data": [1]}) == partition_of(3) * 8 // 256


def test_a_partitioner_takes_keys_that_python_cannot_hash() -> None:
    assert Partitioner((0,), range(8)).find(([1, 2], "x")) == partition_of((1, 2)) * 8 // 256


def test_a_partitioner_refuses_a_key_without_a_stable_hash_by_its_type() -> None:
    with pytest.raises(PlanError, match="A key of type ndarray"):
        Partitioner((0,), range(2)).find((np.array([1, 2]), "x"))


def test_a_partitioner_remembers_a_bounded_number_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("d4py.plan.keys._REMEMBERED", 10)
    partitioner = Partitioner((0,), range(3))
    place = partitioner.find
    first = [place((number,)) for number in range(100)]

    assert [place((number,)) for number in range(100)] == first
    assert len(partitioner.known) <= 10
