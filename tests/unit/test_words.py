# SPDX-License-Identifier: Apache-2.0
"""Arguments that were read can be written as words again: so a command is sent elsewhere as it was given."""

from __future__ import annotations

import csv
import importlib
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d4py.cli import submit
from d4py.cli.far import place_of
from d4py.cli.parser import Namespace, axis, pair, parser_of, resource, spelled, written
from d4py.errors import UsageError
from d4py.runs.sweep import Sweep
from d4py.targets.slurm.host import heard, told


@pytest.mark.parametrize(
    "words",
    [
        "submit wf.py",
        "submit --slurm wf.py:g --set a=b=c --set x= -n 3 --nodes 2 --mem 4G --on-error PE=fail --on-error retry:2 --no-fuse",
        "submit --slurm -d {} -- -wf.py",
        "submit --checkpoint 0.2 --restarts 0 -i 5 --received --env wheelhouse wf.py",
        "logs run PE[0] other -f -n 0",
        "status -o json run",
        "outputs run --pe x --limit 3",
        "list --all --limit 7 --status done",
        "cancel run --timeout 2.5",
        "resume run --here -m multi -n 2",
        "wait -q run",
    ],
)
def test_what_is_written_is_read_as_the_same(words: str) -> None:
    name, *given = words.split()
    parser = parser_of(name, importlib.import_module(f"d4py.cli.{name}"))
    read = parser.parse_args(given)

    assert vars(parser.parse_args(written(parser, read))) == vars(read)


def test_words_of_any_letters_travel_as_hexadecimal() -> None:
    words = ["logs", "é\n'\"$(x)\\", "", "\udcff", "--"]

    assert told(words)[1:].isalnum()
    assert heard(told(words)) == words


@pytest.mark.parametrize("word", ["@zz", "@0"])
def test_what_no_d4py_says_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="is not what a d4py elsewhere would say"):
        heard(word)


def test_what_is_too_long_for_a_system_is_told_with_the_remedy() -> None:
    with pytest.raises(UsageError, match=r"too long to be sent\. Put data into a file"):
        told(["-d", "x" * 60_000])


@pytest.mark.parametrize(
    ("run", "place"),
    [
        ("slurm://login/night-7", ("login", "night-7")),
        ("slurm://login/night-7/3", ("login", "night-7/3")),
        ("slurm://me@login.example.org//scratch/r", ("me@login.example.org", "/scratch/r")),
        ("slurm://elsewhere/3", ("elsewhere", "3")),
        ("slurm://sweep/3", None),
        ("slurm://night-7", None),
        ("slurm:///scratch/r", None),
        ("night-7", None),
    ],
)
def test_an_id_says_where_its_run_is(
    run: str, place: tuple[str, str] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is a sweep of the name `sweep` here."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (tmp_path / "d4py/runs/sweep").mkdir(parents=True)
    Sweep.lay(tmp_path / "d4py/runs/sweep", "sweep", ["n"], [["1"]])

    assert place_of(Namespace(run=run)) == place


WORDS = st.text(alphabet=st.characters(categories=["L", "N", "P", "S", "Zs"]), min_size=1)
NAMES = WORDS.filter(lambda text: not set("=.") & set(text))


@given(NAMES, WORDS)
def test_a_parameter_is_written_as_it_is_read(name: str, value: str) -> None:
    assert pair(spelled((name, value))) == (name, value)
    assert resource(spelled((name, "threads", value))) == (name, "threads", value)


@given(NAMES, st.lists(WORDS, min_size=1, max_size=4, unique=True))
def test_an_axis_is_written_as_it_is_read(name: str, values: list[str]) -> None:
    assert axis(spelled((name, tuple(values)))) == (name, tuple(values))


def test_all_arguments_of_submit_are_written_as_they_are_read() -> None:
    row = io.StringIO()
    csv.writer(row, lineterminator="").writerow(["a,b", 'say "so"', "$(id)"])
    parser = parser_of("submit", submit)
    words = ["--slurm", "--set", "x=1=2", "--sweep", f"y={row.getvalue()}", "--resource", "a.b.threads=4", "--nodes=3"]
    args = parser.parse_args([*words, "--", "-wf.py"])

    again = parser_of("submit", submit).parse_args(written(parser, args))

    assert vars(again) == vars(args)
    assert again.sweep == [("y", ("a,b", 'say "so"', "$(id)"))]


@pytest.mark.parametrize("text", ["name", "=value"])
def test_what_is_no_pair_is_refused(text: str) -> None:
    with pytest.raises(Exception, match="not of the form name=value"):
        pair(text)
