# SPDX-License-Identifier: Apache-2.0
"""Two images, the newer on the older: another version of a package, and of the workflow, which have lost files."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

from tests.images.conftest import Place

Write = Callable[..., Path]
SITE = "lib/python3.11/site-packages"
ENTRY = "#!python\nimport layered\n"


def wheel(folder: Path, name: str, version: int, files: dict[str, str]) -> None:
    """Write the wheel of a distribution."""
    room = f"{name}-{version}.dist-info"
    described = {
        f"{room}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{room}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = []
    folder.mkdir(exist_ok=True)
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        for path, text in {**files, **described}.items():
            file.writestr(path, text)
            digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
            lines.append(f"{path},sha256={digest},{len(text)}\n")
        file.writestr(f"{room}/RECORD", "".join([*lines, f"{room}/RECORD,,\n"]))


def built(place: Place, write: Write, folder: Path, *words: str) -> None:
    """Build both: older:1 and, upon it, newer:1. words: of the second build."""
    wheels = folder / "wheels"
    script = "layered-{0}.data/scripts/layered-{1}"
    older = {f"layered/{name}.py": "" for name in ("gone", "sub/__init__", "sub/deep")}
    wheel(
        wheels,
        "layered",
        1,
        {"layered/__init__.py": "VERSION = 1\n", **older, "layered_extra.py": "", "shared/one.py": "", script.format(1, "old"): ENTRY},
    )  # fmt: skip
    newer = {"layered/__init__.py": "VERSION = 2\n", "layered/new.py": ""}
    wheel(wheels, "layered", 2, {**newer, script.format(2, "new"): ENTRY})
    wheel(wheels, "beside", 1, {"beside.py": "", "shared/two.py": ""})
    of = {"UV_FIND_LINKS": str(wheels)}
    first = write({"old.py": "", "parts/part.py": ""}, toml='requirements = ["layered==1", "beside"]\n')
    place.build(first, "-t", "older:1", **of)
    for path in (first / "old.py", first / "parts/part.py"):
        path.unlink()
    (first / "parts").rmdir()
    (first / "workflow.toml").write_text('requirements = ["layered==2"]\n')
    place.build(first, "-t", "newer:1", "--base", "older:1", *words, **of)


def left(root: Path) -> list[str]:
    """Return what of the package is in an image."""
    room = root / "opt" / "d4py"
    names = (path.relative_to(room).as_posix() for path in room.rglob("*layered*"))
    own = (path.relative_to(room).as_posix() for path in (room / SITE / "layered").rglob("*"))
    return sorted({name for name in (*names, *own) if (room / name).is_file() and ".dist-info/" not in name})
