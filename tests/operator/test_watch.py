# SPDX-License-Identifier: Apache-2.0
"""Watches on a real API server: they go on where one ended, and list anew where they cannot."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.operator.hands import Hands, eventually

from d4py_operator.cluster.api import Api
from d4py_operator.cluster.errors import ApiError
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


def test_long_lists_are_read_page_by_page(api: Api, hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("d4py_operator.cluster.api._PAGE", 2)
    for number in range(5):
        hands.workflow(f"page-{number}")

    listed, _ = api.list("Workflow", hands.namespace)

    assert {f"page-{number}" for number in range(5)} <= {each["metadata"]["name"] for each in listed}
