# SPDX-License-Identifier: Apache-2.0
"""A run is called what whoever reads it can name it by."""

from __future__ import annotations

from pathlib import Path

import pytest

from d4py.cli.summary import run_name


def test_a_run_in_a_pod_is_called_what_it_is_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("D4PY_RUN_NAME", "kubernetes://lab/a")

    assert run_name(Path("/d4py/runs/a-12345"), "a") == "kubernetes://lab/a"
