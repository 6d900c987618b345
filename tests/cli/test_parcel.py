# SPDX-License-Identifier: Apache-2.0
"""What is sent to a login node arrives there, whatever Python it has."""

from __future__ import annotations

import io
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from d4py.cli.parcel import unpacked


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_python_without_filters_of_archives_unpacks_what_was_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As 3.11.2, which Debian 12 has."""
    sent = io.BytesIO()
    with tarfile.open(fileobj=sent, mode="w:gz") as tar:
        member = tarfile.TarInfo("count/workflow.py")
        member.size = 4
        tar.addfile(member, io.BytesIO(b"here"))
    unpack = tarfile.TarFile.extractall

    def older(self: tarfile.TarFile, path: Any = ".", members: Any = None, *, numeric_owner: bool = False) -> None:
        unpack(self, path, members, numeric_owner=numeric_owner)

    monkeypatch.delattr(tarfile, "data_filter", raising=False)
    monkeypatch.setattr(tarfile.TarFile, "extractall", older)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(sent.getvalue())))

    with unpacked(tmp_path / "run", kept=True):
        assert Path("count/workflow.py").read_text() == "here"
