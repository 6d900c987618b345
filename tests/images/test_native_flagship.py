# SPDX-License-Identifier: Apache-2.0
"""The ambient-noise workflow as an image: as large as promised, and its results have the bits that they have here."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest
from tests.blas import KERNELS
from tests.images.conftest import ROOT, Place, Ran
from tests.images.test_native_inside import size_of

FLAGSHIP = ROOT / "workflows" / "ambient_noise"
HOUR = ("--set", "end=2010-09-01T01:00:00")


@pytest.fixture(scope="module")
def flagship(shared: Place, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The flagship, unpacked, with the very distributions that are installed here."""
    folder = tmp_path_factory.mktemp("flagship") / "ambient_noise"
    shutil.copytree(FLAGSHIP, folder, ignore=shutil.ignore_patterns("__pycache__"))
    text = (folder / "workflow.toml").read_text()
    for name in ("matplotlib", "numpy", "obspy", "scipy", "threadpoolctl", "zarr"):
        start = text.index(f'"{name}>=')
        text = f'{text[:start]}"{name}=={version(name)}"{text[text.index(chr(34), start + 1) + 1 :]}'
    (folder / "workflow.toml").write_text(text)
    shared.build(folder, "-t", "ambient-noise:1")
    shared.d4py("export", "ambient-noise:1", "--format", "dir", "-o", "ambient-noise")
    return shared.path / "ambient-noise"


def test_it_has_less_than_600_mb(flagship: Path) -> None:
    assert size_of(flagship) < 600e6


def test_it_gives_the_same_bits_as_the_host(flagship: Path, inside: Callable[..., Ran], tmp_path: Path) -> None:
    fetched = subprocess.run([sys.executable, FLAGSHIP / "fetch.py"], stdout=subprocess.PIPE, text=True, check=True)
    data = Path(fetched.stdout.strip())
    words = ["run", "-q", "-m", "multi", "-n", "2", *HOUR]
    here: list[str | Path] = [
        sys.executable,
        "-m",
        "d4py.cli.main",
        *words,
        "--set",
        f"data={data}",
        "--set",
        f"output={tmp_path / 'here'}",
        FLAGSHIP,
    ]
    assert subprocess.run(here, capture_output=True).returncode == 0

    place = "/opt/d4py/workflows/ambient_noise"
    there = inside(
        flagship, "/opt/d4py/bin/d4py", *words, "--set", "data=/archive", place, binds={data: "/archive"}, **KERNELS
    )

    assert there.returncode == 0, there.stderr
    ours, theirs = held(tmp_path / "here"), held(tmp_path / "data" / "ambient-noise")
    assert ours.keys() == theirs.keys()
    assert len(ours) > 10
    assert [name for name in ours if ours[name] != theirs[name]] == []


def held(folder: Path) -> dict[str, object]:
    """Return the stacks; of what is said about them all but the folder that the data was in."""
    found: dict[str, object] = {}
    for path in sorted((folder / "stacks.zarr").rglob("*")):
        if path.is_file():
            name = str(path.relative_to(folder))
            found[name] = json.loads(path.read_text()) if path.suffix == ".json" else path.read_bytes()
    said = found["stacks.zarr/zarr.json"]
    assert isinstance(said, dict)
    del said["attributes"]["parameters"]["data"]
    return found
