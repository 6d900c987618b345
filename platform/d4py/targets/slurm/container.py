# SPDX-License-Identifier: Apache-2.0
"""Runs in an image: unpacked once where all nodes see it, entered by Charliecloud on each, no daemon and no root."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from d4py.errors import StateError, UsageError
from d4py.packaging import export, seal, store, workflow
from d4py.packaging.plan import LABEL, PYTHON, ROOM
from d4py.targets.slurm.script import Shell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from d4py.packaging.layout import Image

# Of whoever submits, and wrong inside: where Python and libraries are.
_LEFT_OUT = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "LD_PRELOAD")
_PEERS = Shell('--join-tag="d4py-$SLURM_JOB_ID-${SLURM_RESTART_COUNT:-0}"')
_SHARED = "/tmp"  # noqa: S108 - what Charliecloud shows of the node as it is
_PACKAGES = (  # of the image and of its base
    "opt/*/lib/python3*/site-packages",
    "usr/lib/python3*/dist-packages",
    "usr/local/lib/python3*/*-packages",
)
_SET = {
    "PATH": f"/{ROOM}/bin:/usr/local/bin:/usr/bin:/bin",
    "HOME": _SHARED,
    seal.DIGEST: "",
    "OMPI_MCA_pml": "ob1",  # Debian's UCX, which Open MPI prefers, fails in a container at the first message that is probed for
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """An unpacked image and how it is entered."""

    name: str  # of the image
    root: Path
    workflow: str  # its place in the image

    def program(self, workdir: Path, seen: Iterable[Path], *, together: int) -> list[str]:
        """Return the words that start d4py in it.

        seen: what of this machine is there too, under the same names. together: ranks of a node, which share one container: else MPI finds no way
        from one's memory to another's.
        """
        places = sorted({path.absolute() for path in (workdir, *seen)})
        given = {**_SET, seal.DIGEST: self.digest}
        return [
            "ch-run",
            *([f"--join-ct={together}", _PEERS] if together > 1 else []),
            *(f"--unset-env={name}" for name in _LEFT_OUT),
            *(f"--set-env={name}={value}" for name, value in given.items()),
            *(f"--bind={place}" for place in places if not _there(place)),
            f"--cd={workdir}",
            str(self.root),
            *("--", PYTHON, "-m", "d4py.cli.main"),
        ]

    def check(self, mapping: str) -> None:
        """Raise UsageError where it does not hold what a mapping needs: else the job tells, hours later."""
        if mapping == "mpi" and not any(any(self.root.glob(f"{place}/mpi4py")) for place in _PACKAGES):
            raise UsageError(
                f"The image {self.name!r} has no mpi4py, which the mapping mpi needs.",
                hint="Put d4py[mpi] into requirements of workflow.toml and build it again on a base with an MPI, or choose --mapping multi.",
            )

    def lay(self, seen: Iterable[Path]) -> None:
        """Make the places in it that are bound: a runtime without root cannot."""
        for path in seen:
            place = self.root / str(path.absolute()).lstrip("/")
            if _there(path) or place.exists():
                continue
            if path.is_file():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.touch()
            else:
                place.mkdir(parents=True, exist_ok=True)

    @property
    def digest(self) -> str:
        """The workflow that it runs."""
        import json

        return str(json.loads((self.root / seal.FILE.lstrip("/")).read_bytes())["graph"])


def container(text: str, name: str | None) -> Container:
    """Return the image of a workflow, unpacked. Raises StateError where it is of another state of it, ImageError where there is none."""
    import json

    found = workflow.named(text)
    image = store.find(name or found.name)
    built, now = image.labels.get(f"{LABEL}.graph.digest"), found.files().digest
    if built != now:
        raise StateError(
            f"The image {name or found.name!r} is of another state of {text!r}: {built!s:.12}, not {now:.12}.",
            hint="Build it again with d4py build.",
        )
    root = unpacked(image)
    described = json.loads((root / seal.FILE.lstrip("/")).read_bytes())
    return Container(name=name or found.name, root=root, workflow=described["workflow"])


def unpacked(image: Image) -> Path:
    """Return the folder of an image; it is unpacked where it is not yet."""
    path = store.cache() / "unpacked" / image.digest.partition(":")[2]
    if not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        export.export(image, "image:latest", "dir", path)
    return path


def _there(path: Path) -> bool:
    """Whether Charliecloud binds it anyway."""
    return path.absolute().is_relative_to(_SHARED)
