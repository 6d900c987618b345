# SPDX-License-Identifier: Apache-2.0
"""What the PEs of a workflow cost when it last ran with the same code and parameters: for the next plan."""

from __future__ import annotations

import json
from contextlib import suppress
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from d4py.errors import DiskError
from d4py.plan.costs import Cost
from d4py.runs.atomic import write_json
from d4py.runs.folder import home

if TYPE_CHECKING:
    from pathlib import Path

    from d4py.graph.load import Workflow
    from d4py.plan.costs import Costs

_KEPT = 16  # sets of parameters, or states of the code, of one workflow


def recall(workflow: Workflow) -> Costs:
    """Return what is known; nothing of a workflow that did not come from a file, or has changed since."""
    kept = _read(workflow).get(_key(workflow), {}) if workflow.source is not None else {}
    return {name: Cost(seconds, items) for name, (seconds, items) in kept.items()}


def remember(workflow: Workflow, costs: Costs) -> None:
    """Keep costs in place of what was known. A disk that does not take them is no fault of the run."""
    if workflow.source is None or not costs:
        return
    known, key = _read(workflow), _key(workflow)
    known.pop(key, None)
    known[key] = {name: [cost.seconds, cost.items] for name, cost in costs.items()}
    path = _path(workflow)
    with suppress(DiskError, OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, dict(list(known.items())[-_KEPT:]), durable=False)


def _read(workflow: Workflow) -> dict[str, dict[str, Any]]:
    try:
        data = json.loads(_path(workflow).read_bytes())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def _path(workflow: Workflow) -> Path:
    assert workflow.source is not None
    return home().parent / "costs" / f"{_hashed([workflow.source.target, workflow.source.variable])}.json"


def _key(workflow: Workflow) -> str:
    assert workflow.source is not None
    return _hashed([workflow.digest, workflow.source.parameters])


def _hashed(data: object) -> str:
    return blake2b(json.dumps(data, sort_keys=True, default=str).encode(), digest_size=12).hexdigest()
