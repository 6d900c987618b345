# SPDX-License-Identifier: Apache-2.0
"""Every benchmark runs and its answers are right. How fast is not asserted here, and the peer is not installed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.cases import CASES, OURS, PEER, PLAIN, Case, Contestant
from bench.contest import compete, ratio
from bench.measure import ROOT, Time, WrongRun, check, joined, timed
from bench.workloads import arrays, ints, tasks, words

INTS = CASES[0]
SOMEONE = Contestant(system=PLAIN)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.key)
def test_a_benchmark_runs_and_its_answers_are_right(case: Case, tmp_path: Path) -> None:
    command = [sys.executable, "bench/run.py", "--quick", "--only", case.key, "--output", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    kept: dict[str, Any] = json.loads((tmp_path / "results.json").read_text())
    assert list(kept["cases"]) == [case.key]
    scores = kept["cases"][case.key]["contestants"]
    assert list(scores) == [contestant.name for contestant in case.contestants if contestant.system != PEER]
    assert all(score["seconds"]["median"] > 0 and score["share"]["median"] > 0 for score in scores.values())
    assert (tmp_path / "results.md").read_text().strip() == done.stdout.strip()


def test_the_known_answers_are_what_the_work_gives() -> None:
    counts = words.Counts()
    for line in words.text(300):
        for pair in words.split(line):
            counts.add(pair)

    assert words.answer(300) == counts.of
    assert tasks.answer(3) == sum(tasks.drawn(number) for number in range(3))
    assert ints.answer(4) == 1 + 3 + 5 + 7
    assert arrays.answer(3) == 100_000 * (0 + 1 + 2)


def test_a_wrong_answer_ends_the_benchmark() -> None:
    with pytest.raises(WrongRun, match=r"plain Python on a gave 15; right is 16\."):
        check(INTS, SOMEONE, 15, 4)


def test_a_key_at_two_counters_ends_the_benchmark() -> None:
    with pytest.raises(WrongRun, match="two counters have the key 'b'"):
        joined(INTS, SOMEONE, [{"a": 1, "b": 1}, {"b": 1}])


def test_time_is_from_the_first_item_to_the_last_sinks_end() -> None:
    marks = [{"begin": 10.0}, {"end": 12.0, "answer": 16, "cpu": 3.0}]

    assert timed(INTS, Contestant(system=OURS, workers=2), marks, 4) == Time(seconds=2.0, efficiency=0.75)


def test_a_ratio_is_taken_within_a_round() -> None:
    theirs = [Time(seconds=4.0), Time(seconds=30.0), Time(seconds=6.0)]
    found = ratio(theirs, [Time(seconds=2.0), Time(seconds=10.0), Time(seconds=1.0)])

    assert found is not None
    assert (found.median, found.least, found.most) == (3.0, 2.0, 6.0)


def test_contestants_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.contest.measure", lambda *_, **__: Time(seconds=1.0))
    told = [line for line in compete(INTS, repeats=2, items=1, peer=None) if isinstance(line, str)]

    names = [contestant.name for contestant in INTS.contestants if contestant.system != PEER]
    assert [line.split(" ", 2)[2].partition(":")[0] for line in told] == names + names


def test_every_contestant_has_a_name_of_its_own() -> None:
    for case in CASES:
        names = [contestant.name for contestant in case.contestants]
        assert len(set(names)) == len(names)
