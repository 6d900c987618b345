# SPDX-License-Identifier: Apache-2.0
"""What a user would type to let a contestant do a case's work."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from bench.cases import OURS, PLAIN, Case, Contestant, Kind
from bench.peers import BYTEWAX, RAY, STREAM

ROOT = Path(__file__).resolve().parents[1]
WORKLOADS = ROOT / "bench" / "workloads"


def command(case: Case, contestant: Contestant, peers: Mapping[str, Path], *, items: int) -> list[str]:
    """Return the command. peers: where their programs are."""
    if contestant.mapping == "mpi":
        return ["mpiexec", "-n", str(contestant.processes), *_of_a_rank(case, contestant, peers)]
    if case.kind is Kind.IMPORT:
        return [sys.executable, "-X", "importtime", "-c", "pass" if contestant.system == PLAIN else "import d4py"]
    if contestant.system == PLAIN:
        if case.kind is Kind.START:
            return [sys.executable, "-c", "pass"]
        return [sys.executable, str(WORKLOADS / "loop.py"), case.workload]
    if contestant.system == OURS and not contestant.unchanged:
        return _ours(case, contestant, items)
    return _theirs(case, contestant, peers)


def _theirs(case: Case, contestant: Contestant, peers: Mapping[str, Path]) -> list[str]:
    """Return the command of a peer, or ours with a file of stream-d4py's as it is."""
    system = STREAM if contestant.unchanged else contestant.system
    programs = Path(sys.executable).parent if contestant.unchanged else peers[system]
    name = system.lower().replace("-", "_")
    file = str(WORKLOADS / f"{case.workload}_{name}.py")
    if system == RAY:
        return [str(programs / "python"), file]
    if system == BYTEWAX:
        module = "bytewax.testing" if contestant.processes > 1 else "bytewax.run"
        number = ["-p", str(contestant.processes)] if contestant.processes > 1 else []
        flow = f"bench.workloads.{case.workload}_{name}:batches({contestant.settings[0]})"
        return [str(programs / "python"), "-m", module, *number, flow]
    number = ["-n", str(contestant.processes)] if not contestant.alone else []
    return [str(programs / "dispel4py"), contestant.mapping, file, *number]


def _of_a_rank(case: Case, contestant: Contestant, peers: Mapping[str, Path]) -> list[str]:
    """Return what each rank of a job runs."""
    if contestant.system == PLAIN:
        return [sys.executable, str(WORKLOADS / f"{case.workload}_mpi.py")]
    if contestant.system != OURS or contestant.unchanged:
        return _theirs(case, contestant, peers)
    style = ["--set", f"style={contestant.style}"]
    program = str(Path(sys.executable).with_name("d4py"))
    return [program, "run", str(WORKLOADS / f"{case.workload}_d4py.py"), "--mapping", "mpi", "-q", *style]


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
