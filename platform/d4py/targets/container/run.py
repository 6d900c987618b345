# SPDX-License-Identifier: Apache-2.0
"""Runs a command of d4py in a container that has no rights, and is as it: prints what it prints, passes signals on, exits as it does."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d4py.errors import CutOff, DiskError, ImageError, StateError
from d4py.mappings.signals import caught
from d4py.packaging import daemon, store
from d4py.packaging.plan import LABEL
from d4py.packaging.reference import parse
from d4py.runs import home
from d4py.runs.atomic import write_json
from d4py.targets.container.request import Mount

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from d4py.targets.container.request import Request

_KILLED = 128
_NOTE = "container.json"
_OWN = (130, 141)  # what d4py itself exits with above 128


def run(name: str, request: Request) -> int:
    """Run it in a container of this image; return the exit code."""
    reference = str(parse(name))
    with daemon.connected() as client:
        image = _image(client, reference)
        settings = image.attrs["Config"]
        if not settings.get("Entrypoint"):
            raise ImageError(f"The image {reference!r} is not one of d4py.", hint="Build one: d4py build.")
        words, mounts = request.words(settings), request.mounts(settings)
        terminal = sys.stdout.isatty() and sys.stderr.isatty()
        note(Path(request.folder), mounts)
        container = client.containers.create(
            image.id,
            words,
            name=f"d4py-{request.run}-{os.getpid()}",
            hostname=f"d4py-{request.run}"[:63].rstrip("-._"),
            labels={f"{LABEL}.run": request.run},
            environment=_environment(request, terminal=terminal),
            user=_user(client),
            group_add=[str(group) for group in os.getgroups()],
            working_dir=request.workdir,
            mounts=[
                {"Type": "bind", "Source": mount.source, "Target": mount.target, "ReadOnly": mount.read_only}
                for mount in mounts
            ],
            read_only=True,
            tmpfs={"/tmp": "mode=1777"},  # noqa: S108 - the container's
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            init=True,  # the first process of a container hears no signal that it has no handler for
            tty=terminal,
        )
        try:
            return _attended(container, terminal=terminal)
        finally:
            with suppress(Exception):  # what went wrong before is what matters
                container.remove(force=True, v=True)


def note(folder: Path, mounts: Sequence[Mount]) -> None:
    """Keep with a run what it sees, for a container that continues it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DiskError.of(folder, error) from None
    write_json(folder / _NOTE, [list(mount) for mount in mounts])


def noted(folder: Path) -> list[Mount]:
    """Return what a run saw that began in a container."""
    try:
        return [Mount(*mount) for mount in json.loads((folder / _NOTE).read_bytes())]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError):
        raise StateError(f"{folder / _NOTE} is damaged.", hint="Delete it, and give its paths with --volume.") from None


def _image(client: Any, reference: str) -> Any:
    """Return the image in the engine; one that was built without it is taken in."""
    if reference in store.names():
        return client.images.get(daemon.loaded(client, store.find(reference), reference))
    there = daemon.found(client, reference)
    if there is None:
        raise ImageError(
            f"There is no image {reference!r}, neither built by d4py nor in the container engine.",
            hint=f"Build it: d4py build, with -t {reference}.",
        )
    return there


def _user(client: Any) -> str:
    """Return who is this user in a container: the same numbers, but root's where the engine itself is only this user's."""
    options = client.info().get("SecurityOptions") or []
    return "0:0" if any("rootless" in option for option in options) else f"{os.getuid()}:{os.getgid()}"


def _environment(request: Request, *, terminal: bool) -> dict[str, str]:
    """Return what the container is told of this terminal, and where runs are, so that it calls them as they are called here."""
    names = ("TERM", "COLORTERM", "NO_COLOR") if terminal else ("NO_COLOR",)
    told = {name: os.environ[name] for name in names if name in os.environ}
    return {**told, "XDG_STATE_HOME": str(home().parents[1])} if Path(request.folder).parent == home() else told


def _attended(container: Any, *, terminal: bool) -> int:
    """Start a container and stay with it to its end. Raises CutOff where that was none of its own."""

    def forward() -> None:
        while stops:
            with suppress(Exception):  # it is over
                container.kill(signal=stops.popleft().value)

    with caught(forward) as stops:
        output = container.attach(stream=True, logs=True, stdout=True, stderr=True, demux=not terminal)
        container.start()
        if terminal:
            with suppress(OSError):
                size = os.get_terminal_size(sys.stdout.fileno())
                container.resize(size.lines, size.columns)
        forward()  # what came before there was anybody to hear it
        _print(output, terminal=terminal)
        code = int(container.wait()["StatusCode"])
    if code <= _KILLED or code in _OWN:
        return code
    container.reload()
    why = "its memory was not enough" if container.attrs["State"].get("OOMKilled") else f"signal {code - _KILLED}"
    raise CutOff(f"The container was killed: {why}.", hint="Continue the run with d4py resume.")


def _print(output: Iterable[Any], *, terminal: bool) -> None:
    out: Callable[[bytes], Any] = sys.stdout.buffer.write
    err: Callable[[bytes], Any] = sys.stderr.buffer.write
    for chunk in output:
        first, second = (chunk, None) if terminal else chunk
        if first:
            out(first)
            sys.stdout.flush()
        if second:
            err(second)
            sys.stderr.flush()
