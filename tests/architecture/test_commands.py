# SPDX-License-Identifier: Apache-2.0
"""The commands of the Makefile do what they say, and hold what they are to hold."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path


def test_make_lists_every_command(root: Path) -> None:
    makefile = (root / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony
    listed = subprocess.check_output(["make", "-s"], cwd=root, text=True)

    assert re.findall(r"^  make (\S+) +\S", listed, re.MULTILINE) == phony[1].split()


def test_every_script_that_a_command_starts_is_there(root: Path) -> None:
    started = re.findall(r"(?<=[ (])((?:scripts|bench|tests|workflows)/[\w/.-]+)", (root / "Makefile").read_text())

    assert len(started) >= 7
    assert [name for name in started if not (root / name).exists()] == []


def test_every_folder_of_tests_is_a_suite(root: Path) -> None:
    named = re.findall(r'Suite\(\s*name="([\w-]+)"', (root / "scripts" / "suites.py").read_text())
    suites = {name.replace("-", "_") for name in named}
    folders = {path.relative_to(root / "tests").parts[0] for path in (root / "tests").rglob("test_*.py")}

    assert folders - suites == set()


def test_continuous_integration_runs_make_test_and_nothing_else(root: Path) -> None:
    lines = (root / ".ci" / "run").read_text().splitlines()
    commands = [line for line in lines if line and not line.startswith(("#", "set ", "cd ", "export "))]

    assert commands == ["exec make test"]


def test_format_lint_types_and_import_rules_hold(root: Path) -> None:
    """What `make check` runs, with the tools beside this Python."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    check = subprocess.run(
        [root / "scripts" / "check"], env={**os.environ, "PATH": path}, capture_output=True, text=True
    )

    assert check.returncode == 0, check.stdout + check.stderr
