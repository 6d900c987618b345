# SPDX-License-Identifier: Apache-2.0
"""Which files a small workflow is made of, for the ConfigMap in which it travels."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from d4py.errors import UsageError

if TYPE_CHECKING:
    from d4py.graph.load import Source

MOST = 900_000  # bytes: an object of etcd holds a megabyte, and a little goes to names
_ENTRY = "workflow.py"
_REMEDY = "Put it into an image, and name that: d4py build, then --image."


def files(source: Source) -> dict[str, str]:
    """Return the files of a loaded workflow by name: its own, and modules beside it that it has imported. Raises UsageError."""
    own = Path(source.target)
    found = {_ENTRY: own}
    for path in _imported(own.parent):
        if path == own:
            continue
        if path.parent != own.parent:
            raise UsageError(
                f"The workflow {source.name!r} has folders of its own ({path.relative_to(own.parent)}); a ConfigMap has none.",
                hint=_REMEDY,
            )
        if path.name == _ENTRY:
            raise UsageError(
                f"{own.name} imports {_ENTRY} beside it, which is the name it travels under.", hint="Rename that."
            )
        found[path.name] = path
    settings = own.parent / "workflow.toml"
    if source.folder is not None and settings.is_file():
        found[settings.name] = settings
    texts = {name: _text(path) for name, path in sorted(found.items())}
    size = sum(len(text.encode()) for text in texts.values())
    if size > MOST:
        raise UsageError(
            f"The workflow {source.name!r} has {size:,} bytes; {MOST:,} travel without an image.", hint=_REMEDY
        )
    return texts


def _imported(folder: Path) -> list[Path]:
    """Return the files of modules that this process has imported from a folder by their name."""
    found = set()
    for name, module in list(sys.modules.items()):
        path = Path(getattr(module, "__file__", None) or "/").resolve()
        parts = name.split(".")
        if path in (folder.joinpath(*parts).with_suffix(".py"), folder.joinpath(*parts, "__init__.py")):
            found.add(path)
    return sorted(found)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"The file {str(path)!r} cannot be read: {reason}.", hint="Mend it.") from None
