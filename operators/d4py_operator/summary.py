# SPDX-License-Identifier: Apache-2.0
"""The last word of a run, which `d4py run` leaves as the termination message of its pod: a line of JSON. It may hold anything."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

_LIMIT = 1000
_LARGEST = 1 << 53
_PES = 64  # that a status has room for


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What of it is understood."""

    exit_code: int | None = None
    error: str = ""
    failed_pe: str | None = None
    read: int = 0
    written: int = 0
    quarantined: int = 0
    outputs: int = 0
    checkpoint: int = 0
    world: bool = False  # whether the world of ranks was another than was asked for
    missing: bool = False  # whether inputs could not be fetched; another attempt may do better
    graph: str | None = None  # digest of its code
    plan: dict[str, int] = field(default_factory=dict)  # instances of each PE


def summary(text: str | None) -> Summary | None:
    """Read a termination message; None where it is none of ours."""
    line = (text or "").strip().rpartition("\n")[2]
    if not line.startswith("{"):
        return None
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or type(data.get("d4py")) is not int or data["d4py"] != 1:
        return None

    def number(name: str) -> int:
        value = data.get(name)
        return value if type(value) is int and 0 <= value < _LARGEST else 0

    code = data.get("exit_code")
    pe, graph = data.get("failed_pe"), data.get("graph")
    return Summary(
        exit_code=code if type(code) is int and 0 <= code < 256 else None,
        error=plain(data.get("error")),
        failed_pe=plain(pe)[:200] if isinstance(pe, str) and pe else None,
        read=number("read"),
        written=number("written"),
        quarantined=number("quarantined"),
        outputs=number("outputs"),
        checkpoint=number("checkpoint"),
        world=data.get("world") is True,
        missing=data.get("again") is True,
        graph=plain(graph)[:128] if isinstance(graph, str) and graph else None,
        plan=plan_of(data.get("plan")),
    )


def plan_of(data: object) -> dict[str, int]:
    """Return instances by PE; nothing where it is anything else, or more than a status has room for."""
    if not isinstance(data, dict) or len(data) > _PES:
        return {}
    named = {plain(pe)[:200]: number for pe, number in data.items() if pe}
    fits = all(type(number) is int and 0 < number < _LARGEST for number in named.values())
    return named if fits else {}


def plain(text: object) -> str:
    """Return a text as one line that fits into a status."""
    if not isinstance(text, str):
        return ""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= _LIMIT else f"{line[: _LIMIT - 1]}…"
