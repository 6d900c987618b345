# SPDX-License-Identifier: Apache-2.0
"""What a user would type to let a contestant do a case's work."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from bench.cases import OURS, PLAIN, Case, Contestant, Kind
from bench.peers import BYTEWAX, RAY

ROOT = Path(__file__).resolve().parents[1]
WORKLOADS = ROOT / "bench" / "workloads"


def command(case: Case, contestant: Contestant, peers: Mapping[str, Path], *, items: int) -> list[str]:
    """Return the command. peers: where their programs are."""
    if case.kind is Kind.IMPORT:
        return [sys.executable, "-X", "importtime", "-c", "pass" if contestant.system == PLAIN else "import d4py"]
    if contestant.mapping == "mpi":
        return ["mpiexec", "-n", str(contestant.processes), *_of_a_rank(case, contestant, peers)]
    if contestant.system == PLAIN:
        if case.kind is Kind.START:
            return [sys.executable, "-c", "pass"]
        return [sys.executable, str(WORKLOADS / "loop.py"), case.workload]
    if contestant.unchanged:
        file = str(WORKLOADS / f"{case.workload}_stream_d4py.py")
        number = [] if contestant.alone else ["-n", str(contestant.processes)]
        return [str(Path(sys.executable).with_name("dispel4py")), contestant.mapping, file, *number]
    if contestant.system == OURS:
        return _ours(case, contestant, items)
    programs, name = peers[contestant.system], contestant.system.lower().replace("-", "_")
    if contestant.system == RAY:
        return [str(programs / "python"), str(WORKLOADS / f"{case.workload}_{name}.py")]
    if contestant.system == BYTEWAX:
        module = "bytewax.testing" if contestant.processes > 1 else "bytewax.run"
        number = ["-p", str(contestant.processes)] if contestant.processes > 1 else []
        flow = f"bench.workloads.{case.workload}_{name}:batches({contestant.settings[0]})"
        return [str(programs / "python"), "-m", module, *number, flow]
    number = ["-n", str(contestant.processes)] if not contestant.alone else []
    file = str(WORKLOADS / f"{case.workload}_{name}.py")
    return [str(programs / "dispel4py"), contestant.mapping, file, *number]


def _of_a_rank(case: Case, contestant: Contestant, peers: Mapping[str, Path]) -> list[str]:
    """Return what each rank of a job runs."""
    if contestant.system == PLAIN:
        return [sys.executable, str(WORKLOADS / f"{case.workload}_mpi.py")]
    theirs = str(WORKLOADS / f"{case.workload}_stream_d4py.py")
    ranks = str(contestant.processes)
    if contestant.unchanged:
        return [str(Path(sys.executable).with_name("dispel4py")), "mpi", theirs, "-n", ranks]
    if contestant.system == OURS:
        style = ["--set", f"style={contestant.style}"]
        program = str(Path(sys.executable).with_name("d4py"))
        return [program, "run", str(WORKLOADS / f"{case.workload}_d4py.py"), "--mapping", "mpi", "-q", *style]
    return [str(peers[contestant.system] / "dispel4py"), "mpi", theirs, "-n", ranks]


def _ours(case: Case, contestant: Contestant, items: int) -> list[str]:
    program = str(Path(sys.executable).with_name("d4py"))
    planning = case.kind is Kind.WHOLE
    parameters = [f"style={contestant.style}"] if contestant.style else []
    parameters += contestant.settings
    parameters += [f"pes={items}"] if planning else []
    return [
        program,
        "plan" if planning else "run",
        str(WORKLOADS / f"{case.workload}_d4py.py"),
        "--mapping",
        contestant.mapping,
        "-n",
        str(contestant.processes),
        *(word for parameter in parameters for word in ("--set", parameter)),
        *contestant.options,
        *(("--json",) if planning else ()),
    ]
