# SPDX-License-Identifier: Apache-2.0
"""`make test` is honest: whatever keeps a suite from being run to its end makes it red, and the others run all the same."""

from __future__ import annotations

import importlib
import signal
from pathlib import Path
from typing import Any

import pytest

GREEN = "def test_it(): pass\n"
RED = "def test_it(): assert 1 == 2\n"
HEEDED = """import signal
def test_it(): assert signal.SIG_IGN not in map(signal.getsignal, (signal.SIGINT, signal.SIGHUP))
"""
CRASH = "import os, signal\ndef test_it(): os.kill(os.getpid(), signal.SIGSEGV)\n"
HANG = "import signal\nsignal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])\ndef test_it(): signal.pause()\n"
CELLS = """import json
def test_good(record_property): record_property("cell", json.dumps(["Ways", "row", "one", "8 ranks"]))
def test_bad(record_property):
    record_property("cell", json.dumps(["Ways", "bad", "one", "1 rank"]))
    assert 1 == 2
"""


@pytest.fixture
def suites(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The runner, looking at a checkout that a test makes."""
    monkeypatch.syspath_prepend(str(root / "scripts"))
    module = importlib.import_module("suites")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    names = ("green", "red", "crash", "empty", "absent")
    monkeypatch.setattr(module, "SUITES", tuple(module.Suite(name=name, budget=30, test=20) for name in names))
    return module


def write(root: Path, name: str, text: str) -> None:
    folder = root / "tests" / name
    folder.mkdir(parents=True)
    (folder / "test_it.py").write_text(text)


def test_every_suite_runs_and_the_last_line_sums_up(
    suites: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, text in {"crash": CRASH, "empty": "", "red": RED, "green": GREEN}.items():
        write(tmp_path, name, text)

    assert suites.main([]) == 1
    told = capfd.readouterr().out.splitlines()
    assert [line.split()[:3] for line in told[-8:-3]] == [
        ["green", "1", "0"],
        ["red", "0", "1"],
        ["crash", "0", "0"],
        ["empty", "0", "0"],
        ["absent", "0", "0"],
    ]
    assert [line.partition("30  ")[2] for line in told[-6:-3]] == [
        "pytest ended with -11",
        "it has no tests",
        "there is no folder tests/absent",
    ]
    assert told[-1] == "total: 1 passed, 4 failed"


@pytest.mark.parametrize(("budget", "workers"), [(5, 0), (12, 2)])
def test_a_suite_that_hangs_is_ended_with_its_stacks(
    budget: int, workers: int, suites: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, "hang", HANG)

    outcome = suites.run(suites.Suite(name="hang", budget=budget, test=20, workers=workers), [])

    assert not outcome.green
    assert outcome.trouble.startswith(f"not done in {budget} s")
    assert "in test_it" in capfd.readouterr().err


def test_a_green_suite_ends_with_exit_code_0(suites: Any, tmp_path: Path) -> None:
    write(tmp_path, "green", GREEN)

    assert suites.main(["green"]) == 0


def test_tests_find_signals_heeded_however_the_suites_were_started(suites: Any, tmp_path: Path) -> None:
    write(tmp_path, "green", HEEDED)
    kept = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGHUP)}
    try:
        assert suites.main(["green"]) == 0
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


@pytest.mark.parametrize(("script", "code"), [("sleep 0.2; touch tool", 0), ("echo no compiler >&2; exit 1", 1)])
def test_a_suite_waits_for_what_it_needs_built(
    script: str,
    code: int,
    suites: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    write(
        tmp_path, "needy", f"from pathlib import Path\ndef test_it(): assert Path({str(tmp_path)!r}, 'tool').exists()\n"
    )
    build = tmp_path / "scripts" / "tool" / "build"
    build.parent.mkdir(parents=True)
    build.write_text(f"#!/bin/sh\ncd {tmp_path}\n{script}\n")
    build.chmod(0o755)
    monkeypatch.setattr(suites, "SUITES", (suites.Suite(name="needy", budget=30, test=20, builds=("tool",)),))

    assert suites.main([]) == code
    told = capfd.readouterr()
    assert ("tool could not be built" in told.out, "no compiler" in told.err) == (bool(code), bool(code))


def test_choosing_tests_that_do_not_exist_is_no_success(suites: Any, tmp_path: Path) -> None:
    write(tmp_path, "green", GREEN)

    assert suites.main(["green", "--", "-k", "nothing"]) == 1


def test_a_long_suite_runs_only_where_it_is_named(suites: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "green", GREEN)
    write(tmp_path, "long", RED)
    known = tuple(suites.Suite(name=name, budget=30, test=20, long=name == "long") for name in ("green", "long"))
    monkeypatch.setattr(suites, "SUITES", known)

    assert (suites.main([]), suites.main(["long"])) == (0, 1)


def test_what_long_suites_came_to_is_a_report(suites: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "long", CELLS)
    known = tuple(suites.Suite(name=name, budget=30, test=20, long=name == "long") for name in ("green", "long"))
    monkeypatch.setattr(suites, "SUITES", known)
    long = importlib.import_module("long")
    monkeypatch.setattr(long, "TABLE", tmp_path / "long.md")

    assert long.main([]) == 1
    report = (tmp_path / "long.md").read_text()
    assert "| long | 1 | 1 |" in report
    assert report.endswith("\n## Ways\n\n| | one |\n| --- | --- |\n| row | 8 ranks |\n| bad | **fails** (1 rank) |\n")


def test_a_suite_with_a_page_of_its_own_writes_it_when_it_is_run_whole(
    suites: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(suite: Any, *_: Any) -> Any:
        return suites.Outcome(suite=suite, passed=1, cells=[("Ways", "row", suite.name, "8 ranks")])

    known = tuple(suites.Suite(name=name, budget=30, test=20, long=True) for name in ("paged", "other"))
    monkeypatch.setattr(suites, "SUITES", known)
    monkeypatch.setattr(suites, "run", run)
    long = importlib.import_module("long")
    monkeypatch.setattr(long, "TABLE", tmp_path / "long.md")
    monkeypatch.setattr(long, "PAGES", {"paged": long.Page("own.md", "Many", "It has figures.")})
    own, table = tmp_path / "own.md", tmp_path / "long.md"

    for part in (["other", "--"], ["paged", "--", "-k", "row"], ["paged", "other"]):
        assert (long.main(part), own.exists(), table.exists()) == (0, False, False)
    assert (long.main(["paged", "--"]), table.exists()) == (0, False)
    assert own.read_text().startswith("# Many\n\nMade by `make test-long SUITE=paged`. It has figures.\n")
    assert own.read_text().endswith("\n## Ways\n\n| | paged |\n| --- | --- |\n| row | 8 ranks |\n")

    own.unlink()
    assert (long.main([]), own.exists()) == (0, True)
    assert "| paged | 1 | 0 |" in table.read_text()
    assert table.read_text().endswith("\n## Ways\n\n| | other |\n| --- | --- |\n| row | 8 ranks |\n")


def test_an_unknown_suite_is_named(suites: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert suites.main(["gren"]) == 2
    assert capsys.readouterr().err.startswith("suites: there is no suite 'gren'; there are green, ")
