# SPDX-License-Identifier: Apache-2.0
"""What a run in a container is to see of this machine, and what is called in it. Decided before anything starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from d4py.errors import StateError, UsageError
from d4py.packaging.plan import LABEL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_THEIRS = ("/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/opt/d4py", "/proc", "/run", "/sbin", "/sys", "/usr")
GRAPH = f"{LABEL}.graph.digest"


class Mount(NamedTuple):
    """A file or a folder of this machine, and where it is in the container."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A command of d4py, and what it has to do with this machine's files. Paths are absolute."""

    command: str  # run or resume
    options: Sequence[str]  # without parameters
    subject: str  # the workflow or the run, as it is called here
    run: str
    folder: str  # of the run
    parameters: Mapping[str, str] = field(default_factory=dict)
    workdir: str = field(default_factory=lambda: str(Path.cwd()))
    reads: Sequence[str] = ()
    writes: Sequence[str] = ()  # folders
    volumes: Sequence[str] = ()  # PATH or PATH:ro
    kept: Sequence[Mount] = ()  # what it saw when it began
    digest: str = ""  # of the workflow's files; empty where it is none of a file or a folder

    def words(self, settings: Mapping[str, object]) -> list[str]:
        """Return what is called in an image. settings: the image's. Raises StateError where it holds another workflow."""
        own, place = self._own(settings)
        if self.command != "run":
            return [self.command, *self.options, "--", self.subject]
        places = self.places(settings)
        given = {
            name: _within(places[name], str(Path(self.workdir, value))) if name in places and value else value
            for name, value in self.parameters.items()
        }
        return ["run", *own, *self.options, *(f"--set={name}={value}" for name, value in given.items()), "--", place]

    def places(self, settings: Mapping[str, object]) -> dict[str, str]:
        """Return where in an image the data of parameters is mounted."""
        volumes = settings.get("Volumes") or {}
        assert isinstance(volumes, dict)
        pairs = [word[len("--set=") :].partition("=") for word in _command(settings) if word.startswith("--set=")]
        return {name: place for name, _, place in pairs if place in volumes}

    def mounts(self, settings: Mapping[str, object]) -> list[Mount]:
        """Return what the container sees of this machine, at the same paths. Raises UsageError for what would hide the image's own."""
        places = self.places(settings)
        found = [Mount(self.workdir, self.workdir), Mount(self.folder, self.folder)]
        found += [Mount(path, path) for path in self.writes]
        found += [_volume(text, self.workdir) for text in self.volumes]
        inputs = {name: str(Path(self.workdir, value)) for name, value in self.parameters.items() if value}
        found += [
            Mount(path, _within(places[name], path) if name in places else path, True)
            for name, path in inputs.items()
            if _is_there(path, name in places)
        ]
        found += [Mount(path, path, True) for path in self.reads]
        found += self.kept
        return _outermost(found)

    def _own(self, settings: Mapping[str, object]) -> tuple[list[str], str]:
        """Return the image's own options and the place of the workflow. Where its data is mounted is left out: what is not given is not mounted."""
        labels = settings.get("Labels") or {}
        assert isinstance(labels, dict)
        holds = labels.get(GRAPH)
        if not holds:
            return [], self.subject
        if self.command == "run" and holds != self.digest:
            raise StateError(
                f"The image is for another state of {self.subject!r}.", hint="Build it again: d4py build, with -t."
            )
        *options, place = _command(settings)[1:]
        left = tuple(f"--set={name}=" for name in {*self.parameters, *self.places(settings)})
        return [word for word in options if not (left and word.startswith(left))], place


def _command(settings: Mapping[str, object]) -> list[str]:
    words = settings.get("Cmd") or []
    assert isinstance(words, list)
    return words


def _volume(text: str, workdir: str) -> Mount:
    path, colon, mode = text.rpartition(":")
    path, read_only = (path, True) if colon and mode == "ro" else (text, False)
    full = str(Path(workdir, path))
    if not Path(full).exists():
        raise UsageError(f"The volume {path!r} does not exist.", hint="Make it first, or name another.")
    return Mount(full, full, read_only)


def _within(place: str, path: str) -> str:
    """Return where data is in the container: a folder in the place of the image's, a file in that."""
    return f"{place}/{Path(path).name}" if Path(path).is_file() else place


def _is_there(path: str, wanted: bool) -> bool:
    """Whether the value of a parameter is a path of this machine. wanted: the image mounts it, so it must be."""
    try:
        there = Path(path).exists()
    except (OSError, ValueError):
        there = False
    if wanted and not there:
        raise UsageError(f"There is no data at {path!r:.200}.", hint="Give the path of a file or a folder.")
    return there


def _outermost(mounts: Sequence[Mount]) -> list[Mount]:
    """Return mounts without those that others hold already; the first that has a place keeps it."""
    kept: list[Mount] = []
    for mount in mounts:
        if _hides(mount.target):
            raise UsageError(
                f"{mount.target!r} would hide what the image has there.",
                hint="Run it in another folder, with other paths.",
            )
        if not any(_holds(other, mount) for other in kept):
            kept.append(mount)
    return kept


def _holds(outer: Mount, inner: Mount) -> bool:
    """Whether what one mount shows is shown at the same place by another."""
    same = inner.source == inner.target and outer.source == outer.target
    return inner.target == outer.target or (same and Path(inner.target).is_relative_to(outer.target))


def _hides(target: str) -> bool:
    return target == "/" or any(target == path or target.startswith(f"{path}/") for path in _THEIRS)
