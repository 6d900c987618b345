# SPDX-License-Identifier: Apache-2.0
"""What was wrong with the data reaches a person, whatever way it came."""

from __future__ import annotations

import pickle

import pytest

from noise.report import Report


def test_adding_is_commutative_and_sums_by_kind_and_name() -> None:
    one, other = Report.of("gap", "XX.A", 2), Report.of("gap", "XX.A") + Report.of("flat", "XX.B")

    assert (one + other).as_json() == (other + one).as_json() == {"gap": {"XX.A": 3}, "flat": {"XX.B": 1}}


def test_adding_is_commutative_in_the_reasons_too() -> None:
    """A file may be damaged in its headers and in its samples; whichever worker is first must not decide what is written."""
    one = Report.of("corrupt file", "/a", detail="Corrupt file /a: cut off.")
    other = Report.of("corrupt file", "/a", detail="Corrupt file /a: bits.")

    assert (
        (one + other).lines()
        == (other + one).lines()
        == [
            "corrupt files skipped: 1 (/a)",
            "Corrupt file /a: bits.",
        ]
    )


def test_the_sum_of_many_is_that_of_adding_one_by_one() -> None:
    reports = [Report.of("gap", f"XX.{k % 3}", k, detail=f"reason {k}") for k in range(9)]

    assert Report.sum(reports) == sum(reports, Report())
    assert Report.sum(reports).as_json() == {"gap": {"XX.0": 9, "XX.1": 12, "XX.2": 15}}
    assert Report.sum([]) == Report()


def test_nothing_wrong_is_false_and_says_nothing() -> None:
    report = Report() + Report.of("gap", "XX.A", 0)

    assert not report
    assert report.lines() == []


def test_each_kind_is_one_line_with_total_and_names() -> None:
    report = sum((Report.of("gap", f"XX.{name}") for name in "ABCDEF"), Report.of("missing", "XX.A", 30))

    assert report.lines() == ["seconds without data: 30 (XX.A)", "gaps: 6 (XX.A, XX.B, XX.C, XX.D and 2 more)"]


def test_a_file_damaged_for_many_segments_is_one_file_and_its_reason_is_told() -> None:
    report = Report.of("corrupt file", "/a.mseed", detail="Corrupt file /a.mseed: bits.") + Report.of(
        "corrupt file", "/a.mseed"
    )

    assert report.lines() == ["corrupt files skipped: 1 (/a.mseed)", "Corrupt file /a.mseed: bits."]


def test_it_travels_by_pickle() -> None:
    report = Report.of("gap", "XX.A")

    assert pickle.loads(pickle.dumps(report)) == report


def test_a_kind_that_nobody_could_read_is_refused() -> None:
    with pytest.raises(KeyError, match="'gaps' is no kind"):
        Report.of("gaps", "XX.A")
