# SPDX-License-Identifier: Apache-2.0
"""Defects to plant in every process of a run, so that the checker can show that it finds them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.stages import Ledger, Relay, Seek, Sink

from d4py.testing import tamper
from d4py.testing.waiting import eventually

_LONG = 60.0  # seconds: far longer than any run here


def plant(name: str, folder: str) -> None:
    """Arrange for a defect. folder: what all processes see."""
    DEFECTS[name](Path(folder))


def _state_forgotten(_: Path) -> None:
    _replace(Ledger, "restore", lambda self, state: None)


def _source_begins_anew(_: Path) -> None:
    for method in ("seek", "restore"):
        _replace(Seek, method, lambda self, _: None)


def _committed_at_once(folder: Path) -> None:
    def prepare(self: Sink, epoch: int) -> None:
        (folder / f"{os.getpid()}-{epoch}.json").write_text(json.dumps(self.values))
        self.values = []

    _replace(Sink, "prepare", prepare)


def _output_lost(folder: Path) -> None:
    tamper.install("unspool", str(folder))


def _item_lost(folder: Path) -> None:
    tamper.install("mislay", str(folder))


def _process_left_behind(_: Path) -> None:
    def postprocess(self: Relay) -> None:
        subprocess.Popen(["sleep", str(_LONG)], start_new_session=True, stdout=subprocess.DEVNULL)

    _replace(Relay, "postprocess", postprocess)


def _second_start_hangs(folder: Path) -> None:
    before = Relay.preprocess

    def preprocess(self: Relay) -> None:
        before(self)
        if _seen(folder / "started"):
            eventually(lambda: False, within=_LONG)

    _replace(Relay, "preprocess", preprocess)


def _always_green(_: Path) -> None:
    from d4py.mappings import enact

    _replace(enact, "_exit_code", lambda outcome, books: 0)


def _descriptors_kept(_: Path) -> None:
    from d4py.mappings.multi import multi

    before = multi._Crew._fork

    def fork(self: Any, *arguments: Any) -> None:
        if self.generation > 1 or self.vacancies.attempts:
            for _ in range(2):
                os.dup(self.woken.fileno())
        before(self, *arguments)

    _replace(multi._Crew, "_fork", fork)


def _seen(mark: Path) -> bool:
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return True
    return False


def _replace(owner: Any, name: str, method: Any) -> None:
    setattr(owner, name, method)


DEFECTS: dict[str, Callable[[Path], None]] = {
    "state is forgotten": _state_forgotten,
    "a source begins anew": _source_begins_anew,
    "files appear before their checkpoint": _committed_at_once,
    "an output is lost": _output_lost,
    "an item is lost": _item_lost,
    "a process is left behind": _process_left_behind,
    "the second start hangs": _second_start_hangs,
    "every run is green": _always_green,
    "descriptors are kept": _descriptors_kept,
}
