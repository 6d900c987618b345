# SPDX-License-Identifier: Apache-2.0
"""A log is read to its end though the connection is cut, each line once; and who waits outlasts a cluster that is away for a while."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest

from d4py.errors import UnknownRun
from d4py.targets.kubernetes import following
from d4py.targets.kubernetes.client import ClusterError, Unreachable
from d4py.targets.kubernetes.following import AWAY, followed
from d4py.targets.kubernetes.patience import Patience
from d4py.targets.kubernetes.run import Run


class Played:
    """A cluster that answers one thing after another."""

    namespace = "lab"

    def __init__(self, *answers: list[str | Exception], phases: str = "") -> None:
        self.answers, self.phases = list(answers), phases.split()
        self.asked: list[tuple[int | None, int | None]] = []

    def log(self, pod: str, *, follow: bool, last: int | None, since: int | None) -> Iterator[str]:
        assert follow
        self.asked.append((last, since))
        for each in self.answers.pop(0):
            if isinstance(each, Exception):
                raise each
            yield each

    def pod(self, name: str) -> dict[str, Any]:
        phase = self.phases.pop(0)
        if phase == "away":
            raise Unreachable("away")
        return {"status": {"phase": phase}}

    def get(self, name: str) -> Any:
        (answer,) = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return {"metadata": {"name": name, "namespace": "lab"}, "spec": {}, "status": {"phase": answer}}


AWAY_FOR_LONG: list[list[str | Exception]] = [[Unreachable("away")] for _ in range(99)]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return datetime(2026, 5, 1, 12, tzinfo=timezone.utc).timestamp() + self.now - 100.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(following, "time", clock)
    monkeypatch.setattr("d4py.targets.kubernetes.run.time", clock)
    return clock


def at(second: int, text: str) -> str:
    return f"2026-05-01T12:00:{second:02}.000000000Z {text}"


def test_a_log_goes_on_where_it_was_cut(clock: Clock) -> None:
    cluster: Any = Played(
        [at(1, "one"), at(2, " two"), Unreachable("cut")],
        [Unreachable("away")],
        [at(2, " two"), at(3, ""), at(4, "four")],
        phases="away away Succeeded",
    )

    assert list(followed(cluster, "a-1-x", 5)) == ["one", " two", "", "four"]
    assert cluster.asked == [(5, None), (None, 11), (None, 12)]


@pytest.mark.parametrize("time", ["12:00:00.000000001Z", "14:00:00.5+02:00"])
def test_of_a_log_that_is_read_long_after_it_was_written_nothing_is_left_out(time: str, clock: Clock) -> None:
    """Whoever reads may be slow, or have begun late: what comes after the cut is as old as what came before."""
    clock.now += 3600
    line = f"2026-05-01T{time} one"
    cluster: Any = Played([line, Unreachable("cut")], [line, at(1, "two")], phases="Running Succeeded")

    assert list(followed(cluster, "a-1-x", None)) == ["one", "two"]
    assert cluster.asked[1] == (None, 3611)


def test_lines_are_read_in_whatever_order_their_times_are(clock: Clock) -> None:
    """Runtimes stamp what goes to stdout and to stderr apart, and some of them all that they read at once."""
    cluster: Any = Played([at(2, "out"), at(1, "err"), at(2, "out"), at(2, "more")], phases="Succeeded")

    assert list(followed(cluster, "a-1-x", None)) == ["out", "err", "out", "more"]


def test_of_a_log_that_was_cut_no_line_is_lost_whose_time_is_not_the_newest(clock: Clock) -> None:
    cluster: Any = Played(
        [at(2, "old"), at(5, "out"), Unreachable("cut")],
        [at(5, "out"), at(4, "err"), at(5, "out"), Unreachable("cut")],
        [at(5, "out"), at(4, "err"), at(5, "out"), at(3, "late"), at(6, "end")],
        phases="Running Running Succeeded",
    )

    assert list(followed(cluster, "a-1-x", None)) == ["old", "out", "err", "out", "late", "end"]


def test_of_a_long_log_that_was_cut_each_line_is_read_once(clock: Clock) -> None:
    def lines(first: int, last: int) -> list[str | Exception]:
        return [f"2026-05-01T12:00:00.{number:09}Z {number}" for number in range(first, last)]

    cluster: Any = Played(
        [*lines(0, 9_000), Unreachable("cut")],
        [*lines(4_000, 9_500), Unreachable("cut")],
        lines(9_400, 9_999),
        phases="Running Running Succeeded",
    )

    assert list(followed(cluster, "a-1-x", None)) == [str(number) for number in range(9_999)]


def test_a_log_that_ends_while_its_pod_runs_is_asked_for_again(clock: Clock) -> None:
    """An API server that is told to end closes the connection as if all had been read."""
    cluster: Any = Played([at(1, "one")], [at(1, "one"), at(2, "two")], phases="Running Succeeded")

    assert list(followed(cluster, "a-1-x", None)) == ["one", "two"]


def test_a_log_ends_with_its_pod(clock: Clock) -> None:
    cluster: Any = Played([at(1, "one"), Unreachable("cut")], [ClusterError("pods not found")], phases="Running")

    assert list(followed(cluster, "a-1-x", None)) == ["one"]


def test_what_was_not_heard_of_a_log_is_read_though_its_pod_has_ended(clock: Clock) -> None:
    cluster: Any = Played(
        [at(1, "one"), Unreachable("silent")], [at(1, "one"), at(2, "two")], phases="Succeeded Succeeded"
    )

    assert list(followed(cluster, "a-1-x", None)) == ["one", "two"]


def test_a_pod_that_says_nothing_for_long_is_asked_again_and_again(clock: Clock) -> None:
    silent: list[str | Exception] = [Unreachable("silent")]
    times = 5 * int(AWAY)
    cluster: Any = Played(*times * [silent], [at(1, "one")], phases=times * "Running " + "Succeeded")

    assert list(followed(cluster, "a-1-x", None)) == ["one"]


def test_a_cluster_that_stays_away_is_told_of(clock: Clock) -> None:
    cluster: Any = Played([at(1, "one")], *AWAY_FOR_LONG, phases="Running" + 99 * " away")
    lines = followed(cluster, "a-1-x", None)
    assert next(lines) == "one"
    begun = clock.now

    with pytest.raises(Unreachable):
        next(lines)

    assert AWAY <= clock.now - begun <= AWAY + 5


def test_who_waits_outlasts_a_cluster_that_is_away_for_a_while(clock: Clock) -> None:
    cluster: Any = Played(["Running"], [Unreachable("away")], [Unreachable("away")])
    run, patience = Run(cluster, "a"), Patience(print)
    assert run.awaited(patience).status.value == "running"
    clock.now += AWAY - 1
    assert run.awaited(patience).status.value == "running"
    clock.now += 2

    with pytest.raises(Unreachable):
        run.awaited(patience)


def test_a_cluster_that_never_answered_is_told_of_at_once(clock: Clock) -> None:
    cluster: Any = Played([Unreachable("away")])

    with pytest.raises(Unreachable):
        Run(cluster, "a").awaited(Patience(print))


def test_who_waits_for_a_run_that_is_deleted_is_told_so(clock: Clock) -> None:
    cluster: Any = Played(["Running"], [UnknownRun("There is none.")])
    run = Run(cluster, "a")
    run.awaited(Patience(print))
    clock.now += 2

    with pytest.raises(UnknownRun, match="not there any more: its workflow was deleted"):
        run.awaited(Patience(print))


def test_the_last_word_of_ranks_is_for_their_operator(clock: Clock) -> None:
    said = at(3, '{"d4py": 1, "run": "a", "mapping": "mpi", "status": "done"}')
    cluster: Any = Played(["Running"], [at(1, "one"), at(2, '{"d4py": 2}'), said], ["Succeeded"], phases="Succeeded")
    driver = {"name": "a-1-x", "labels": {"d4py.dev/role": "driver"}}
    cluster.pods = lambda _: [{"metadata": driver, "status": {"phase": "Running"}}]

    assert list(Run(cluster, "a").lines(follow=Patience(print))) == ["one", '{"d4py": 2}']
