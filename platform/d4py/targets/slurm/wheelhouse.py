# SPDX-License-Identifier: Apache-2.0
"""A Python environment for nodes without internet: wheels are chosen and fetched where a run is submitted, and installed without an index where it runs."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d4py.errors import LoadError, StateError, UsageError
from d4py.targets.slurm.wheel import write_wheel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Run by bash in the job, once a run, or once a node. pip is one of the wheels, for a node's Python may have none.
_ENVIRONMENT = r"""#!/bin/bash
# Make the Python environment of the run out of the wheels that are here.
wheels={wheels}
venv={venv}
stop() {{ echo "d4py: error: The environment of the run cannot be made in $venv of the wheels in $wheels: $1."; exit 2; }}
exec 9>"$wheels/{lock}" && flock 9 2>/dev/null  # members of a sweep share it
mkdir -m 700 "$venv" 2>/dev/null
[ -O "$venv" ] && [ ! -L "$venv" ] || stop "it is not ours"  # disks of nodes are open to all
[ -e "$venv/ready" ] && exit 0
shopt -s extglob
pip=("$wheels"/pip-*.whl)
{python} -m venv --clear --without-pip "$venv" &&
    "$venv/bin/python" "${{pip[0]}}/pip" --disable-pip-version-check install --quiet --no-index --no-deps --no-compile \
        "$wheels"/!(pip-*).whl || stop "see above"
"$venv/bin/python" -m compileall -qq -j 0 "$venv/lib"  # on all processors; what does not compile is never imported
touch "$venv/ready"
"""


def requirements_of(toml: Mapping[str, Any], where: str) -> list[str]:
    """Return what workflow.toml says that its PEs need, as pip writes it. Raises LoadError."""
    needed = toml.get("requirements", [])
    if not isinstance(needed, list) or not all(isinstance(one, str) and one[:1].isalnum() for one in needed):
        raise LoadError(
            f"requirements of the workflow.toml of {where!r} is {needed!r:.60}.",
            hint='Write requirements = ["obspy>=1.4", "scipy"].',
        )
    return needed


def kind() -> str:
    """Return what wheels must be made for, to fit this Python."""
    version = ".".join(platform.python_version_tuple()[:2])
    return " ".join((sys.implementation.name, version, sys.platform, platform.machine(), "-".join(platform.libc_ver())))


def options_for(target: str) -> list[str]:
    """Return what pip is told to fetch wheels for another machine. Raises UsageError where this Python cannot choose them."""
    if target == kind():
        return []
    python, (machine, libc) = target.split(" ")[:3], target.split(" ")[3:]
    if python != kind().split(" ")[:3] or not libc.startswith("glibc-2."):
        raise UsageError(
            f"The cluster has {target}, this machine {kind()}: wheels can only be chosen by a Python of the same version.",
            hint=f"Submit with a d4py that runs on {python[0]} {python[1]}, or use --env host.",
        )
    minor = int(libc.rpartition(".")[2])
    tags = [*(f"manylinux_2_{number}" for number in range(minor, 4, -1)), "manylinux2014", "linux"]
    return [f"--platform={tag}_{machine}" for tag in tags]


def house_of(name: str) -> Path:
    """Return the folder that wheels of this name are kept in, on this machine."""
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "d4py" / "wheelhouses" / name


def houses() -> list[str]:
    """Return the names of the wheels that are kept on this machine."""
    folder = house_of("").resolve()
    return [entry.name for entry in folder.iterdir() if entry.name[0] != "."] if folder.is_dir() else []


def gathered(requirements: Sequence[str], *, mapping: str, target: str | None = None) -> Path:
    """Return a folder with the wheels of d4py, of what the mapping needs, and of the requirements; what was fetched once is kept.

    target: the kind of Python that they are for, if it is not this one. Raises UsageError where they cannot be had.
    """
    with tempfile.TemporaryDirectory(prefix="d4py-wheel-") as scratch:
        own, extra = write_wheel(Path(scratch)), "[mpi]" if mapping == "mpi" else ""
        what = [hashlib.sha256(own.read_bytes()).hexdigest(), extra, target or kind(), *sorted(requirements)]
        house = house_of(hashlib.sha256(json.dumps(what).encode()).hexdigest()[:24])
        if house.is_dir():
            return house
        fetch(house, [*options_for(target or kind()), "--", f"{own}{extra}", "pip", *requirements])
    return house


def fetch(house: Path, wanted: Sequence[str]) -> None:
    """Fetch wheels and what they need into a folder, all or none. wanted: as pip takes it."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    try:
        house.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=house.parent, ignore_cleanup_errors=True) as folder:
            words = [*command, "--only-binary=:all:", f"--dest={folder}", *wanted]
            ran = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
            if ran.returncode:
                raise UsageError(f"The wheels cannot be had: {_reason(ran.stderr)}.", hint=_remedy(ran.stderr))
            keep(Path(folder), house)
    except OSError as error:
        raise StateError(f"Wheels cannot be kept in {house}: {error.strerror}.", hint="Make room there.") from None


def _reason(err: str) -> str:
    lines = [line.strip() for line in err.splitlines() if line.strip()]
    told = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (told or lines[-1:] or ["pip does not say why"])[0].rstrip(".")


def _remedy(err: str) -> str:
    if "No module named pip" in err:
        return f"Install it here: {sys.executable} -m ensurepip."
    return "Mend requirements in workflow.toml: each must be on the package index as a wheel for this Python."


def keep(folder: Path, house: Path) -> None:
    """Let a folder of wheels be that of a name, unless there is one: then it has the same."""
    folder.chmod(0o755)
    with suppress(OSError):  # another was faster, or it is on another file system
        os.replace(folder, house)
    if not house.is_dir():
        with tempfile.TemporaryDirectory(prefix=".", dir=house.parent, ignore_cleanup_errors=True) as near:
            shutil.copytree(folder, Path(near) / house.name)
            with suppress(OSError):
                os.replace(Path(near) / house.name, house)


def lay(house: Path, folder: Path) -> None:
    """Put the wheels into the folder of a run, as links where that can be."""
    folder.mkdir(parents=True, exist_ok=True)
    for wheel in house.glob("*.whl"):
        place = folder / wheel.name
        if place.exists():
            continue
        try:
            os.link(wheel, place)
        except OSError:  # another file system
            shutil.copyfile(wheel, place)


def environment(*, wheels: str, venv: str, each: bool) -> str:
    """Return the script that makes the environment of a run. each: every node makes its own."""
    return _ENVIRONMENT.format(
        wheels=shlex.quote(wheels),
        venv=shlex.quote(venv),
        lock=".making-$HOSTNAME" if each else ".making",
        python=shlex.quote(sys.executable),
    )
