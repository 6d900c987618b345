# SPDX-License-Identifier: Apache-2.0
"""Sites: how a cluster wants jobs to be asked for. Ours are beside this file; a user's are in ~/.config/d4py/profiles."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d4py.errors import LoadError, UsageError, did_you_mean, listed
from d4py.graph.resources import parsed_size

if TYPE_CHECKING:
    from collections.abc import Mapping

_AGAIN = ("requeue", "dependent", "no")
_EXPORTS = ("ALL", "NONE")
ENVIRONMENTS = ("host", "wheelhouse", "image")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is true of a site."""

    name: str
    about: str = ""
    launcher: tuple[str, ...] = ("mpiexec", "-n", "{ranks}")  # what starts ranks in a job
    again: str = (
        "dependent"  # how a run goes on that was cut off: the same job again, one that depends on it, or not by itself
    )
    export: str = "ALL"  # of the environment of whoever submits
    margin: int = 120  # seconds before its end that a job is told
    required: tuple[str, ...] = ()  # flags of sbatch that there must be
    forbidden: tuple[str, ...] = ()  # flags that there must not be
    needed: tuple[str, ...] = ()  # options that the user must give, or the profile
    prologue: tuple[str, ...] = ()  # lines of shell before anything else
    internet: bool = True  # whether nodes reach any network
    accounting: bool = True  # whether sacct answers users
    staging: str = "run"  # where data that parameters name by URI is fetched to: the run's folder, another, or nowhere
    node_processors: int = 0  # of a node; 0 where that is not known, or not everywhere the same
    node_memory: str = ""  # of a node, such as 96G
    containers: str = ""  # the runtime that there is
    bind: tuple[
        str, ...
    ] = ()  # folders of nodes that containers see, too: Slurm's spool where srun starts ranks, scratch
    environment: str = (
        "host"  # where Python's packages are from: what is installed, wheels that go with the run, or an image
    )
    local: str = ""  # a folder on each node's own disk, for the environment; else it is in the run's folder
    options: Mapping[str, Any] = field(default_factory=dict)  # of the job, where the user gives none

    def launch(self, ranks: int) -> list[str]:
        """Return the words that start a program on so many ranks."""
        return [word.format(ranks=ranks) for word in self.launcher]


def ours() -> Path:
    """Return the folder of the profiles that come with d4py."""
    return Path(__file__).parent / "profiles"


def users() -> Path:
    """Return the folder of the user's own profiles."""
    config = os.environ.get("XDG_CONFIG_HOME")
    return (Path(config) if config else Path.home() / ".config") / "d4py" / "profiles"


def names() -> dict[str, Path]:
    """Return the files of all profiles by name; the user's go before ours."""
    return {path.stem: path for folder in (ours(), users()) for path in sorted(folder.glob("*.toml"))}


def find(name: str) -> Profile:
    """Return a profile by name, or by the path of its file. Raises UsageError where there is none, LoadError where its file is wrong."""
    if "/" in name:
        return read(Path(name))
    known = names()
    if name not in known:
        raise UsageError(
            f"There is no profile {name!r}; there is {listed(known)}.",
            hint=did_you_mean(name, known) or f"Yours go into {users()}.",
        )
    return read(known[name])


def read(path: Path) -> Profile:
    """Read a profile."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LoadError(f"The profile {path} cannot be read: {error}.", hint="Mend that line.") from None
    known = {entry.name: entry for entry in fields(Profile) if entry.name != "name"}
    for key, value in data.items():
        if key not in known:
            raise LoadError(f"The profile {path} has {key!r}; it takes {listed(known)}.", hint=did_you_mean(key, known))
        wanted = type(getattr(Profile(name=""), key))
        if not isinstance(value, list if wanted is tuple else wanted):
            raise LoadError(f"The profile {path} has {key} = {value!r:.60}.", hint=f"It is of type {wanted.__name__}.")
    read_in: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
    profile = Profile(name=path.stem, **read_in)
    if profile.node_memory and not parsed_size(profile.node_memory):
        raise LoadError(
            f"The profile {path} has node_memory = {profile.node_memory!r:.40}.", hint="Write a size such as 96G."
        )
    for key, allowed in (("again", _AGAIN), ("export", _EXPORTS), ("environment", ENVIRONMENTS)):
        if getattr(profile, key) not in allowed:
            raise LoadError(
                f"The profile {path} has {key} = {getattr(profile, key)!r}.", hint=f"It is one of {listed(allowed)}."
            )
    return profile
