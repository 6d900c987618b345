# SPDX-License-Identifier: Apache-2.0
"""The harness can fail: defects that are planted are found, and what is no proof does not count."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.faults import draw, runner
from tests.faults.case import Case, Moment, Strike
from tests.faults.checker import EXIT, HANG, LEAK, LOST, TWICE, WRONG, judge
from tests.faults.disk import Disk
from tests.faults.evidence import Evidence
from tests.faults.kinds import KINDS
from tests.faults.story import SHAPES, Story

KILL = "stateful stage killed"


def case(*strikes: Strike, shape: str = "state", source: str = "seek", defect: str = "", **story: object) -> Case:
    stages = tuple(SHAPES[shape](source))
    told = Story(shape=shape, stages=stages, items=150, processes=4, pace=0.004, checkpoint=0.05)
    return Case(seed="made", number=0, story=replace(told, **story), strikes=strikes, defect=defect)  # type: ignore[arg-type]


def at(stage: str, during: str, number: int) -> Strike:
    return Strike(kind=KILL, moment=Moment(stage=stage, during=during, number=number))


AFTER_A_CHECKPOINT = Strike(
    kind="killed with a checkpoint new",
    moment=Moment(stage="", during="checkpoint", number=2),  # the first may be made before any item has come
    victims=("ledger",),
    held=False,
)
MANY_DEATHS = tuple(at("relay", "item", number) for number in (20, 40, 60, 80, 100, 120))


@pytest.mark.parametrize(
    ("defect", "strikes", "found"),
    [
        ("state is forgotten", (AFTER_A_CHECKPOINT,), {LOST, WRONG}),
        ("a source begins anew", (AFTER_A_CHECKPOINT,), {TWICE, LOST, WRONG}),
        ("files appear before their checkpoint", (at("sink", "snapshot", 5),), {TWICE}),
        ("an output is lost", (), {EXIT}),
        ("an item is lost", (), {EXIT}),
        ("a process is left behind", (), {LEAK}),
        ("the second start hangs", (at("relay", "item", 50),), {HANG}),
        (
            "every run is green",
            (Strike(kind="poison raises", moment=Moment(stage="ledger", during="item", number=50)),),
            {EXIT},
        ),
        ("descriptors are kept", MANY_DEATHS, {LEAK}),
    ],
)
def test_a_defect_is_found(
    defect: str, strikes: tuple[Strike, ...], found: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if HANG in found:
        monkeypatch.setattr(runner, "LIMIT", 10.0)
    monkeypatch.setattr(runner, "GOING", 1.0)
    evidence = runner.play(case(*strikes, defect=defect, items=300), tmp_path / "case")

    assert len(evidence.hits) == len(strikes)
    assert {complaint.fault for complaint in judge(evidence)} & found, [str(told) for told in judge(evidence)]


def test_a_run_without_a_fault_is_right_and_has_none(tmp_path: Path) -> None:
    evidence = runner.play(case(), tmp_path / "case")

    assert (judge(evidence), evidence.counted) == ([], 0)


def test_a_fault_counts_that_hit_while_the_run_went_on(tmp_path: Path) -> None:
    evidence = runner.play(case(at("ledger", "item", 75)), tmp_path / "case")

    assert (judge(evidence), evidence.counted) == ([], 1)
    assert evidence.reads["ledger"] > 150


@pytest.mark.parametrize("missing", ["running", "alive", "struck"])
def test_a_fault_does_not_count_without_each_proof(missing: str, struck: Evidence) -> None:
    (hit,) = struck.hits
    assert hit.counts

    assert not replace(hit, **{missing: False}).counts  # type: ignore[arg-type]


def test_a_fault_after_the_last_checkpoint_does_not_count_but_in_a_sink_that_commits(struck: Evidence) -> None:
    (hit,) = struck.hits
    committing = replace(hit.strike, moment=Moment(stage="sink", during="commit", number=1))

    assert not replace(hit, final=True).counts
    assert replace(hit, final=True, strike=committing).counts


@pytest.fixture(scope="module")
def struck(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """What is seen of a run with one fault that hit."""
    return runner.play(case(at("ledger", "item", 75)), tmp_path_factory.mktemp("struck") / "case")


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"balanced": False}, WRONG),
        ({"audited": False}, WRONG),
        ({"growth": ("the supervisor's threads grew",)}, LEAK),
        ({"quarantined": (("ledger", 3),)}, WRONG),
        ({"generations": 2, "hits": ()}, WRONG),
        ({"wrote": {"source": set(range(149))}}, LOST),
        ({"in_order": True, "order": (2, 1)}, WRONG),
    ],
)
def test_each_thing_that_the_checker_looks_at_can_fail_a_case(
    changed: dict[str, object], fault: str, struck: Evidence
) -> None:
    assert judge(struck) == []

    assert [complaint.fault for complaint in judge(replace(struck, **changed))] == [fault]  # type: ignore[arg-type]


def test_a_value_that_sinks_committed_once_too_often_or_not_at_all_is_told(struck: Evidence) -> None:
    more, less = struck.committed.copy(), struck.outputs.copy()
    more[200_003] += 1
    del less[200_005]

    assert [str(complaint) for complaint in judge(replace(struck, committed=more, outputs=less))] == [
        "committed twice: the files of the sink: 200003",
        "lost: the outputs of the run: 200005",
    ]


def test_a_case_is_the_same_each_time_it_is_drawn() -> None:
    assert [draw.case("seed", number) for number in range(40)] == [draw.case("seed", number) for number in range(40)]


def test_every_kind_has_its_turn_on_every_seed() -> None:
    first = {draw.case("any", number).strikes[0].kind for number in range(len(KINDS))}

    assert first == set(KINDS)


def test_a_disk_of_its_own_can_be_filled_to_the_last_byte_and_freed(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "disk")
    if not disk.small:  # nobody may mount here: then faults limit the sizes of files, which is a kind of its own
        return
    try:
        assert disk.fill()
        with pytest.raises(OSError, match="No space left"):
            (disk.path / "more").write_bytes(b"x" * 8192)
        disk.free()
        (disk.path / "more").write_bytes(b"x" * 8192)
    finally:
        disk.remove()


def test_where_nobody_may_mount_no_file_can_grow_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.faults.disk._MOUNT", ("false",))
    full = Strike(kind="disk full", moment=Moment(stage="ledger", during="item", number=75))
    evidence = runner.play(case(full), tmp_path / "case")

    assert (judge(evidence), evidence.counted) == ([], 1)
    assert [start.command for start in evidence.starts] == ["run", "resume"]
