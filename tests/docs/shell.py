# SPDX-License-Identifier: Apache-2.0
"""Runs the commands of a console block in one shell, as a reader would type them."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.docs.markdown import Command

MARK = "\x1e"
SECONDS = 100  # for one block, where nothing else is said
_DROPPED = ("PYTHON", "D4PY", "VIRTUAL_ENV", "XDG_", "COV_", "PYTEST")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What a command printed, to stdout or stderr, and its exit code."""

    printed: str
    code: int


def surroundings(environment: Path, home: Path) -> dict[str, str]:
    """Return the variables of a user who has nothing but the environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_DROPPED)}
    path = f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {**kept, "PATH": path, "HOME": str(home), "COLUMNS": "120", "TERM": "dumb", "LC_ALL": "C.UTF-8"}


def in_shell(
    commands: list[Command], *, folder: Path, variables: dict[str, str], seconds: float = SECONDS
) -> list[Ran]:
    """Run commands one after another, for so many seconds at most; `$?` is what the one before left. What is not reached has exit code -1."""
    script = "".join(
        f"{command.text}\n{{ code=$?; printf '{MARK}%d{MARK}' $code; (exit $code); }}\n" for command in commands
    )
    with subprocess.Popen(
        ["bash", "--norc", "-c", script],
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,  # some commands read what there is
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as shell:
        try:
            told, _ = shell.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            shell.kill()
            told, _ = shell.communicate()
    parts = re.split(f"{MARK}(-?\\d+){MARK}", told)
    ran = [Ran(printed=parts[2 * i], code=int(parts[2 * i + 1])) for i in range(len(parts) // 2)]
    return ran + [Ran(printed=parts[-1], code=-1)] * (len(commands) - len(ran))
