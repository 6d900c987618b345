# SPDX-License-Identifier: Apache-2.0
"""d4py as a distribution: what of this d4py goes into an image, and what it needs there."""

from __future__ import annotations

import base64
import hashlib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING

import d4py
from d4py.errors import BuildError
from d4py.packaging.tree import file

if TYPE_CHECKING:
    from d4py.packaging.tree import Entry

WHEEL = "Wheel-Version: 1.0\nGenerator: d4py\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
_PROGRAMS = {"d4py": "d4py.cli.main", "dispel4py": "d4py.cli.dispel4py"}


def version() -> str:
    """Return the version of d4py."""
    return d4py.__version__


def metadata() -> str:
    """Return what d4py says of itself, with the version that runs."""
    try:
        text = distribution("d4py").read_text("METADATA") or ""
    except PackageNotFoundError:
        text = ""
    if not text:
        raise BuildError("This d4py is not installed, so what it needs is not known.", hint="Install it with pip.")
    head = text.partition("\n\n")[0].splitlines()
    return "\n".join(f"Version: {version()}" if line.startswith("Version:") else line for line in head) + "\n"


def requirements() -> list[str]:
    """Return what d4py needs."""
    return [line.partition(": ")[2] for line in metadata().splitlines() if line.startswith("Requires-Dist:")]


def sources() -> dict[str, Path]:
    """Return the files of the package by where they belong in site-packages."""
    root = Path(d4py.__file__).parent
    found = (path for path in sorted(root.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
    return {f"d4py/{path.relative_to(root).as_posix()}": path for path in found}


def digest() -> str:
    """Return a digest of all of it."""
    found = hashlib.sha256((metadata() + _entry_points()).encode())
    for name, path in sources().items():
        found.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return f"sha256:{found.hexdigest()}"


def entries(site: str, programs: str, python: str) -> list[Entry]:
    """Return it as installed: into site-packages, with its programs, which this Python runs."""
    contents = {name: path.read_bytes() for name, path in sources().items()}
    room = f"d4py-{version()}.dist-info"
    described = {"METADATA": metadata(), "WHEEL": WHEEL, "entry_points.txt": _entry_points(), "INSTALLER": "d4py\n"}
    contents |= {f"{room}/{name}": text.encode() for name, text in described.items()}
    contents[f"{room}/RECORD"] = record(contents, f"{room}/RECORD")
    installed = [file(f"{site}/{name}", data) for name, data in contents.items()]
    return [
        *installed,
        *(
            file(
                f"{programs}/{name}",
                f"#!{python}\nimport sys\n\nfrom {module} import main\n\nsys.exit(main())\n".encode(),
                executable=True,
            )
            for name, module in _PROGRAMS.items()
        ),
    ]


def record(contents: dict[str, bytes], itself: str) -> bytes:
    """Return the list of files of a distribution, with their digests."""
    lines = [f"{row(name, data)}\n" for name, data in contents.items()]
    return "".join(sorted([*lines, f"{itself},,\n"])).encode()


def row(name: str, data: bytes) -> str:
    """Return the line of one file in such a list."""
    found = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"{name},sha256={found},{len(data)}"


def _entry_points() -> str:
    return distribution("d4py").read_text("entry_points.txt") or ""
