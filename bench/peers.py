# SPDX-License-Identifier: Apache-2.0
"""The peers' own environments: each made once, kept in the user's cache, outside any checkout."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

STREAM, BYTEWAX, RAY = "stream-d4py", "Bytewax", "Ray"


class NoPeer(RuntimeError):
    """A peer can't be had; one line with the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A system to compare with, and how it is had."""

    name: str
    pins: tuple[str, ...]
    oldest: int = 10  # Python 3.x that it runs on, from the one to the other
    newest: int = 12

    @property
    def requirements(self) -> list[str]:
        """What it is installed with: NumPy as here, so that all sum with the same code."""
        return [*self.pins, f"numpy=={importlib.metadata.version('numpy')}"]

    @property
    def folder(self) -> Path:
        """Where its environment is."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        return cache / "d4py" / "bench" / self.name.lower()


PEERS = (
    Peer(name=STREAM, pins=("stream-d4py==2.9.1", "networkx==3.4.2", "redis==8.1.0", "mpi4py==4.1.2")),
    Peer(name=BYTEWAX, pins=("bytewax==0.21.1",)),
    Peer(name=RAY, pins=("ray==2.60.0",), newest=13),
)


def installed(peer: Peer) -> Path:
    """Return the folder of a peer's programs; its environment is made where it is missing or was made with other versions."""
    (python, version), stamp = interpreter(peer), peer.folder / "installed"
    wanted = "\n".join([f"python {version}", *peer.requirements])
    if not stamp.is_file() or stamp.read_text() != wanted:
        print(f"bench: installing {peer.pins[0]} into {peer.folder}", file=sys.stderr, flush=True)
        shutil.rmtree(peer.folder, ignore_errors=True)
        run([python, "-m", "venv", str(peer.folder)])
        pip = [str(peer.folder / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        run([*pip, *peer.requirements])
        stamp.write_text(wanted)
    return peer.folder / "bin"


def interpreter(peer: Peer) -> tuple[str, str]:
    """Return this Python, or the newest that the peer runs on, and its version."""
    if (3, peer.oldest) <= sys.version_info[:2] <= (3, peer.newest):
        return sys.executable, f"3.{sys.version_info.minor}"
    for minor in range(peer.newest, peer.oldest - 1, -1):
        if found := shutil.which(f"python3.{minor}"):
            return found, f"3.{minor}"
    raise NoPeer(f"it runs on Python 3.{peer.oldest} to 3.{peer.newest}, and none is here")


def run(command: list[str]) -> None:
    """Run a step of the installation."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise NoPeer(f"{' '.join(command)} failed: {' '.join(done.stderr.split())[-300:]}")


def at_hand() -> tuple[dict[str, Path], dict[str, str]]:
    """Return the folders of the programs of all peers that can be had, and why the others can't."""
    found: dict[str, Path] = {}
    missing: dict[str, str] = {}
    for peer in PEERS:
        try:
            found[peer.name] = installed(peer)
        except NoPeer as error:
            missing[peer.name] = str(error)
    return found, missing
