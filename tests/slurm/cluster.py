# SPDX-License-Identifier: Apache-2.0
"""A real Slurm of several nodes on this machine: each node a slurmd in network, host name and /dev/shm of its own. Needs root.

Nothing outside its folder is touched, but for network namespaces and a bridge, which go with it. Several may be there at a time, by their numbers.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from tests.slurm.numbers import Number, kill

PORT = 16917
PATIENCE = 30.0
MODULES = "/etc/environment-modules/modules"  # where Debian's Environment Modules look

# Daemons die with the process that started them. Where there is no such program, who takes the number next ends them.
DIES = ("setpriv", "--pdeathsig", "KILL", "--") if shutil.which("setpriv") else ()

CONF = """\
ClusterName=mini
SlurmctldHost={host}({net}.1)
SlurmctldPort={port}
FirstJobId={first}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={root}/munge.sock,cred_expire=30
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
PartitionName=micro Nodes=n[1-{number}] MaxTime=2-00:00:00 OverSubscribe=FORCE:4 State=UP
"""


class Cluster:
    """Slurm with so many nodes, of four processors as far as it knows."""

    def __init__(self, root: Path, number: Number, nodes: int = 4) -> None:
        self.root, self.nodes, self._held, self._number = root.resolve(), nodes, number, number.value
        self._bridge, self._net = f"d4pybr{self._number}", f"10.88.{self._number}"
        self.port = PORT + 10 * self._number
        self._forward = ("FORWARD", "-i", self._bridge, "-o", self._bridge, "-j", "ACCEPT")
        self._numbers = range(1, nodes + 1)
        self.host = socket.gethostname().partition(".")[0]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.environment = {**os.environ, "SLURM_CONF": str(self.root / "slurm.conf")}

    def up(self) -> None:
        """Start everything; return when all nodes are idle."""
        self.root.mkdir(parents=True, exist_ok=True)
        self._held.has(str(self.root))
        self.root.chmod(0o755)
        for folder in ("state", "modules"):
            (self.root / folder).mkdir()
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

    def module(self, name: str, *lines: str) -> None:
        """Lay down a module, which only the nodes see."""
        path = self.root / "modules" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(["#%Module1.0", *lines, ""]))

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
        shutil.rmtree(root / f"pmix.{name}", ignore_errors=True)  # a node that begins anew has nothing of before there
        for folder in (f"spool.{name}", f"conf.{name}", f"pmix.{name}"):
            (root / folder).mkdir(exist_ok=True)
        conf = root / f"conf.{name}"
        self._write_conf(conf)
        (conf / "mpi.conf").write_text(f"PMIxCliTmpDirBase={root}/pmix.{name}\n")
        # /tmp is one for all, for the checkout may be there; what MPIs put into it they name by host.
        mounts = f"mount --make-rprivate / && mount --bind {root}/hosts /etc/hosts && mount -t tmpfs shm /dev/shm"
        mounts += f" && {{ [ ! -d {MODULES} ] || mount --bind {root}/modules {MODULES}; }}"
        inner = f"hostname {name} && {mounts} && exec slurmd -D -N {name} -f {conf}/slurm.conf"
        apart = ("nsenter", f"--net=/run/netns/{self.space(number)}", "unshare", "--uts", "--mount", "--ipc")
        self._start(f"slurmd.{name}", *apart, "sh", "-c", inner)

    def kill_node(self, number: int) -> None:
        """Let a node die with all that runs on it."""
        daemon = self.processes.pop(f"slurmd.n{number}")
        inside = subprocess.run(
            ["ip", "netns", "pids", self.space(number)], capture_output=True, text=True, check=False
        )
        for pid in {daemon.pid, *map(int, inside.stdout.split())}:
            kill(pid)
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

    def space(self, number: int) -> str:
        """Return the network namespace of a node."""
        return f"d4py{self._number}-n{number}"

    def states(self) -> list[str]:
        """Return the states of the nodes."""
        told = self.call("sinfo", "--noheader", "--Node", "--partition=main", "--format=%t", check=False)
        return told.split()

    def call(self, *words: str, check: bool = True, patience: float = PATIENCE) -> str:
        """Return what one of Slurm's programs prints."""
        ran = subprocess.run(words, env=self.environment, capture_output=True, text=True, timeout=patience, check=False)
        assert ran.returncode == 0 or not check, ran.stderr
        return ran.stdout

    @property
    def conf(self) -> str:
        """What slurm.conf says."""
        line = "NodeName=n{0} NodeHostname=n{0} NodeAddr={1}.{2} Port=17000 CPUs=4 RealMemory=4000 State=UNKNOWN"
        nodes = "\n".join(line.format(number, self._net, 10 + number) for number in self._numbers)
        return CONF.format(
            host=self.host,
            net=self._net,
            port=self.port,
            first=1 + 10_000 * self._number,  # MPIs name what is theirs on a node by it
            root=self.root,
            nodes=nodes,
            number=self.nodes,
        )

    def _write_conf(self, folder: Path) -> None:
        (folder / "slurm.conf").write_text(self.conf)
        (folder / "cgroup.conf").write_text("CgroupAutomount=no\n")

    def _network(self) -> None:
        self._no_network()
        hosts = ["127.0.0.1 localhost", f"{self._net}.1 {self.host}"]
        hosts += [f"{self._net}.{10 + number} n{number}" for number in self._numbers]
        (self.root / "hosts").write_text("\n".join(hosts) + "\n")
        ip("link", "add", self._bridge, "type", "bridge")
        ip("addr", "add", f"{self._net}.1/24", "dev", self._bridge)
        ip("link", "set", self._bridge, "up")
        # A docker daemon lets nothing be forwarded; between nodes all is.
        subprocess.run(["iptables", "-w", "-I", *self._forward], capture_output=True, check=False)
        for number in self._numbers:
            name = self.space(number)
            ip("netns", "add", name)
            ip("link", "add", self._wire(number), "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("link", "set", self._wire(number), "master", self._bridge, "up")
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "addr", "add", f"{self._net}.{10 + number}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")

    def _no_network(self) -> None:
        quiet = {"capture_output": True, "check": False}
        for number in range(1, 17):
            subprocess.run(["ip", "netns", "del", self.space(number)], **quiet)  # type: ignore[call-overload]
            subprocess.run(["ip", "link", "del", self._wire(number)], **quiet)  # type: ignore[call-overload]
        subprocess.run(["ip", "link", "del", self._bridge], **quiet)  # type: ignore[call-overload]
        subprocess.run(["iptables", "-w", "-D", *self._forward], **quiet)  # type: ignore[call-overload]

    def _wire(self, number: int) -> str:
        return f"d4pyv{self._number}-{number}"

    def _start(self, name: str, *command: str) -> None:
        with open(self.root / f"{name}.out", "ab") as out:
            self.processes[name] = subprocess.Popen(
                [*DIES, *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=self.environment,
                start_new_session=True,
            )
        self._held.runs(self.processes[name].pid)

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection((f"{self._net}.1", self.port), 1):
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
