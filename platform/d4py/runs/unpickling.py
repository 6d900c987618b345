# SPDX-License-Identifier: Apache-2.0
"""Values of a run read back, also in a process that has not loaded its workflow: their classes may be defined there."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

from d4py.errors import D4pyError, StateError

if TYPE_CHECKING:
    from pathlib import Path


def loads(data: bytes, run: Path) -> Any:
    """Unpickle what a run has kept; `run` is its folder. Loads the run's workflow if a class is defined beside it."""
    try:
        return pickle.loads(data)
    except (ModuleNotFoundError, AttributeError) as missing:
        _load_workflow(run, missing)
    try:
        return pickle.loads(data)
    except (ModuleNotFoundError, AttributeError) as missing:
        raise _unknown(missing) from None


def _load_workflow(run: Path, missing: Exception) -> None:
    from d4py.graph.load import Source, load
    from d4py.runs.folder import Folder

    source = Folder(run).description()["source"]
    if source is None:
        raise _unknown(missing)
    try:
        load(Source(**source))
    except D4pyError as error:
        raise StateError(
            f"The workflow that defines these values cannot be loaded: {error.message}", hint=error.hint
        ) from None


def _unknown(missing: Exception) -> StateError:
    return StateError(
        f"Values of this run are objects of a class that cannot be found here: {missing}.",
        hint="Read them in the script that ran it, or where its modules can be imported.",
    )
