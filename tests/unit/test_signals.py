# SPDX-License-Identifier: Apache-2.0
"""Signals that come while nothing of a run can act on them."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

import d4py
from d4py.mappings.signals import Stop, caught, deferred
from d4py.runs.books import audit


def test_what_came_before_a_run_could_hear_is_the_first_that_it_hears() -> None:
    with deferred():
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGINT)
        with caught() as stops:
            signal.raise_signal(signal.SIGHUP)

    assert list(stops) == [Stop.USER, Stop.INTERRUPT, Stop.HANGUP]


def test_a_second_signal_that_comes_too_late_does_what_it_did_before() -> None:
    with deferred():
        with caught():
            signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGUSR1)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)

    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_run_inside_of_another_keeps_its_signals_to_itself() -> None:
    with deferred():
        with deferred():
            signal.raise_signal(signal.SIGTERM)
        with caught() as stops:
            pass

    assert list(stops) == []
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_second_ctrl_c_ends_a_run_that_is_being_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, came = d4py.WorkflowGraph(), []
    graph.add(d4py.SimpleFunctionPE(abs))

    def audited(*words: Any, **options: Any) -> Any:
        for number in range(2):
            came.append(number)
            signal.raise_signal(signal.SIGINT)
        return audit(*words, **options)

    monkeypatch.setattr("d4py.mappings.enact.audit", audited)

    with pytest.raises(KeyboardInterrupt):
        d4py.run(graph, inputs={"PE_abs": [{"input": -7}]}, run_dir=tmp_path / "r")

    assert came == [0, 1]
