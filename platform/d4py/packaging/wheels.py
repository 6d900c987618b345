# SPDX-License-Identifier: Apache-2.0
"""The layer of dependencies: a virtual environment of the base's own Python, made without running it."""

from __future__ import annotations

import re
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from d4py.packaging import tree
from d4py.packaging.itself import row
from d4py.packaging.layout import written
from d4py.packaging.plan import PYTHON, ROOM
from d4py.packaging.resolver import uv

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d4py.packaging.base import Base
    from d4py.packaging.lock import Lock
    from d4py.packaging.tree import Entry

# What wheels put beside site-packages, not into it.
_BESIDE = {"bin", "etc", "include", "lib", "libexec", "man", "sbin", "share"}
# Of this machine, or of how it was installed.
_LEFT_OUT = re.compile(
    r"\.lock|.*\.dist-info/direct_url\.json|.*\.dist-info/uv_cache\.json|(?:.*/)?__pycache__(?:/.*)?"
)
_SHELL = re.compile(rb"\A#!/bin/sh\n'''exec' [^\n]*\n' '''\n")  # how a script names a Python whose path is long
_PYTHON = re.compile(rb"\A#![^\n]*python[^\n]*\n")


def site(base: Base) -> str:
    """Return where distributions are in the image."""
    major, minor = base.python.split(".")[:2]
    return f"{ROOM}/lib/python{major}.{minor}/site-packages"


@contextmanager
def environment(lock: Lock, base: Base, room: Path) -> Iterator[list[Entry]]:
    """Unpack what a lock names, and yield it as part of an image. The files are there as long as this is open."""
    with written(room), tempfile.TemporaryDirectory(prefix=".wheels-", dir=room) as name:
        folder = Path(name)
        (folder / "site").mkdir()
        if lock.pins:
            (folder / "lock").write_text(lock.text, encoding="utf-8")
            uv(
                [
                    *(
                        "pip",
                        "install",
                        "--target=site",
                        "--requirements=lock",
                        "--require-hashes",
                        "--no-deps",
                        "--no-build",
                    ),
                    *(f"--python-version={base.python}", f"--python-platform={base.platform}"),
                ],
                folder=folder,
                hint="Make the lock anew with --lock.",
            )
        yield [*_python(base), *_installed(folder / "site", site(base))]


def _python(base: Base) -> list[Entry]:
    minor = base.python.rsplit(".", 1)[0]
    home = base.interpreter.rpartition("/")[0]
    settings = f"home = {home}\ninclude-system-site-packages = false\nversion = {base.python}\n"
    return [
        tree.file(f"{ROOM}/pyvenv.cfg", settings.encode()),
        tree.link(PYTHON.lstrip("/"), base.interpreter),
        tree.link(f"{ROOM}/bin/python3", "python"),
        tree.link(f"{ROOM}/bin/python{minor}", "python"),
        tree.folder(site(base)),
    ]


def _installed(unpacked: Path, target: str) -> Iterator[Entry]:
    beside = {name for name in _BESIDE if (unpacked / name).is_dir() and not (unpacked / name / "__init__.py").exists()}
    changed: dict[str, bytes] = {}
    records = []
    for path in sorted(unpacked.rglob("*")):
        name = path.relative_to(unpacked).as_posix()
        if path.is_dir() or _LEFT_OUT.fullmatch(name):
            continue
        if name.endswith(".dist-info/RECORD"):
            records.append((name, path))
            continue
        executable = bool(path.stat().st_mode & 0o100)
        if name.partition("/")[0] not in beside:
            yield tree.file(f"{target}/{name}", path, executable=executable)
            continue
        data = _script(path) if name.startswith("bin/") else None
        if data is not None:
            changed[name] = data
        yield tree.file(f"{ROOM}/{name}", path if data is None else data, executable=executable)
    for name, path in records:
        yield tree.file(f"{target}/{name}", _record(path.read_text(encoding="utf-8"), beside, changed))


def _script(path: Path) -> bytes | None:
    """Return a script that the image's Python runs; None for another program."""
    with open(path, "rb") as file:
        if file.read(2) != b"#!":
            return None
    data = path.read_bytes()
    for form in (_SHELL, _PYTHON):
        if form.match(data):
            return form.sub(f"#!{PYTHON}\n".encode(), data, count=1)
    return None


def _record(text: str, beside: set[str], changed: dict[str, bytes]) -> bytes:
    lines = []
    for line in text.splitlines():
        name = line.rsplit(",", 2)[0]
        plain = name.strip('"')
        if _LEFT_OUT.fullmatch(plain):
            continue
        moved = f"../../../{plain}" if plain.partition("/")[0] in beside else None
        if moved is None:
            lines.append(line)
        elif plain in changed:
            lines.append(row(moved, changed[plain]))
        else:
            lines.append(moved + line[len(name) :])
    return "".join(f"{line}\n" for line in sorted(lines)).encode()
