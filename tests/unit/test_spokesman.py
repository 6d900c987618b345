# SPDX-License-Identifier: Apache-2.0
"""The first of many processes that are wrong in the same way waits until the others have come as far."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from d4py.mappings import spokesman
from d4py.runs import process


@pytest.fixture
def signals() -> Iterator[None]:
    """Put back what became of signals."""
    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
    before = {kind: signal.getsignal(kind) for kind in kinds}
    yield
    for kind, handler in before.items():
        signal.signal(kind, handler)


@pytest.mark.parametrize(("age", "wait"), [(0.0, 1.0), (0.4, 1.0), (2.5, 5.0), (3600.0, 10.0)])
@pytest.mark.usefixtures("signals")
def test_the_first_gives_the_others_the_longer_the_longer_it_took_itself(
    age: float, wait: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setenv("PMI_SIZE", "8")
    monkeypatch.setenv("PMI_RANK", "0")
    monkeypatch.setattr(process, "age", lambda: age)
    monkeypatch.setattr(time, "sleep", waits.append)

    spokesman.let_the_first_speak()

    assert waits == [wait]


@pytest.mark.usefixtures("signals")
def test_a_program_that_no_launcher_started_hears_signals_after_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {})
    before = signal.getsignal(signal.SIGINT)

    spokesman.let_the_first_speak()

    assert signal.getsignal(signal.SIGINT) is before
    assert signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN


def test_a_process_knows_its_age() -> None:
    code = "import time; time.sleep(0.5); from d4py.runs import process; print(process.age())"
    began = time.monotonic()

    told = subprocess.run([sys.executable, "-c", code], env=os.environ, capture_output=True, text=True, check=True)

    tick = 1 / os.sysconf("SC_CLK_TCK")
    assert 0.5 - tick <= float(told.stdout) <= time.monotonic() - began + tick
