# SPDX-License-Identifier: Apache-2.0
"""A real Kubernetes control plane on this machine: etcd, API server, controllers, scheduler; and nodes that KWOK plays. Needs no root.

Nothing outside its folder is touched. `scripts/kubernetes/build` makes the programs.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from tests.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
PLAYS = Path(__file__).with_name("plays.yaml")
PATIENCE = 120.0
_MISSING = 404
SERVICES = "10.96.0.0/16"
ADMIN, CONTROLLERS, SCHEDULER = "admin", "system:kube-controller-manager", "system:kube-scheduler"
# One that ends again and again is none that its Deployment would save.
KEPT = (
    'for _ in 1 2 3 4 5; do setpriv --pdeathsig=KILL "$@" || echo "it ended with $?, and is begun anew"; sleep 1; done'
)
FAKE_NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {
        "name": "played",
        "annotations": {"kwok.x-k8s.io/node": "fake"},
        "labels": {"kubernetes.io/hostname": "played", "kubernetes.io/os": "linux"},
    },
    "status": {
        "allocatable": {"cpu": "10000", "memory": "10Ti", "pods": "20000"},
        "capacity": {"cpu": "10000", "memory": "10Ti", "pods": "20000"},
    },
}


@cache
def programs() -> Path:
    """Return the folder of the programs, which are built if need be."""
    told = subprocess.check_output([ROOT / "scripts" / "kubernetes" / "build"], text=True)
    return Path(told.splitlines()[-1])


class Cluster:
    """A control plane. Its API is at `host`; `kubeconfig` is its administrator's."""

    def __init__(self, root: Path, *, host: str = "127.0.0.1", users: dict[str, str] | None = None) -> None:
        """users: more who may log in, each with a group."""
        self.root, self.host, self.programs = root.resolve(), host, programs()
        self.port, self._etcd, self._peer = free_ports(3)
        self.server = f"https://{host}:{self.port}"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        groups = {ADMIN: "system:masters", CONTROLLERS: "", SCHEDULER: "", **(users or {})}
        self._tokens = {user: (secrets.token_hex(16), group) for user, group in groups.items()}
        self._authority = self.root / "keys" / "apiserver.crt"  # the API server makes it

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.root / "admin.kubeconfig"

    def up(self) -> None:
        """Start everything; return when namespaces have their service accounts."""
        (self.root / "keys").mkdir(parents=True)
        key = self.root / "keys" / "accounts.key"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        lines = [f'{token},{user},{user},"{group}"' for user, (token, group) in self._tokens.items()]
        (self.root / "keys" / "tokens.csv").write_text("\n".join(lines) + "\n")
        self.start("etcd", "kubebox", *self._etcd_flags())
        self.start("kube-apiserver", "kubebox", *self._api_flags(key))
        self.wait_for(lambda: self._answers("/readyz"), "the API server")
        for user in self._tokens:
            self.write_kubeconfig(self.root / f"{user.rpartition(':')[2]}.kubeconfig", self._tokens[user][0])
        for name in ("kube-controller-manager", "kube-scheduler"):
            flags = [f"--kubeconfig={self.root}/{name}.kubeconfig", "--leader-elect=false", "--secure-port=0"]
            more = self._controller_flags(key) if name == "kube-controller-manager" else []
            self.start(name, "kubebox", name, *flags, "--kube-api-qps=500", "--kube-api-burst=1000", *more)
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        self.wait_for(lambda: self._answers(account), "the first service account")

    def down(self) -> None:
        """End everything that was started, by its pid."""
        for process in reversed(self.processes.values()):
            process.kill()
            process.wait()
        self.processes.clear()

    def start(self, name: str, program: str, *words: str, inside: tuple[str, ...] = ()) -> None:
        """Start one of the programs, or another that is on the PATH. inside: the command that runs it elsewhere."""
        found = self.programs / program
        # They end when these tests do, however these end.
        command = ["setpriv", "--pdeathsig=KILL", *inside, str(found) if found.exists() else program, *words]
        # A fifth less of a processor for some more memory.
        environment = {"GOGC": "400", **os.environ, "KUBECONFIG": str(self.kubeconfig)}
        with open(self.root / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
            )

    def keep(self, name: str, program: str, *words: str, inside: tuple[str, ...] = ()) -> None:
        """Start one that its Deployment would begin anew: that a lease could not be renewed in time, say, is no death of it."""
        self.start(name, program, *words, inside=("sh", "-c", KEPT, "sh", *inside))

    def stop(self, name: str) -> None:
        """End one of the programs at once."""
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    @contextmanager
    def held_back(self, *names: str) -> Iterator[None]:
        """Have programs do nothing meanwhile."""
        pids = [self.processes[name].pid for name in names]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    @contextmanager
    def played(self) -> Iterator[None]:
        """Have KWOK play a node meanwhile: pods run there, and end as their annotations say (plays.yaml)."""
        self.apply(FAKE_NODE)
        flags = ("--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake", "--node-lease-duration-seconds=40")
        files = (f"--kubeconfig={self.kubeconfig}", f"--config={PLAYS}")
        self.start("kwok", "kwok", *files, "--manage-all-nodes=false", *flags, "--cidr=10.250.0.1/16")
        try:
            self.kubectl("wait", "--for=condition=Ready", "node/played", "--timeout=30s")
            yield
        finally:
            self.kubectl("delete", "node", "played")
            self.stop("kwok")

    def kubectl(self, *words: str, given: str | None = None, check: bool = True) -> str:
        """Return what kubectl prints."""
        ran = self.call("kubectl", *words, given=given)
        assert ran.returncode == 0 or not check, ran.stderr
        return ran.stdout

    def call(self, program: str, *words: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl or helm as the administrator."""
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig), "HELM_CACHE_HOME": str(self.root / "helm")}
        return subprocess.run(
            [self.programs / program, *words],
            input=given,
            env=environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def apply(self, *objects: dict[str, Any], namespace: str = "default") -> None:
        """Apply objects, server-side."""
        listing = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        flags = ("--server-side", "--force-conflicts", f"--namespace={namespace}")
        self.kubectl("apply", *flags, "-f", "-", given=json.dumps(listing))

    def get(self, *words: str, namespace: str = "default") -> Any:
        """Return an object, or a list of them, as data."""
        return json.loads(self.kubectl("get", f"--namespace={namespace}", "-o", "json", *words))

    def ask(self, path: str) -> Any:
        """Return what the API answers the administrator, as data; None where there is no such thing. Cheaper than a kubectl."""
        headers = {"Authorization": f"Bearer {self._tokens[ADMIN][0]}"}
        context = ssl.create_default_context(cafile=str(self._authority))
        try:
            with urllib.request.urlopen(
                urllib.request.Request(self.server + path, headers=headers), context=context
            ) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            if error.code != _MISSING:
                raise
            return None

    def write_kubeconfig(self, path: Path, token: str, *, server: str = "", namespace: str = "default") -> None:
        """Write a kubeconfig for whoever has a token."""
        authority = base64.b64encode(self._authority.read_bytes()).decode()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "me", "namespace": namespace}}],
            "clusters": [
                {"name": "test", "cluster": {"server": server or self.server, "certificate-authority-data": authority}}
            ],
            "users": [{"name": "me", "user": {"token": token}}],
        }
        path.write_text(json.dumps(config, indent=1))
        path.chmod(0o600)

    def kubeconfig_of(self, account: str, *, namespace: str = "default") -> Path:
        """Return a kubeconfig with the rights of a service account."""
        token = self.kubectl("create", "token", account, f"--namespace={namespace}", "--duration=2h").strip()
        path = self.root / f"{namespace}.{account}.kubeconfig"
        self.write_kubeconfig(path, token, namespace=namespace)
        return path

    def wait_for(
        self, condition: Callable[[], object], what: str, *, within: float = PATIENCE, pause: float = 0.05
    ) -> None:
        """Wait for something, as long as every program runs. pause: seconds between two looks."""
        until = time.monotonic() + within
        while not condition():
            ended = [name for name, process in list(self.processes.items()) if process.poll() is not None]
            assert not ended, f"{ended[0]} ended: {(self.root / f'{ended[0]}.log').read_text()[-2000:]}"
            assert time.monotonic() < until, f"waited {within:g} s for {what}"
            time.sleep(pause)

    def _answers(self, path: str) -> bool:
        with suppress(OSError):
            context = ssl.create_default_context(cafile=str(self._authority))
            headers = {"Authorization": f"Bearer {self._tokens[ADMIN][0]}"}
            with urllib.request.urlopen(urllib.request.Request(self.server + path, headers=headers), context=context):
                return True
        return False

    def _etcd_flags(self) -> list[str]:
        client, peer = (f"http://127.0.0.1:{port}" for port in (self._etcd, self._peer))
        flags = [f"--data-dir={self.root}/etcd", "--name=test", f"--initial-cluster=test={peer}"]
        flags += [f"--listen-client-urls={client}", f"--advertise-client-urls={client}"]
        flags += [f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}"]
        return ["etcd", *flags, "--unsafe-no-fsync", "--log-level=warn"]

    def _api_flags(self, key: Path) -> list[str]:
        flags = [f"--etcd-servers=http://127.0.0.1:{self._etcd}", f"--service-cluster-ip-range={SERVICES}"]
        flags += [f"--bind-address={self.host}", f"--secure-port={self.port}", f"--cert-dir={self.root}/keys"]
        flags += [f"--token-auth-file={self.root}/keys/tokens.csv", "--authorization-mode=Node,RBAC"]
        flags += [f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}"]
        flags += ["--service-account-issuer=https://kubernetes.default.svc.cluster.local"]
        flags += ["--kubelet-preferred-address-types=InternalIP"]
        flags += ["--enable-admission-plugins=NodeRestriction", "--allow-privileged=true", "--profiling=false"]
        loopback = self.host.startswith("127.")  # which no endpoint may have
        return ["kube-apiserver", *flags, *(["--endpoint-reconciler-type=none"] if loopback else [])]

    def _controller_flags(self, key: Path) -> list[str]:
        flags = ["--use-service-account-credentials=true", f"--service-account-private-key-file={key}"]
        return [*flags, f"--root-ca-file={self._authority}", "--concurrent-job-syncs=20", "--profiling=false"]
