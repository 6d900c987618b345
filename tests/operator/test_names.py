# SPDX-License-Identifier: Apache-2.0
"""Names of pods, which are known a moment after the pods are: what launches ranks waits for them, and what it says where none comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.operator.place import Place

# A network of which somebody writes down what it is asked, and a clock that goes by as fast as one waits.
SOCKET = """import sys, time
now = [0.0]
time.monotonic = lambda: now[0]
unknown = {unknown}
def sleep(seconds):
    now[0] += seconds
    if now[0] > 3600:
        said("an hour")
        sys.exit(9)
time.sleep = sleep
def said(*words):
    with open({asked!r}, "a") as file:
        print(*words, file=file)
def gethostname():
    return "launcher"
def getaddrinfo(name, port):
    said("asked", name)
    unknown[name] = unknown.get(name, 0) - 1
    if unknown[name] >= 0:
        raise OSError(name)
class create_connection:
    def __init__(self, place, timeout):
        said("reached", *place)
    def close(self):
        pass
"""
HOSTS = {
    "OpenMPI": "demo-1-worker-0.demo-1.lab.svc slots=1\ndemo-1-worker-1.demo-1.lab.svc slots=1\n",
    "MPICH": "demo-1-worker-0.demo-1.lab.svc:1\ndemo-1-worker-1.demo-1.lab.svc:1\n",
}


class Asking(Place):
    """One whose programs are told which names there are; unknown: how often a name is not found."""

    def __init__(self, folder: Path, implementation: str, launcher: str, **unknown: int) -> None:
        mpi: dict[str, Any] = {"ranks": 2, "implementation": implementation, "launcher": launcher}
        super().__init__(folder, "", mapping="mpi", mpi=mpi)
        self.hosts.write_text(HOSTS[implementation])
        job = launcher == "MPIJob"
        names = ("demo-1-worker-0.demo-1.lab.svc", "demo-1-worker-1.demo-1.lab.svc")
        names = names if job else ("demo-1-0.demo-c3b5f", "demo-1-1.demo-c3b5f")
        self.names = dict(zip(("one", "other", "own"), (*names, "launcher.demo-1"), strict=True))
        known = {self.names[name]: often for name, often in unknown.items()}
        self.told_names = folder / "asked"
        (folder / "lib" / "socket.py").write_text(SOCKET.format(unknown=known, asked=str(self.told_names)))

    @property
    def asked(self) -> list[str]:
        """What was asked, each in a row once."""
        said = self.told_names.read_text()
        for word, name in self.names.items():
            said = said.replace(name, word)
        return said.splitlines()


@pytest.fixture(params=["OpenMPI", "MPICH"])
def implementation(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.mark.parametrize("launcher", ["MPIJob", "Native"])
def test_ranks_begin_when_all_pods_are_known_and_listen(implementation: str, launcher: str, tmp_path: Path) -> None:
    """Of several servers of names each keeps for seconds that it did not know one: who had to wait asks until chance has asked them all."""
    place = Asking(tmp_path, implementation, launcher, other=2)

    assert place.runs()[0] == 0

    own = ["asked own"] if (implementation, launcher) == ("MPICH", "MPIJob") else []
    assert place.asked == [
        "asked one",
        "reached one 2222",
        *["asked other"] * (2 + 8),
        "reached other 2222",
        *own,
    ]
    assert place.words[0] == "run"


def test_ranks_of_mpich_begin_when_workers_can_find_their_launcher(tmp_path: Path) -> None:
    """By a name with a dot, which no file of the launcher's own pod knows."""
    place = Asking(tmp_path, "MPICH", "MPIJob", own=3)

    assert place.runs()[0] == 0
    assert place.asked[-11:] == ["asked own"] * (3 + 8)


def test_a_launcher_whose_workers_were_ready_leaves_it_to_ssh_to_say_what_is_unknown(
    implementation: str, tmp_path: Path
) -> None:
    place = Asking(tmp_path, implementation, "MPIJob", other=10_000)

    assert place.runs()[0] == 0
    assert place.words[0] == "run"
    assert "an hour" not in place.asked


def test_the_first_of_pods_waits_for_one_that_has_no_room_yet(implementation: str, tmp_path: Path) -> None:
    place = Asking(tmp_path, implementation, "Native", other=10_000)

    assert place.runs()[0] == 9
    assert place.asked[-1] == "an hour"
