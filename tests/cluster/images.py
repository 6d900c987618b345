# SPDX-License-Identifier: Apache-2.0
"""The images that the cluster runs, made from the project's recipes and pushed to a registry, as people do.

docker builds the Dockerfiles, and `d4py build` puts the workflow on the MPI image that it pulls. What the registry holds then is kept
in the cache until one of the sources changes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import docker
from tests.images.engines import builder
from tests.images.engines.daemons import Authority, Engines, Registry
from tests.kubernetes.cluster import ROOT
from tests.mpi.installed import WHEELS

from d4py import __version__
from d4py.targets.kubernetes.manifest import RUNTIME

OPERATOR, MPI = f"d4py/operator:{__version__}", f"d4py/mpi:{__version__}"
ARRAYS = "library/arrays:latest"
RANKS = {name: f"library/ranks-{name}:latest" for name in WHEELS}  # of Open MPI 5 and of MPICH, on the MPI image
FLAGSHIP = "library/ambient_noise:latest"  # kubernetes.yaml's ambient_noise, as docker and kubelets complete it
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "d4py" / "pushed"
SOURCES = (
    "Dockerfile",
    "pyproject.toml",
    "README.md",
    "images",
    "platform",
    "operators",
    "workflows/ambient_noise",
    "tests/cluster/arrays",
    "tests/cluster/ranks",
)
KEPT = 3  # of what was made from other sources


def pushed(authority: Authority) -> Path:
    """Return the folder of a registry with all images, made where there is none of these sources."""
    folder = CACHE / _key()
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another checkout may be at it
        if not folder.exists():
            _make(folder, authority)
    os.utime(folder)
    for old in sorted(CACHE.glob("[0-9a-f]*"), key=lambda path: path.stat().st_mtime)[: -KEPT - 1]:
        shutil.rmtree(old, ignore_errors=True)
    return folder


def _make(folder: Path, authority: Authority) -> None:
    with tempfile.TemporaryDirectory(prefix=".", dir=CACHE, ignore_cleanup_errors=True) as part:
        registry = Registry(Path(part), authority, asks=False)
        try:
            _push(registry, authority)
        finally:
            registry.end()
        (Path(part) / "data").rename(folder)


def _key() -> str:
    found = hashlib.sha256(Path(__file__).read_bytes())
    for path in _files():
        found.update(f"{path.relative_to(ROOT)}\0".encode())
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


def _files() -> Iterator[Path]:
    for source in (ROOT / name for name in SOURCES):
        for path in [source] if source.is_file() else sorted(source.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def _push(registry: Registry, authority: Authority) -> None:
    with tempfile.TemporaryDirectory(prefix="d4py-push-", dir="/var/tmp", ignore_cleanup_errors=True) as name:
        room = Path(name)
        engines = Engines(room / "engines")
        try:
            engines.up()
            _base(engines, room)
            _built(engines, registry, ROOT, RUNTIME, BASE="base", BUILDER="builder")
            with ThreadPoolExecutor(1) as beside:
                how = {"dockerfile": "images/operator/Dockerfile", "BASE": "base", "BUILDER": "builder"}
                operator = beside.submit(_built, engines, registry, ROOT, OPERATOR, **how)
                _mpi(engines, registry, room)
                _by_itself(registry, authority, room)
                operator.result()
        finally:
            engines.down()


def _base(engines: Engines, room: Path) -> None:
    """Make a base that needs no registry, and one with pip."""
    base = subprocess.check_output([ROOT / "scripts" / "base_image"], text=True).strip()
    (room / "builder").mkdir()
    with closing(_client(engines)) as client, open(base, "rb") as file:
        client.api.import_image_from_data(file, repository="base", tag="latest")
        builder.with_pip(client, "base", "builder", room / "builder")


def _mpi(engines: Engines, registry: Registry, room: Path) -> None:
    (room / "sources").mkdir()
    with closing(_client(engines)) as client:
        builder.with_sources(client, RUNTIME, "sources", room / "sources")
    _built(engines, registry, ROOT / "images" / "mpi", MPI, BASE="sources")


def _built(engines: Engines, registry: Registry, folder: Path, image: str, **how: str) -> None:
    """Build a Dockerfile, and push what comes of it."""
    with closing(_client(engines)) as client:
        builder.built(client, folder, image, **how)
        assert client.images.get(image).tag(f"{registry.host}/{image}")
        for line in client.images.push(f"{registry.host}/{image}", stream=True, decode=True):
            assert "error" not in line, line["error"]


def _client(engines: Engines) -> docker.DockerClient:
    return docker.DockerClient(base_url=engines.host, timeout=300)


def _by_itself(registry: Registry, authority: Authority, room: Path) -> None:
    """Build workflows on the MPI image of the registry, and push them."""
    trusted = ["--base", f"{registry.host}/{MPI}", "--ca", str(authority.certificate)]
    environment = {**os.environ, "XDG_DATA_HOME": str(room / "store")}
    workflows = {FLAGSHIP: ROOT / "workflows" / "ambient_noise", ARRAYS: ROOT / "tests" / "cluster" / "arrays"}
    for name, image in RANKS.items():
        workflows[image] = room / name / "ranks"
        shutil.copytree(ROOT / "tests" / "cluster" / "ranks", workflows[image])
        (workflows[image] / "workflow.toml").write_text(f'requirements = ["d4py[mpi]", "{WHEELS[name]}"]\n')
    for image, workflow in workflows.items():
        words = ["build", str(workflow), "--tag", f"{registry.host}/{image}", "--push", *trusted]
        subprocess.run([sys.executable, "-m", "d4py.cli.main", *words], check=True, env=environment)
