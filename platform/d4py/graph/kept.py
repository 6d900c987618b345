# SPDX-License-Identifier: Apache-2.0
"""A workflow's code as it was when its run was sent: read from a copy, while every module keeps the `__file__` that it has where its author edits it.

So data beside the code is found where it is and need not be copied, and tracebacks show the lines that ran.
"""

from __future__ import annotations

import sys
from importlib.machinery import PathFinder, SourceFileLoader
from importlib.util import decode_source, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType


def use(root: Path, kept: Mapping[str, str] | None) -> None:
    """Let modules below a folder be read from its copy from now on; without one, from the folder itself."""
    sys.meta_path[:] = [finder for finder in sys.meta_path if not (isinstance(finder, _Finder) and finder.root == root)]
    if kept is not None:
        before = sys.meta_path.index(PathFinder) if PathFinder in sys.meta_path else len(sys.meta_path)
        sys.meta_path.insert(before, _Finder(root, Path(kept["folder"])))


class _Loader(SourceFileLoader):
    """Loads a module of one path from the file of another."""

    def __init__(self, name: str, path: str, file: Path) -> None:
        super().__init__(name, path)
        self._file = file

    def get_code(self, fullname: str) -> CodeType:
        """Compile it; what Python keeps compiled is beside the other."""
        code: CodeType = compile(self._file.read_bytes(), str(self._file), "exec", dont_inherit=True)
        return code

    def get_source(self, fullname: str) -> str:
        """Return its text."""
        return decode_source(self._file.read_bytes())


class _Finder:
    """Finds modules below a folder in its copy, also those that the folder has no more. What is in no package by itself is left to others."""

    def __init__(self, root: Path, copy: Path) -> None:
        self.root, self._copy = root, copy

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module is."""
        places = [self._copy] if path is None else [self._copied(Path(place)) for place in path]
        found = PathFinder.find_spec(name, [str(place) for place in places if place is not None])
        if found is None or found.origin is None or not isinstance(found.loader, SourceFileLoader):
            return None
        file = Path(found.origin)
        there = self.root / file.relative_to(self._copy)
        inner = None if found.submodule_search_locations is None else [str(there.parent)]
        return spec_from_file_location(
            name, there, loader=_Loader(name, str(there), file), submodule_search_locations=inner
        )

    def _copied(self, place: Path) -> Path | None:
        return self._copy / place.relative_to(self.root) if place.is_relative_to(self.root) else None
