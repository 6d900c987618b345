# SPDX-License-Identifier: Apache-2.0
"""The files of a workflow that go into its image, and nothing that lies outside its folder."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path, PurePath, PurePosixPath
from typing import TYPE_CHECKING

from d4py.errors import ImageError
from d4py.graph.load import digest_of_files
from d4py.packaging import tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d4py.packaging.spec import Spec
    from d4py.packaging.tree import Entry

LARGEST = 64 << 20  # bytes of a file that nobody has declared as data
_HOSTILE = re.compile(r"[\x00-\x1f\x7f\\]")
_NEVER = ("__pycache__", "*.pyc", ".*")  # made from something else, or nobody's business: .git, .env
_CODE = (".py", ".toml")


@dataclass(frozen=True, slots=True)
class Found:
    """A file or a link of the folder."""

    path: Path
    target: str = ""  # of a link


@dataclass(slots=True, kw_only=True)
class Context:
    """What of a workflow's folder goes into the image, by path within it."""

    root: Path
    single: bool  # the workflow is one file, and nothing beside it
    code: dict[str, Found] = field(default_factory=dict)
    data: dict[str, Found] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """The digest that `d4py run` finds in the image."""
        files = {**self.code, **self.data}
        wanted = {
            PurePosixPath(name): found.path for name, found in files.items() if self.single or name.endswith(_CODE)
        }
        try:
            return digest_of_files({PurePath(name): path for name, path in wanted.items()})
        except OSError as error:
            raise _unreadable(Path(error.filename), error) from None

    def fingerprint(self, files: dict[str, Found]) -> list[list[str]]:
        """Return what decides the bytes of a layer of these files."""
        return [
            [name, found.target or f"{_hashed(found.path)} {_executable(found.path):d}"]
            for name, found in sorted(files.items())
        ]

    @contextmanager
    def steady(
        self, files: dict[str, Found], before: list[list[str]], target: str, more: list[Entry]
    ) -> Iterator[list[Entry]]:
        """Yield files and more as part of an image. Raises ImageError where the files are not what they were before."""
        yield [*self.entries(files, target), *more]
        if self.fingerprint(files) != before:
            raise ImageError(
                f"A file in {self.root} changed while it was read.", hint="Build when nothing writes to it."
            )

    def entries(self, files: dict[str, Found], target: str) -> list[Entry]:
        """Return files as part of an image."""
        return [
            tree.link(f"{target}/{name}", found.target)
            if found.target
            else tree.file(f"{target}/{name}", found.path, executable=_executable(found.path))
            for name, found in files.items()
        ]


def collect(path: Path, spec: Spec) -> Context:
    """Return the files of a workflow: a file, or a folder. Raises ImageError for what cannot be taken as it is."""
    if path.is_file():
        _check(path.name)
        return Context(root=path.parent, single=True, code={path.name: _readable(path)})
    root = path.resolve()
    context = Context(root=root, single=False)
    for name in spec.include:
        _declared(name, root, context)
    for name, found in _walk(root, "", spec.exclude, set(context.data)):
        _small(name, found)
        context.code[name] = found
    return context


def _declared(name: str, root: Path, context: Context) -> None:
    place = PurePosixPath(name)
    if place.is_absolute() or ".." in place.parts or not (root / place).exists():
        raise ImageError(
            f"[data] includes {name!r}, which is nothing in {root}.", hint="Name a file or a folder in it, or mount it."
        )
    plain = place.as_posix()
    path = root / place
    if path.is_dir() and not path.is_symlink():
        context.data |= dict(_walk(root, plain, (), set()))
    else:
        _check(plain)
        context.data[plain] = _taken(root, path)


def _walk(root: Path, below: str, exclude: tuple[str, ...], declared: set[str]) -> Iterator[tuple[str, Found]]:
    folder = root / below if below else root
    try:
        names = sorted(entry.name for entry in os.scandir(folder))
    except OSError as error:
        raise _unreadable(folder, error) from None
    for own in names:
        name = f"{below}/{own}" if below else own
        if any(fnmatchcase(own, pattern) for pattern in _NEVER) or name in declared:
            continue
        if any(fnmatchcase(name, pattern) or fnmatchcase(own, pattern) for pattern in exclude):
            continue
        path = folder / own
        _check(name)
        if path.is_dir() and not path.is_symlink():
            yield from _walk(root, name, exclude, declared)
        else:
            yield name, _taken(root, path)


def _taken(root: Path, path: Path) -> Found:
    if not path.is_symlink():
        return _readable(path)
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError):  # the latter for links in a circle, before Python 3.13
        raise ImageError(
            f"{path} is a link to nothing.", hint="Mend or remove it, or exclude it in workflow.toml."
        ) from None
    if root not in real.parents:
        raise ImageError(
            f"{path} is a link out of the folder of the workflow, to {real}.",
            hint="Copy what it points to into the folder, or exclude it in workflow.toml.",
        )
    return Found(path, os.path.relpath(real, path.parent.resolve()))


def _readable(path: Path) -> Found:
    try:
        mode = path.stat().st_mode
        if stat.S_ISREG(mode):
            with open(path, "rb"):
                return Found(path)
    except OSError as error:
        raise _unreadable(path, error) from None
    raise ImageError(f"{path} is neither a file nor a folder.", hint="Remove it, or exclude it in workflow.toml.")


def _check(name: str) -> None:
    own = name.rpartition("/")[2]
    try:
        name.encode()
    except UnicodeEncodeError:
        raise ImageError(f"The name {name!r:.120} is not UTF-8.", hint="Rename it, or exclude it.") from None
    if _HOSTILE.search(name) or own.startswith(".wh."):  # .wh.x removes x from the layers below
        raise ImageError(f"The name {name!r:.120} means something else in an image.", hint="Rename it, or exclude it.")


def _small(name: str, found: Found) -> None:
    if not found.target and (size := found.path.stat().st_size) > LARGEST:
        raise ImageError(
            f"{found.path} has {size >> 20} MiB, which is much for a layer of code.",
            hint=f"Write include = [{name!r}] or a mount below [data] of workflow.toml, or exclude it.",
        )


def _executable(path: Path) -> bool:
    return bool(path.stat().st_mode & 0o100)


def _hashed(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        raise _unreadable(path, error) from None
    return digest.hexdigest()


def _unreadable(path: Path, error: OSError) -> ImageError:
    return ImageError(
        f"{path} cannot be read: {error.strerror}.", hint="Change its permissions, or exclude it in workflow.toml."
    )
