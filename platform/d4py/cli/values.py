# SPDX-License-Identifier: Apache-2.0
"""A value of a run in one line, for people or for machines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from d4py.runs.outputs import Output

_WIDTH = 100


def line(output: Output, width: int = _WIDTH) -> str:
    """Return an output as `PE.output: value`, cut."""
    text = " ".join(_text(output.value).split())
    return f"{output.pe}.{output.output}: {text if len(text) <= width else text[: width - 3] + '...'}"


def json_line(output: Output, **more: object) -> str:
    """Return an output as one JSON object; arrays become lists. more: what comes before it."""
    return json.dumps({**more, "pe": output.pe, "output": output.output, "value": plain(output.value)}, default=str)


def plain(value: Any) -> Any:
    """Return what JSON can say of a value."""
    if isinstance(value, Mapping):
        return {str(name): plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, (set, frozenset)):
        return [plain(part) for part in sorted(value, key=repr)]
    if isinstance(value, bytes):
        return value.hex()
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return plain(value.tolist())
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def _text(value: Any) -> str:
    shape = getattr(value, "shape", None)
    if type(value).__module__ == "numpy" and shape:
        return f"array of {' x '.join(str(size) for size in shape)} {value.dtype}"
    try:
        return repr(value)
    except Exception:
        return f"<{type(value).__name__}>"
