# SPDX-License-Identifier: Apache-2.0
"""A real Slurm of several nodes on this machine: each node a slurmd in network, host name and /dev/shm of its own. Needs root.

Nothing outside its folder is touched, but for network namespaces and a bridge, which go with it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

BRIDGE, NET = "d4pybr0", "10.88.0"
FORWARD = ("FORWARD", "-i", BRIDGE, "-o", BRIDGE, "-j", "ACCEPT")
PORT = 16917
PATIENCE = 30.0

CONF = """\
ClusterName=mini
SlurmctldHost={host}({net}.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={root}/munge.sock
StateSaveLocation={root}/state
SlurmdSpoolDir={root}/spool.%n
SlurmctldPidFile={root}/slurmctld.pid
SlurmdPidFile={root}/slurmd.%n.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdLogFile={root}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
EnforcePartLimits=ALL
SchedulerParameters=sched_interval=2,bf_interval=5,batch_sched_delay=0
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MinJobAge=300
KillWait=5
ReturnToService=2
SlurmdTimeout=20
{nodes}
PartitionName=main Nodes=n[1-{number}] MaxTime=01:00:00 Default=YES OverSubscribe=FORCE:4 State=UP
PartitionName=short Nodes=n[1-{number}] MaxTime=00:02:00 State=UP
PartitionName=aside Nodes=n{aside} MaxTime=00:02:00 State=UP
"""


class Cluster:
    """Slurm with so many nodes, of four processors as far as it knows, and one aside, of which only its own partition knows."""

    def __init__(self, root: Path, nodes: int = 4) -> None:
        self.root, self.nodes = root.resolve(), nodes
        self._numbers = range(1, nodes + 2)
        self.host = socket.gethostname().partition(".")[0]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {**os.environ, "SLURM_CONF": str(self.root / "slurm.conf")}

    def up(self) -> None:
        """Start everything; return when all nodes are idle."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o755)
        (self.root / "state").mkdir()
        self._write_conf(self.root)
        self.small.mkdir()
        self.resize("1m", "-t", "tmpfs", "small")  # before there are nodes, that all see the same
        key = self.root / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        munge = ("munged", "-F", "--force", f"--socket={self.root}/munge.sock", f"--key-file={key}")
        files = (f"--pid-file={self.root}/munged.pid", f"--log-file={self.root}/munged.log")
        self._start("munged", *munge, *files, f"--seed-file={self.root}/munge.seed")
        self._await((self.root / "munge.sock").exists, "munge")
        self._network()
        self.prepare()
        self._start("slurmctld", "slurmctld", "-D", "-c", "-f", str(self.root / "slurm.conf"))
        self._await(self._answers, "slurmctld")
        for number in self._numbers:
            self.start_node(number)
        self._await(lambda: self.states() == ["idle"] * self.nodes, "all nodes to be idle")

    def prepare(self) -> None:
        """Start what the controller needs; here nothing."""

    @property
    def small(self) -> Path:
        """A disk that soon is full, the same on all nodes."""
        return self.root / "small"

    def resize(self, size: str, *words: str) -> None:
        """Give the small disk another size."""
        subprocess.run(
            ["mount", "-o", f"{'' if words else 'remount,'}size={size}", *words, str(self.small)], check=True
        )

    def start_node(self, number: int) -> None:
        """Start a node."""
        root, name = self.root, f"n{number}"
        for folder in (f"spool.{name}", f"conf.{name}", f"pmix.{name}"):
            (root / folder).mkdir(exist_ok=True)
        conf = root / f"conf.{name}"
        self._write_conf(conf)
        (conf / "mpi.conf").write_text(f"PMIxCliTmpDirBase={root}/pmix.{name}\n")
        # /tmp is one for all, for the checkout may be there; what MPIs put into it they name by host.
        mounts = f"mount --make-rprivate / && mount --bind {root}/hosts /etc/hosts && mount -t tmpfs shm /dev/shm"
        inner = f"hostname {name} && {mounts} && exec slurmd -D -N {name} -f {conf}/slurm.conf"
        apart = ("nsenter", f"--net=/run/netns/d4py-{name}", "unshare", "--uts", "--mount", "--ipc")
        self._start(f"slurmd.{name}", *apart, "sh", "-c", inner)

    def kill_node(self, number: int) -> None:
        """Let a node die with all that runs on it."""
        daemon = self.processes.pop(f"slurmd.n{number}")
        inside = subprocess.run(["ip", "netns", "pids", f"d4py-n{number}"], capture_output=True, text=True, check=False)
        for pid in {daemon.pid, *map(int, inside.stdout.split())}:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        daemon.wait()

    def down(self) -> None:
        """End everything that was started, by its pid."""
        for number in self._numbers:
            if f"slurmd.n{number}" in self.processes:
                self.kill_node(number)
        for process in reversed(self.processes.values()):
            process.terminate()
        for process in self.processes.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
            process.kill()
            process.wait()
        self.processes.clear()
        subprocess.run(["umount", str(self.small)], capture_output=True, check=False)
        self._no_network()

    def states(self) -> list[str]:
        """Return the states of the nodes."""
        told = self.call("sinfo", "--noheader", "--Node", "--partition=main", "--format=%t", check=False)
        return told.split()

    def call(self, *words: str, check: bool = True) -> str:
        """Return what one of Slurm's programs prints."""
        ran = subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert ran.returncode == 0 or not check, ran.stderr
        return ran.stdout

    @property
    def conf(self) -> str:
        """What slurm.conf says."""
        line = "NodeName=n{0} NodeHostname=n{0} NodeAddr={1}.{2} Port=17000 CPUs=4 RealMemory=4000 State=UNKNOWN"
        nodes = "\n".join(line.format(number, NET, 10 + number) for number in self._numbers)
        return CONF.format(
            host=self.host, net=NET, port=PORT, root=self.root, nodes=nodes, number=self.nodes, aside=self.nodes + 1
        )

    def _write_conf(self, folder: Path) -> None:
        (folder / "slurm.conf").write_text(self.conf)
        (folder / "cgroup.conf").write_text("CgroupAutomount=no\n")

    def _network(self) -> None:
        self._no_network()
        hosts = ["127.0.0.1 localhost", f"{NET}.1 {self.host}"]
        hosts += [f"{NET}.{10 + number} n{number}" for number in self._numbers]
        (self.root / "hosts").write_text("\n".join(hosts) + "\n")
        ip("link", "add", BRIDGE, "type", "bridge")
        ip("addr", "add", f"{NET}.1/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        # A docker daemon lets nothing be forwarded; between nodes all is.
        subprocess.run(["iptables", "-I", *FORWARD], capture_output=True, check=False)
        for number in self._numbers:
            name = f"d4py-n{number}"
            ip("netns", "add", name)
            ip("link", "add", f"d4pyv{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("link", "set", f"d4pyv{number}", "master", BRIDGE, "up")
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "addr", "add", f"{NET}.{10 + number}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")

    def _no_network(self) -> None:
        quiet = {"capture_output": True, "check": False}
        for number in range(1, 17):
            subprocess.run(["ip", "netns", "del", f"d4py-n{number}"], **quiet)  # type: ignore[call-overload]
            subprocess.run(["ip", "link", "del", f"d4pyv{number}"], **quiet)  # type: ignore[call-overload]
        subprocess.run(["ip", "link", "del", BRIDGE], **quiet)  # type: ignore[call-overload]
        subprocess.run(["iptables", "-D", *FORWARD], **quiet)  # type: ignore[call-overload]

    def _start(self, name: str, *command: str) -> None:
        with open(self.root / f"{name}.out", "ab") as out:
            self.processes[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=self.environment, start_new_session=True
            )

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection((f"{NET}.1", PORT), 1):
            return True
        return False

    def _await(self, condition: object, what: str) -> None:
        assert callable(condition)
        until = time.monotonic() + PATIENCE
        while not condition():
            ended = [name for name, process in self.processes.items() if process.poll() is not None]
            assert not ended, f"{ended[0]} ended: {(self.root / f'{ended[0]}.out').read_text()[-2000:]}"
            assert time.monotonic() < until, f"waited for {what}; nodes are {self.states()}"
            time.sleep(0.05)


def ip(*words: str) -> None:
    """Change the network."""
    subprocess.run(["ip", *words], check=True, capture_output=True)
