# SPDX-License-Identifier: Apache-2.0
"""Every benchmark runs and its answers are right. How fast is not asserted here, and no peer is installed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import bench.run as run_py
from bench.cases import OURS, PLAIN, Case, Contestant, Goal
from bench.commands import ROOT, command
from bench.contest import RIVALS, Score, Spread, compared, compete, fair, spreads
from bench.growth import Watched
from bench.measure import Figures, check, joined, timed
from bench.peers import BYTEWAX, STREAM, Peer, at_hand
from bench.programme import CASES, CHAIN, TASKS
from bench.report import aims, document
from bench.running import WrongRun, run
from bench.workloads import arrays, ints, many, tasks, words

SOMEONE = Contestant(system=PLAIN)


ROGUE = Contestant(system=STREAM, mapping="multi")
DUEL = replace(CHAIN, contestants=(SOMEONE, ROGUE, Contestant(system=OURS, mapping="multi")))
HANDED_ON = "import subprocess, time; subprocess.Popen(['sleep', '60']); print('told', flush=True); time.sleep({})"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.key)
def test_a_benchmark_runs_and_its_answers_are_right(case: Case, tmp_path: Path) -> None:
    argv = [sys.executable, "bench/run.py", "--quick", "--only", case.key, "--output", str(tmp_path)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    kept: dict[str, Any] = json.loads((tmp_path / "results.json").read_text())
    assert list(kept["cases"]) == [case.key]
    scores = kept["cases"][case.key]["contestants"]
    assert list(scores) == [contestant.name for contestant in case.contestants if contestant.system not in RIVALS]
    for contestant in case.contestants:
        if contestant.system not in RIVALS:
            aimed = {goal.figure for goal in contestant.goals if not goal.figure.startswith("over ")}  # no peer is here
            assert aimed <= set(scores[contestant.name]["figures"])
    assert (tmp_path / "results.md").read_text().strip() == done.stdout.strip()


def test_the_known_answers_are_what_the_work_gives() -> None:
    counts = words.Counts()
    for line in words.text(300):
        for pair in words.split(line):
            counts.add(pair)

    assert words.answer(300) == counts.of
    assert tasks.answer(3) == sum(tasks.drawn(number, tasks.ROUNDS) for number in range(3))
    assert tasks.answer(2, "skewed") == tasks.drawn(0, 279_650) + tasks.drawn(1, 5_593)
    assert ints.answer(4) == 1 + 3 + 5 + 7
    assert arrays.answer(3) == 100_000 * (0 + 1 + 2)
    assert many.answer(3) == 0 + 2 + 4


def test_a_wrong_answer_is_refused() -> None:
    with pytest.raises(WrongRun, match=r"^gave 15; right is 16$"):
        check(CHAIN, 15, 4)


def test_a_key_at_two_counters_is_refused() -> None:
    with pytest.raises(WrongRun, match=r"^two counters have the key 'b'$"):
        joined([{"a": 1, "b": 1}, {"b": 1}])


def test_sums_of_several_sinks_are_added() -> None:
    assert joined([4, 5]) == 9


def test_time_is_from_the_first_item_to_the_last_sinks_end() -> None:
    marks: list[dict[str, Any]] = [
        {"begin": 10.0, "process": 7},
        {"cpu": 1.0},
        {"end": 12.0, "answer": 16, "cpu": 2.0, "figures": {"p50 us": 9.0}},
    ]

    figures = timed(CHAIN, Contestant(system=OURS, workers=2), marks, 4)

    assert figures == {
        "s": 2.0,
        "ms": 2000.0,
        "rate": 2.0,
        "items/s": 2.0,
        "efficiency": 0.75,
        "CPU us an item": 750_000.0,
        "p50 us": 9.0,
    }


def test_a_comparison_is_made_within_a_round() -> None:
    plain, ours = SOMEONE, Contestant(system=OURS, mapping="multi", processes=2)
    peers = [Contestant(system=STREAM, mapping=mapping) for mapping in ("simple", "multi")]
    this = {
        plain.name: {"rate": 10.0},
        peers[0].name: {"rate": 8.0},
        peers[1].name: {"rate": 2.0},
        ours.name: {"rate": 4.0},
    }

    assert compared(CHAIN, ours, [plain, *peers, ours], this) == {"share": 0.4, f"over {STREAM}": 2.0}
    assert fair(Contestant(system=BYTEWAX), ours)


def test_a_figure_is_told_by_its_median_and_its_bounds() -> None:
    assert spreads([{"share": 3.0}, {"share": 1.0}, {"share": 7.0}]) == {
        "share": Spread(median=3.0, least=1.0, most=7.0)
    }


def test_a_goal_is_reached_from_the_right_side() -> None:
    share = Goal(figure="share", must=0.6, moonshot=0.9)
    delay = Goal(figure="p50 us", must=100, moonshot=40, most=True)

    assert [share.reached(value) for value in (0.59, 0.6, 0.9)] == ["no", "must", "moonshot"]
    assert [delay.reached(value) for value in (101, 100, 40)] == ["no", "must", "moonshot"]


def test_contestants_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.contest.measure", lambda *_, **__: {"rate": 1.0, "s": 1.0})
    told: list[str] = []
    compete(CHAIN, rounds=2, items=1, peers={}, seconds=0, told=told.append)

    names = [contestant.name for contestant in CHAIN.contestants if contestant.system not in RIVALS]
    assert [line.split(" ", 2)[2].partition(":")[0] for line in told] == names + names


def broken(system: str, rounds: list[int]) -> Callable[..., Figures]:
    """Return a measure in which a system fails in some rounds."""
    played: Counter[str] = Counter()

    def measure(_: Case, contestant: Contestant, **__: Any) -> Figures:
        played[contestant.name] += 1
        if contestant.system == system and played[contestant.name] in rounds:
            raise WrongRun("did not end in 300 s")
        return {"rate": 2.0, "s": 1.0}

    return measure


def test_a_peer_that_fails_is_a_row_that_says_so_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.contest.measure", broken(STREAM, [1]))
    scores = compete(DUEL, rounds=2, items=1, peers={STREAM: Path()}, seconds=0, told=lambda _: None)

    assert [score.trouble for score in scores] == ["", "did not end in 300 s", ""]
    assert [sorted(score.figures) for score in scores] == [["rate", "s", "share"], [], ["rate", "s", "share"]]
    rows = document({}, [(DUEL, scores)], 2).splitlines()
    assert "| stream-d4py multi |  | did not end in 300 s |" in [line for line in rows if ROGUE.name in line]


def test_a_peer_that_fails_later_keeps_what_it_did_and_is_not_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.contest.measure", broken(STREAM, [2]))
    told: list[str] = []
    scores = compete(DUEL, rounds=3, items=1, peers={STREAM: Path()}, seconds=0, told=told.append)

    assert scores[1].trouble == "in round 2 did not end in 300 s"
    assert scores[1].figures["rate"] == Spread(median=2.0, least=2.0, most=2.0)
    assert scores[2].figures[f"over {STREAM}"] == Spread(median=1.0, least=1.0, most=1.0)
    assert [line.partition(":")[0] for line in told if STREAM in line] == [
        "chain 1/3 stream-d4py multi",
        "chain stream-d4py multi",
    ]


def test_what_d4py_does_wrong_ends_the_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.contest.measure", broken(OURS, [1]))
    with pytest.raises(WrongRun, match=r"^d4py multi on chain did not end in 300 s$"):
        compete(DUEL, rounds=2, items=1, peers={STREAM: Path()}, seconds=0, told=lambda _: None)


def test_what_was_measured_before_an_error_is_written_and_printed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def play(case: Case, *_: Any, **__: Any) -> list[Score]:
        if case.key == "plan":
            raise WrongRun("d4py on plan gave 1; right is 2")
        return [Score(contestant=SOMEONE, items=1, figures={"import ms": Spread.of([7.0])})]

    monkeypatch.setattr("bench.run.play", play)
    monkeypatch.setattr(sys, "argv", ["run.py", "--quick", "--only", "flat,plan", "--output", str(tmp_path)])

    assert run_py.main() == 1
    kept = json.loads((tmp_path / "results.json").read_text())
    assert list(kept["cases"]) == ["flat"]
    assert kept["machine"]["not yet run"] == "plan"
    said = capsys.readouterr()
    assert said.err == "bench: d4py on plan gave 1; right is 2\n"
    assert said.out == (tmp_path / "results.md").read_text() + "\n"


def test_a_command_that_does_not_end_is_ended_with_all_it_started() -> None:
    with pytest.raises(WrongRun, match=r"^did not end in 0\.5 s$"):
        run([sys.executable, "-c", HANDED_ON.format(60)], {}, patience=0.5)


def test_what_a_command_leaves_behind_is_not_waited_for() -> None:
    ran = run([sys.executable, "-c", HANDED_ON.format(0)], {}, patience=30)

    assert (ran.code, ran.out) == (0, "told\n")
    assert ran.seconds < 20


def test_a_flood_is_ended_after_the_time_it_is_watched(tmp_path: Path) -> None:
    began = time.monotonic()
    watched = Watched(0.3)
    mark = (
        "import json, os; open(os.environ['BENCH_MARKS'], 'w').write(json.dumps({'process': os.getpid()}) + chr(10)); "
    )
    run([sys.executable, "-c", mark + HANDED_ON.format(60)], {}, watch=watched)

    assert not watched.ended
    assert watched.figures()["MB at most"] > 1
    assert time.monotonic() - began < 20


def test_memory_is_compared_with_its_size_after_two_seconds() -> None:
    watched = Watched(20.0)
    watched.samples = [(0.0, 5_000_000), (2.0, 10_000_000), (19.0, 12_000_000), (20.0, 11_000_000)]

    assert watched.figures() == {"growth": 1.2, "MB at first": 10.0, "MB at most": 12.0, "s": 20.0}


def test_a_command_on_a_terminal_finds_one(tmp_path: Path) -> None:
    ran = run([sys.executable, "-c", "import sys; print(sys.stderr.isatty(), sys.argv[1])"], {}, watched=True)

    assert (ran.code, ran.out) == (0, "True --metrics\n")


def test_a_peer_that_cannot_be_installed_is_named_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    old = Peer(name="Relic", pins=("relic==1",), oldest=1, newest=1)
    monkeypatch.setattr("bench.peers.PEERS", (old,))

    assert at_hand() == ({}, {"Relic": "it runs on Python 3.1 to 3.1, and none is here"})


def test_every_contestant_has_a_name_and_a_command_of_its_own() -> None:
    for case in CASES:
        names = [contestant.name for contestant in case.contestants]
        lines = [
            (
                contestant.known,
                str(contestant.watched),
                *command(case, contestant, dict.fromkeys(RIVALS, Path("/programs")), items=1),
            )
            for contestant in case.contestants
        ]
        assert len(set(names)) == len(names)
        assert len(set(lines)) == len(lines)


def test_the_table_says_of_each_goal_whether_it_is_reached() -> None:
    one = Contestant(system=OURS, goals=TASKS.contestants[-1].goals)
    score = Score(contestant=one, items=1, figures={"efficiency": Spread(median=0.96, least=0.9, most=0.97)})

    assert aims(score) == "efficiency >= 0.95: must"
