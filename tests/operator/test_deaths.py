# SPDX-License-Identifier: Apache-2.0
"""An operator is killed before and after each of its writes: whoever comes after it ends with the same objects, none twice and none left over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.operator.conftest import somebody
from tests.operator.fragile import MADE, Fate, picture, settle
from tests.operator.hands import KEPT, Hands, eventually

from d4py_operator.cluster.api import Api

Step = Callable[[Hands, str], None]


@pytest.fixture
def hands(api: Api) -> Iterator[Hands]:
    """Somebody in a namespace of the test's own: whoever begins lists all that is there."""
    with somebody(api) as found:
        yield found


def made(**spec: Any) -> Step:
    return lambda hands, name: (hands.workflow(name, **spec), None)[1]


def runs(attempt: int = 1) -> Step:
    return lambda hands, name: hands.runs(f"{name}-{attempt}")


def ends(code: int, attempt: int = 1) -> Step:
    def step(hands: Hands, name: str) -> None:
        hands.ends(f"{name}-{attempt}", code)
        over = ("Complete", "Failed")
        eventually(
            lambda: any(
                each["type"] in over and each["status"] == "True"
                for each in (hands.get("Job", f"{name}-{attempt}").get("status") or {}).get("conditions", ())
            ),
            "the Job to be over",
        )

    return step


def suspended(hands: Hands, name: str) -> None:
    hands.suspend(name)


def resumed(hands: Hands, name: str) -> None:
    hands.suspend(name, False)


def kept(hands: Hands, name: str) -> None:
    hands.patch("Workflow", name, {"spec": {"snapshotNonce": "now"}})


def pods_gone(hands: Hands, name: str) -> None:
    eventually(lambda: not hands.pods_of(f"{name}-1"), "its pods to go")


def all_gone(hands: Hands, name: str) -> None:
    """Wait for what goes after its workflow: Kubernetes collects it in its own time."""
    label = f"d4py.dev/workflow={name}"
    eventually(lambda: not any(hands.api.list(kind, hands.namespace, label)[0] for kind in MADE), "all of it to go")


def nothing(hands: Hands, name: str) -> None:
    """Only look again."""


EAGER = {"backoffLimit": 1, "backoff": {"initialSeconds": 0}}
RANKS: dict[str, Any] = {"mapping": "mpi", "mpi": {"ranks": 2, "launcher": "Native"}, "checkpoint": KEPT}
SCENARIOS: dict[str, list[Step]] = {
    "a run with all that may be beside it": [
        made(inputs={"inline": "{}"}, networkPolicy="Isolated"), runs(), ends(0),
    ],
    "ranks": [made(**RANKS, runPolicy=EAGER), ends(3), nothing, runs(2), ends(0, 2)],
    "a failure and another attempt": [made(runPolicy=EAGER), ends(3), nothing, ends(0, 2)],
    "too many failures": [made(runPolicy=EAGER), ends(3), nothing, ends(3, 2)],
    "suspend and resume": [made(), runs(), suspended, pods_gone, resumed, runs(2), ends(0, 2)],
    "a checkpoint in the middle": [made(checkpoint=KEPT), runs(), kept, pods_gone, runs(2), nothing, ends(0, 2)],
    "an end after which all is deleted": [made(runPolicy={"cleanPodPolicy": "All"}), ends(0), pods_gone],
    "an end after which the workflow is deleted": [
        made(runPolicy={"ttlSecondsAfterFinished": 0}), ends(0), nothing, all_gone,
    ],
}  # fmt: skip


@pytest.mark.parametrize("title", SCENARIOS)
def test_the_same_objects_come_of_it(api: Api, hands: Hands, title: str) -> None:
    steps = SCENARIOS[title]
    short = "".join(word[0] for word in title.split())
    undisturbed = Fate(api, f"{short}-0")
    play(api, hands, steps, [undisturbed])
    writes = undisturbed.api.writes
    assert writes >= 4
    # Before a write is after the one before it: all that an operator knows dies with it.
    fates = [
        Fate(api, f"{short}-before", at=1),
        *(Fate(api, f"{short}-{at}", at=at, after=True) for at in range(1, writes + 1)),
    ]

    play(api, hands, steps, fates)

    things = {kind: hands.all(kind) for kind in (*MADE, "Pod", "Workflow")}
    expected = picture(hands, undisturbed, things)
    assert expected.get("orphans", []) == []
    spared = [fate for fate in fates if not fate.died]  # a write that came too late, and was made again, counts twice
    assert [fate.name for fate in spared if fate.api.writes >= fate.api.at] == []
    assert 4 * len(spared) <= len(fates) + 4, spared
    differing = {fate.name: found for fate in fates if (found := picture(hands, fate, things)) != expected}
    assert differing == {}, (expected, undisturbed.api.calls)


def play(api: Api, hands: Hands, steps: list[Step], fates: list[Fate]) -> None:
    """Take each step with all workflows, and let all operators act on it."""
    for step in steps:
        with ThreadPoolExecutor(4) as people:
            list(people.map(lambda fate, step=step: step(hands, fate.name), fates))
        settle(api, hands.namespace, fates)
