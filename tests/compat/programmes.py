# SPDX-License-Identifier: Apache-2.0
"""dispel4py's example programs, how they are run, and how what a run prints is read."""

from __future__ import annotations

import ast
import fcntl
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ITERATIONS = 4
MULTI = (["-n", "12"], ["-n", "2"], ["-n", "12", "-s"])
PROGRAMS = (
    "delayed_pipeline",
    "group_by",
    "group_by_stateful",
    "grouping_alltoone",
    "grouping_alltoone_stateful",
    "grouping_onetoall",
    "grouping_onetoall_stateful",
    "grouping_split_merge",
    "large_teecopy",
    "parallel_pipeline",
    "partition_parallel_pipeline",
    "pipeline_composite",
    "pipeline_test",
    "producer_tee",
    "split_merge",
    "teecopy",
    "unconnected_pipeline",
    "word_count",
    "word_count_filter",
)


def unpacked() -> Path:
    """Return the folder with dispel4py's own package, unpacked once into the user's cache; nothing that it needs comes along."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "d4py" / "stream-d4py-2.9.1"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(f"{folder.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "dispel4py" / "core.py").is_file():
            pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"]
            subprocess.run([*pip, "--target", str(folder), "stream-d4py==2.9.1"], check=True, timeout=300)
    return folder


def read(out: str) -> dict[str, Any]:
    """Return what a run did: outputs of simple by PE and port, instances by PE, iterations by PE, all its instances together."""
    did: dict[str, Any] = {}
    found = re.search(r"^Outputs: (.*)$", out, re.MULTILINE)
    if found:
        did["outputs"] = ast.literal_eval(re.sub(r"np\.str_\(('\w*')\)", r"\1", found[1]))
    found = re.search(r"^Processes: (.*)$", out, re.MULTILINE)
    if found:
        ranges = re.sub(r"range\((\d+), (\d+)\)", r"(\1, \2)", found[1])
        holds = {
            part: ast.literal_eval(pes) for part, pes in re.findall(r"^(\w+) contains (\[.*\])$", out, re.MULTILINE)
        }
        did["instances"] = {
            pe: stop - start
            for part, (start, stop) in ast.literal_eval(ranges).items()
            for pe in holds.get(part, [part])
        }
    iterations: dict[str, int] = {}
    # Processes that print at once run their lines together.
    for pe, number in re.findall(r"([A-Za-z]\w*) \(rank \d+\): Processed (\d+) iterations?\.", out):
        iterations[pe] = iterations.get(pe, 0) + int(number)
    if iterations and " contains [" not in out:  # of a partition it is said together
        did["iterations"] = iterations
    return did
