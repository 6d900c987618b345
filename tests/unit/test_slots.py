# SPDX-License-Identifier: Apache-2.0
"""Shared memory: when a slot is used again, what a reader may change, and slots that a PE computes in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from d4py.errors import NotPicklable
from d4py.items import Frame, Kind, codec
from d4py.items.arrays import empty
from d4py.items.slots import Arena, Mapped, create_file


@pytest.fixture
def arena() -> Iterator[tuple[Arena, int]]:
    descriptor = create_file()
    yield Arena(descriptor), descriptor
    os.close(descriptor)


def put(arena: Arena, text: bytes) -> int:
    offset = arena.put(memoryview(text * 40_000))
    assert offset is not None
    return offset


class TestSlots:
    def test_a_slot_is_used_again_when_it_is_given_back_and_its_frame_acknowledged(
        self, arena: tuple[Arena, int]
    ) -> None:
        first = put(arena[0], b"a")
        arena[0].lend([first], 7)

        arena[0].release(first)
        second = put(arena[0], b"b")
        arena[0].lend([second], 7)
        arena[0].acknowledged([first])
        third = put(arena[0], b"c")

        assert second != first
        assert third == first

    def test_what_a_dead_reader_had_comes_back_but_for_what_is_sent_again(self, arena: tuple[Arena, int]) -> None:
        done, kept, others = (put(arena[0], b"a") for _ in range(3))
        arena[0].lend([done, kept], 7)
        arena[0].lend([others], 8)
        arena[0].acknowledged([done, others])

        arena[0].bereft(7)

        assert put(arena[0], b"b") == done
        assert put(arena[0], b"b") not in {done, kept, others}
        arena[0].lend([kept], 7)  # to its successor
        arena[0].acknowledged([kept])
        arena[0].release(kept)
        assert put(arena[0], b"b") == kept

    @pytest.mark.parametrize("pagemap", [True, False])
    def test_what_a_replaceable_reader_changes_stays_its_own(
        self, arena: tuple[Arena, int], pagemap: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if not pagemap:
            monkeypatch.setattr(os, "open", _refused)
        mapped = Mapped(arena[1], private=True)
        monkeypatch.undo()
        offset = put(arena[0], b"a")

        view = mapped.view(offset, 40_000)
        view[0:1] = b"x"
        other = Mapped(arena[1]).view(offset, 40_000)
        assert (bytes(view[:2]), bytes(other[:2])) == (b"xa", b"aa")
        del view

        assert mapped.take_released() == [offset]
        arena[0].drop([(offset, 40_000)])
        assert put(arena[0], b"c") == offset
        assert bytes(mapped.view(offset, 40_000)[:2]) == b"cc"


def test_a_value_that_fills_more_than_a_frame_is_refused_by_its_type_and_leaves_no_slot(
    arena: tuple[Arena, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(codec, "_LONGEST", 50_000)

    with pytest.raises(
        NotPicklable, match=r"^A value of type tuple cannot .*: 60,\d{3} bytes, and at most 50,000 travel"
    ):
        sent(arena[0], (np.zeros(10_000), "a" * 60_000))
    with pytest.raises(NotPicklable, match=r"^2 values, the first of type str, cannot"):
        sent(arena[0], "a" * 30_000, "b" * 30_000)
    assert arena[0].put(memoryview(bytes(80_000))) == 0  # where the array was


def _refused(*_: object) -> int:
    raise PermissionError


def sent(arena: Arena, *items: object) -> codec.Encoded:
    """Encode a frame, and lend its slots to process 7."""
    encoded = codec.encode_frame(Frame(1, 0, 0, 0, Kind.DATA, list(items)), arena)
    arena.lend(encoded.offsets, 7)
    return encoded


def received(encoded: codec.Encoded, mapped: Mapped) -> list[Any]:
    return codec.decode_frame(codec.HEAD.unpack(encoded.head), memoryview(encoded.body), mapped).items


def computed(arena: Arena, value: float, length: int = 10_000) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return an array in a slot, as `GenericPE.empty` gives it."""
    array: np.ndarray[tuple[int], np.dtype[np.float64]] = empty(length, float, arena.empty)
    array.fill(value)
    return array


class TestComputing:
    def test_what_is_written_whole_is_not_copied(self, arena: tuple[Arena, int]) -> None:
        array = computed(arena[0], 3.0)
        (there,) = received(sent(arena[0], array), Mapped(arena[1]))

        array[0] = 4.0

        assert there[0] == 4.0

    @pytest.mark.parametrize("part", [slice(1, None), slice(0, 9_000), slice(None, None, 2)])
    def test_a_part_of_it_is_copied(self, arena: tuple[Arena, int], part: slice) -> None:
        array = computed(arena[0], 3.0)
        encoded = sent(arena[0], array[part])

        array.fill(4.0)

        (there,) = received(encoded, Mapped(arena[1]))
        assert np.array_equal(there, np.full(10_000, 3.0)[part])

    def test_what_is_written_twice_is_copied_the_second_time(self, arena: tuple[Arena, int]) -> None:
        array = computed(arena[0], 3.0)
        first, second = sent(arena[0], array), sent(arena[0], array)

        assert first.offsets != second.offsets
        assert np.array_equal(received(second, Mapped(arena[1]))[0], array)

    def test_its_slot_is_used_again_when_nobody_has_anything_to_do_with_it(self, arena: tuple[Arena, int]) -> None:
        array = computed(arena[0], 3.0)
        (offset,) = sent(arena[0], array).offsets
        arena[0].acknowledged([offset])
        arena[0].release(offset)

        assert sent(arena[0], computed(arena[0], 4.0)).offsets != [offset]  # its writer still looks at it
        del array
        assert sent(arena[0], computed(arena[0], 5.0)).offsets == [offset]

    def test_what_is_never_written_comes_back(self, arena: tuple[Arena, int]) -> None:
        first = computed(arena[0], 1.0)
        place = first.ctypes.data
        del first

        assert computed(arena[0], 2.0).ctypes.data == place

    def test_arrays_of_other_shapes_and_types_arrive_as_they_were(self, arena: tuple[Arena, int]) -> None:
        items = [
            np.arange(24_000, dtype=np.complex64).reshape(2, 3, 4000),
            np.arange(30_000, dtype=">i4"),
            np.asfortranarray(np.arange(40_000.0).reshape(200, 200)),
            np.zeros(40_000, dtype=[("a", "f4"), ("b", "i4")]),
            np.arange(40_000).astype("M8[s]"),
        ]
        mapped = Mapped(arena[1])

        for frame in ([item] for item in items):
            (there,) = received(sent(arena[0], *frame), mapped)
            assert isinstance(there, np.ndarray)
            assert (there.dtype, there.shape) == (frame[0].dtype, frame[0].shape)
            assert np.array_equal(there, frame[0])
            there.flat[0] = there.flat[1]

    def test_without_a_free_slot_it_is_plain_memory_and_travels_in_the_frame(self, arena: tuple[Arena, int]) -> None:
        small = Arena(arena[1], limit=100_000)
        first, second = computed(small, 1.0), computed(small, 2.0)

        encoded = sent(small, first, second)

        assert second.base is None
        assert len(encoded.offsets) == 1
        there = received(encoded, Mapped(arena[1]))
        assert [array[-1] for array in there] == [1.0, 2.0]
