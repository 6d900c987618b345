# SPDX-License-Identifier: Apache-2.0
"""Following the logs of very many ranks: only what has grown is opened, and the more files, the more seldom it is looked."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest

from d4py.cli import logs
from d4py.cli.origin import Wanted
from d4py.runs import Folder, State, Status


def test_a_log_that_has_not_grown_is_not_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "logs").mkdir()
    for number in range(20):
        (tmp_path / "logs" / f"Say[{number}].log").write_text(f"line {number}\nhalf")
    opened: list[str] = []

    def counted(file: Any, *words: Any, **more: Any) -> Any:
        opened.append(Path(file).name)
        return builtins.open(file, *words, **more)

    monkeypatch.setattr(logs, "open", counted, raising=False)
    seen = logs.Logs(Folder(tmp_path), Wanted())
    first = seen.new(whole=False)
    opened.clear()
    with open(tmp_path / "logs" / "Say[7].log", "a", encoding="utf-8") as file:
        file.write(" a line\n")

    assert (len(first), seen.new(whole=False), opened) == (20, [("Say[7]", "half a line")], ["Say[7].log"])
    assert len(seen.new(whole=True)) == 19


def test_very_many_logs_are_looked_at_less_often(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "logs").mkdir()
    for number in range(2_000):
        (tmp_path / "logs" / f"Say[{number}].log").touch()
    states = iter([State("r", status=Status.RUNNING), State("r", status=Status.DONE)])
    pauses: list[float] = []
    monkeypatch.setattr(logs, "telling", lambda _folder: states.__next__)
    monkeypatch.setattr(logs, "sleep", lambda _pid, seconds: pauses.append(seconds))

    logs.follow(Folder(tmp_path), Wanted())

    assert pauses == [2.0]
