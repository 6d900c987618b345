# SPDX-License-Identifier: Apache-2.0
"""An image as a folder, for runtimes that take one (Charliecloud, Apptainer, chroot): each layer over the one below it, and nothing outside the folder."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from d4py.errors import ImageError
from d4py.packaging.probe import opened

if TYPE_CHECKING:
    import tarfile

    from d4py.packaging.layout import Image

_OPAQUE = ".wh..wh..opq"
_LINKS = 40
_CHUNK = 1 << 20


def unpack(image: Image, root: Path) -> None:
    """Write the files of an image below a folder. Devices are left out; who owns what is kept where this process may say so."""
    root.mkdir(mode=0o755)
    unpacker = _Unpacker(root)
    for layer in image.layers:
        with opened(image, layer) as tar:
            unpacker.layer(tar)
    unpacker.finish()


class _Unpacker:
    """Takes the members of layers, one after another."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.privileged = os.geteuid() == 0
        self.folders: dict[Path, tuple[int, float]] = {}  # mode and time, set at the end: a folder may be read-only

    def layer(self, tar: tarfile.TarFile) -> None:
        """Lay one layer over what is there."""
        own: set[Path] = set()
        for member in tar:
            parent, name = self.place(member.name)
            if name.startswith(".wh."):
                self.hide(parent, name, own)
            elif name:
                own.add(parent / name)
                self.take(tar, member, parent / name)

    def finish(self) -> None:
        """Give folders the modes and times they have in the image."""
        for path in sorted(self.folders, reverse=True):
            mode, time = self.folders[path]
            if path.is_dir() and not path.is_symlink():
                os.utime(path, (time, time))
                path.chmod(mode)

    def place(self, name: str) -> tuple[Path, str]:
        """Return the folder that a member is in, made where it is missing, and its own name. Links are followed as in a container."""
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if ".." in parts:
            raise ImageError(f"A layer holds {name!r:.120}, which leads out of it.", hint="Do not use this image.")
        parent = self.follow(parts[:-1])
        with suppress(FileExistsError):
            parent.mkdir(parents=True)
        return parent, parts[-1] if parts else ""

    def follow(self, parts: list[str], depth: int = _LINKS) -> Path:
        """Return where a path leads; what links say never leads out of the root."""
        done = self.root
        for number, part in enumerate(parts):
            if part == "..":
                done = done if done == self.root else done.parent
                continue
            done = done / part
            if done.is_symlink():
                if not depth:
                    raise ImageError(
                        f"Links of the image go in a circle at {part!r:.80}.", hint="Do not use this image."
                    )
                target = str(done.readlink())
                start = [] if target.startswith("/") else list(done.parent.relative_to(self.root).parts)
                rest = [step for step in target.split("/") if step not in ("", ".")]
                return self.follow([*start, *rest, *parts[number + 1 :]], depth - 1)
        return done

    def hide(self, parent: Path, name: str, own: set[Path]) -> None:
        """Take away what lower layers have put there."""
        gone = list(parent.iterdir()) if name == _OPAQUE else [parent / name[4:]]
        for path in gone:
            if path not in own:
                _remove(path)

    def take(self, tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
        """Write one member."""
        if member.isdir():
            if path.is_symlink() or not path.is_dir():
                _remove(path)
                path.mkdir()
            self.own(path, member)
            self.folders[path] = (self.mode(member), member.mtime)
            return
        if member.ischr() or member.isblk():
            return
        _remove(path)
        if member.issym():
            path.symlink_to(member.linkname)
            self.own(path, member)
        elif member.islnk():
            parent, name = self.place(member.linkname)
            self.link(parent / name, path)
        elif member.isfifo():
            os.mkfifo(path, self.mode(member))
        elif member.isreg():
            source = tar.extractfile(member)
            assert source is not None
            with open(path, "xb") as file:
                shutil.copyfileobj(source, file, _CHUNK)
                os.fchmod(file.fileno(), 0o600)
            self.own(path, member)
            path.chmod(self.mode(member))
            os.utime(path, (member.mtime, member.mtime))

    def link(self, source: Path, path: Path) -> None:
        """Give a file a second name."""
        if source.is_symlink() or not source.is_file():
            raise ImageError(f"A layer links to {source.name!r:.80}, which it lacks.", hint="Fetch the image again.")
        os.link(source, path)

    def own(self, path: Path, member: tarfile.TarInfo) -> None:
        """Give a file the owner that it has in the image."""
        if self.privileged:
            os.chown(path, member.uid, member.gid, follow_symlinks=False)

    def mode(self, member: tarfile.TarInfo) -> int:
        """Return its mode; nobody but root keeps what would run as another user."""
        mode = stat.S_IMODE(member.mode)
        return mode if self.privileged else mode & ~(stat.S_ISUID | stat.S_ISGID) | stat.S_IRUSR


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        with suppress(FileNotFoundError):
            path.unlink()
