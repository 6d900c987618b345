# SPDX-License-Identifier: Apache-2.0
"""A hash of keys that is the same on every host and after a restart, and equal for keys that compare equal.

Python's own hash of numbers has both properties (1, 1.0, True and numpy's 1 agree); its hash of text is salted, so text is hashed here.
"""

from __future__ import annotations

import enum
import numbers
import zlib
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from d4py.errors import PlanError
from d4py.plan.plan import PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

T = TypeVar("T")

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
    if isinstance(key, (tuple, list)):
        mixed = len(key) + 7
        for part in key:
            mixed = _mixed(mixed * 31 + stable_hash(part))
        return mixed
    if key is None:
        return _mixed(3)
    if isinstance(key, dict):
        return _mixed(sum(stable_hash(item) for item in key.items()) ^ 9)
    if isinstance(key, (frozenset, set)):
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


class Partitioner(Generic[T]):
    """From a value to the one of several targets that gets all values with its key."""

    def __init__(self, key: tuple[Any, ...], targets: Sequence[T]) -> None:
        """key: the elements of a value that make its key."""
        self.key, self.targets = key, targets
        self.element = key[0] if len(key) == 1 else None
        self.known: dict[Any, T] = {}  # by key, of a bounded number of keys; may be looked into before `find` is asked

    def find(self, value: Any) -> T:
        """Return the target of a value. Raises PlanError if it has no such elements, or their type cannot be hashed the same everywhere."""
        try:
            key = value[self.element] if len(self.key) == 1 else tuple([value[element] for element in self.key])
        except (TypeError, KeyError, IndexError, AttributeError) as error:
            raise PlanError(
                f"The value {value!r:.60} cannot be grouped by {list(self.key)!r}: {type(error).__name__}: {error}.",
                hint="The elements of a grouping are taken as value[element].",
            ) from None
        try:
            return self.known[key]
        except KeyError:
            pass
        except TypeError:  # a list, say: it has a hash here, which need not be remembered
            return self.targets[partition_of(key) * len(self.targets) // PARTITIONS]
        if len(self.known) >= _REMEMBERED:
            self.known.clear()
        target = self.known[key] = self.targets[partition_of(key) * len(self.targets) // PARTITIONS]
        return target


def partition_of(key: object) -> int:
    """Return which of the 256 partitions a key belongs to."""
    return stable_hash(key) % PARTITIONS


def _mixed(value: int) -> int:
    value &= _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)
