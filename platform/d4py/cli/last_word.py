# SPDX-License-Identifier: Apache-2.0
"""The last word of a run in a pod: one line of JSON, where D4PY_TERMINATION_LOG says. A cluster keeps it when the pod is gone.

Values of what is secret do not appear in it.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from d4py.cli.secret import hidden
from d4py.errors import ConnectorError, WrongWorld

if TYPE_CHECKING:
    from d4py.errors import D4pyError
    from d4py.mappings import Result

LOG = "D4PY_TERMINATION_LOG"
LIMIT = 4096  # bytes that a cluster keeps
_VERSION = 1


def of_result(result: Result) -> None:
    """Say how a run ended."""
    if os.environ.get(LOG):
        from d4py.cli.summary import counts_of
        from d4py.engine.failure import pe_of
        from d4py.runs import Folder

        counts = counts_of(result)
        totals = {kind: sum(count[kind] for count in counts.values()) for kind in ("read", "written", "quarantined")}
        folder = Folder(result.folder)
        leave(
            run=result.run_id,
            mapping=result.mapping,
            status=result.status.value,
            exit_code=result.exit_code,
            seconds=round(result.seconds, 3),
            **totals,
            outputs=len(result.outputs),
            checkpoint=folder.state().epoch,
            graph=folder.description()["digest"],
            plan={pe: count["instances"] for pe, count in counts.items()},
            failed_pe=pe_of(result.error),
            error=result.error,
        )


def of_error(error: D4pyError) -> None:
    """Say why a run did not even start."""
    leave(
        exit_code=error.exit_code,
        error=str(error),
        world=isinstance(error, WrongWorld),
        again=isinstance(error, ConnectorError),
    )


def leave(*, error: str, **facts: Any) -> None:
    """Write a line. That it cannot be written changes nothing: the exit code stays."""
    path = os.environ.get(LOG)
    if not path:
        return
    error = " ".join(hidden(error).split())
    while len(text := json.dumps({"d4py": _VERSION, **facts, "error": error})) >= LIMIT:
        if error:
            error = error[: len(error) // 2]
        elif not facts.pop("plan", None):  # of very many PEs
            break
    try:
        sys.stdout.flush()
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"{text}\n")
    except OSError:
        return
