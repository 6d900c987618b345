# SPDX-License-Identifier: Apache-2.0
"""A login node elsewhere, reached by the system's own OpenSSH client: one authentication for all commands of ten minutes.

The d4py that is there does the work. What is told to it travels in hexadecimal, so that no shell on the way reads any of it.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

from d4py.errors import LoadError, StateError, UsageError, listed

if TYPE_CHECKING:
    from collections.abc import Sequence

LOST = 255  # ssh's exit code where it is ssh itself that failed
_ABSENT = (126, 127)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*")
_PROGRAM = re.compile(r"[A-Za-z0-9_./~+-]+")
_LONGEST = 100_000  # of one word that a system takes
_SOCKET = 80  # letters of a socket's path, to which ssh adds while it makes it; a system takes 104 or more
# sh and bash are found by any login shell, and nothing here means anything else to csh or fish. Profiles may print what they like, and read nothing.
_OUTER = 'exec bash -lc "$0" "$@" 3>&1 >/dev/null 4<&0 </dev/null'
_INNER = 'exec "$0" "$@" 1>&3 3>&- 0<&4 4<&-'
_TROUBLES = (  # what ssh says, what that is, what helps
    ("resolve hostname", "There is no host {name!r}", "Check its name, or give it one in ~/.ssh/config."),
    ("Permission denied", "{name} lets nobody in: {said}", "ssh {name} must work first: see ssh-copy-id."),
    ("ost key", "{name} cannot be trusted: {said}", "Connect once by hand, ssh {name}, and compare its key."),
    ("", "{name} cannot be reached: {said}", "Is it up, and does it answer in this network? Try ssh {name}."),
)


class HostError(UsageError):
    """A login node cannot be used."""


class ConnectionLost(StateError):
    """The connection to a login node broke; what was asked for may have been done."""


class Answer(NamedTuple):
    """What came of a command elsewhere."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A login node, as ssh knows it."""

    name: str
    d4py: str = "d4py"  # the program there: a name on the PATH of a login shell, or a path, which may begin with ~
    ssh: tuple[str, ...] = ("ssh",)  # the client, and options for it

    def ask(self, words: Sequence[str], given: IO[bytes] | None = None) -> Answer:
        """Run d4py there; return what it says. given: its standard input. Raises HostError, ConnectionLost."""
        self.greet()
        answer = self._answer(told(words), given or subprocess.DEVNULL)
        if answer.code == LOST:
            raise ConnectionLost(f"The connection to {self.name} was lost.", hint="Do it again.")
        return answer

    def attend(self, words: Sequence[str]) -> int:
        """Run d4py there as if it were here; return its exit code, or LOST. It ends when this process does."""
        self.greet()
        reading, writing = os.pipe()  # nothing is written: that it closes is what is told
        try:
            with open(reading, "rb") as given:
                return _call(self._command(told(words)), given, None, None)
        finally:
            os.close(writing)

    def greet(self) -> None:
        """See to it that there is a connection, and the same d4py there. Raises HostError."""
        from d4py import __version__

        answer = self._answer("--version", subprocess.DEVNULL)
        if answer.code == LOST:
            said = _reason(answer.err)
            what, remedy = next((what, remedy) for kind, what, remedy in _TROUBLES if kind in said)
            raise HostError(what.format(name=self.name, said=said) + ".", hint=remedy.format(name=self.name))
        if answer.code in _ABSENT:
            raise HostError(
                f"There is no {self.d4py!r} on {self.name}.",
                hint=f"Install d4py {__version__} there; if it is not on the PATH, write d4py = '~/...' "
                f"into {_folder() / self.name}.toml here.",
            )
        version = next((line[5:] for line in answer.out.splitlines() if line.startswith("d4py ")), "")
        if version != __version__:
            raise HostError(
                f"{self.d4py!r} on {self.name} is {f'd4py {version}' if version else 'no d4py'}; here is d4py {__version__}.",
                hint="Install the same version there and here.",
            )

    def _answer(self, word: str, given: IO[bytes] | int) -> Answer:
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:  # a master may keep pipes open
            code = _call(self._command(word), given, out, err)
            return Answer(code, _read(out), _read(err))

    def _command(self, word: str) -> list[str]:
        options = {
            "ControlMaster": "auto",
            "ControlPath": '"{}"'.format(str(_socket(self)).replace("%", "%%")),
            "ControlPersist": "600",
            "ServerAliveInterval": "15",  # seconds, and four of them: then the connection is lost
            "ServerAliveCountMax": "4",
            "ConnectTimeout": "30",
            "BatchMode": "no" if sys.stderr.isatty() else "yes",  # whether a password can be asked for
            "RequestTTY": "no",
            "RemoteCommand": "none",
            "ClearAllForwardings": "yes",
            "LogLevel": "ERROR",
        }
        given = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        there = f"exec sh -c '{_OUTER}' '{_INNER}' {self.d4py} {word}"
        return [*self.ssh, *given, "--", self.name, there]


def host_of(name: str) -> Host:
    """Return a login node by its name; a user's file about it is read where there is one. Raises UsageError, LoadError."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"The host is {name!r:.60}.", hint="Give its name as for ssh: login, or user@login.example.org."
        )
    path = _folder() / f"{name}.toml"
    if not path.exists():
        return Host(name=name)
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LoadError(f"{path} cannot be read: {error}.", hint="Mend that line.") from None
    known = [entry.name for entry in fields(Host) if entry.name != "name"]
    unknown = [key for key in data if key not in known]
    if unknown:
        raise LoadError(f"{path} has {unknown[0]!r}; it takes {listed(known)}.", hint="Leave it out.")
    program, ssh = data.get("d4py", "d4py"), data.get("ssh", ["ssh"])
    if not isinstance(program, str) or not _PROGRAM.fullmatch(program):
        raise LoadError(f"{path} has d4py = {program!r:.60}.", hint="Give a path of letters, digits and _./~+-.")
    if not isinstance(ssh, list) or not ssh or not all(isinstance(word, str) for word in ssh):
        raise LoadError(f"{path} has ssh = {ssh!r:.60}.", hint="Give a list of words: ['ssh', '-F', 'config'].")
    return Host(name=name, d4py=program, ssh=tuple(ssh))


def told(words: Sequence[str]) -> str:
    """Return one word of letters and digits, which says all of these. Raises UsageError where they are too long."""
    word = "@" + "\0".join(words).encode("utf-8", "surrogateescape").hex()
    if len(word) > _LONGEST:
        raise UsageError("The arguments are too long to be sent.", hint="Put data into a file, and give it with -f.")
    return word


def heard(word: str) -> list[str]:
    """Return what `told` was given."""
    try:
        return bytes.fromhex(word[1:]).decode("utf-8", "surrogateescape").split("\0")
    except ValueError:
        raise UsageError(
            f"{word[:20]!r} is not what a d4py elsewhere would say.", hint="d4py help lists commands."
        ) from None


def _call(command: Sequence[str], given: IO[bytes] | int, out: IO[bytes] | None, err: IO[bytes] | None) -> int:
    try:
        return subprocess.run(command, stdin=given, stdout=out, stderr=err, check=False).returncode
    except FileNotFoundError:
        raise HostError(
            f"There is no {command[0]} on this machine.", hint="Install the OpenSSH client: apt install openssh-client."
        ) from None


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def _reason(err: str) -> str:
    lines = [line.strip() for line in err.splitlines() if line.strip()]
    known = [line for line in lines if any(kind and kind in line for kind, _, _ in _TROUBLES)]
    return (known or lines or ["ssh does not say why"])[-1].rstrip(".\r")


def _folder() -> Path:
    """Return the folder of the user's files about hosts."""
    config = os.environ.get("XDG_CONFIG_HOME")
    return (Path(config) if config else Path.home() / ".config") / "d4py" / "hosts"


def _socket(host: Host) -> Path:
    """Return where the connection's socket is: in a folder of this user alone, and of a short path."""
    name = hashlib.sha256("\0".join([host.name, *host.ssh]).encode()).hexdigest()[:16]
    runtime, state = os.environ.get("XDG_RUNTIME_DIR"), os.environ.get("XDG_STATE_HOME")
    folder = (
        Path(runtime) / "d4py" if runtime else (Path(state) if state else Path.home() / ".local/state") / "d4py/ssh"
    )
    if len(str(folder / name)) > _SOCKET:
        folder = Path(tempfile.gettempdir()) / f"d4py-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = folder.lstat()
    except OSError as error:
        raise HostError(f"{folder} cannot be made: {error.strerror}.", hint="Set XDG_RUNTIME_DIR to another.") from None
    if about.st_uid != os.getuid() or about.st_mode & 0o022:
        raise HostError(f"{folder} is open to others.", hint="Remove it, or set XDG_RUNTIME_DIR to another.")
    return folder / name
