# SPDX-License-Identifier: Apache-2.0
"""How the name `dispel4py` is found in a process of ours: an import finder, before all others.

Modules that are ours come from this package; all others from a dispel4py that is on the path, if there is one, where they find ours in turn.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec, PathFinder
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

_ROOT = "dispel4py"
PACKAGES = (_ROOT, "dispel4py.new", "dispel4py.examples", "dispel4py.examples.graph_testing")
MODULES = {
    "dispel4py.base": "base",
    "dispel4py.core": "core",
    "dispel4py.examples.graph_testing.testing_PEs": "testing_pes",
    "dispel4py.new.aggregate": "aggregate",
    "dispel4py.new.dynamic_redis": "redis_process",
    "dispel4py.new.mappings": "mappings",
    "dispel4py.new.monitoring": "monitoring",
    "dispel4py.new.mpi_process": "mpi_process",
    "dispel4py.new.multi_process": "multi_process",
    "dispel4py.new.new_dynamic": "dynamic_process",
    "dispel4py.new.new_dynamic_auto": "dynamic_process",
    "dispel4py.new.new_dynamic_redis": "redis_process",
    "dispel4py.new.new_dynamic_redis_auto": "redis_process",
    "dispel4py.new.new_hybrid_redis": "redis_process",
    "dispel4py.new.processor": "processor",
    "dispel4py.new.simple_process": "simple_process",
    "dispel4py.provenance": "provenance",
    "dispel4py.utils": "loading",
    "dispel4py.visualisation": "visualisation",
    "dispel4py.workflow_graph": "workflow_graph",
}


class Finder:
    """Finds `dispel4py` and what is in it; no MetaPathFinder by birth, for importing that costs more than all of this. It goes with a workflow to the processes that load it."""

    travels = True

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module of ours, or a package, which also holds what another dispel4py has."""
        if not fullname.startswith(_ROOT):
            return None
        if fullname in PACKAGES:
            spec = ModuleSpec(fullname, _Package(), is_package=True)  # type: ignore[arg-type]
            spec.submodule_search_locations = _elsewhere(fullname)
            return spec
        if fullname in MODULES:
            return ModuleSpec(fullname, _Alias(f"{__package__}.{MODULES[fullname]}"))  # type: ignore[arg-type]
        return None


class _Package:
    """An empty package."""

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        if module.__name__ == _ROOT:
            from d4py import __version__

            module.__version__ = __version__  # type: ignore[attr-defined]


class _Alias:
    """A module of this package under another name, too."""

    def __init__(self, name: str) -> None:
        self._name = name

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self._name)
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # which importing it under this name has replaced


def _elsewhere(package: str) -> list[str]:
    """Return where another dispel4py has a package, without importing it."""
    parent, _, _ = package.rpartition(".")
    places = _elsewhere(parent) if parent else None
    found = PathFinder.find_spec(package, places) if places != [] else None
    return list(found.submodule_search_locations or ()) if found is not None else []


def install() -> None:
    """Let this process find `dispel4py`."""
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())
