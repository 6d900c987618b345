# SPDX-License-Identifier: Apache-2.0
"""Real nodes for the control plane, on this machine: each a kubelet, containerd and kube-proxy. Needs root.

A node is a process with network, mounts and process numbers of its own: what runs on it ends with it. Kubelets pull images from the registries that
nodes are given. Beside its folder the cluster has a bridge, network namespaces and cgroups, which go with it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.cluster import machine
from tests.cluster.archive import write_archive
from tests.kubernetes.cluster import Cluster

DNS = "10.96.0.10"
PAUSE = "test.local/pause:1"
IMAGES = "6g"  # at most, a node
CONF = Path(__file__).with_name("conf")
# Where programs keep what no option moves; each node has its own.
PLACES = {
    "log": "/var/log",
    "kubelet": "/var/lib/kubelet",
    "results": "/var/lib/cni",
    "run": "/run/containerd",
    "netns": "/run/netns",
}


class Nodes(Cluster):
    """A cluster with so many nodes. The host reaches pods and services too."""

    def __init__(self, root: Path, *, nodes: int = 2, registries: Mapping[str, tuple[str, Path]] | None = None) -> None:
        """registries: the servers of registries by the names that images bear, each with the certificate of who vouches for it."""
        self.numbers = range(1, nodes + 1)
        users = {f"system:node:node{number}": "system:nodes" for number in self.numbers}
        users |= {"system:coredns": "", "system:kube-proxy": ""}
        super().__init__(root, host=machine.HOST, users=users)
        self._registries = dict(registries or {})

    def up(self) -> None:
        """Start everything; return when all nodes are ready."""
        machine.clear()
        machine.make_network(self.numbers)
        super().up()
        self.kubectl("apply", "-f", "-", given=filled("services.yaml", HOST=machine.HOST, DNS=DNS))
        (self.root / "Corefile").write_text(filled("Corefile", HOST=machine.HOST, ROOT=self.root))
        self.start("coredns", "kubebox", "coredns", "-conf", str(self.root / "Corefile"))
        write_archive(self.root / "pause.tar", PAUSE, self.programs / "pause")
        for number in self.numbers:
            self.start_node(number)
        names = [f"node/node{number}" for number in self.numbers]
        self.wait_for(lambda: len(self.get("nodes")["items"]) == len(names), "the nodes")
        self.kubectl("wait", "--for=condition=Ready", *names, "--timeout=60s")

    def down(self) -> None:
        """End everything."""
        super().down()
        machine.clear()

    def start_node(self, number: int) -> None:
        """Start a node that has no process yet."""
        room, name, address = self._room(number), f"node{number}", machine.address(number)
        for folder in ("cni", "containerd", *PLACES):
            (room / folder).mkdir(parents=True, exist_ok=True)
        machine.make_cgroups(number)
        (room / "resolv.conf").write_text(f"nameserver {machine.HOST}\n")
        words = {
            "DIR": room,
            "NODE": name,
            "ADDRESS": address,
            "GROUP": machine.group(number),
            "DNS": DNS,
            "PAUSE": PAUSE,
        }
        for conf in ("containerd.toml", "kubelet.yaml", "kube-proxy.yaml"):
            (room / conf).write_text(filled(conf, **words))
        for registry, (server, authority) in self._registries.items():
            (room / "registries" / registry).mkdir(parents=True, exist_ok=True)
            hosts = filled("hosts.toml", SERVER=server, AUTHORITY=authority)
            (room / "registries" / registry / "hosts.toml").write_text(hosts)
        (room / "cni" / "10-pods.conflist").write_text(filled("cni.conflist", PODS=machine.pods(number)))
        token = self.root / f"{name}.kubeconfig"
        (room / "kubelet.kubeconfig").write_bytes(token.read_bytes())
        (room / "kube-proxy.kubeconfig").write_bytes((self.root / "kube-proxy.kubeconfig").read_bytes())
        binds = " && ".join(f"mkdir -p {place} && mount --bind {room}/{own} {place}" for own, place in PLACES.items())
        # What images are unpacked to is in memory, and goes with the node: to delete it from a disk took a minute.
        memory = f"mount -t tmpfs -o size={IMAGES} images {room}/containerd"
        self.start(
            name,
            "sh",
            "-c",
            f"{binds} && {memory} && exec containerd --config {room}/containerd.toml",
            inside=machine.apart(number),
        )
        self.wait_for(lambda: self._ctr(number, "version").returncode == 0, f"containerd of {name}")
        loaded = self._ctr(number, "images", "import", str(self.root / "pause.tar"))
        assert loaded.returncode == 0, loaded.stderr
        there = machine.inside(self.processes[name].pid)
        flags = [f"--config={room}/kubelet.yaml", f"--kubeconfig={room}/kubelet.kubeconfig", f"--node-ip={address}"]
        self.start(f"kubelet{number}", "kubebox", "kubelet", *flags, f"--hostname-override={name}", inside=there)
        self.start(f"kube-proxy{number}", "kubebox", "kube-proxy", f"--config={room}/kube-proxy.yaml", inside=there)

    def _controller_flags(self, key: Path) -> list[str]:
        """A node is missed sooner than after forty seconds: see conf/kubelet.yaml."""
        return [*super()._controller_flags(key), "--node-monitor-grace-period=20s", "--node-monitor-period=1s"]

    def kill_node(self, number: int) -> None:
        """Let a node die with all that runs on it."""
        for name in (f"node{number}", f"kubelet{number}", f"kube-proxy{number}"):
            self.stop(name)

    def _ctr(self, number: int, *words: str) -> subprocess.CompletedProcess[str]:
        socket = f"{self._room(number)}/containerd.sock"
        command = ["ctr", "--address", socket, "--namespace", "k8s.io", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def _room(self, number: int) -> Path:
        return self.root / f"n{number}"


def filled(name: str, **words: object) -> str:
    """Return a file of conf/ with its @WORDS@ replaced."""
    text = (CONF / name).read_text()
    for word, value in words.items():
        text = text.replace(f"@{word}@", str(value))
    return text
