# SPDX-License-Identifier: Apache-2.0
"""Makes the plan of an image: base, locked dependencies, d4py, data, workflow; what changes most often comes last."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from tarfile import DIRTYPE
from typing import TYPE_CHECKING

from d4py.errors import ImageError
from d4py.packaging import itself, replaced, seal, tree
from d4py.packaging.descriptor import digest_of
from d4py.packaging.plan import DATA, LABEL, PYTHON, ROOM, USER, Layer, Plan
from d4py.packaging.sbom import sbom
from d4py.packaging.wheels import environment, site

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from d4py.packaging.base import Base
    from d4py.packaging.context import Context
    from d4py.packaging.lock import Lock
    from d4py.packaging.reference import Reference
    from d4py.packaging.tree import Entry
    from d4py.packaging.workflow import Workflow

SBOM = f"/{ROOM}/sbom.cdx.json"
_OCI = "org.opencontainers.image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What an image is put together from."""

    reference: Reference
    workflow: Workflow
    files: Context
    base: Base
    lock: Lock

    @property
    def place(self) -> str:
        """The path of the workflow in the image."""
        name = self.workflow.path.name if self.files.single else self.workflow.title
        return f"{ROOM}/workflows/{name}"

    @property
    def sbom(self) -> bytes:
        """The list of what is in it."""
        name = self.reference.name.rpartition("/")[2]
        return sbom(name, self.reference.tag, self.files.digest, self.base, self.lock, at=tree.epoch())


def assemble(parts: Parts, room: Path) -> Plan:
    """Return the plan. room: where wheels are unpacked meanwhile. Raises ImageError where the base lacks a package."""
    check(parts)
    time_of_all = tree.epoch()
    listed, digest = parts.sbom, parts.files.digest
    labels = {
        f"{_OCI}.title": parts.reference.name.rpartition("/")[2],
        f"{_OCI}.version": parts.reference.tag,
        f"{_OCI}.created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time_of_all)),
        f"{_OCI}.base.digest": parts.base.image.digest,
        f"{LABEL}.version": itself.version(),
        f"{LABEL}.graph.digest": digest,
        f"{LABEL}.python": parts.base.python,
        f"{LABEL}.sbom": SBOM,
        f"{LABEL}.sbom.digest": digest_of(listed),
    }
    mounts = parts.workflow.spec.mount
    entry = parts.workflow.spec.entry
    return Plan(
        reference=str(parts.reference),
        base=parts.base,
        layers=_layers(parts, room, listed),
        time=time_of_all,
        arguments=[
            "run",
            *(f"--set={name}={place}" for name, place in sorted(mounts.items())),
            *parts.workflow.spec.arguments,
            f"/{parts.place}" + (f":{entry}" if entry else ""),
        ],
        environment={"HOME": DATA, "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1", seal.DIGEST: digest},
        labels=labels,
        volumes=sorted(mounts.values()),
    )


def check(parts: Parts) -> None:
    """Raise ImageError where the base lacks a package of the system."""
    there = {package.name for package in parts.base.packages if package.kind in ("deb", "apk")}
    missing = [name for name in parts.workflow.spec.packages if name not in there]
    if missing:
        raise ImageError(
            f"The base {parts.base.name} lacks the package {missing[0]!r}.",
            hint=f"Make one that has it: scripts/base_image {' '.join(missing)}.",
        )


def _layers(parts: Parts, room: Path, listed: bytes) -> list[Layer]:
    base, files, lock = parts.base, parts.files, parts.lock
    target = parts.place if not files.single else parts.place.rpartition("/")[0]
    more = [
        tree.file(seal.FILE.lstrip("/"), _described(parts)),
        tree.file(SBOM.lstrip("/"), listed),
        *(tree.folder(place.lstrip("/")) for place in parts.workflow.spec.mount.values()),
        tree.folder(DATA.lstrip("/"), mode=0o1777, owner=USER),
    ]
    layers = [
        Layer.of(
            "dependencies",
            f"{len(lock.pins)} distributions for Python {base.python} on {base.platform}",
            [lock.text, base.python, base.interpreter, base.platform, *([base.room] if base.room else [])],
            partial(_dependencies, lock, base, room),
        ),
        Layer.of(
            "d4py",
            f"d4py {itself.version()}",
            [itself.digest(), site(base), *([base.room] if base.room else [])],
            partial(_own, base),
        ),
    ]
    if files.data:
        prints = files.fingerprint(files.data)
        made = f"{len(files.data)} files of data"
        layers.append(Layer.of("data", made, [target, prints], partial(files.steady, files.data, prints, target, [])))
    if not files.single:
        names = (f"{target}/{name}" for name in (*files.data, *files.code))
        more += replaced.of_workflow(base.room, target, names)
    prints = files.fingerprint(files.code)
    gone = [entry.path for entry in more if "/.wh." in entry.path]
    decides = [target, prints, digest_of(listed), list(parts.workflow.spec.mount.values()), *([gone] if gone else [])]
    opened = partial(files.steady, files.code, prints, target, more)
    return [*layers, Layer.of("workflow", f"workflow {parts.workflow.title}", decides, opened)]


@contextmanager
def _dependencies(lock: Lock, base: Base, room: Path) -> Iterator[Iterable[Entry]]:
    with environment(lock, base, room) as entries:
        yield _instead(base, [name for name, _ in lock.pins], entries)


def _own(base: Base) -> AbstractContextManager[Iterable[Entry]]:
    return nullcontext(_instead(base, ["d4py"], itself.entries(site(base), f"{ROOM}/bin", PYTHON)))


def _instead(base: Base, names: Iterable[str], entries: list[Entry]) -> list[Entry]:
    """Return entries, and what hides the files of other versions of these distributions in the base."""
    files = (entry.path for entry in entries if entry.kind != DIRTYPE)
    return [*entries, *replaced.of_distributions(base.room, names, files)]


def _described(parts: Parts) -> bytes:
    found = {"graph": parts.files.digest, "workflow": f"/{parts.place}", "d4py": itself.version()}
    return (json.dumps(found, indent=1, sort_keys=True) + "\n").encode()
