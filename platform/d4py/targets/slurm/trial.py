# SPDX-License-Identifier: Apache-2.0
"""Whether a job can ever start, before it is sent: one that cannot would wait for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d4py.graph.resources import parsed_size
from d4py.targets.slurm.commands import SlurmError, call

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_REFUSED = "node configuration"  # what sbatch says of nodes that there are not, and of those that are away
_AWAY = ("down", "drain", "drng", "fail", "maint", "reboot", "unk")
_UNKNOWN = ("constraint", "reservation", "exclude", "nodelist")  # which nodes these leave is not known here


def tried(flags: Sequence[str], script: Path) -> str:
    """Return what a job would have to wait for besides those of others: nothing, or that nodes come back. Raises SlurmError where it can never start."""
    try:
        call("sbatch", "--test-only", *flags, str(script))
    except SlurmError as error:
        given = dict(flag.removeprefix("--").partition("=")[::2] for flag in flags)
        if _REFUSED not in error.message.lower() or not _away(given):
            raise
        return "nodes that this job needs are down or drained: it waits until they are back"
    return ""


def _away(given: Mapping[str, str]) -> bool:
    """Whether there are enough nodes for a job, if those are counted that are away, and only then."""
    if any(name in given for name in _UNKNOWN):
        return False
    where = [f"--{name}={given[name]}" for name in ("partition", "clusters") if name in given]
    try:
        lines = call("sinfo", "--noheader", "--Node", "--format=%P|%N|%c|%m|%t", *where).splitlines()
    except SlurmError:
        return False
    rows = [fields for line in lines if len(fields := line.strip().split("|")) == 5]
    rows = [fields for fields in rows if fields[2].isdigit() and fields[3].isdigit()]
    processors = int(given.get("ntasks-per-node", 1)) * int(given.get("cpus-per-task", 1))
    memory = given.get("mem", "0")
    megabytes = int(memory) if memory.isdigit() else parsed_size(memory) >> 20
    fitting: dict[str, list[str]] = {}
    for partition, _, has, holds, state in rows:
        if ("partition" in given or partition.endswith("*")) and int(has) >= processors and int(holds) >= megabytes:
            fitting.setdefault(partition, []).append(state)
    nodes = int(given.get("nodes", 1))
    return any(
        len(states) >= nodes > sum(not state.startswith(_AWAY) for state in states) for states in fitting.values()
    )
