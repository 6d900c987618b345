# SPDX-License-Identifier: Apache-2.0
"""What nodes take of this machine under fixed names: a bridge, a network namespace and a cgroup each. One cluster at a time."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

BRIDGE, NET = "d4pykbr0", "10.89.0"
HOST = f"{NET}.1"
SERVICES = "10.96.0.0/16"
FORWARD = ("FORWARD", "-i", BRIDGE, "-o", BRIDGE, "-j", "ACCEPT")
CGROUPS = Path("/sys/fs/cgroup")
MOST = 9  # nodes
SYSCTLS = "net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables"


def address(number: int) -> str:
    """Return the address of a node."""
    return f"{NET}.{10 + number}"


def pods(number: int) -> str:
    """Return the network of a node's pods."""
    return f"10.244.{number}.0/24"


def group(number: int) -> str:
    """Return the name of a node's network namespace and cgroup."""
    return f"d4py-k{number}"


def network(number: int) -> tuple[str, ...]:
    """Return the command that runs something in the network of a node."""
    return ("nsenter", f"--net=/run/netns/{group(number)}")


def apart(number: int) -> tuple[str, ...]:
    """Return the command that begins a node: with its network, and mounts and process numbers that end with the first process."""
    return (*network(number), "unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child")


def inside(pid: int) -> tuple[str, ...]:
    """Return the command that runs something on a node that was begun as this process."""
    (first,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return ("nsenter", f"--target={first}", "--net", "--mount", "--pid")


def make_network(numbers: Iterable[int]) -> None:
    """Join the nodes by a bridge, and give everyone the ways to their pods."""
    ip("link", "add", BRIDGE, "type", "bridge")
    ip("addr", "add", f"{HOST}/24", "dev", BRIDGE)
    ip("link", "set", BRIDGE, "up")
    # A docker daemon lets nothing be forwarded; between nodes all is.
    subprocess.run(["iptables", "-I", *FORWARD], capture_output=True, check=False)
    for number in numbers:
        name = group(number)
        ip("netns", "add", name)
        ip("link", "add", f"d4pykv{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("link", "set", f"d4pykv{number}", "master", BRIDGE, "up")
        ip("-n", name, "link", "set", "lo", "up")
        ip("-n", name, "addr", "add", f"{address(number)}/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", name, "route", "add", "default", "via", HOST)
        for other in numbers:
            if other != number:
                ip("-n", name, "route", "add", pods(other), "via", address(other))
        ip("route", "replace", pods(number), "via", address(number))
        for sysctl in SYSCTLS:
            write = ["sh", "-c", f"echo 1 > /proc/sys/{sysctl}"]
            subprocess.run(["nsenter", f"--net=/run/netns/{name}", *write], check=True, capture_output=True)
    ip("route", "replace", SERVICES, "via", address(1))  # this machine reaches services through the first node


def make_cgroups(number: int) -> None:
    """Make a node's cgroup in every hierarchy."""
    for hierarchy in CGROUPS.iterdir():
        if hierarchy.is_dir() and hierarchy.name != "unified":
            (hierarchy / group(number)).mkdir(exist_ok=True)
    for file in ("cpuset.cpus", "cpuset.mems"):  # an empty set would refuse every process
        whole = CGROUPS / "cpuset" / file
        if whole.exists():
            (whole.parent / group(number) / file).write_text(whole.read_text())


def signal(number: int, container: str, what: int) -> None:
    """Send a signal to all processes of a container."""
    files = CGROUPS.glob(f"*/{group(number)}/**/{container}/cgroup.procs")
    pids = {int(pid) for file in files for pid in file.read_text().split()}
    assert pids, f"{container} has no processes"
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, what)


def clear() -> None:
    """Take away whatever bears our names; nothing runs there any more."""
    for number in range(1, MOST + 1):
        quietly("ip", "netns", "del", group(number))
        quietly("ip", "link", "del", f"d4pykv{number}")
        for top in CGROUPS.glob(f"*/{group(number)}"):
            for folder, _, _ in os.walk(top, topdown=False):
                with suppress(OSError):
                    Path(folder).rmdir()
    quietly("ip", "route", "del", SERVICES)
    quietly("ip", "link", "del", BRIDGE)
    quietly("iptables", "-D", *FORWARD)


def ip(*words: str) -> None:
    """Change the network."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


def quietly(*words: str) -> None:
    """Run what may have nothing to do."""
    subprocess.run(words, capture_output=True, check=False)
