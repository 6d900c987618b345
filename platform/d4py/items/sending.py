# SPDX-License-Identifier: Apache-2.0
"""Whether values can be sent to another process, and which one cannot."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from d4py.errors import NotPicklable

if TYPE_CHECKING:
    from collections.abc import Sequence


def prove(value: Any) -> None:
    """Raise NotPicklable if a value cannot be sent to another process. Large buffers are not copied for it."""
    try:
        pickle.dumps(value, protocol=5, buffer_callback=lambda _buffer: None)
    except Exception as error:
        raise unsendable([value], error) from error


def unsendable(items: Sequence[Any], error: Exception) -> NotPicklable:
    """Return the error that names the one of these items which cannot be sent."""
    for item in items:
        try:
            pickle.dumps(item, protocol=5)
        except Exception as own:
            text = f"A value of type {type(item).__name__} cannot be sent to another process: {own}."
            break
    else:
        text = f"A value cannot be sent to another process: {error}."
    return NotPicklable(text, hint="Write plain data, arrays, or objects of importable classes.")


def too_long(items: Sequence[Any], size: int, longest: int) -> NotPicklable:
    """Return the error that tells of items that fill more than a frame. size, longest: bytes."""
    kind = f"of type {type(items[0]).__name__}"
    what = f"{len(items)} values, the first {kind}," if len(items) > 1 else f"A value {kind}"
    return NotPicklable(
        f"{what} cannot be sent to another process: {size:,} bytes, and at most {longest:,} travel in a frame.",
        hint="Write smaller values, or the path of a file.",
    )
