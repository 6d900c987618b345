# SPDX-License-Identifier: Apache-2.0
"""What many runs come to as one, and how their values are given."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from d4py.cli.parser import axis
from d4py.errors import StateError, UnknownRun
from d4py.runs import State, Status, opened
from d4py.runs.sweep import Sweep, summed


def states(*told: tuple[Status, int | None]) -> list[State]:
    """Return states with these ends."""
    return [State(run="s", status=status, exit_code=code, seconds=1.0) for status, code in told]


@pytest.mark.parametrize(
    ("codes", "worst"),
    [((0, 4), 4), ((0, 4, 5), 5), ((5, 6), 6), ((6, 3, 5), 3), ((3, 2, 0), 2), ((0, 0), 0), ((0, None), 5)],
)
def test_when_all_are_over_the_worst_exit_code_counts(codes: tuple[int | None, ...], worst: int) -> None:
    whole = summed(State(run="s"), states(*((Status.DONE if code == 0 else Status.FAILED, code) for code in codes)))

    assert (whole.exit_code, whole.status) == (worst, Status.FAILED if worst else Status.DONE)
    assert whole.seconds == len(codes)


@pytest.mark.parametrize(
    ("each", "status", "error"),
    [
        ((Status.QUEUED, Status.QUEUED), Status.QUEUED, ""),
        ((Status.DONE, Status.QUEUED), Status.RUNNING, "1 of 2 done, 1 queued"),
        (
            (Status.RUNNING, Status.FAILED, Status.STARTING),
            Status.RUNNING,
            "0 of 3 done, 1 starting, 1 running, 1 failed",
        ),
    ],
)
def test_while_one_is_not_over_the_whole_is_not(each: tuple[Status, ...], status: Status, error: str) -> None:
    whole = summed(State(run="s"), states(*((one, None) for one in each)))

    assert (whole.status, whole.exit_code, whole.error) == (status, None, error)


def test_a_sweep_knows_its_members_and_has_nothing_else(tmp_path: Path) -> None:
    Sweep.lay(tmp_path / "s", "s", ["n", "word"], [["1", "a"], ["2", "b"]])
    sweep = opened(tmp_path / "s")

    assert isinstance(sweep, Sweep)
    assert [member.parameters for member in sweep.members] == [{"n": "1", "word": "a"}, {"n": "2", "word": "b"}]
    assert sweep.member("1").path == tmp_path / "s" / "1"
    with pytest.raises(UnknownRun, match="has no member '2'; it has 0 to 1"):
        sweep.member("2")
    with pytest.raises(StateError, match=r"is a sweep of 2 runs. Name one of them: s/0"):
        sweep.description()


def test_a_sweep_whose_file_is_damaged_is_told(tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text('{"version": 1, "names": ["a"], "members": [["1", "2"]]}')

    with pytest.raises(StateError, match=r"sweep.json is damaged"):
        opened(tmp_path).state()


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("n=1,2", ("1", "2")),
        ("n=", ("",)),
        ('n="a,b",c', ("a,b", "c")),
        ('n="[0.5,1.6]","[1,2]"', ("[0.5,1.6]", "[1,2]")),
        ('n="say ""yes""", x', ('say "yes"', " x")),
        ("n=a=b,c", ("a=b", "c")),
    ],
)
def test_values_are_parted_by_commas_outside_of_quotes(text: str, values: tuple[str, ...]) -> None:
    assert axis(text) == ("n", values)


@pytest.mark.parametrize("text", ["n", "=1", 'n="a', 'n="a"b', "n=1,1", "n=a\nb"])
def test_values_that_cannot_be_read_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        axis(text)
