# SPDX-License-Identifier: Apache-2.0
"""The exact distributions of an image, each with the digests of its files, for its Python and its platform."""

from __future__ import annotations

import io
import re
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from d4py.errors import BuildError, ImageError
from d4py.packaging import itself
from d4py.packaging.descriptor import canonical, digest_of
from d4py.packaging.layout import written
from d4py.packaging.resolver import uv
from d4py.runs import atomic

if TYPE_CHECKING:
    from d4py.packaging.base import Base
    from d4py.packaging.cache import Cache

_HEAD = re.compile(r"# d4py lock 1: Python (\S+), (\S+), requirements (sha256:[0-9a-f]{64})\n")
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==(\S+?)(?: \\)?$", re.MULTILINE)
_HINT = "Change the requirements in workflow.toml, or the base."


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a lock is for."""

    requirements: tuple[str, ...]
    python: str
    platform: str

    @classmethod
    def of(cls, requirements: tuple[str, ...], base: Base) -> Wanted:
        """Return what these requirements mean on a base."""
        return cls(requirements=requirements, python=base.python, platform=base.platform)

    @property
    def digest(self) -> str:
        """The digest of the requirements: those of the workflow and those of d4py."""
        return digest_of(canonical([sorted(self.requirements), sorted(itself.requirements())]))

    @property
    def head(self) -> str:
        """The first line of its file."""
        return f"# d4py lock 1: Python {self.python}, {self.platform}, requirements {self.digest}\n"


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock as its file holds it."""

    text: str

    @property
    def pins(self) -> list[tuple[str, str]]:
        """The name and the version of each distribution."""
        return _PIN.findall(self.text)


def read(path: Path, wanted: Wanted) -> Lock | None:
    """Return the lock in a file; None where there is none. Raises ImageError where it is for something else."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ImageError(f"The lock {path} cannot be read: {error}.", hint="Make it anew with --lock.") from None
    head = _HEAD.match(text)
    if head is None:
        raise ImageError(f"{path} is no lock of d4py.", hint="Make it anew with --lock.")
    for what, has, wants in (
        ("Python", head[1], wanted.python),
        ("the platform", head[2], wanted.platform),
        ("requirements with the digest", head[3], wanted.digest),
    ):
        if has != wants:
            raise ImageError(f"The lock {path} is for {what} {has}, not {wants}.", hint="Make it anew with --lock.")
    return Lock(text)


def resolve(wanted: Wanted, cache: Cache, *, anew: bool) -> Lock:
    """Resolve requirements. What was resolved before is taken again, but if it is to be done anew."""
    key = ("lock", wanted.head)
    known = None if anew else cache.recall(*key)
    if known is None:
        known = wanted.head + _resolved(wanted)
        cache.note(*key, data=known)
    return Lock(known)


def write(lock: Lock, path: Path) -> None:
    """Keep a lock beside its workflow."""
    with written(path):
        atomic.write(path, lock.text.encode(), durable=False)


def _resolved(wanted: Wanted) -> str:
    with tempfile.TemporaryDirectory(prefix="d4py-lock-") as name, written(Path(name)):
        folder = Path(name)
        wheel = folder / f"d4py-{itself.version()}-py3-none-any.whl"
        wheel.write_bytes(_described())
        lines = [f"d4py @ {wheel.as_uri()}", *wanted.requirements]
        (folder / "requirements.in").write_text("\n".join(lines) + "\n", encoding="utf-8")
        told = uv(
            [
                *(
                    "pip",
                    "compile",
                    "requirements.in",
                    "--no-header",
                    "--no-annotate",
                    "--generate-hashes",
                    "--no-build",
                ),
                *(
                    "--no-emit-package=d4py",
                    f"--python-version={wanted.python}",
                    f"--python-platform={wanted.platform}",
                ),
            ],
            folder=folder,
            hint=_HINT,
        )
    lines = [line for line in told.splitlines() if line.strip() and not line.startswith("#")]
    for line in lines:
        if not line.startswith(" ") and not _PIN.match(line):
            name = line.partition(" ")[0]
            raise BuildError(
                f"The requirement {name!r:.80} is not of a package index.", hint="Give a name and a version."
            )
    return "".join(f"{line}\n" for line in lines)


def _described() -> bytes:
    """Return a wheel of d4py that holds its description only: resolving needs no more."""
    room = f"d4py-{itself.version()}.dist-info"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as wheel:
        for name, text in (("METADATA", itself.metadata()), ("WHEEL", itself.WHEEL), ("RECORD", "")):
            wheel.writestr(zipfile.ZipInfo(f"{room}/{name}"), text)
    return buffer.getvalue()
