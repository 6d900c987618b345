# SPDX-License-Identifier: Apache-2.0
"""`dispel4py.new.mappings`: dispel4py's mappings by name, and which of ours does the job of each."""

from __future__ import annotations

from typing import NamedTuple

from d4py.errors import UnknownMapping, UsageError, did_you_mean
from d4py.mappings import names


class Old(NamedTuple):
    """How a mapping of dispel4py's is done."""

    mapping: str  # of ours
    counted: bool = False  # whether instances are counted as dispel4py does


OLD = {
    "simple": Old("simple"),
    "multi": Old("multi", counted=True),
    "zmq_multi": Old("multi", counted=True),
    "mpi": Old("mpi", counted=True),
    "dyn_multi": Old("multi"),
    "dyn_auto_multi": Old("multi"),
    "spark": Old("multi"),
    "redis": Old("celery"),
    "dyn_redis": Old("celery"),
    "dyn_auto_redis": Old("celery"),
    "hybrid_redis": Old("celery"),
    "hybrid_auto_redis": Old("celery"),
    "storm": Old("storm"),
    "timed_simple": Old("simple"),
    "timed_multi": Old("multi", counted=True),
    "timed_mpi": Old("mpi", counted=True),
}

# By the name of a mapping the module that enacts it, as dispel4py has it.
config = {
    "simple": "dispel4py.new.simple_process",
    "multi": "dispel4py.new.multi_process",
    "mpi": "dispel4py.new.mpi_process",
    "dyn_multi": "dispel4py.new.new_dynamic",
    "dyn_auto_multi": "dispel4py.new.new_dynamic_auto",
    "redis": "dispel4py.new.dynamic_redis",
    "dyn_redis": "dispel4py.new.new_dynamic_redis",
    "dyn_auto_redis": "dispel4py.new.new_dynamic_redis_auto",
    "hybrid_redis": "dispel4py.new.new_hybrid_redis",
}


def old(name: str) -> Old:
    """Return how a mapping is done, dispel4py's or one of ours. Raises UsageError where there is none, UnknownMapping where it is not there yet."""
    known = OLD.get(name) or (Old(name) if name in names() else None)
    if known is None:
        hint = did_you_mean(name, [*OLD, *names()]) or "There is simple, multi, mpi, redis, storm."
        raise UsageError(f"There is no mapping {name!r}.", hint=hint)
    if known.mapping not in names():
        raise UnknownMapping(
            f"The job of {name!r} is done by the mapping {known.mapping!r}, which this d4py does not have.",
            hint="On one machine, use multi.",
        )
    return known
