# SPDX-License-Identifier: Apache-2.0
"""The queue: each key once, never two at a time, failures later and later. And the store: old news changes nothing."""

from __future__ import annotations

import threading
from typing import Any
from unittest.mock import Mock

from tests.operator.hands import eventually

from d4py_operator.cluster.store import Store
from d4py_operator.objects import Key, Object
from d4py_operator.operator import Operator
from d4py_operator.queue import Queue


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_key_waits_once_however_often_it_is_added() -> None:
    queue = Queue()
    for _ in range(5):
        queue.add("a")
    queue.add("b")

    assert [queue.take(), queue.take()] == ["a", "b"]
    assert len(queue) == 0


def test_a_key_that_is_taken_is_given_to_nobody_else_and_comes_again() -> None:
    queue = Queue()
    queue.add("a")
    assert queue.take() == "a"
    queue.add("a")
    queue.add("b")
    assert queue.take() == "b"

    queue.done("a")

    assert queue.take() == "a"


def test_a_key_comes_when_it_is_due_and_once() -> None:
    clock = Clock()
    queue = Queue(clock)
    queue.add_after("late", 10)
    queue.add_after("late", 5)
    queue.add_after("late", 20)
    queue.add("now")
    assert queue.take() == "now"

    clock.now = 30
    assert queue.take() == "late"
    queue.done("late")

    queue.add("end")
    assert queue.take() == "end"


def test_what_a_look_finds_takes_the_place_of_what_was_due() -> None:
    clock = Clock()
    queue = Queue(clock)
    queue.add_after("doubtful", 20)
    queue.add_after("longer", 20)
    queue.add_after("sooner", 20)

    queue.settle("doubtful")
    queue.settle("longer", 40)
    queue.settle("sooner", 10)

    came = []
    for clock.now in (10, 20, 40, 60):
        queue.add("now")
        assert queue.take() == "now"
        queue.done("now")
        while len(queue):
            came.append((clock.now, key := queue.take()))
            queue.done(key)
    assert came == [(10, "sooner"), (40, "longer")]


def test_a_key_that_is_put_off_again_and_again_takes_no_more_room() -> None:
    clock = Clock()
    queue = Queue(clock)

    for clock.now in range(1000):
        queue.settle("a", 86_400)

    assert len(queue._later) == 1


def test_failures_come_later_and_later_up_to_a_minute() -> None:
    queue = Queue(Clock())
    waits = [queue.failed("a") for _ in range(12)]

    assert waits[:4] == [0.1, 0.2, 0.4, 0.8]
    assert waits[-1] == 60
    queue.settle("a")
    assert queue.failed("a") == 0.1


def test_a_closed_queue_lets_those_who_wait_go() -> None:
    queue = Queue()
    found: list[Any] = ["nothing yet"]
    waiting = threading.Thread(target=lambda: found.append(queue.take()))
    waiting.start()

    queue.close()
    waiting.join(timeout=10)

    assert found[-1] is None


def pod(version: int, uid: str = "u-1", phase: str = "Running") -> Object:
    labels = {"d4py.dev/workflow": "demo"}
    metadata = {"name": "p", "namespace": "lab", "uid": uid, "resourceVersion": str(version), "labels": labels}
    return {"kind": "Pod", "metadata": metadata, "status": {"phase": phase}, "spec": {"containers": []}}


KEY = Key("Pod", "lab", "p")


def test_old_news_changes_nothing() -> None:
    store = Store()
    store.put(pod(5, phase="Succeeded"))

    store.put(pod(4, phase="Running"))

    kept = store.get(KEY)
    assert kept is not None
    assert kept["status"]["phase"] == "Succeeded"
    assert kept["spec"] == {}  # nobody here reads it


def test_what_is_gone_does_not_come_back_by_a_late_answer() -> None:
    store = Store()
    store.put(pod(5))
    store.drop(pod(6))

    store.put(pod(7))
    assert store.get(KEY) is None

    store.put(pod(8, uid="u-2"))
    assert store.get(KEY) is not None
    assert [each["metadata"]["uid"] for each in store.of("lab", "demo")] == ["u-2"]


def test_news_that_an_older_one_of_the_name_is_gone_leaves_the_new_one() -> None:
    store = Store()
    store.put(pod(8, uid="u-2"))

    store.drop(pod(9, uid="u-1"))

    assert store.get(KEY) is not None


def test_what_a_list_lacks_is_gone_and_listeners_hear_of_it() -> None:
    store = Store()
    heard: list[str] = []
    store.listeners.append(lambda thing: heard.append(thing["metadata"]["uid"]))
    store.put(pod(5))

    store.replace("Pod", "lab", [], "9")

    assert store.get(KEY) is None
    assert store.of("lab", "demo") == []
    assert heard == ["u-1", "u-1"]


class Held:
    """A lease that a test renews."""

    fresh = False

    def __init__(self) -> None:
        self.held = threading.Event()
        self.held.set()

    def of(self, namespace: str) -> Held:
        """Return what counts there."""
        return self


def test_while_no_lease_is_fresh_keys_stay_where_they_are() -> None:
    lease = Held()
    operator = Operator(Mock(), lease, threads=1)  # type: ignore[arg-type]
    for number in range(3):
        operator.queue.add(Key("Workflow", "lab", f"gone-{number}"))
    worker = operator._workers[0]
    worker.start()

    eventually(lambda: len(operator.queue) == 2, "the first to be taken")
    worker.join(timeout=1.5)
    assert len(operator.queue) == 2
    lease.fresh = True
    eventually(lambda: 'result="ok"} 3\n' in looks(operator), "all to be looked at")

    assert "waiting" not in looks(operator)
    operator.queue.close()
    worker.join()


def looks(operator: Operator) -> str:
    with operator.metrics._lock:
        return "".join(f'result="{result}"}} {number}\n' for (_, result), number in operator.metrics._looks.items())
