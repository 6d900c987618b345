# SPDX-License-Identifier: Apache-2.0
"""What a cluster admits and no pod can start with."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
from tests.operator.scene import KEPT, workflow

from d4py_operator.accept import refusal
from d4py_operator.mappings import room_of
from d4py_operator.objects import Object
from d4py_operator.run import Run

RANKS: dict[str, Any] = {"mapping": "mpi", "mpi": {"ranks": 2, "launcher": "Native"}, "checkpoint": KEPT}


def parameters(number: int, letter: str = "x") -> dict[str, str]:
    return {f"a{index}": letter * 4096 for index in range(number)}


@pytest.mark.parametrize("spec", [{}, RANKS], ids=["simple", "mpi"])
@pytest.mark.parametrize("args", [parameters(40), parameters(15, "'"), parameters(20, "é")])
def test_parameters_that_no_command_has_room_for_are_refused(args: dict[str, str], spec: Object) -> None:
    found = refusal(Run(workflow(args=args, **spec)), frozenset())

    assert found is not None
    assert (found.reason, found.path) == ("InvalidSpec", "spec.args")
    assert "120,000" in found.message


@pytest.mark.parametrize("spec", [{}, RANKS], ids=["simple", "mpi"])
def test_the_most_that_is_accepted_can_be_started(spec: Object) -> None:
    """With as many variables as there may be: ranks are given them by name."""
    env = [{"name": f"V{'x' * 60}{number}", "value": "1"} for number in range(64)]
    run = Run(workflow(args=parameters(29), env=env, **spec))
    assert refusal(run, frozenset()) is None

    assert subprocess.run(["/bin/sh", "-c", "exit 0", longest(run)], check=False).returncode == 0


def longest(run: Run) -> str:
    """Return the longest word of its command, as a kubelet gives it on."""
    room = room_of(run, frozenset())
    assert room is not None
    (container,) = room.objects(run, 1)[-1]["spec"]["template"]["spec"]["containers"]
    words: list[str] = container["command"]
    return max((word.replace("$$", "$") for word in words), key=len)
