# SPDX-License-Identifier: Apache-2.0
"""What an image holds, found by reading its layers once: its Python to the last digit, its C library, what is installed. Nothing of it is run."""

from __future__ import annotations

import gzip
import re
import tarfile
import zlib
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesHeaderParser
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING

from d4py.errors import ImageError
from d4py.packaging.base import Base, Package
from d4py.packaging.descriptor import GZIP, TAR
from d4py.packaging.plan import ROOM
from d4py.packaging.replaced import sorted_out

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d4py.packaging.cache import Cache
    from d4py.packaging.descriptor import Descriptor
    from d4py.packaging.layout import Image

_WANTED = re.compile(
    r"(?:.*/)?(?:python3(?:\.\d+)?|libpython3\.\d+\.so[.\d]*|libc\.so\.6|libc-\d\.\d+\.so|ld-musl-\w+\.so\.1"
    r"|[^/]+\.(?:dist|egg)-info(?:/METADATA|/PKG-INFO|/RECORD)?)|var/lib/dpkg/status(?:\.d/[^/]+)?|lib/apk/db/installed"
)
_FACTS = "facts 2"  # under which they are noted; another number where they are others
_LARGEST = 64 << 20
_PLATFORMS = {"amd64": "x86_64", "arm64": "aarch64"}
_NEWEST_GLIBC = 40  # minor, that wheels are told apart by


@dataclass(slots=True)
class Files:
    """A root file system, as far as it is of interest."""

    links: dict[str, str] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    room: dict[str, None] = field(default_factory=dict)  # the paths in our room

    def follow(self, path: str, depth: int = 40) -> str:
        """Return where a path leads, links at every step of it followed."""
        done = PurePosixPath()
        parts = [part for part in path.split("/") if part not in ("", ".")]
        for number, part in enumerate(parts):
            done = done.parent if part == ".." else done / part
            target = self.links.get(str(done))
            if target is not None and depth:
                start = "" if target.startswith("/") else str(done.parent)
                return self.follow("/".join([start, target, *parts[number + 1 :]]), depth - 1)
        return str(done)

    def read(self, path: str) -> bytes | None:
        """Return a file, or None."""
        return self.contents.get(self.follow(path))


def base_of(name: str, image: Image, cache: Cache) -> Base:
    """Return what is known of an image as a base. Raises ImageError where it has no Python to use."""
    known = cache.recall(_FACTS, image.digest)
    if known is None:
        files = read(image)
        interpreter, python = _python(name, files, image)
        packages = [[p.kind, p.name, p.version, p.architecture] for p in _packages(files, python)]
        known = {
            "interpreter": interpreter,
            "python": python,
            "platform": _platform(name, files, image),
            "packages": packages,
            "room": sorted_out(files.room, files.contents),
        }
        cache.note(_FACTS, image.digest, data=known)
    return Base(
        name=name,
        image=image,
        interpreter=known["interpreter"],
        python=known["python"],
        platform=known["platform"],
        packages=[
            Package(kind=kind, name=title, version=version, architecture=machine)
            for kind, title, version, machine in known["packages"]
        ],
        room=known["room"],
    )


def read(image: Image) -> Files:
    """Read the layers of an image, each over the one below it."""
    files = Files()
    for layer in image.layers:
        with opened(image, layer) as tar:
            for member in tar:
                _take(files, tar, member)
    return files


@contextmanager
def opened(image: Image, layer: Descriptor) -> Iterator[tarfile.TarFile]:
    """Open a layer as a stream. Raises ImageError for what is none."""
    path = image.layout.blob(layer.digest)
    if layer.kind not in (TAR, GZIP):
        raise ImageError(f"The layer {layer.digest} is {layer.kind}.", hint="Layers as tar or gzip are read.")
    try:
        file = open(path, "rb")
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}.", hint="Fetch the image again.") from None
    with file:
        plain: IO[bytes] = gzip.open(file) if layer.kind == GZIP else file  # type: ignore[assignment]
        try:
            with tarfile.open(fileobj=plain, mode="r|") as tar:
                yield tar
        except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ImageError(f"{path} is damaged: {error}.", hint="Fetch the image again.") from None


def _take(files: Files, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
    path = str(PurePosixPath(member.name.lstrip("/")))
    parent, _, name = path.rpartition("/")
    if name.startswith(".wh."):
        gone = f"{parent}/" if name == ".wh..wh..opq" else f"{parent}/{name[4:]}".lstrip("/")
        for known in (files.links, files.contents, files.room):
            for other in [other for other in known if other == gone or other.startswith(f"{gone.rstrip('/')}/")]:
                del known[other]
        return
    path = f"{files.follow(parent)}/{name}".removeprefix("./").lstrip("/")
    files.links.pop(path, None)
    files.contents.pop(path, None)
    if path.startswith(f"{ROOM}/") and not member.isdir():
        files.room[path] = None
    if member.issym():
        files.links[path] = member.linkname
    elif member.islnk():
        source = files.follow(member.linkname)
        if source in files.contents:
            files.contents[path] = files.contents[source]
    elif member.isreg() and member.size <= _LARGEST and _WANTED.fullmatch(path):
        found = tar.extractfile(member)
        assert found is not None
        files.contents[path] = found.read()


def _python(name: str, files: Files, image: Image) -> tuple[str, str]:
    settings = image.config.get("config") or {}
    variables = dict(line.split("=", 1) for line in settings.get("Env") or [] if "=" in line)
    # The environment of an image of ours is replaced, and its Python leads to another.
    folders = variables.get("PATH", "/usr/local/bin:/usr/bin:/bin").replace(f"/{ROOM}/bin:", "").split(":")
    for folder in folders:
        program = files.read(f"{folder}/python3")
        if program is None:
            continue
        real = files.follow(f"{folder}/python3")
        minor = re.fullmatch(r".*/python3\.(\d+)", real)
        libraries = [data for path, data in files.contents.items() if "/libpython3." in path]
        wanted = rf"3\.{minor[1]}\.\d+" if minor else r"3\.(?:[89]|\d\d)\.\d+"
        form = re.compile(rf"\0({wanted}(?:(?:a|b|rc)\d+)?)\+?\0".encode())
        for data in (program, *libraries):
            if found := form.search(data):
                return f"{folder}/python3", found[1].decode()
    raise ImageError(
        f"The base {name} has no Python 3 on its PATH.", hint="Name one that has, such as python:3.12-slim."
    )


def _platform(name: str, files: Files, image: Image) -> str:
    machine = _PLATFORMS.get(image.config.get("architecture", ""))
    if machine is None:
        raise ImageError(
            f"The base {name} is for {image.config.get('architecture')!r}.",
            hint="Wheels are chosen for amd64 and arm64.",
        )
    for path, data in sorted(files.contents.items()):
        if re.search(r"/libc(?:\.so\.6|-\d\.\d+\.so)$", path) and (
            found := re.search(rb"release version 2\.(\d+)", data)
        ):
            minor = min(int(found[1]), _NEWEST_GLIBC)
            return (
                f"{machine}-manylinux_2_{minor}"
                if minor >= 31
                else f"{machine}-manylinux_2_{28 if minor >= 28 else 17}"
            )
    if any("ld-musl-" in path for path in files.contents):
        return f"{machine}-unknown-linux-musl"
    raise ImageError(f"The base {name} has no C library that wheels are made for.", hint="Name one with glibc or musl.")


def _packages(files: Files, python: str) -> list[Package]:
    found: list[Package] = []
    for path, data in files.contents.items():
        if path.startswith("var/lib/dpkg/status"):
            found += _debian(data)
        elif path == "lib/apk/db/installed":
            found += _alpine(data)
        elif re.search(r"\.(?:dist|egg)-info(?:/METADATA|/PKG-INFO)?$", path):
            head = BytesHeaderParser().parsebytes(data)
            if head["Name"] and head["Version"]:
                found.append(Package(kind="pypi", name=head["Name"], version=head["Version"]))
    if not any(package.kind in ("deb", "apk") and re.match(r"python3", package.name) for package in found):
        found.append(Package(kind="generic", name="python", version=python))
    return sorted(set(found), key=lambda package: (package.kind, package.name, package.version, package.architecture))


def _debian(status: bytes) -> Iterator[Package]:
    for block in status.decode(errors="replace").split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|Architecture|Status): (.*)$", block, re.MULTILINE))
        if "Package" in fields and fields.get("Status", "install ok installed").endswith(" installed"):
            yield Package(
                kind="deb", name=fields["Package"], version=fields["Version"], architecture=fields["Architecture"]
            )


def _alpine(installed: bytes) -> Iterator[Package]:
    for block in installed.decode(errors="replace").split("\n\n"):
        fields = dict(re.findall(r"^([PVA]):(.*)$", block, re.MULTILINE))
        if "P" in fields:
            yield Package(kind="apk", name=fields["P"], version=fields["V"], architecture=fields["A"])
