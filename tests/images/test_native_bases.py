# SPDX-License-Identifier: Apache-2.0
"""What is found out about a base by reading it: its Python to the last digit, its C library, what it has installed."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.images.conftest import Place

from d4py.errors import ImageError
from d4py.packaging import archive, bases
from d4py.packaging.base import Base, Package
from d4py.packaging.cache import Cache

ELF = b"\x7fELF\x02\x01" + b"\0" * 12 + (62).to_bytes(2, "little") + b"\0" * 60
GLIBC = b"GNU C Library (Debian GLIBC 2.36-9) stable release version 2.36.\n"
STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1
"""


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Base]:
    """Make a base of files and links, and read it."""

    def base(files: dict[str, bytes | str], *, name: str = "base.tar", mode: str = "w") -> Base:
        with tarfile.open(tmp_path / name, mode) as tar:  # type: ignore[call-overload]
            for path, content in files.items():
                info = tarfile.TarInfo(path)
                info.mode = 0o755
                if isinstance(content, str):
                    info.type, info.linkname = tarfile.SYMTYPE, content
                    tar.addfile(info)
                else:
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
        return bases.find(str(tmp_path / name), Cache(tmp_path / "cache"))

    return base


def debian(**more: bytes | str) -> dict[str, bytes | str]:
    return {
        "bin": "usr/bin",
        "usr/bin/python3": "python3.11",
        "usr/bin/python3.11": ELF + b"\x003.2.0\x003.11.2\x001.2.13\0",
        "usr/lib/x86_64-linux-gnu/libc.so.6": GLIBC,
        "var/lib/dpkg/status": STATUS.encode(),
        **more,
    }


def test_debians(read: Callable[..., Base]) -> None:
    base = read(debian())

    assert (base.python, base.platform, base.interpreter) == ("3.11.2", "x86_64-manylinux_2_36", "/usr/bin/python3")
    assert list(base.packages) == [
        Package(kind="deb", name="libc6", version="2.36-9", architecture="amd64"),
        Package(kind="generic", name="python", version="3.11.2"),
    ]


@pytest.mark.parametrize(("name", "mode"), [("a.tar.gz", "w:gz"), ("a.tar.xz", "w:xz"), ("a.tar.bz2", "w:bz2")])
def test_a_compressed_tar_is_the_same_base(read: Callable[..., Base], name: str, mode: str) -> None:
    plain = read(debian())

    assert read(debian(), name=name, mode=mode).image.digest == plain.image.digest


def test_an_image_of_ours_is_a_base_with_the_python_below_it(tmp_path: Path, read: Callable[..., Base]) -> None:
    read(debian(**{"opt/d4py/bin/python3": "python", "opt/d4py/bin/python": "/usr/bin/python3"}), name="layer.tar")
    settings = {"Env": ["PATH=/opt/d4py/bin:/usr/local/bin:/usr/bin:/bin"]}
    layers = {
        "type": "layers",
        "diff_ids": [f"sha256:{hashlib.sha256((tmp_path / 'layer.tar').read_bytes()).hexdigest()}"],
    }
    config = {"architecture": "amd64", "os": "linux", "config": settings, "rootfs": layers}
    (tmp_path / "config.json").write_text(json.dumps(config))
    manifest = [{"Config": "config.json", "RepoTags": ["ours:1"], "Layers": ["layer.tar"]}]
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    with tarfile.open(tmp_path / "ours.tar", "w") as tar:
        for name in ("config.json", "manifest.json", "layer.tar"):
            tar.add(tmp_path / name, name)

    base = bases.find(str(tmp_path / "ours.tar"), Cache(tmp_path / "cache"))

    assert (base.python, base.interpreter) == ("3.11.2", "/usr/bin/python3")


def test_one_whose_python_is_a_library(read: Callable[..., Base]) -> None:
    base = read(
        {
            "usr/local/bin/python3": "python3.12",
            "usr/local/bin/python3.12": ELF,
            "usr/local/lib/libpython3.12.so.1.0": b"\x003.0.13\x003.12.7\0",
            "lib/x86_64-linux-gnu/libc.so.6": GLIBC.replace(b"2.36", b"2.41"),
            "usr/local/lib/python3.12/site-packages/pip-24.0.dist-info/METADATA": b"Name: pip\nVersion: 24.0\n\ntext",
        }
    )

    assert (base.python, base.platform) == ("3.12.7", "x86_64-manylinux_2_40")
    assert base.interpreter == "/usr/local/bin/python3"
    assert Package(kind="pypi", name="pip", version="24.0") in base.packages


def test_alpines(read: Callable[..., Base]) -> None:
    base = read(
        {
            "usr/bin/python3": "python3.13",
            "usr/bin/python3.13": ELF + b"\x003.13.1rc2\0",
            "lib/ld-musl-x86_64.so.1": ELF,
            "lib/apk/db/installed": b"P:musl\nV:1.2.5-r0\nA:x86_64\n\nP:python3\nV:3.13.1-r0\nA:x86_64\n\n",
        }
    )

    assert (base.python, base.platform) == ("3.13.1rc2", "x86_64-unknown-linux-musl")
    assert [package.name for package in base.packages] == ["musl", "python3"]


def test_what_is_no_base_is_told(read: Callable[..., Base], tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="has no Python 3 on its PATH"):
        read({"usr/bin/sh": ELF})
    with pytest.raises(ImageError, match="has no C library that wheels are made for"):
        read({"usr/bin/python3": ELF + b"\x003.11.2\0"}, name="b.tar")
    with pytest.raises(ImageError, match="holds no root file system"):
        read({"etc/passwd": b"x"}, name="c.tar")
    with pytest.raises(ImageError, match="Wheels are chosen for amd64 and arm64"):
        read(debian(**{"usr/bin/a": ELF[:18] + (22).to_bytes(2, "little") + ELF[20:]}) | {"usr/bin/python3.11": b"\x003.11.2\0"}, name="d.tar")  # fmt: skip
    (tmp_path / "text.tar").write_text("no tar")
    with pytest.raises(ImageError, match="is no tar"):
        archive.image_of(tmp_path / "text.tar", Cache(tmp_path / "cache"))


def test_names_that_lead_to_no_base(shared: Place, tmp_path: Path) -> None:
    (shared.path / "x.py").write_text("")
    for name, why in (("absent.tar", "There is no base"), (str(tmp_path), "is no OCI image layout")):
        ran = shared.d4py("build", "x.py", "--base", name, code=2)
        assert why in ran.stderr


def test_an_image_of_the_store_is_a_base(squares: object, shared: Place, write: Callable[..., Path]) -> None:
    shared.d4py("build", write(), "--base", "squares:1", "-t", "upon:1")

    assert len(shared.image("upon:1").layers) == len(shared.image("squares:1").layers) + 3
