# SPDX-License-Identifier: Apache-2.0
"""A login node: an sshd on the loopback with keys, configuration and a home of its own, beside the real Slurm; and a laptop that knows it."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
from tests.ports import free_ports
from tests.slurm.cluster import Cluster

PATIENCE = 20.0
CONF = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {root}/host_key
AuthorizedKeysFile {root}/authorized_keys
PidFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PermitUserRC no
UsePAM no
StrictModes no
PrintMotd no
LogLevel VERBOSE
SetEnv HOME={root}/home
"""
CLIENT = """\
Host login stranger forgotten login.example.org
  HostName 127.0.0.1
  Port {port}
Host login forgotten login.example.org
  IdentityFile {root}/key
Host stranger
  IdentityFile {root}/other_key
Host login stranger login.example.org
  UserKnownHostsFile {root}/known_hosts
Host away
  HostName 127.0.0.1
  Port 1
Host *
  IdentitiesOnly yes
  UserKnownHostsFile /dev/null
  GlobalKnownHostsFile /dev/null
"""
# What people have in their profiles: a greeting, something that reads, and the way to their programs.
PROFILE = """\
echo Welcome to the cluster.
read -r _ || true
export PATH={root}/bin:$PATH SLURM_CONF={conf}
"""


class Login:
    """The login node, and the files of a laptop that name it."""

    def __init__(self, root: Path, cluster: Cluster, source: Path) -> None:
        self.root, self._cluster, self._source = root.resolve(), cluster, source
        self.home = self.root / "home"
        (self.port,) = free_ports(1)

    def up(self) -> None:
        """Make the keys and start the daemon."""
        for folder in (self.home, self.root / "bin"):
            folder.mkdir(parents=True)
        for key in ("key", "other_key", "host_key"):
            words = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", key, "-f", str(self.root / key))
            subprocess.run(words, check=True)
        public = (self.root / "host_key.pub").read_text()
        (self.root / "authorized_keys").write_text((self.root / "key.pub").read_text())
        (self.root / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {public}")
        (self.root / "sshd.conf").write_text(CONF.format(root=self.root, port=self.port))
        (self.root / "client.conf").write_text(CLIENT.format(root=self.root, port=self.port))
        conf = self._cluster.environment["SLURM_CONF"]
        (self.home / ".bash_profile").write_text(PROFILE.format(root=self.root, conf=conf))
        self.program("d4py", f'PYTHONPATH={self._source} exec {sys.executable} -m d4py.cli.main "$@"')
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # without it sshd does not start; an installed one has it
        with open(self.root / "sshd.log", "ab") as log:
            self._daemon = subprocess.Popen(
                ["/usr/sbin/sshd", "-D", "-e", "-f", str(self.root / "sshd.conf")], stderr=log, stdin=subprocess.DEVNULL
            )
        until = time.monotonic() + PATIENCE
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            assert self._daemon.poll() is None, self.log
            assert time.monotonic() < until, self.log
            time.sleep(0.02)

    def down(self) -> None:
        """End the daemon and its connections; the masters of clients end with those."""
        for process in [*self.sessions(), psutil.Process(self._daemon.pid)]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._daemon.wait()

    def sessions(self) -> list[psutil.Process]:
        """Return all that goes on for those who are logged in."""
        return psutil.Process(self._daemon.pid).children(recursive=True)

    @property
    def log(self) -> str:
        """What the daemon says."""
        return (self.root / "sshd.log").read_text()

    def program(self, name: str, text: str) -> None:
        """Put a program onto the PATH there."""
        path = self.root / "bin" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def laptop(self, folder: Path) -> dict[str, str]:
        """Return the environment of a laptop that knows the login node by its names; it has no Slurm."""
        hosts = folder / "config" / "d4py" / "hosts"
        hosts.mkdir(parents=True, exist_ok=True)
        ssh = ["ssh", "-F", str(self.root / "client.conf")]
        for name in ("login", "stranger", "forgotten", "away", "nowhere.invalid"):
            (hosts / f"{name}.toml").write_text(f"ssh = {ssh!r}\n")
        keep = ("PATH", "HOME", "LANG", "TMPDIR")
        return {
            **{name: os.environ[name] for name in keep if name in os.environ},
            "PYTHONPATH": str(self._source),
            "XDG_STATE_HOME": str(folder / "state"),
            "XDG_CONFIG_HOME": str(folder / "config"),
        }

    def cut_once(self, program: str, *, when: str) -> None:
        """Let the first call of one of Slurm's programs cut the connection that it came through, before or after its work."""
        real = shlex.quote(subprocess.check_output(["which", program], text=True).strip())
        gone = self.root / f"cut-{program}"
        # sshd's process of this session is the nearest of that name above.
        cut = f"""if mkdir {gone} 2>/dev/null; then
    pid=$$
    while [ "$(cat /proc/$pid/comm)" != sshd ]; do pid=$(awk '/^PPid/ {{ print $2 }}' /proc/$pid/status); done
    kill -9 "$pid"
fi"""
        work = f'out=$({real} "$@"); code=$?'
        say = 'printf "%s\\n" "$out"; exit "$code"'
        test = 'case "$*" in *--test-only*) exec ' + real + ' "$@" ;; esac'
        self.program(program, "\n".join([test, *([work, cut] if when == "after" else [cut, work]), say]))
