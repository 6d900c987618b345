# SPDX-License-Identifier: Apache-2.0
"""An image runs the one workflow that it was built for."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from d4py.errors import StateError

if TYPE_CHECKING:
    from d4py.graph.load import Workflow

FILE = "/opt/d4py/image.json"  # in an image only
DIGEST = "D4PY_GRAPH_DIGEST"  # for whoever starts a container: which workflow it must be


def expected() -> str:
    """Return the digest of the workflow that may be run here; empty where any may."""
    named = os.environ.get(DIGEST, "")
    if named:
        return named
    try:
        return str(json.loads(Path(FILE).read_bytes())["graph"])
    except (OSError, ValueError, KeyError):
        return ""


def check(workflow: Workflow) -> None:
    """Raise StateError where this is the image of another workflow."""
    wanted = expected()
    if wanted and workflow.digest != wanted:
        raise StateError(
            f"This image is for the workflow with the digest {wanted:.12}, but {workflow.name!r} has {workflow.digest:.12}.",
            hint="Build an image of it with d4py build.",
        )
