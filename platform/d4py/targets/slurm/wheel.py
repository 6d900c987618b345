# SPDX-License-Identifier: Apache-2.0
"""d4py's own wheel, made of the files that this Python runs: nothing is built, and no network is needed."""

from __future__ import annotations

import hashlib
import zipfile
from base64 import urlsafe_b64encode
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import d4py
from d4py.errors import UsageError

_MADE = (1980, 1, 1, 0, 0, 0)  # the same files are the same wheel
_ABOUT = "Wheel-Version: 1.0\nGenerator: d4py\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def write_wheel(folder: Path) -> Path:
    """Write the wheel into a folder; return its path. Raises UsageError where d4py is not installed."""
    try:
        known = distribution("d4py")
    except PackageNotFoundError:
        raise UsageError("This d4py is not installed, so no wheel can be made of it.", hint="pip install it.") from None
    root = Path(d4py.__file__).parent
    inner = f"d4py-{d4py.__version__}.dist-info"
    files = {
        f"d4py/{path.relative_to(root)}": path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    for name in ("METADATA", "entry_points.txt"):
        files[f"{inner}/{name}"] = (known.read_text(name) or "").encode()
    files[f"{inner}/WHEEL"] = _ABOUT.encode()
    record = "".join(f"{name},sha256={_digest(data)},{len(data)}\n" for name, data in files.items())
    files[f"{inner}/RECORD"] = f"{record}{inner}/RECORD,,\n".encode()
    path = folder / f"d4py-{d4py.__version__}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, data in files.items():
            wheel.writestr(zipfile.ZipInfo(name, _MADE), data, zipfile.ZIP_DEFLATED)
    return path


def _digest(data: bytes) -> str:
    return urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
