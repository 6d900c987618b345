# SPDX-License-Identifier: Apache-2.0
"""What `kubectl describe` shows of a run: each turn once, in order, with a warning where something went wrong."""

from __future__ import annotations

from tests.operator.scene import Scene, last_word


def test_a_run_that_ends_well_has_three() -> None:
    scene = Scene().settle().runs()
    scene.ends(0)

    assert scene.events == ["Created", "Running", "Done"]
    assert scene.warnings == []


def test_an_attempt_that_fails_is_a_warning_and_one_that_is_evicted_is_none() -> None:
    scene = Scene(runPolicy={"backoffLimit": 1}).settle().runs()
    scene.ends(5, conditions=[{"type": "DisruptionTarget", "status": "True"}])
    scene.pods_go().after(20)
    scene.runs()
    assert (scene.events[-3:], scene.warnings) == (["Retrying", "Created", "Running"], [])

    scene.ends(3, said=last_word(3, error="bad"))

    assert (scene.events[-1], scene.warnings) == ("Retrying", ["Retrying"])


def test_a_deadline_is_told_once_though_its_pods_take_time_to_end() -> None:
    scene = Scene(runPolicy={"activeDeadlineSeconds": 10}).settle().runs()
    scene.after(20)
    scene.pods_go()

    assert scene.says() == ("Failed", "Deadline")
    assert scene.events == ["Created", "Running", "Deadline"]
    assert scene.warnings == ["Deadline"]


def test_a_run_that_is_suspended_is_told_as_asked_and_as_come() -> None:
    scene = Scene().settle().runs().change(suspend=True)
    scene.pods_go()

    assert scene.events == ["Created", "Running", "Suspending", "Suspended"]
    assert scene.warnings == []
