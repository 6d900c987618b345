# SPDX-License-Identifier: Apache-2.0
"""Record what dispel4py itself does with its own example programs: record.py PYTHON

PYTHON is of an environment with stream-d4py in it. Each program is run by the original command on simple and multi; what it prints of
outputs, instances and iterations goes into record.json beside this file, which the tests compare with ours.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.compat.programmes import ITERATIONS, MULTI, PROGRAMS, read

HERE = Path(__file__).resolve().parent
PATIENCE = 20.0  # seconds; the original hangs where it fails


def main(python: str) -> None:
    """Run all programs, and write the record."""
    version = subprocess.check_output(
        [python, "-c", "from importlib.metadata import version; print(version('stream-d4py'))"], text=True
    ).strip()
    record: dict[str, Any] = {"stream-d4py": version, "programs": {}}
    for program in PROGRAMS:
        told = record["programs"][program] = {}
        for mapping, options in (("simple", []), *((f"multi {' '.join(words)}", words) for words in MULTI)):
            told[mapping] = run(python, program, mapping.partition(" ")[0], options)
            print(program, mapping, told[mapping], flush=True)
    (HERE / "record.json").write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def run(python: str, program: str, mapping: str, options: list[str]) -> dict[str, Any]:
    """Run one program by the original command; return what it did, or how it ended."""
    module = f"dispel4py.examples.graph_testing.{program}"
    command = [python, "-m", "dispel4py.new.processor", mapping, module, "-i", str(ITERATIONS), *options]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        subprocess.run(["kill", "-9", "--", f"-{process.pid}"], check=False)
        out, err = process.communicate()
        return {"fails": "hangs", "said": last(err or out)}
    if process.returncode or "Traceback" in err:
        return {"fails": f"exits {process.returncode}", "said": last(err or out)}
    did: dict[str, Any] = read(out)
    return did


def last(text: str) -> str:
    """Return the last line of a text."""
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""


if __name__ == "__main__":
    main(sys.argv[1])
