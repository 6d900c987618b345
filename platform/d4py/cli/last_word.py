# SPDX-License-Identifier: Apache-2.0
"""The last word of a run in a pod: one line of JSON, where D4PY_TERMINATION_LOG says. A cluster keeps it when the pod is gone.

Values of the variables that D4PY_SECRETS names do not appear in it.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from d4py.errors import WrongWorld

if TYPE_CHECKING:
    from d4py.errors import D4pyError
    from d4py.mappings import Result

LOG, SECRETS = "D4PY_TERMINATION_LOG", "D4PY_SECRETS"
LIMIT = 4096  # bytes that a cluster keeps
_VERSION = 1
_HIDDEN = "***"


def of_result(result: Result) -> None:
    """Say how a run ended."""
    if os.environ.get(LOG):
        from d4py.cli.summary import counts_of
        from d4py.engine.failure import pe_of
        from d4py.runs import Folder

        counts = counts_of(result).values()
        totals = {kind: sum(count[kind] for count in counts) for kind in ("read", "written", "quarantined")}
        leave(
            run=result.run_id,
            mapping=result.mapping,
            status=result.status.value,
            exit_code=result.exit_code,
            seconds=round(result.seconds, 3),
            **totals,
            outputs=len(result.outputs),
            checkpoint=Folder(result.folder).state().epoch,
            failed_pe=pe_of(result.error),
            error=result.error,
        )


def of_error(error: D4pyError) -> None:
    """Say why a run did not even start."""
    leave(exit_code=error.exit_code, error=str(error), world=isinstance(error, WrongWorld))


def leave(*, error: str, **facts: Any) -> None:
    """Write a line. That it cannot be written changes nothing: the exit code stays."""
    path = os.environ.get(LOG)
    if not path:
        return
    error = " ".join(_hidden(error).split())
    while True:
        text = json.dumps({"d4py": _VERSION, **facts, "error": error})
        if len(text) < LIMIT or not error:
            break
        error = error[: len(error) // 2]
    try:
        sys.stdout.flush()
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"{text}\n")
    except OSError:
        return


def _hidden(text: str) -> str:
    """Return a text without the values of secret variables."""
    for name in os.environ.get(SECRETS, "").split():
        if value := os.environ.get(name):
            text = text.replace(value, _HIDDEN)
    return text
