# SPDX-License-Identifier: Apache-2.0
"""Plain data as YAML: in blocks, every text in JSON's quotes where it needs any, which YAML reads the same."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

# What is a text to every reader of YAML: "on", "1e3" and "2001-01-01" are not.
_BARE = re.compile(r"[A-Za-z][A-Za-z0-9/.-]*[A-Za-z0-9]")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "nan", "inf"}


def document(data: dict[str, Any]) -> str:
    """Return an object as a document of YAML."""
    return "".join(f"{line}\n" for line in _lines(data, ""))


def _lines(data: Any, indent: str) -> Iterator[str]:
    if isinstance(data, dict):
        for name, value in data.items():
            yield from _entry(f"{indent}{_scalar(name)}:", value, indent + "  ")
    else:
        for value in data:
            if isinstance(value, dict | list) and value:
                first, *others = _lines(value, indent + "  ")
                yield f"{indent}- {first[len(indent) + 2 :]}"
                yield from others
            else:
                yield f"{indent}- {_scalar(value)}"


def _entry(head: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict | list) and value:
        yield head
        yield from _lines(value, indent)
    else:
        yield f"{head} {_scalar(value)}"


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _BARE.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=False)
