# SPDX-License-Identifier: Apache-2.0
"""Commands about runs of a cluster elsewhere: sent by ssh to the d4py on its login node, which does what they say."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from d4py.cli.parser import Namespace, parser_of, written
from d4py.errors import D4pyError, LoadError, StateError, UsageError
from d4py.targets.slurm.host import LOST, ConnectionLost, Host, HostError, heard, host_of

if TYPE_CHECKING:
    from types import ModuleType

_FAR = re.compile(r"slurm://([^/]+)/(.+)", re.DOTALL)
_PAUSES = (1.0, 4.0)  # seconds before it is tried again
_LASTING = ("logs", "wait")  # these end when nobody listens any more
_SENT = "sent"  # the folder in a run's own that what was sent is in
_MORE = ".d4py"  # in that, what is no part of the workflow


def place_of(args: Namespace) -> tuple[str, str] | None:
    """Return host and name of the run that the arguments mean, or the host alone; None for what is here."""
    found = _FAR.fullmatch(getattr(args, "run", None) or "")
    if found:
        return found[1], found[2]
    host = getattr(args, "host", None)
    return (host, "") if host else None


def forward(name: str, command: ModuleType, args: Namespace, place: tuple[str, str]) -> int:
    """Have a command done on a login node; return its exit code."""
    host = host_of(place[0])
    for option in ("output", "here", "mapping", "processes"):
        if getattr(args, option, None):
            raise UsageError(
                f"--{option} is not for a run elsewhere.", hint=f"Do it there: ssh {host.name}; or print with -o json."
            )
    args.run, args.host = place[1], None
    words = [name, *written(parser_of(name, command), args)]
    code = host.attend(words)
    for pause in _PAUSES if name == "wait" else ():
        if code == LOST:
            time.sleep(pause)
            code = host.attend(words)
    if code == LOST:
        raise StateError(f"The connection to {host.name} was lost; the run goes on there.", hint="Do it again.")
    return code


def submit(command: ModuleType, args: Namespace, name: str) -> int:
    """Send a workflow to a login node, and have it submitted there. Whoever does it twice finds the first."""
    host = host_of(args.host)
    follow, wait = args.follow, args.wait
    with tempfile.TemporaryFile() as file:
        _pack(args, file)
        args.host, args.run_id, args.received, args.follow, args.wait = None, name, True, False, False
        words = ["submit", *written(parser_of("submit", command), args)]
        answer = _sent(host, words, file, name)
    lines = answer.splitlines()
    if args.dry_run:
        print(answer, end="")
        return 0
    run = f"slurm://{host.name}/{lines[-1].partition('://')[2]}"
    print(run, flush=True)
    from d4py.cli.main import dispatch

    if follow:
        dispatch(["logs", "-f", run])
    return dispatch(["wait", "-q", run]) if follow or wait else 0


def _sent(host: Host, words: Sequence[str], file: IO[bytes], name: str) -> str:
    """Have it submitted, again where the connection was lost on the way; return what is told there."""
    for pause in (*_PAUSES, None):
        file.seek(0)
        try:
            answer = host.ask(words, file)
            break
        except (ConnectionLost, HostError) as error:
            if pause == _PAUSES[0] and isinstance(error, HostError):
                raise  # it was never there
            if pause is None or isinstance(error, HostError):
                raise StateError(
                    f"The connection to {host.name} was lost, and perhaps the run was submitted.",
                    hint=f"Do it again with --run-id {name}: it is never submitted twice.",
                ) from None
            time.sleep(pause)
    if answer.code:
        lines = [line for line in answer.err.splitlines() if line.startswith("d4py: error: ")]
        said = lines[-1].removeprefix("d4py: error: ") if lines else f"d4py there ended with {answer.code}."
        raise HostError(f"{host.name}: {said}")
    return answer.out


def _pack(args: Namespace, file: IO[bytes]) -> None:
    """Put what a run needs into a tar, and let the arguments name what is in it."""
    if args.run_dir is not None and not args.run_dir.startswith("/"):
        raise UsageError(f"--run-dir {args.run_dir} is on the cluster.", hint="Give its whole path there.")
    workflow, colon, graph = args.workflow.partition(":")
    with tarfile.open(fileobj=file, mode="w:gz", dereference=True) as tar:
        path = Path(workflow)
        try:
            if path.is_dir() or path.is_file():
                args.workflow = path.resolve().name + colon + graph
                for inner in _files(path.resolve()):
                    tar.add(inner, arcname=str(inner.relative_to(path.resolve().parent)), recursive=False)
            elif "/" in workflow or workflow.endswith(".py"):
                raise LoadError(f"There is no file {workflow!r}.", hint="Give a .py file or a folder with workflow.py.")
            if args.file is not None:
                tar.add(args.file, arcname=f"{_MORE}/inputs", recursive=False)
                args.file = f"{_MORE}/inputs"
            own = _own_profile(args.profile)
            if own is not None:
                tar.add(own, arcname=f"{_MORE}/{own.name}")
                args.profile = f"./{_MORE}/{own.name}"
        except OSError as error:
            raise LoadError(
                f"{error.filename or workflow} cannot be read: {error.strerror or error}.", hint="Check its path."
            ) from None


def _files(path: Path) -> Iterator[Path]:
    """Yield a file, or what is in a folder, but for hidden files and what Python compiled."""
    if path.is_file():
        yield path
        return
    for where, folders, names in os.walk(path):
        folders[:] = [name for name in folders if not name.startswith(".") and name != "__pycache__"]
        files = [Path(where) / name for name in sorted(names) if not name.startswith(".")]
        yield from (inner for inner in files if inner.is_file())


def _own_profile(name: str | None) -> Path | None:
    """Return the file of a profile of the user's, which the cluster may not know."""
    from d4py.targets.slurm import profile

    if name is None:
        return None
    profile.find(name)
    path = profile.names().get(name, Path(name))
    return None if path.parent == profile.ours() else path


# What follows is done on the login node.


def received(word: str) -> list[str]:
    """Return the words of a command that another d4py sent."""
    words = heard(word)
    if words[0] in _LASTING:
        threading.Thread(target=_listen, daemon=True).start()
    return words


def _listen() -> None:
    """End this process when whoever asked has gone."""
    while os.read(0, 1 << 16):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def unpacked(path: Path, *, kept: bool) -> Iterator[None]:
    """Unpack what was sent into the folder of its run, and work there. What cannot be submitted leaves nothing behind."""
    begun, ours = Path.cwd(), not path.exists()
    try:
        _unpack(path / _SENT)
        os.chdir(path / _SENT)
        yield
    except D4pyError:
        kept = (path / "job").exists()  # what Slurm was told it may have heard
        raise
    finally:
        os.chdir(begun)
        if ours and not kept:
            shutil.rmtree(path, ignore_errors=True)


def _unpack(room: Path) -> None:
    try:
        room.mkdir(parents=True, exist_ok=True)
        room.parent.chmod(0o700)
        with tarfile.open(fileobj=sys.stdin.buffer, mode="r|gz") as tar:
            tar.extractall(room, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise StateError(f"What was sent did not arrive in {str(room)!r}: {error}.", hint="Do it again.") from None
