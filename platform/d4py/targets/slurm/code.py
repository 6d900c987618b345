# SPDX-License-Identifier: Apache-2.0
"""The copy of a workflow's code that its run keeps: what is edited while the job waits, or between two jobs, changes nothing."""

from __future__ import annotations

import ast
import json
import os
import shutil
from contextlib import suppress
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from d4py.errors import LoadError, StateError, UsageError
from d4py.graph.load import Source
from d4py.runs import atomic
from d4py.targets.slurm.status import whole_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d4py.runs import Folder

NOTE = "job/source.json"
_CODE = (".py", ".toml")  # what the digest of a workflow is of
_MOST_FILES, _MOST_MEGABYTES = 10_000, 64
_INSTALLED = ("site-packages", "dist-packages")
_ENVIRONMENTS = ("pyvenv.cfg", "conda-meta")  # what is in the folder of an environment of Python's
_OURS = ("d4py", "dispel4py")


class Code(NamedTuple):
    """Files by their names below a root; which of them is the workflow's own."""

    root: Path
    file: str
    files: dict[str, Path]


def files_of(path: Path) -> Iterator[Path]:
    """Yield a file, or what is in a folder, but for hidden files, what Python compiled, and environments of Python's."""
    if path.is_file():
        yield path
        return
    for where, folders, names in os.walk(path):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and name != "__pycache__"
            and not any(Path(where, name, mark).exists() for mark in _ENVIRONMENTS)
        )
        files = [Path(where) / name for name in sorted(names) if not name.startswith(".")]
        yield from (inner for inner in files if inner.is_file())


def lay(source: Source, room: Path) -> Source:
    """Copy the code of a workflow into the folder of its run, beside older copies; return the workflow as it is read from there.

    What is installed is not copied. Raises UsageError where it is too much.
    """
    code = _code_of(source)
    source = replace(source, kept=None)
    if code is None:
        return source
    folder = next(folder for number in range(1, 1 << 20) if not (folder := room / _name(number)).exists())
    try:
        for name, path in code.files.items():
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise StateError(
            f"The code of {source.name!r} cannot be copied into {room}: {error.strerror}.",
            hint="Can it be read, and is there room?",
        ) from None
    return replace(source, kept={"folder": str(folder), "root": str(code.root), "file": code.file})


def note(source: Source, room: Path, *, digest: str) -> None:
    """Write down for the job what it is to load. digest: of code that has no copy, where it is known."""
    data = {name: value for name, value in asdict(source).items() if name not in ("parameters", "resources")}
    atomic.write_json(room / NOTE, {**data, "digest": "" if source.kept else digest})


def noted(file: str | Path) -> tuple[Source, str]:
    """Return what a job is to load, and the digest that it is to have; none where any will do."""
    try:
        data = json.loads(Path(file).read_bytes())
        digest = str(data.pop("digest"))
        return Source(**data), digest
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise StateError(f"{file} cannot be read: {error}.", hint="Submit the run again.") from None


def renewed(room: Path) -> Source | None:
    """Copy the code of a run as it is now, for it and its jobs to go on with; None where what it runs was never noted."""
    if not (room / NOTE).exists():
        return None
    source = lay(noted(room / NOTE)[0], room)
    note(source, room, digest="")
    return source


def edited(folder: Folder) -> bool:
    """Whether the code of a run is not any more what its copy says."""
    room = whole_of(folder).path
    kept = noted(room / NOTE)[0].kept if (room / NOTE).exists() else None
    if kept is None:
        return False
    copies = [path for path in Path(kept["folder"]).rglob("*") if path.is_file()]
    try:
        return any(
            path.read_bytes() != Path(kept["root"], path.relative_to(kept["folder"])).read_bytes() for path in copies
        )
    except OSError:
        return True


def _name(number: int) -> str:
    return "code" if number == 1 else f"code-{number}"


def _code_of(source: Source) -> Code | None:
    """Return what is to be copied: of a folder all code in it; of a file what it imports from beside it; of a module its package. None for what is installed."""
    file = _file_of(source)
    if file is None or any(part in _INSTALLED for part in file.parts):
        return None
    if not file.is_file():
        raise LoadError(
            f"There is no file {str(file)!r} any more.", hint="Put it back, or leave --accept-changes away."
        )
    below = source.target.count(".") + (file.name == "__init__.py") if source.kind == "module" else 0
    root, files = file.parents[below], {str(file.relative_to(file.parents[below])): file}
    if source.folder is not None:
        files |= {str(path.relative_to(root)): path for path in files_of(root) if path.suffix in _CODE}
        settings = Path(source.folder) / "workflow.toml"
        files |= {settings.name: settings} if settings.is_file() else {}
    else:
        _add_imported(files, root, file)
    _check_size(source.name, files)
    return Code(root, str(file.relative_to(root)), files)


def _file_of(source: Source) -> Path | None:
    """Return the file of a workflow; None where it cannot be told, or is no source."""
    if source.kept is not None:
        return Path(source.kept["root"], source.kept["file"])
    if source.kind == "file":
        return Path(source.target).resolve()
    with suppress(Exception):  # a package may do what it likes while it is imported
        found = find_spec(source.target)
        if found is not None and found.origin is not None and found.origin.endswith(".py"):
            return Path(found.origin).absolute()
    return None


def _add_imported(files: dict[str, Path], root: Path, file: Path) -> None:
    """Add a file, and what it and they import from below a root: modules, and packages as a whole."""
    left, seen = [file, *(files_of(root / file.relative_to(root).parts[0]) if file.parent != root else ())], set()
    while left:
        path = left.pop()
        if path in seen or path.suffix not in _CODE:
            continue
        seen.add(path)
        files[str(path.relative_to(root))] = path
        for module in _imports(path) if path.suffix == ".py" else ():
            parts = module.split(".")
            for inner in (root.joinpath(*parts[:number]) for number in range(1, len(parts) + 1)):
                if (inner / "__init__.py").is_file():
                    left += files_of(inner)
                    break
                if inner.with_suffix(".py").is_file():
                    left.append(inner.with_suffix(".py"))
                    break


def _imports(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports, wherever in it; those of its own package are taken with it."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return  # told when it is run
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (name for name in names if name.partition(".")[0] not in _OURS)


def _check_size(name: str, files: dict[str, Path]) -> None:
    megabytes = sum(path.stat().st_size for path in files.values()) / (1 << 20)
    if len(files) > _MOST_FILES or megabytes > _MOST_MEGABYTES:
        raise UsageError(
            f"The workflow {name!r} has {len(files):,} files, {megabytes:,.0f} MB, of code, and its run is to keep a copy of it: "
            f"{_MOST_MEGABYTES} MB at most, {_MOST_FILES:,} files.",
            hint="Keep what is none of its own code in another folder.",
        )
