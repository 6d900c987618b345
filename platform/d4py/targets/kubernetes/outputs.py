# SPDX-License-Identifier: Apache-2.0
"""The outputs of a run: its pod has written them to a claim, as lines with arrays beside them, and a pod of ours reads them there."""

from __future__ import annotations

import json
import tempfile
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from d4py.errors import StateError
from d4py.runs import Status
from d4py.runs.arrays import Stored, filled
from d4py.runs.outputs import Output
from d4py.targets.kubernetes.reader import reader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d4py.targets.kubernetes.reader import Reader
    from d4py.targets.kubernetes.run import Run


class Outputs:
    """What a run has given back. Iterating reads it from the cluster; of all of it one line is held, and arrays are on disk."""

    def __init__(self, run: Run) -> None:
        """Find out where it keeps them. Raises StateError where that is nowhere, or where there are none yet."""
        self._run, self._workflow = run, run.look()
        address: str = (self._workflow.get("status") or {}).get("outputs") or ""
        scheme, _, rest = address.partition("://")
        self._claim, _, self._path = rest.partition("/")
        if scheme != "pvc":
            raise StateError(
                f"The run {run.id!r} keeps its outputs {f'in {address}' if address else 'nowhere'}.",
                hint="Submit it with outputs.volume.claimName in --values FILE.",
            )
        status = run.state().status
        if status is not Status.DONE:
            raise StateError(
                f"The run {run.id!r} is {status.value}; its outputs are written when it is done.",
                hint=f"See d4py status {run.id}." if status.over else f"Wait for it: d4py wait {run.id}.",
            )

    def __iter__(self) -> Iterator[Output]:
        with ExitStack() as stack:
            pod = stack.enter_context(reader(self._run.cluster, self._workflow, self._claim))
            stored: Stored | None = None

            def array(name: str) -> Any:
                nonlocal stored
                if stored is None:
                    stored = Stored(self._fetched(pod, stack))
                    stack.callback(stored.close)
                return stored(name)

            for line in self._lines(pod):
                entry = json.loads(line)
                yield Output(entry["pe"], entry["output"], filled(entry["value"], array))

    def _lines(self, pod: Reader) -> Iterator[bytes]:
        rest: list[bytes] = []
        for block in pod.read(self._path):
            first, *more = block.split(b"\n")
            rest.append(first)
            for begun in more:
                yield b"".join(rest)
                rest = [begun]

    def _fetched(self, pod: Reader, stack: ExitStack) -> Path:
        """Return a copy of the arrays, which is there as long as the pod."""
        file = stack.enter_context(tempfile.NamedTemporaryFile(prefix="d4py-", suffix=".npz"))
        for block in pod.read(str(PurePosixPath(self._path).with_suffix(".npz"))):
            file.write(block)
        file.flush()
        return Path(file.name)
