# SPDX-License-Identifier: Apache-2.0
"""How many descriptors the sockets of a run need, and whether there are as many."""

from __future__ import annotations

import resource

from d4py.errors import PlanError


def check(processes: int) -> None:
    """Raise PlanError where this system does not allow as many descriptors as so many processes need."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and needed_for(processes) > hard:
        most = max(1, int((hard / 2) ** 0.5) - 3)
        raise PlanError(
            f"{processes:,} processes would need more sockets than the {hard:,} descriptors that this system allows.",
            hint=f"Ask for at most {most} with -n, or raise the limit (ulimit -Hn).",
        )


def needed_for(processes: int) -> int:
    """Return how many descriptors the supervisor may need while it joins every two processes by a socket."""
    return processes * (processes + 3) * 2 + 256
