# SPDX-License-Identifier: Apache-2.0
"""A folder that stands for a pod, whose command a shell runs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.operator.hands import eventually
from tests.operator.scene import workflow

from d4py_operator.mappings import room_of
from d4py_operator.run import Run

D4PY = """#!/bin/sh
printf '%s\\n' "$@" >{place}/words
{does}
"""
MPIEXEC = """#!/bin/sh
while [ "$1" != d4py ]; do shift; done
child= told=
trap 'told=yes; [ -z "$child" ] || kill -USR1 "$child"' USR1
"$@" &
child=$!
[ -z "$told" ] || kill -USR1 "$child"
wait "$child"; code=$?
while kill -0 "$child" 2>/dev/null; do wait "$child"; code=$?; done
exit "$code"
"""


class Place:
    """A folder that stands for a pod: its command, with programs of ours on its path."""

    def __init__(self, folder: Path, does: str, *, role: str = "Launcher", number: str = "0", **spec: Any) -> None:
        """role: which pod of an MPIJob; number: which of a Job."""
        self.folder, self.number = folder, number
        run = Run(workflow(**spec))
        room = room_of(run, frozenset({"MPIJob"}))
        assert room is not None
        job = room.objects(run, 1)[-1]
        template = job["spec"].get("template") or job["spec"]["mpiReplicaSpecs"][role]["template"]
        script = template["spec"]["containers"][0]["command"][2].replace("$$", "$").replace("/usr/sbin/", "")
        self.script = re.sub(
            r"/(?:d4py|tmp|etc/mpi)/|/dev/termination-log", lambda found: f"{folder}{found[0]}", script
        )
        self.run_folder = Path(f"{folder}{run.folder}")
        (folder / "bin").mkdir()
        for name in ("tmp", "dev", "etc/mpi", "lib"):
            (folder / name).mkdir(parents=True)
        self.hosts = folder / "etc" / "mpi" / "hostfile"  # as the MPI Operator leaves it
        self.hosts.touch()
        for name, text in (
            ("d4py", D4PY.format(place=folder, does=does)),
            ("mpiexec", MPIEXEC),
            ("sshd", "#!/bin/sh\n"),
        ):
            self.program(name, text)

    def program(self, name: str, text: str) -> None:
        """Have a program on its path."""
        (self.folder / "bin" / name).write_text(text)
        (self.folder / "bin" / name).chmod(0o755)

    def start(self) -> subprocess.Popen[str]:
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        environment = {"PATH": path, "HOME": f"{self.folder}/home", "PYTHONPATH": f"{self.folder}/lib"}
        environment["JOB_COMPLETION_INDEX"] = self.number
        words = ["/bin/sh", "-c", self.script]
        return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True)

    def runs(self) -> tuple[int, str]:
        process = self.start()
        printed, _ = process.communicate(timeout=20)
        return process.returncode, printed

    def told(self) -> int:
        """Tell it to end when one of its programs has begun; return its exit code."""
        process = self.start()
        try:
            eventually((self.folder / "begun").is_file, "a program to begin")
            process.send_signal(signal.SIGTERM)
            (self.folder / "go").touch()
            return process.wait(timeout=20)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # what goes in a pod with its first process
            process.communicate()

    @property
    def words(self) -> list[str]:
        return (self.folder / "words").read_text().splitlines()

    @property
    def left(self) -> str:
        return (self.folder / "dev" / "termination-log").read_text()
