# SPDX-License-Identifier: Apache-2.0
"""A base made once, and a d4py that keeps its images and layers in a place of the test's own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from d4py.packaging.layout import Image, Layout
from d4py.packaging.probe import opened

ROOT = Path(__file__).parents[2]
SQUARES = """
import d4py


@d4py.producer
def numbers(n: int = 3):
    yield from range(n)


@d4py.iterative
def square(x: int) -> int:
    return x * x


workflow = numbers() >> square()
"""
PASSING = re.compile(r"\.(?:layer|wheels|check)-.*|\..+\.\d+")
Ran = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Place:
    """Where one user's d4py keeps its things."""

    path: Path
    base: Path

    @property
    def variables(self) -> dict[str, str]:
        """Its environment. What uv has fetched is shared by all: it is not under test."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("D4PY_")}
        uv = os.environ.get("UV_CACHE_DIR") or str(Path.home() / ".cache" / "uv")
        own = {"XDG_CACHE_HOME": str(self.path / "cache"), "XDG_DATA_HOME": str(self.path / "data")}
        return {**kept, **own, "UV_CACHE_DIR": uv, "USER": "root"}

    def d4py(self, *words: object, code: int = 0, before: tuple[str, ...] = (), **more: str) -> Ran:
        """Run d4py, and see that it ends so: an error is one line."""
        command = [*before, sys.executable, "-m", "d4py.cli.main", *map(str, words)]
        ran = subprocess.run(command, env={**self.variables, **more}, cwd=self.path, capture_output=True, text=True)
        assert ran.returncode == code, ran.stdout + ran.stderr
        if code in (2, 3):
            assert ran.stderr.startswith("d4py: error: ")
            assert ran.stderr.count("\n") == 1
        return ran

    def build(self, workflow: Path, *words: object, **more: Any) -> Ran:
        """Build a workflow on the base."""
        return self.d4py("build", workflow, "--base", self.base, *words, **more)

    def image(self, name: str) -> Image:
        """Return an image of the store."""
        return Layout.load(self.path / "data" / "d4py" / "images").image(name)

    @property
    def left(self) -> list[str]:
        """What lies about that nothing needs: files of names that only a build gives for a while."""
        return [str(path) for path in self.path.rglob(".*") if PASSING.fullmatch(path.name)]


@pytest.fixture(scope="session")
def base() -> Path:
    """A tar of a Debian root file system, made where there is none yet."""
    made = subprocess.run([ROOT / "scripts" / "base_image"], check=True, stdout=subprocess.PIPE, text=True)
    return Path(made.stdout.strip())


@pytest.fixture
def place(tmp_path: Path, base: Path) -> Place:
    """A d4py that has built nothing yet."""
    return made(tmp_path / "own", base)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Place:
    """A d4py whose cache the tests share."""
    return made(tmp_path_factory.mktemp("shared") / "own", base)


def made(path: Path, base: Path) -> Place:
    path.mkdir()
    return Place(path, base)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Make a folder with a workflow, of files by name."""

    def folder(files: dict[str, str | bytes] | None = None, *, toml: str = "", name: str = "squares") -> Path:
        root = tmp_path / name
        for file, content in {"workflow.py": SQUARES, "workflow.toml": toml, **(files or {})}.items():
            path = root / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return root

    return folder


@pytest.fixture(scope="session")
def squares(shared: Place, tmp_path_factory: pytest.TempPathFactory) -> Image:
    """The image of a small workflow."""
    root = tmp_path_factory.mktemp("squares") / "squares"
    root.mkdir()
    (root / "workflow.py").write_text(SQUARES)
    (root / "workflow.toml").write_text('[data]\nmount = { archive = "/archive" }\n')
    shared.build(root, "-t", "squares:1")
    return shared.image("squares:1")


@pytest.fixture(scope="session")
def unpacked(squares: Image, shared: Place) -> Path:
    """Its files, as a folder."""
    path = shared.path / "squares"
    shared.d4py("export", "squares:1", "--format", "dir", "-o", path)
    return path


@pytest.fixture
def inside(tmp_path: Path) -> Callable[..., Ran]:
    """Run a program in an unpacked image by Charliecloud, as its only user, with nothing of this environment."""

    def run(root: Path, *words: object, binds: dict[Path, str] | None = None, **variables: str) -> Ran:
        data = tmp_path / "data"
        data.mkdir(exist_ok=True)
        mounts = [f"--bind={path}:{place}" for path, place in {data: "/data", **(binds or {})}.items()]
        given = [f"--set-env={name}={value}" for name, value in {"HOME": "/data", **variables}.items()]
        who = ["--uid=1000", "--gid=1000", "--unset-env=*"]
        command = ["ch-run", *who, *given, *mounts, "--cd=/data", root, "--", *words]
        return subprocess.run(
            list(map(str, command)), env={**os.environ, "USER": "root"}, capture_output=True, text=True
        )

    return run


def members(image: Image, number: int) -> Iterator[tuple[str, bytes]]:
    """Yield the files of a layer with their contents."""
    with opened(image, image.layers[number]) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isreg() else None
            yield member.name, file.read() if file else b""
