# SPDX-License-Identifier: Apache-2.0
"""What is sent to a login node with a run: its workflow, its data, a profile of the user's, wheels."""

from __future__ import annotations

import os
import shutil
import sys
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from d4py.connectors.uri import is_uri
from d4py.errors import D4pyError, LoadError, StateError, UsageError
from d4py.targets.slurm.code import files_of
from d4py.targets.slurm.profile import find

if TYPE_CHECKING:
    from d4py.cli.parser import Namespace

_SENT = "sent"  # the folder in a run's own that all of it is in
_MORE = ".d4py"  # in that, what is no part of the workflow
_WHEELS = f"{_MORE}/wheels"


def pack(args: Namespace, file: IO[bytes], *, wheels: Callable[[], dict[str, Any]]) -> None:
    """Put what a run needs into a tar, and let the arguments name what is in it. wheels: tells which fit there, and which are there."""
    if args.run_dir is not None and not args.run_dir.startswith("/"):
        raise UsageError(f"--run-dir {args.run_dir} is on the cluster.", hint="Give its whole path there.")
    workflow, colon, graph = args.workflow.partition(":")
    args.env = args.env or find(args.profile or "generic").environment
    with tarfile.open(fileobj=file, mode="w:gz", dereference=True) as tar:
        path = Path(workflow)
        if args.env == "wheelhouse":
            _add_wheels(args, tar, wheels)
        try:
            if path.is_dir() or path.is_file():
                args.workflow = path.resolve().name + colon + graph
                for inner in files_of(path.resolve()):
                    tar.add(inner, arcname=str(inner.relative_to(path.resolve().parent)), recursive=False)
            elif "/" in workflow or workflow.endswith(".py"):
                raise LoadError(f"There is no file {workflow!r}.", hint="Give a .py file or a folder with workflow.py.")
            if args.file is not None and not is_uri(args.file):
                tar.add(args.file, arcname=f"{_MORE}/inputs", recursive=False)
                args.file = f"{_MORE}/inputs"
            if args.set_from is not None:
                tar.add(args.set_from, arcname=f"{_MORE}/parameters.json", recursive=False)
                args.set_from = f"{_MORE}/parameters.json"
            own = _own_profile(args.profile)
            if own is not None:
                tar.add(own, arcname=f"{_MORE}/{own.name}")
                args.profile = f"./{_MORE}/{own.name}"
        except OSError as error:
            raise LoadError(
                f"{error.filename or workflow} cannot be read: {error.strerror or error}.", hint="Check its path."
            ) from None


def _add_wheels(args: Namespace, tar: tarfile.TarFile, wheels: Callable[[], dict[str, Any]]) -> None:
    """Name the wheels that the run's environment is made of, and add them where they are not there yet."""
    from d4py.cli.workflow import mapping_of
    from d4py.graph import load
    from d4py.targets.slurm.wheelhouse import gathered, requirements_of

    workflow = load.unloaded(load.find(args.workflow, parameters=dict(args.parameters), variable=args.graph))
    mapping = mapping_of(args, workflow)[0] if args.mapping or "mapping" in workflow.toml.get("defaults", {}) else "mpi"
    there = wheels()
    house = gathered(requirements_of(workflow.toml, workflow.name), mapping=mapping, target=there["kind"])
    named = tarfile.TarInfo(f"{_WHEELS}/{house.name}")
    named.type, named.mode = tarfile.DIRTYPE, 0o755
    tar.addfile(named)
    for wheel in () if house.name in there["houses"] else sorted(house.iterdir()):
        tar.add(wheel, arcname=f"{_WHEELS}/{house.name}/{wheel.name}")


def _own_profile(name: str | None) -> Path | None:
    """Return the file of a profile of the user's, which the cluster may not know."""
    from d4py.targets.slurm import profile

    if name is None:
        return None
    path = profile.names().get(name, Path(name))
    return None if path.parent == profile.ours() else path


@contextmanager
def unpacked(path: Path, *, kept: bool) -> Iterator[None]:
    """Unpack what was sent into the folder of its run, and work there. What cannot be submitted leaves nothing behind."""
    begun, ours = Path.cwd(), not path.exists()
    try:
        _unpack(path / _SENT)
        os.chdir(path / _SENT)
        yield
    except D4pyError:
        kept = (path / "job").exists()  # what Slurm was told it may have heard
        raise
    finally:
        os.chdir(begun)
        if ours and not kept:
            shutil.rmtree(path, ignore_errors=True)


def _unpack(room: Path) -> None:
    try:
        room.mkdir(parents=True, exist_ok=True)
        room.parent.chmod(0o700)
        with tarfile.open(fileobj=sys.stdin.buffer, mode="r|gz") as tar:
            # Python before 3.10.12 and 3.11.4 has no filters; what comes was packed by d4py, for this very user.
            tar.extraction_filter = getattr(tarfile, "data_filter", None)
            for member in tar:
                tar.extract(member, room)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise StateError(f"What was sent did not arrive in {str(room)!r}: {error}.", hint="Do it again.") from None


def wheels_sent() -> Path:
    """Return the folder of the wheels that were sent, or were here already."""
    from d4py.targets.slurm.wheelhouse import house_of, keep

    (folder,) = Path(_WHEELS).iterdir()
    house = house_of(folder.name)
    if not house.is_dir():
        house.parent.mkdir(parents=True, exist_ok=True)
        keep(folder, house)
    return house
