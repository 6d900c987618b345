# SPDX-License-Identifier: Apache-2.0
"""Sites: how a cluster wants jobs to be asked for. Ours are beside this file; a user's are in ~/.config/d4py/profiles."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d4py.errors import LoadError, UsageError, did_you_mean, listed
from d4py.graph.resources import parsed_size
from d4py.targets.slurm.job import Job

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_AGAIN = ("requeue", "dependent", "no")
_EXPORTS = ("ALL", "NONE")
_RUNTIMES = ("charliecloud", "none")
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
    internet: bool = True  # whether nodes reach any network: else addresses that nothing fetches before are told
    accounting: bool = True  # whether sacct answers users: else it is not asked
    staging: str = "run"  # where data that parameters name by URI is fetched to: the run's folder, another, or nowhere
    node_processors: int = 0  # of a node; 0 where that is not known, or not everywhere the same
    node_memory: str = ""  # of a node, such as 96G
    containers: str = ""  # the runtime that there is; none: images are refused; empty: it is not known
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
    return read(file_of(name))


def file_of(name: str) -> Path:
    """Return the file of a profile by its name, or by its path. Raises UsageError where there is none."""
    if "/" in name:
        path = Path(name).expanduser()
        if not path.is_file():
            raise UsageError(f"There is no file {name!r}.", hint="Name a profile, or the path of one's file.")
        return path
    known = names()
    if name not in known:
        raise UsageError(
            f"There is no profile {name!r}; there is {listed(known)}.",
            hint=did_you_mean(name, known) or f"Yours go into {users()}.",
        )
    return known[name]


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
        if not isinstance(value, list if wanted is tuple else wanted) or (wanted is tuple and not _are_words(value)):
            raise LoadError(f"The profile {path} has {key} = {value!r:.60}.", hint=_form(key, value, wanted))
    read_in: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}
    profile = Profile(name=path.stem, **read_in)
    if profile.node_memory and not parsed_size(profile.node_memory):
        raise LoadError(
            f"The profile {path} has node_memory = {profile.node_memory!r:.40}.", hint="Write a size such as 96G."
        )
    for key, allowed in (
        ("again", _AGAIN),
        ("export", _EXPORTS),
        ("environment", ENVIRONMENTS),
        ("containers", _RUNTIMES),
    ):
        if getattr(profile, key) not in allowed and (key, getattr(profile, key)) != ("containers", ""):
            raise LoadError(
                f"The profile {path} has {key} = {getattr(profile, key)!r}.", hint=f"It is one of {listed(allowed)}."
            )
    _check_launcher(path, profile)
    _check_options(path, profile)
    return profile


def _are_words(values: Sequence[object]) -> bool:
    return all(isinstance(value, str) for value in values)


def _form(key: str, value: object, wanted: type) -> str:
    """Return how a value is to be written."""
    if wanted is tuple:
        words = value.split() if isinstance(value, str) else ["..."]
        return f"Write a list of words: {key} = {json.dumps(words)}."
    return {str: f'Write text: {key} = "...".', bool: f"Write {key} = true, or false.", int: "Write a number."}.get(
        wanted, f"Write a table: [{key}]."
    )


def _check_launcher(path: Path, profile: Profile) -> None:
    """Raise LoadError where the launcher is none."""
    try:
        words = profile.launch(1)
    except (LookupError, ValueError):
        words = []
    if not words:
        raise LoadError(
            f"The profile {path} has launcher = {json.dumps(profile.launcher)}.",
            hint='Write its words: launcher = ["mpiexec", "-n", "{ranks}"]; "{ranks}" is their number.',
        )


def _check_options(path: Path, profile: Profile) -> None:
    """Raise LoadError for an option of jobs that there is not: what is misspelt would not be asked for, or not be refused."""
    known = [entry.name for entry in fields(Job)]
    for key, names_ in (("options", profile.options), ("needed", profile.needed)):
        for name in names_:
            if name not in known:
                raise LoadError(
                    f"The profile {path} has {name!r} in {key}; there is {listed(known, len(known))}.",
                    hint=did_you_mean(name, known),
                )
    for key, flags in (("required", profile.required), ("forbidden", profile.forbidden)):
        for flag in flags:
            if not flag.startswith("-"):
                raise LoadError(
                    f"The profile {path} has {flag!r} in {key}.", hint=f'Write a flag of sbatch: "--{flag}".'
                )
