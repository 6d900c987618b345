# SPDX-License-Identifier: Apache-2.0
"""Mappings by name: the built-in ones, and those that installed packages bring as entry points of the group `d4py.mappings`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, cast

from d4py.errors import UnknownMapping, did_you_mean, listed

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from d4py.mappings.base import Mapping

GROUP = "d4py.mappings"
# Known without reading every installed package's metadata, which costs more than all other imports together.
_BUILT_IN = {
    "simple": "d4py.mappings.simple:Simple",
    "threads": "d4py.mappings.threads:Threads",
    "multi": "d4py.mappings.multi:Multi",
    "mpi": "d4py.mappings.mpi:Mpi",
}


def get(name: str) -> Mapping:
    """Return a mapping by name. Raises UnknownMapping, also where a plug-in cannot be loaded."""
    target = _BUILT_IN.get(name)
    if target is not None:
        module, _, attribute = target.partition(":")
        return cast("Mapping", getattr(importlib.import_module(module), attribute)())
    plugins = _plugins()
    if name not in plugins:
        known = [*_BUILT_IN, *plugins]
        raise UnknownMapping(f"There is no mapping {name!r}; there is {listed(known)}.", hint=did_you_mean(name, known))
    try:
        return cast("Mapping", plugins[name].load()())
    except Exception as error:
        raise UnknownMapping(
            f"The mapping {name!r} of {plugins[name].value} cannot be loaded: {error}.",
            hint="Mend or remove that package.",
        ) from error


def names() -> list[str]:
    """Return the names of all mappings."""
    return [*_BUILT_IN, *(name for name in sorted(_plugins()) if name not in _BUILT_IN)]


def _plugins() -> dict[str, EntryPoint]:
    from importlib.metadata import entry_points

    return {entry.name: entry for entry in entry_points(group=GROUP) if entry.name not in _BUILT_IN}
