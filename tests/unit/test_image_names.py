# SPDX-License-Identifier: Apache-2.0
"""The images have one name each: what is sent to a cluster, what the chart has, and what the pages tell people to build."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from d4py import __version__
from d4py.targets.kubernetes.manifest import RUNTIME

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("file", "pattern", "name"),
    [
        ("images/runtime/README.md", r"docker build -t (\S+) \.", RUNTIME),
        ("images/mpi/README.md", r"docker build -t (\S+) \.", RUNTIME),
        ("images/mpi/README.md", r"docker build -t (\S+) images/mpi", f"d4py/mpi:{__version__}"),
        ("images/mpi/Dockerfile", r"^ARG BASE=(\S+)", RUNTIME),
        ("images/operator/README.md", r"docker build .*-t registry.example/(\S+)", f"d4py/operator:{__version__}"),
        ("docs/images.md", r"runtime image\]\(\S+\), `(\S+)`", RUNTIME),
        ("helm/d4py/values.yaml", r"  repository: (\S+)", "d4py/operator"),
        ("helm/d4py/Chart.yaml", r"^appVersion: (\S+)", __version__),
    ],
)
def test_an_image_is_named_the_same_everywhere(file: str, pattern: str, name: str) -> None:
    assert set(re.findall(pattern, (ROOT / file).read_text(), re.MULTILINE)) == {name}
