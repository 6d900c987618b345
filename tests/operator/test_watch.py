# SPDX-License-Identifier: Apache-2.0
"""Watches on a real API server: they go on where one ended, and list anew where they cannot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest
from tests.operator.hands import SPEC, Hands, eventually
from urllib3 import HTTPResponse

from d4py_operator.cluster.api import Api
from d4py_operator.cluster.errors import ApiError, ClusterError
from d4py_operator.cluster.informer import Informer
from d4py_operator.cluster.store import Store


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def informer(api: Api, hands: Hands, store: Store) -> Iterator[Informer]:
    found = Informer(api, store, "Workflow", hands.namespace)
    yield found
    if found.is_alive():
        found.end()
        found.join(timeout=20)
    assert not found.is_alive()


def names(store: Store) -> list[str]:
    return sorted(each["metadata"]["name"] for each in store.all("Workflow"))


def test_what_is_there_and_what_comes_is_known(hands: Hands, informer: Informer, store: Store) -> None:
    hands.workflow("there")
    informer.start()
    assert informer.synced.wait(20)
    assert "there" in names(store)

    hands.workflow("comes")
    eventually(lambda: "comes" in names(store), "the new one")
    hands.delete("Workflow", "there")
    eventually(lambda: "there" not in names(store), "the old one to go")

    assert informer.lists == 1


def test_what_nobody_reads_is_not_kept(hands: Hands, informer: Informer, store: Store) -> None:
    hands.make("Workflow", "listed", SPEC, annotations={"long": "text"})
    informer.start()
    assert informer.synced.wait(20)
    hands.make("Workflow", "watched", SPEC, annotations={"long": "text"})
    eventually(lambda: "watched" in names(store), "the new one")

    kept = [
        set(each["metadata"]) for each in store.all("Workflow") if each["metadata"]["name"] in ("listed", "watched")
    ]

    assert [each & {"managedFields", "annotations"} for each in kept] == [set(), set()]


def test_a_watch_from_too_long_ago_lists_anew(api: Api, hands: Hands, informer: Informer, store: Store) -> None:
    with pytest.raises(ApiError) as expired:
        list(api.watch("Workflow", hands.namespace, "1", "", 5, lambda _: None))
    assert expired.value.status == 410
    listed = informer._list

    def long_ago() -> str:
        version = listed()
        return "1" if informer.lists == 1 else version

    informer._list = long_ago  # type: ignore[method-assign]
    informer.start()
    eventually(lambda: informer.lists == 2, "a second list")

    hands.workflow("later")

    eventually(lambda: "later" in names(store), "the new one")
    assert informer.lists == 2


def test_a_watch_that_breaks_off_goes_on_where_it_was(hands: Hands, informer: Informer, store: Store) -> None:
    informer.start()
    hands.workflow("before")
    eventually(lambda: "before" in names(store), "the first")

    eventually(lambda: informer._response is not None, "the watch to be open")
    informer._response.shutdown()
    hands.workflow("after")

    eventually(lambda: "after" in names(store), "the second")
    assert informer.lists == 1


class Proxy:
    """An API behind something that cuts every watch after a minute, and lets one more object be seen before."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked: list[str] = []

    def list(self, *_: Any, **__: Any) -> tuple[list[Any], str]:
        return [], "1"

    def watch(self, kind: str, namespace: str, version: str, *_: Any) -> Iterator[Any]:
        self.asked.append(version)
        seen = {"name": f"a{version}", "namespace": namespace, "uid": version, "resourceVersion": f"{int(version) + 1}"}
        yield {"type": "ADDED", "object": {"kind": kind, "metadata": seen}}
        self.now += 60.0
        raise ClusterError("cut")


def test_watches_that_are_cut_go_on_soon_each_time_and_from_where_they_were(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else an operator behind a proxy would come to see things half a minute late, each time from the first list on."""
    proxy, waits = Proxy(), list[float]()
    informer = Informer(proxy, store, "Workflow", "lab", clock=lambda: proxy.now)  # type: ignore[arg-type]

    def waited(seconds: float) -> bool:
        waits.append(seconds)
        if len(waits) == 12:
            informer._ending.set()
        return False

    monkeypatch.setattr(informer._ending, "wait", waited)

    informer.run()

    assert max(waits) < 1
    assert proxy.asked == [str(number) for number in range(1, 13)]


Watched = tuple[float, Any]  # how long a watch lasts, and what it tells or how it ends


class Curt:
    """An API behind something that ends watches as it is told."""

    def __init__(self, *watches: Watched) -> None:
        self.now, self.lists = 0.0, 0
        self._watches = list(watches)
        self.informer = Informer(cast("Api", self), Store(), "Workflow", "lab", clock=lambda: self.now)
        self.waits: list[float] = []

    def list(self, *_: Any, **__: Any) -> tuple[list[Any], str]:
        self.lists += 1
        return [], "1"

    def watch(self, *_: Any) -> Iterator[Any]:
        lasts, told = self._watches.pop(0)
        if not self._watches:
            self.informer.end()
        self.now += lasts
        if isinstance(told, Exception):
            raise told
        yield from told

    def waited(self, monkeypatch: pytest.MonkeyPatch) -> Sequence[float]:
        """Let it watch; return how long it waited each time, on the clock only."""

        def wait(seconds: float) -> bool:
            self.now += seconds
            self.waits.append(round(seconds, 3))
            return False

        monkeypatch.setattr(self.informer._ending, "wait", wait)
        monkeypatch.setattr("d4py_operator.cluster.informer.random.random", lambda: 0.5)
        self.informer.run()
        return self.waits


AT_ONCE: Watched = (0.0, [])
EXPIRED: Watched = (0.0, ApiError(410, "Expired", "too old"))
LAST: Watched = (0.0, [])  # with it the informer is told to end


def test_watches_that_are_over_at_once_are_asked_for_later_and_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else whatever ends them would be asked as fast as it can answer. One that lasts is none of them."""
    curt = Curt(*[AT_ONCE] * 9, (300.0, []), AT_ONCE, AT_ONCE, (1.0, []), AT_ONCE, LAST)

    waits = curt.waited(monkeypatch)

    assert waits == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 0.2, 0.4, 0.2]
    assert curt.lists == 1


def test_a_watch_that_tells_something_may_be_as_short_as_it_likes(monkeypatch: pytest.MonkeyPatch) -> None:
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "7"}}}

    assert Curt(*[(0.0, [bookmark])] * 5, LAST).waited(monkeypatch) == []


def test_a_list_that_is_too_old_at_once_is_asked_for_later_and_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first watch went on from a list of long ago: that it has expired is no failure."""
    curt = Curt((300.0, []), EXPIRED, EXPIRED, EXPIRED, LAST)

    assert curt.waited(monkeypatch) == [0.2, 0.4]
    assert curt.lists == 4


def test_long_lists_are_read_page_by_page(api: Api, hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("d4py_operator.cluster.api._PAGE", 2)
    for number in range(5):
        hands.workflow(f"page-{number}")

    listed, _ = api.list("Workflow", hands.namespace)

    assert {f"page-{number}" for number in range(5)} <= {each["metadata"]["name"] for each in listed}


class Closed:
    """An API server whose watches are over as soon as they are opened."""

    def list(self, *_: object, **__: object) -> tuple[list[Any], str]:
        return [], "1"

    def watch(self, *words: Any) -> Iterator[Any]:
        response = HTTPResponse(b"")
        response.close()
        words[-1](response)
        return iter(())


def test_it_ends_also_between_two_watches(store: Store) -> None:
    found = Informer(cast("Api", Closed()), store, "Workflow", "")
    found.start()
    assert found.synced.wait(20)
    eventually(lambda: found._response is not None, "a watch")

    found.end()

    found.join(timeout=20)
    assert not found.is_alive()
