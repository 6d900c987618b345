# SPDX-License-Identifier: Apache-2.0
"""Arguments that were read are written so that they are read again as the same."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from d4py.cli import submit
from d4py.cli.parser import axis, pair, parser_of, resource, spelled, written

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
