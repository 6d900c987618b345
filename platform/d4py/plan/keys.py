# SPDX-License-Identifier: Apache-2.0
"""A hash of keys that is the same on every host and after a restart, and equal for keys that compare equal.

Python's own hash of numbers has both properties (1, 1.0, True and numpy's 1 agree); its hash of text is salted, so text is hashed here.
"""

from __future__ import annotations

import enum
import numbers
import zlib
from pathlib import PurePath
from typing import TYPE_CHECKING

from d4py.errors import PlanError
from d4py.plan.plan import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Callable

_MASK = (1 << 64) - 1
_REMEMBERED = 1 << 16


def stable_hash(key: object) -> int:
    """Return 64 bits for a key. Raises PlanError for a type that can't be hashed the same everywhere."""
    if isinstance(key, str):
        return _mixed(zlib.crc32(key.encode("utf-8", "surrogatepass")) ^ (len(key) << 32))
    if isinstance(key, (bytes, bytearray, memoryview)):
        raw = bytes(key)
        return _mixed(zlib.crc32(raw) ^ (len(raw) << 32) ^ 1)
    if isinstance(key, numbers.Number):
        return _mixed(0 if key != key else hash(key) & _MASK)  # noqa: PLR0124 - only NaN differs from itself
    if isinstance(key, tuple):
        mixed = len(key) + 7
        for part in key:
            mixed = _mixed(mixed * 31 + stable_hash(part))
        return mixed
    if key is None:
        return _mixed(3)
    if isinstance(key, frozenset):
        return _mixed(sum(stable_hash(part) for part in key) ^ 5)
    return _rarer(key)


def _rarer(key: object) -> int:
    import datetime  # these two cost more at the start of a run than all keys of most runs together
    from uuid import UUID

    if isinstance(key, datetime.datetime):
        moment = key.astimezone(datetime.timezone.utc).replace(tzinfo=None) if key.utcoffset() is not None else key
        return stable_hash(("datetime", moment.isoformat()))
    if isinstance(key, datetime.time) and (offset := key.utcoffset()) is not None:
        since_midnight = datetime.timedelta(
            hours=key.hour, minutes=key.minute, seconds=key.second, microseconds=key.microsecond
        )
        return stable_hash(("time", str(since_midnight - offset)))
    if isinstance(key, (datetime.date, datetime.time, datetime.timedelta)):
        return stable_hash((type(key).__name__, str(key)))
    if isinstance(key, enum.Enum):
        return stable_hash((type(key).__qualname__, key.name))
    if isinstance(key, UUID):
        return stable_hash(("uuid", key.int))
    if isinstance(key, PurePath):
        return stable_hash(("path", str(key)))
    item = getattr(key, "item", None)  # numpy's scalars that are no Number, such as bool_
    if type(key).__module__ == "numpy" and callable(item) and getattr(key, "shape", None) == ():
        return stable_hash(item())
    raise PlanError(
        f"A key of type {type(key).__name__} cannot be hashed the same everywhere: {key!r:.60}.",
        hint="Group by text, numbers, dates, None, or tuples of these.",
    )


def partitioner(key: tuple[object, ...], instances: int) -> Callable[[object], int]:
    """Return a function from a value to the number of the instance that gets it. Results are remembered for a bounded number of keys."""
    known: dict[object, int] = {}
    single = key[0] if len(key) == 1 else None

    def place(value: object) -> int:
        try:
            found: object = value[single] if single is not None else tuple([value[element] for element in key])  # type: ignore[index]
        except (TypeError, KeyError, IndexError, AttributeError) as error:
            raise PlanError(
                f"The value {value!r:.60} cannot be grouped by {list(key)!r}: {type(error).__name__}: {error}.",
                hint="The elements of a grouping are taken as value[element].",
            ) from None
        try:
            return known[found]
        except KeyError:
            pass
        except TypeError:
            stable_hash(found)  # says which type it is
            raise
        if len(known) >= _REMEMBERED:
            known.clear()
        number = known[found] = partition_of(found) * instances // PARTITIONS
        return number

    return place


def partition_of(key: object) -> int:
    """Return which of the 256 partitions a key belongs to."""
    return stable_hash(key) % PARTITIONS


def _mixed(value: int) -> int:
    value &= _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)
