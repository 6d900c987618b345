# SPDX-License-Identifier: Apache-2.0
"""Large plain arrays, by shape and type: pickle takes 15 us to say as much. NumPy is not imported for it: who has no arrays does not need it."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

LARGE = 32 << 10  # bytes; smaller buffers travel in the frame

Form = tuple[tuple[int, ...], str]  # shape, type

_KINDS = "biufc"  # whose memory says all about them


def placed(items: Sequence[Any], put: Callable[[memoryview], bool]) -> list[Form] | None:
    """Put items that are all large plain arrays; return their forms, or None where one is anything else or was not taken."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    array, last, code = numpy.ndarray, None, ""
    found: list[Form] = []
    for item in items:
        if type(item) is not array or item.nbytes < LARGE:
            return None
        kind = item.dtype
        if kind is not last:
            if kind.kind not in _KINDS:
                return None
            last, code = kind, kind.str
        view = memoryview(item)
        if not view.c_contiguous or not put(view.cast("B")):
            return None
        found.append((item.shape, code))
    return found


def empty(shape: Any, dtype: Any, give: Callable[[int], Any] | None) -> Any:
    """Return an array to compute in. give: gives memory that readers share, of so many bytes; or None."""
    import numpy as np

    kind = np.dtype(dtype)
    size = kind.itemsize * (shape if type(shape) is int else math.prod(shape))
    block = give(size) if give is not None and not kind.hasobject else None
    return np.empty(shape, kind) if block is None else np.ndarray(shape, kind, block)


def formed(forms: Sequence[Form], buffers: Sequence[memoryview]) -> list[Any]:
    """Return the arrays of these forms that lie in buffers."""
    import numpy as np

    return [np.ndarray(shape, kind, buffer) for (shape, kind), buffer in zip(forms, buffers, strict=True)]
