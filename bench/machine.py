# SPDX-License-Identifier: Apache-2.0
"""Where it was measured: processor, cores, kernel, versions, and how busy the machine was."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Iterable, Mapping
from pathlib import Path

from bench.peers import PEERS


def machine(*, peers: Iterable[str], missing: Mapping[str, str]) -> dict[str, str]:
    """Describe this machine and what is compared on it."""
    import numpy as np
    from threadpoolctl import threadpool_info

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    blas = sorted(
        {f"{pool['internal_api']} {pool['version']}, kernel {pool.get('architecture')}" for pool in threadpool_info()}
    )
    facts = {
        "processor": processor(),
        "cores": str(cores),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "d4py": importlib.metadata.version("d4py"),
        "numpy": np.__version__,
        "blas": "; ".join(blas) or "none",
        "load before": load(),
    }
    compared = [pin for peer in PEERS if peer.name in set(peers) for pin in peer.pins]
    facts["peers"] = ", ".join(compared) or "none"
    return facts | {f"without {name}": reason for name, reason in missing.items()}


def load() -> str:
    """Return the load of the last minute: what else ran."""
    return f"{os.getloadavg()[0]:.1f}"


def processor() -> str:
    """Name the processor, as Linux does."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
