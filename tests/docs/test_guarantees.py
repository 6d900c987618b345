# SPDX-License-Identifier: Apache-2.0
"""The page of guarantees is what the code declares, and every test that it names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from scripts import guarantees
from tests.docs.conftest import ROOT


def test_the_page_is_what_the_code_declares() -> None:
    assert guarantees.PAGE.read_text(encoding="utf-8") == guarantees.page(), "run python scripts/guarantees.py"


def test_every_test_that_the_page_names_is_there() -> None:
    """Read from the sources, not through the generator."""
    named = re.findall(r"<br>`(?:\w+\.)?(test_\w+)`", guarantees.PAGE.read_text(encoding="utf-8"))
    folders = (ROOT / "tests" / "contract", ROOT / "platform" / "d4py" / "testing")
    known = {name for folder in folders for path in folder.glob("*.py") for name in names_in(path)}

    assert len(named) == 21
    assert [name for name in named if name not in known] == []


def test_a_guarantee_without_a_test_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarantees, "PROOFS", {**guarantees.PROOFS, "memory": {}})

    with pytest.raises(guarantees.NoProof, match="No test is named for 'memory' of the mapping 'simple'"):
        guarantees.page()


def test_a_test_that_does_not_exist_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarantees, "PROOFS", {**guarantees.PROOFS, "arrays": {"simple": "test_nothing"}})

    with pytest.raises(guarantees.NoProof, match="There is no test 'test_nothing'"):
        guarantees.page()


def test_a_test_that_does_not_apply_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    credit = {"memory": {"simple": "test_a_consumer_that_stands_still_stops_its_producer_within_the_credit"}}
    monkeypatch.setattr(guarantees, "PROOFS", {**guarantees.PROOFS, **credit})

    with pytest.raises(guarantees.NoProof, match="does not apply to 'simple'"):
        guarantees.page()


def names_in(path: Path) -> set[str]:
    """Return the names of the tests that a file defines."""
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}
