# SPDX-License-Identifier: Apache-2.0
"""The flagship's image, built natively, gives in docker and in containerd what the host's own Python gives: bit for bit."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import docker
import numpy as np
import obspy
import pytest
from tests.blas import KERNELS
from tests.images.conftest import ROOT, Place
from tests.images.engines.daemons import RESTRICTED, Engines

FLAGSHIP = ROOT / "workflows" / "ambient_noise"
LARGEST_MB = 600
CAPABILITIES = (  # all that containerd gives by default; ctr knows no word for them
    *("CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP"),
    *("NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"),
)
PARAMETERS = {
    "rate_hz": 5.0, "band_hz": "[0.3, 1.5]", "edge_hz": 0.1, "window_s": 40.0, "max_lag_s": 20.0, "segment_s": 300.0,
    "speeds_km_s": "[1.0, 4.0]", "block": 2, "slabs": 2, "tile": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def waveforms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten minutes of three stations."""
    folder = tmp_path_factory.mktemp("waveforms")
    folder.chmod(0o755)
    lines = ["network,station,latitude,longitude,elevation_m"]
    for number, station in enumerate("ABC"):
        values = np.random.default_rng(number).normal(0, 1000, 6000).astype(np.int32)
        header = {"network": "XX", "station": station, "channel": "HHZ", "sampling_rate": 10.0}
        obspy.Trace(values, header).write(str(folder / f"{station}.mseed"), format="MSEED")
        lines.append(f"XX,{station},{45 + number / 50},{7 + number / 70},0")
    (folder / "stations.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def archive(shared: Place) -> Iterator[Path]:
    """The image, with the very distributions that are installed here, as an archive for engines."""
    folder, path = shared.path / "engines" / "ambient_noise", shared.path / "ambient-noise.tar"
    shutil.copytree(FLAGSHIP, folder, ignore=shutil.ignore_patterns("__pycache__"))
    toml = folder / "workflow.toml"
    toml.write_text(
        re.sub(
            r'^    "(\w+)>=[^"]*"',
            lambda found: f'    "{found[1]}=={version(found[1])}"',
            toml.read_text(),
            flags=re.MULTILINE,
        )
    )
    shared.build(folder, "-t", "ambient-noise:engines")
    shared.d4py("export", "ambient-noise:engines", "-o", path)
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def expected(waveforms: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The stacks of the host's own Python."""
    output = tmp_path_factory.mktemp("expected")
    words = parameters(str(waveforms), str(output))
    subprocess.run([sys.executable, "-m", "d4py.cli.main", "run", FLAGSHIP, *words], check=True, capture_output=True)
    return stacks(output)


def parameters(data: str, output: str) -> list[str]:
    given = {**PARAMETERS, "data": data, "output": output}
    return [*(f"--set={name}={value}" for name, value in given.items()), "--mapping", "multi", "-n", "2", "--quiet"]


def stacks(folder: Path) -> dict[str, bytes]:
    """Return the contents of what was stacked: every array's bytes. Names of files that were read are in its attributes."""
    root = folder / "stacks.zarr"
    files = {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}
    found = {
        name: path.read_bytes() for name, path in files.items() if not name.endswith((".json", ".zattrs", ".zmetadata"))
    }
    assert found
    return found


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that the image's user may write to."""
    folder = tmp_path / "outside"
    folder.mkdir()
    folder.chmod(0o777)
    return folder


def test_docker(
    daemon: docker.DockerClient, archive: Path, waveforms: Path, outside: Path, expected: dict[str, bytes]
) -> None:
    with open(archive, "rb") as file:
        image = daemon.images.load(file)[0]
    words = ["run", *parameters("/archive", "/out"), "/opt/d4py/workflows/ambient_noise"]

    volumes = [f"{waveforms}:/archive:ro", f"{outside}:/out"]
    daemon.containers.run(image.id, words, volumes=volumes, environment=KERNELS, **RESTRICTED)

    assert stacks(outside) == expected
    assert image.attrs["Size"] < LARGEST_MB * 1e6


def test_containerd(
    engines: Engines, archive: Path, waveforms: Path, outside: Path, expected: dict[str, bytes]
) -> None:
    """Its containers have the image's user, and no network unless one is made."""
    words = ["run", *parameters("/archive", "/out"), "/opt/d4py/workflows/ambient_noise"]
    (outside / "data").mkdir()
    (outside / "data").chmod(0o777)
    binds = {waveforms: "/archive:ro", outside: "/out:rw", outside / "data": "/data:rw"}
    mounts = [
        f"type=bind,src={source},dst={target.partition(':')[0]},options=rbind:{target.partition(':')[2]}"
        for source, target in binds.items()
    ]
    dropped = [word for name in CAPABILITIES for word in ("--cap-drop", f"CAP_{name}")]
    rights = ["--read-only", *dropped, "--mount", "type=tmpfs,dst=/tmp,options=mode=1777"]
    engines.ctr("images", "import", str(archive))

    engines.ctr(
        *("run", "--rm", *rights, *(word for mount in mounts for word in ("--mount", mount))),
        *(word for name, value in KERNELS.items() for word in ("--env", f"{name}={value}")),
        *("docker.io/library/ambient-noise:engines", "flagship", "/opt/d4py/bin/d4py", *words),
    )

    assert stacks(outside) == expected
