# SPDX-License-Identifier: Apache-2.0
"""Commands about runs of a cluster elsewhere: sent by ssh to the d4py on its login node, which does what they say."""

from __future__ import annotations

import json
import os
import re
import signal
import tempfile
import threading
import time
from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

from d4py.cli.parcel import pack
from d4py.cli.parser import Namespace, parser_of, written
from d4py.connectors.uri import is_uri
from d4py.errors import StateError, UsageError
from d4py.runs import home
from d4py.runs.sweep import is_sweep
from d4py.targets.slurm.host import LOST, ConnectionLost, Host, HostError, heard, host_of

if TYPE_CHECKING:
    from types import ModuleType

_FAR = re.compile(r"slurm://([^/]+)/(.+)", re.DOTALL)
_PAUSES = (1.0, 4.0)  # seconds before it is tried again
_LASTING = ("logs", "wait")  # these end when nobody listens any more
WHEELS = "wheels"  # asks which wheels fit there, and which are there


def place_of(args: Namespace) -> tuple[str, str] | None:
    """Return host and name of the run that the arguments mean, or the host alone; None for what is here."""
    found = _FAR.fullmatch(getattr(args, "run", None) or "")
    if found and not (found[2].isdigit() and is_sweep(home() / found[1])):  # else a member of one that is here
        return found[1], found[2]
    host = getattr(args, "host", None)
    return (host, "") if host else None


def forward(name: str, command: ModuleType, args: Namespace, place: tuple[str, str]) -> int:
    """Have a command done on a login node; return its exit code."""
    host = host_of(place[0])
    for option in ("output", "here", "mapping", "processes"):
        if getattr(args, option, None) and not is_uri(getattr(args, option)):
            raise UsageError(
                f"--{option} is not for a run elsewhere.", hint=f"Do it there: ssh {host.name}; or print with -o json."
            )
    args.run, args.host = place[1], None
    words = [f"slurm://{host.name}/", name, *written(parser_of(name, command), args)]
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
    from d4py.cli.main import dispatch
    from d4py.cli.staging import check_output

    host = host_of(args.host)
    check_output(args)
    follow, wait, uri = args.follow, args.wait, args.output if is_uri(args.output) else None
    args.output = None if uri else args.output
    with tempfile.TemporaryFile() as file:
        pack(args, file, wheels=lambda: json.loads(host.ask([WHEELS]).out))
        args.host, args.run_id, args.received, args.follow, args.wait = None, name, True, False, False
        words = ["submit", *written(parser_of("submit", command), args)]
        answer = _sent(host, words, file, name)
    lines = answer.splitlines()
    if args.dry_run:
        print(answer, end="")
        return 0
    run = f"slurm://{host.name}/{lines[-1].partition('://')[2]}"
    print(run, flush=True)
    if follow:
        dispatch(["logs", "-f", run])
    code = dispatch(["wait", "-q", run]) if follow or wait else 0
    if uri and code in (0, 4):
        dispatch(["outputs", run, f"--output={uri}"])
    return code


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


# What follows is done on the login node.


def answer(word: str) -> int:
    """Do what another d4py asks for; return the exit code."""
    from d4py.cli.main import dispatch
    from d4py.cli.summary import ELSEWHERE
    from d4py.targets.slurm.wheelhouse import houses, kind

    words = heard(word)
    if words == [WHEELS]:
        print(json.dumps({"kind": kind(), "houses": houses()}))
        return 0
    if "://" in words[0]:
        ELSEWHERE.set(words.pop(0))
    if words[0] in _LASTING:
        threading.Thread(target=_listen, daemon=True).start()
    return dispatch(words)


def _listen() -> None:
    """End this process when whoever asked has gone."""
    while os.read(0, 1 << 16):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
