# SPDX-License-Identifier: Apache-2.0
"""Real daemons in a folder of their own: containerd, dockerd on it, and registries. Needs root. None touches the machine's own.

A daemon is told to end when the tests do, whatever ends them.
"""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.ports import free_ports

PATIENCE = 60.0  # seconds
USER, PASSWORD = "seismo", "secret"
HASH = "$2y$04$uXR2TjjiQCakdP3U/WNGLOb6OH67z4zJzCvZv33CMJiLFto219k1m"  # of the password, as htpasswd -B makes it
# What Pod Security calls restricted, and no network.
RESTRICTED: dict[str, Any] = {
    "read_only": True,
    "tmpfs": {"/tmp": "mode=1777"},
    "user": "1000:1000",
    "network_mode": "none",
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges"],
    "remove": True,
}

CONTAINERD = """\
version = 2
root = "{root}/root"
state = "{root}/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "{root}/containerd.sock"
[ttrpc]
address = "{root}/containerd.sock.ttrpc"
"""
REGISTRY = """\
version: 0.1
log: {{level: error}}
storage: {{filesystem: {{rootdirectory: {data}}}, maintenance: {{readonly: {{enabled: {closed}}}}}}}
http: {{addr: "{address}:{port}"{tls}}}
{auth}
"""


class Daemon:
    """A process that serves until it is told to end."""

    def __init__(self, root: Path, name: str, command: Sequence[str], ready: Callable[[], bool]) -> None:
        self.log = root / f"{name}.log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                ("setpriv", "--pdeathsig", "TERM", *command), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        until = time.monotonic() + PATIENCE
        while not ready():
            assert self.process.poll() is None, f"{name} ended: {self.log.read_text()[-2000:]}"
            assert time.monotonic() < until, f"{name} does not answer: {self.log.read_text()[-2000:]}"
            time.sleep(0.02)

    def end(self) -> None:
        """End it, by its pid."""
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(PATIENCE)
        self.process.kill()
        self.process.wait()


class Engines:
    """A containerd, and a dockerd that runs its containers by it."""

    def __init__(self, root: Path) -> None:
        root.mkdir(exist_ok=True)
        self.root = root
        self.containerd_socket, self.docker_socket = root / "containerd.sock", root / "docker.sock"
        (root / "containerd.toml").write_text(CONTAINERD.format(root=root))
        self.daemons: list[Daemon] = []

    def up(self) -> None:
        """Start both."""
        root = self.root
        command: tuple[str, ...] = ("containerd", "--config", str(root / "containerd.toml"), "--log-level", "warn")
        self.daemons.append(Daemon(root, "containerd", command, lambda: answers(self.containerd_socket)))
        command = (
            *("dockerd", "--host", f"unix://{self.docker_socket}", "--containerd", str(self.containerd_socket)),
            *(
                "--data-root",
                str(root / "data"),
                "--exec-root",
                str(root / "exec"),
                "--pidfile",
                str(root / "docker.pid"),
            ),
            *(
                "--bridge",
                "none",
                "--iptables=false",
                "--ip-masq=false",
                "--default-address-pool",
                "base=10.89.0.0/16,size=24",
            ),
            *("--config-file", str(root / "none.json"), "--log-level", "warn", "--shutdown-timeout", "5"),
        )
        (root / "none.json").write_text("{}")
        self.daemons.append(Daemon(root, "dockerd", command, lambda: answers(self.docker_socket)))

    def down(self) -> None:
        """End both."""
        for daemon in reversed(self.daemons):
            daemon.end()
        mounts = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        for path in reversed(mounts):  # dockerd leaves some
            if path.startswith(f"{self.root}/"):
                subprocess.run(["umount", path], check=True)

    @property
    def host(self) -> str:
        """What DOCKER_HOST is to be."""
        return f"unix://{self.docker_socket}"

    def ctr(self, *words: str) -> str:
        """Call containerd's own client."""
        command = ("ctr", "--address", str(self.containerd_socket), "--namespace", "d4py", *words)
        return called(*command)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """Who vouches for registries: a certificate that nobody else knows, and one for this machine that it signed."""

    certificate: Path
    key: Path
    chain: Path

    @classmethod
    def create(cls, root: Path, *addresses: str) -> Authority:
        """Make both. addresses: more that this machine has."""
        authority, key = root / "authority.crt", root / "authority.key"
        new = ("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        called(*new, "-x509", "-days", "2", "-subj", "/CN=d4py tests", "-keyout", str(key), "-out", str(authority))
        served, request, names = root / "served.key", root / "served.csr", root / "names"
        called(*new, "-subj", "/CN=localhost", "-keyout", str(served), "-out", str(request))
        known = ",".join(f"IP:{address}" for address in ("127.0.0.1", *addresses))
        names.write_text(f"subjectAltName=DNS:localhost,{known}\n")
        signing = ("-CA", str(authority), "-CAkey", str(key), "-CAcreateserial", "-days", "2", "-extfile", str(names))
        called("openssl", "x509", "-req", "-in", str(request), *signing, "-out", str(root / "served.crt"))
        return cls(certificate=authority, key=served, chain=root / "served.crt")


class Registry:
    """A registry, by default one that wants TLS and a password."""

    def __init__(
        self,
        root: Path,
        authority: Authority | None,
        *,
        closed: bool = False,
        asks: bool = True,
        auth: str = "",
        address: str = "127.0.0.1",
        data: Path | None = None,
    ) -> None:
        """closed: whether nothing may be pushed. asks: for a password; auth: the section of its configuration, where it is for another proof.

        address: where it listens. data: what it holds, where that is not to be in its folder.
        """
        root.mkdir(parents=True, exist_ok=True)
        self.root, self.authority, (self.port,) = root, authority, free_ports(1)
        (root / "htpasswd").write_text(f"{USER}:{HASH}\n")
        tls = f", tls: {{certificate: {authority.chain}, key: {authority.key}}}" if authority else ""
        asks = asks and authority is not None
        auth = auth or (f"auth: {{htpasswd: {{realm: d4py, path: {root}/htpasswd}}}}" if asks else "")
        where = {"address": address, "port": self.port, "data": data or root / "data"}
        text = REGISTRY.format(**where, tls=tls, auth=auth, closed=str(closed).lower())
        (root / "registry.yml").write_text(text)
        command = ("docker-registry", "serve", str(root / "registry.yml"))
        self.daemon = Daemon(root, "registry", command, lambda: listens(self.port, address))

    @property
    def host(self) -> str:
        """Its name."""
        return f"localhost:{self.port}"

    def end(self) -> None:
        """End it."""
        self.daemon.end()


def called(*command: str) -> str:
    """Return what a command prints."""
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"{' '.join(command)}: {ran.stderr[-2000:]}"
    return ran.stdout


def answers(path: Path) -> bool:
    """Whether somebody listens at a socket."""
    with socket.socket(socket.AF_UNIX) as line, suppress(OSError):
        line.connect(str(path))
        return True
    return False


def listens(port: int, address: str = "127.0.0.1") -> bool:
    """Whether somebody listens at a port."""
    with suppress(OSError, ssl.SSLError), socket.create_connection((address, port), 1):
        return True
    return False


def eventually(condition: Callable[[], object], what: str) -> None:
    """Wait until a condition holds."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, f"waited for {what}"
        time.sleep(0.05)
