# SPDX-License-Identifier: Apache-2.0
"""A workflow that is to become an image: where it is, what it wants, and where its lock is kept. It is not run."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from d4py.errors import ImageError, LoadError
from d4py.graph.load import find
from d4py.packaging import spec as specs
from d4py.packaging.context import collect
from d4py.packaging.reference import plain

if TYPE_CHECKING:
    from d4py.packaging.context import Context
    from d4py.packaging.spec import Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """A file, or a folder with workflow.py."""

    path: Path
    title: str  # as it is shown when it runs
    spec: Spec

    @property
    def name(self) -> str:
        """The name of its image, where none is given."""
        return plain(self.spec.name or self.title)

    @property
    def lock(self) -> Path:
        """Where its lock is kept."""
        return self.path / "workflow.lock" if self.path.is_dir() else self.path.with_suffix(".lock")

    def files(self) -> Context:
        """Return what of it goes into the image."""
        return collect(self.path, self.spec)


def named(text: str) -> Workflow:
    """Return a workflow by name. Raises ImageError for one that is no file or folder."""
    source = find(text)
    if source.kind != "file":
        raise ImageError(f"{text!r} is a module.", hint="Images are made of a .py file or a folder with workflow.py.")
    if source.variable is not None:
        raise ImageError(f"{text!r} names a graph.", hint="Write entry = 'NAME' below [image] of workflow.toml.")
    if source.folder is None:
        path = Path(source.target).resolve()
        return Workflow(path=path, title=source.name, spec=specs.Spec())
    folder = Path(source.folder)
    return Workflow(path=folder, title=source.name, spec=specs.read(_toml(folder), where=str(folder / "workflow.toml")))


def _toml(folder: Path) -> dict[str, object]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    path = folder / "workflow.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LoadError(f"{path} cannot be read: {error}.", hint="Mend that line.") from None
