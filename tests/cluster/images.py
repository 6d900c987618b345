# SPDX-License-Identifier: Apache-2.0
"""The images that the cluster runs, made without a registry and without a daemon: the flagship's, and the operator's."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.cluster.archive import write_archive
from tests.kubernetes.cluster import ROOT

OPEN_MPI = ("openmpi-bin", "openssh-client", "openssh-server")
FLAGSHIP, OPERATOR = "d4py.local/ambient-noise:test", "d4py.local/operator:test"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "d4py"
NEEDED = ("cloudpickle", "cryptography", "kubernetes", "networkx", "rich")  # by d4py and its operator
START = "#!/usr/bin/python3\nimport sys\n\nfrom {module} import main\n\nsys.exit(main())\n"


def flagship(folder: Path) -> Path:
    """Return an archive of the ambient-noise workflow with d4py and Open MPI, as `d4py build` makes it."""
    environment = {**os.environ, "XDG_DATA_HOME": str(folder / "store")}
    d4py = [sys.executable, "-m", "d4py.cli.main"]
    workflow, archive = str(ROOT / "workflows" / "ambient_noise"), folder / "flagship.tar"
    build = [*d4py, "build", workflow, "--tag", FLAGSHIP, "--base", str(base())]
    subprocess.run(build, check=True, env=environment)
    subprocess.run([*d4py, "export", FLAGSHIP, "--output", str(archive)], check=True, env=environment)
    return archive


def operator(folder: Path) -> Path:
    """Return an archive of the operator, as images/operator/Dockerfile makes it."""
    programs = {"d4py": "d4py.cli.main", "d4py-operator": "d4py_operator.main"}
    for name, module in programs.items():
        (folder / name).write_text(START.format(module=module))
        (folder / name).chmod(0o755)
    sources = {name: folder / "sources" / name for name in ("d4py", "d4py_operator")}
    for name, root in (("d4py", "platform"), ("d4py_operator", "operators")):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / root / name, sources[name], ignore=ignored)
    archive = folder / "operator.tar"
    site = "usr/local/lib/python3.11/dist-packages"
    files = {site: wheels(), **{f"usr/local/bin/{name}": folder / name for name in programs}}
    files |= {f"{site}/{name}": path for name, path in sources.items()}
    config = {"User": "1000:1000", "Entrypoint": ["/usr/local/bin/d4py-operator"]}
    write_archive(archive, OPERATOR, layers=[plain_base()], files=files, config=config)
    return archive


def plain_base() -> Path:
    """Return a root file system with Python."""
    return made()


def base() -> Path:
    """Return a root file system with Open MPI, whose user can be logged in as; images/mpi/Dockerfile does the same."""
    found = made(*OPEN_MPI)
    kept = found.with_name(f"{found.stem}-login.tar")
    if not kept.exists():
        part = kept.with_suffix(f".{os.getpid()}")
        shutil.copyfile(found, part)
        with tarfile.open(part) as archive:
            member = next(each for each in archive if each.name.removeprefix("./") == "etc/passwd")
            content = archive.extractfile(member)
            assert content is not None
            text = content.read().replace(b"/usr/sbin/nologin\n", b"/bin/sh\n")
        member.size = len(text)
        with tarfile.open(part, "a") as archive:
            archive.addfile(member, io.BytesIO(text))
        part.rename(kept)
    return kept


def made(*packages: str) -> Path:
    """Return a root file system with some packages."""
    return Path(subprocess.check_output([ROOT / "scripts" / "base_image", *packages], text=True).strip())


def wheels() -> Path:
    """Return a folder with what the operator needs, for the Python of the base."""
    key = hashlib.sha256("".join((*NEEDED, (ROOT / "pyproject.toml").read_text())).encode()).hexdigest()[:12]
    folder = CACHE / "operator" / key
    if not folder.exists():
        part = folder.with_name(f"{key}.{os.getpid()}")
        ranges = [
            line.strip().split('"')[1]
            for line in (ROOT / "pyproject.toml").read_text().splitlines()
            if line.startswith('    "')
        ]
        wanted = [each for each in ranges if each.split(">")[0] in NEEDED]
        install = [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-compile",
            "--only-binary=:all:",
            "--python-version=3.11",
        ]
        subprocess.run([*install, f"--target={part}", *dict.fromkeys(wanted)], check=True)
        part.rename(folder)
    return folder
