# SPDX-License-Identifier: Apache-2.0
"""The live display keeps the bottom of the terminal; what PEs print, in whatever process, scrolls above it and all of it stays."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import pytest
from tests.cli.terminal import Screen, on_a_terminal

XTERM = {"TERM": "xterm-256color", "NO_COLOR": "1"}
SIZE = (80, 16)

# Prints whole lines and lines in pieces, to both streams, and has a program print, while the display is drawn.
TALKING = """
import subprocess, sys, time
import d4py

@d4py.producer
def numbers(n: int = 60):
    for x in range(n):
        time.sleep(0.02)
        yield x

@d4py.iterative
def talk(x: int) -> None:
    if x % 3 == 0:
        print("whole", x)
    elif x % 3 == 1:
        print("in", end=" ", flush=True)
        time.sleep(0.02)
        print("pieces", x, file=sys.stderr)
    else:
        subprocess.run(["echo", "program", str(x)])

workflow = numbers() >> talk()
"""
SAID = [("whole", "in pieces", "program")[x % 3] + f" {x}" for x in range(60)]


def shown(drawn: str, size: tuple[int, int] = SIZE) -> Screen:
    screen = Screen(*size)
    screen.feed(drawn)
    return screen


@pytest.mark.parametrize("mapping", ["simple", "threads -n 2", "multi -n 2"])
def test_what_pes_print_stands_above_the_display_and_none_of_it_is_lost(mapping: str, here: Path) -> None:
    Path("talking.py").write_text(TALKING)

    code, drawn = on_a_terminal(f"run talking.py --mapping {mapping} --run-id a", size=SIZE, more=XTERM)

    screen = shown(drawn)
    assert code == 0
    assert screen.text[:60] == SAID
    assert screen.text[60].startswith("done in ")
    assert [
        line for line in screen.text if " on " in line and not line.startswith("done")
    ] == []  # nothing is left of it
    pictures = [picture for picture in screen.seen if picture[-4].startswith("talking on ") and picture[-1]]
    assert pictures
    for *above, title, heads, numbers, talk in pictures:
        assert re.fullmatch(r"talking on \w+  [\d.]+ s(  checkpoint \d+)?", title)
        assert heads.split()[:4] == ["PE", "instances", "items", "rate"]
        assert (numbers.split()[0], talk.split()[0]) == ("numbers", "talk")
        said = [line for line in above if line]
        first = SAID.index(said[0])
        assert said[:-1] == SAID[first : first + len(said) - 1]
        assert SAID[first + len(said) - 1].startswith(said[-1])


def test_the_display_takes_what_room_there_is(here: Path) -> None:
    Path("many.py").write_text(
        "import time\nimport d4py\n@d4py.producer\ndef numbers():\n    for x in range(60):\n        time.sleep(0.02)\n        yield x\n"
        f"@d4py.iterative\ndef step(x):\n    return x\nworkflow = numbers(){' >> step()' * 20}\n"
    )

    code, drawn = on_a_terminal("run many.py", size=(60, 18), more=XTERM)

    pictures = [picture for picture in shown(drawn, (60, 18)).seen if picture[-1]]
    assert code == 0
    assert pictures
    assert [line.split()[0] for line in pictures[0][6:]] == [
        *("many", "PE", "numbers", "step"),
        *(f"step{number}" for number in range(2, 9)),
        "and",
    ]
    assert pictures[0][-1] == "and 12 more"


@pytest.mark.parametrize("size", [(0, 0), (80, 6)], ids=["unknown size", "six lines"])
def test_there_is_no_display_where_there_is_no_room(size: tuple[int, int], here: Path) -> None:
    Path("talking.py").write_text(TALKING)

    code, drawn = on_a_terminal("run talking.py", size=size, more=XTERM)

    assert code == 0
    assert "\x1b" not in drawn
    assert drawn.splitlines()[:60] == SAID


def test_the_terminal_is_put_right_when_the_program_is_killed(here: Path) -> None:
    Path("talking.py").write_text(TALKING)

    def kill(process: subprocess.Popen[bytes], drawn: str) -> None:
        if " on simple" in drawn:
            process.send_signal(signal.SIGKILL)

    code, drawn = on_a_terminal("run talking.py", size=SIZE, act=kill, more=XTERM)

    screen = shown(drawn)
    screen.feed("\r\n" + "after\r\n" * 30)
    assert code == -signal.SIGKILL
    assert [line for line in screen.text if line][-30:] == ["after"] * 30
    assert [line for line in screen.text if line.startswith("talking on")] == []
