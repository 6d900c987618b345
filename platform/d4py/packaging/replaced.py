# SPDX-License-Identifier: Apache-2.0
"""What a base that is an image of ours has in our room, and what of it the layers above hide: files of other versions of what they bring. Pure."""

from __future__ import annotations

import posixpath
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from d4py.packaging.plan import ROOM
from d4py.packaging.tree import file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from d4py.packaging.tree import Entry

RECORD = re.compile(rf"({ROOM}/lib/python3\.\d+/site-packages)/([^/]+)-[^/-]+\.dist-info/RECORD")
_CACHE = "__pycache__"  # of what is gone it goes with its folder, and of what is there Python makes it anew


def sorted_out(room: Iterable[str], contents: Mapping[str, bytes]) -> dict[str, list[str]]:
    """Return the files of our room by the distribution that they are of, those of none by no name. contents: the lists of distributions."""
    there = {path for path in room if _CACHE not in PurePosixPath(path).parts}
    found: dict[str, set[str]] = {}
    for path, data in contents.items():
        if (listed := RECORD.fullmatch(path)) is None:
            continue
        names = (line.rsplit(",", 2)[0].strip('"') for line in data.decode(errors="replace").splitlines())
        paths = {posixpath.normpath(f"{listed[1]}/{name}") for name in names}
        found.setdefault(plain(listed[2]), set()).update(paths & there)
    loose = there.difference(*found.values())
    return {name: sorted(paths) for name, paths in sorted({**found, **({"": loose} if loose else {})}.items())}


def of_distributions(room: Mapping[str, Sequence[str]], names: Iterable[str], new: Iterable[str]) -> list[Entry]:
    """Return what hides the files of these distributions in a base that a layer does not bring. new: the files that it brings."""
    wanted = {plain(name) for name in names}
    old = {path for name in wanted for path in room.get(name, ())}
    return hidden(old, [*(path for name, paths in room.items() if name not in wanted for path in paths), *new])


def of_workflow(room: Mapping[str, Sequence[str]], place: str, new: Iterable[str]) -> list[Entry]:
    """Return what hides the files of a workflow of the same name in a base that it has no more."""
    old = [path for path in room.get("", ()) if path.startswith(f"{place}/")]
    return hidden(old, new) if old else []


def hidden(old: Iterable[str], stays: Iterable[str]) -> list[Entry]:
    """Return what hides old files but for those that stay: whole folders where nothing of them does."""
    kept = set(stays)
    folders = {str(parent) for path in kept for parent in PurePosixPath(path).parents}
    gone = set()
    for path in old:
        parts = PurePosixPath(path)
        above = [str(parent) for parent in parts.parents]
        if path in kept or path in folders or _CACHE in parts.parts or not kept.isdisjoint(above):
            continue
        gone.add(next((folder for folder in reversed(above) if folder not in folders and _within(folder)), path))
    return [file(f"{parent}/.wh.{name}", b"") for parent, _, name in (path.rpartition("/") for path in sorted(gone))]


def plain(name: str) -> str:
    """Return the name of a distribution in the one form that all its spellings have."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _within(folder: str) -> bool:
    return folder.startswith(f"{ROOM}/")
