# SPDX-License-Identifier: Apache-2.0
"""Items that no try could process, as a run has kept them: with their value, and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from d4py.runs import spool

if TYPE_CHECKING:
    from d4py.engine.failure import Failure
    from d4py.runs.folder import Folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One item in quarantine. `port` is empty where a call of a source failed; then `value` is its input, or how many calls it had."""

    pe: str
    port: str
    value: Any
    failure: Failure


def kept_items(folder: Folder) -> Iterator[Kept]:
    """Yield the items that the last commit of a run holds in quarantine."""
    commit = folder.last_commit()
    names = {instance.rank: instance.pe for instance in folder.plan().instances}
    for _, key in sorted(commit.parts.items()) if commit else ():
        for rank, port, (value, failure) in spool.read(folder.path / "quarantine", folder.head(key).quarantined or ()):
            yield Kept(pe=names[rank], port=port, value=value, failure=failure)


def as_inputs(items: list[Kept]) -> dict[str, Any]:
    """Return input data that gives each item to its PE again."""
    inputs: dict[str, Any] = {}
    for item in items:
        if item.port:
            inputs.setdefault(item.pe, []).append({item.port: item.value})
        elif isinstance(item.value, dict):
            inputs.setdefault(item.pe, []).append(item.value)
        else:
            inputs[item.pe] = inputs.get(item.pe, 0) + 1
    return inputs
