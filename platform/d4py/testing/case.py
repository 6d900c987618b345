# SPDX-License-Identifier: Apache-2.0
"""What every part of the contract does: run a workflow on the mapping under test, here or in the background, and look at it."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from d4py import mappings
from d4py.graph.load import Workflow, find, load
from d4py.mappings.enact import result_of
from d4py.runs import Folder, Status
from d4py.runs.books import audit
from d4py.testing import tamper, workflows
from d4py.testing.faults import noted
from d4py.testing.waiting import eventually

if TYPE_CHECKING:
    from d4py.mappings import Result
    from d4py.runs.books import Line


class Case:
    """Tests of one mapping. Subclass a contract, name it Test..., and say which mapping."""

    mapping: ClassVar[str]
    processes: ClassVar[int] = 3
    window: ClassVar[int | None] = None  # items of credit a channel; 1 makes frames of one item
    python: ClassVar[tuple[str, ...]] = (sys.executable,)  # what starts a program of its own that makes a run
    not_applicable: ClassVar[Mapping[str, str]] = {}  # test -> why the mapping can't have it

    @pytest.fixture(autouse=True)
    def _scene(self, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
        test = request.node.originalname
        if test in self.not_applicable:
            pytest.skip(f"does not apply to {self.mapping}: {self.not_applicable[test]}")
        self.scratch = tmp_path
        self.runs: list[Running] = []
        self.number = 0
        yield
        tamper.undo()
        for running in self.runs:
            running.end()

    def test_what_does_not_apply_is_a_test_and_has_a_reason(self) -> None:
        unknown = [name for name in self.not_applicable if not callable(getattr(self, name, None))]
        assert unknown == []
        assert [name for name, reason in self.not_applicable.items() if len(reason) < 10] == []

    def workflow(self, shape: str, **parameters: Any) -> Workflow:
        """Load one of the contract's workflows."""
        given = {"shape": shape, "scratch": str(self.scratch), **parameters}
        return load(find(workflows.NAME, parameters=given))

    def run(
        self,
        shape: str,
        *,
        processes: int | None = None,
        inputs: Any = None,
        on_error: Any = None,
        options: Mapping[str, Any] | None = None,
        mapping: str | None = None,
        **parameters: Any,
    ) -> Result:
        """Run a shape to its end. options: of the run; parameters: of the workflow."""
        workflow = self.workflow(shape, **parameters)
        given = {"processes": processes, "inputs": inputs, "on_error": on_error, "mapping": mapping}
        return self.enact(workflow, **given, **(options or {}))

    def enact(
        self, workflow: Any, *, processes: int | None = None, mapping: str | None = None, **options: Any
    ) -> Result:
        """Run any workflow to its end, in a folder of its own."""
        self.number += 1
        return mappings.run(
            workflow,
            mapping or self.mapping,
            processes=processes or self.processes,
            run_dir=self.scratch / f"run{self.number}",
            check=False,
            **{"window": self.window, **options},
        )

    def start(self, shape: str, **arguments: Any) -> Running:
        """Run a shape in the background; arguments as of `run`."""
        return self.background(self.scratch / f"run{self.number + 1}", lambda: self.run(shape, **arguments))

    def background(self, path: Path, run: Callable[[], Result]) -> Running:
        """Do something with the run of a folder in the background."""
        running = Running(self, path, run)
        self.runs.append(running)
        return running

    def resume(self, result: Result | Path, **options: Any) -> Result:
        """Go on with a run that was stopped, or whose folder this is."""
        path = result if isinstance(result, Path) else result.folder
        return mappings.resume(Folder(path), mapping=self.mapping, check=False, **options)

    def result(self, path: Path) -> Result:
        """Return what the run of a folder has come to."""
        folder = Folder(path)
        return result_of(folder, folder.state(), audit(folder))

    def await_(self, gate: str, process: subprocess.Popen[bytes]) -> None:
        """Wait until a PE of a run in another process is at a gate."""
        mark = self.scratch / f"at-{gate}"
        eventually(lambda: mark.exists() or process.poll() is not None, what=mark.name)
        assert process.poll() is None, "the run ended too early"

    def open(self, gate: str) -> None:
        """Open a gate."""
        (self.scratch / f"go-{gate}").touch()

    def lines(self, name: str) -> list[str]:
        """Return the lines of a file of notes."""
        return noted(str(self.scratch / name))

    def struck(self) -> set[str]:
        """Return the marks of faults that struck."""
        return {path.name for path in self.scratch.glob("struck*")}

    def seen(self) -> Counter[int]:
        """Return which numbers the sink has seen, and how often."""
        return Counter(int(line) for line in self.lines("seen"))


class Running:
    """A run in the background."""

    def __init__(self, case: Case, path: Path, run: Callable[[], Result]) -> None:
        self.case = case
        self.path = path
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._go(run)

    @property
    def folder(self) -> Folder:
        """The run's folder, once the run goes on."""
        eventually(lambda: self._error or (self.path / "state.json").exists(), what="the run to begin")
        if self._error is not None:
            raise self._error
        folder = Folder(self.path)
        eventually(lambda: folder.state().status is not Status.STARTING, what="the run to go on")
        return folder

    @property
    def over(self) -> bool:
        """Whether the run has ended."""
        return not self._thread.is_alive()

    def at(self, gate: str) -> None:
        """Wait until a PE is at a gate, `PE-process-ITEM`."""
        mark = self.case.scratch / f"at-{gate}"
        eventually(lambda: mark.exists() or self.over, what=f"somebody at gate {gate}")
        assert mark.exists(), f"the run ended before anybody was at gate {gate}: {self._result or self._error}"

    def open(self, gate: str) -> None:
        """Open a gate."""
        self.case.open(gate)

    def commits(self) -> int:
        """Return how many checkpoints were committed: the number of the newest, since older ones are removed."""
        return max((int(path.stem[1:7]) for path in (self.path / "commits").glob("e*.json")), default=0)

    def result(self, within: float = 30.0) -> Result:
        """Wait for the end."""
        eventually(lambda: self.over, within=within, what="the run to end")
        if self._error is not None:
            raise self._error
        assert self._result is not None
        return self._result

    def again(self, cut: Result) -> None:
        """Resume in the background."""
        self._go(lambda: self.case.resume(cut))

    def end(self) -> None:
        """Make sure that nothing goes on."""
        if self.over:
            return
        Folder(self.path).request("cancel")
        eventually(self._let_go, what="the run under test to be cancelled")

    def _let_go(self) -> bool:
        for mark in self.case.scratch.glob("at-*"):
            self.open(mark.name[3:])
        return self.over

    def _go(self, run: Callable[[], Result]) -> None:
        def body() -> None:
            try:
                self._result = run()
            except BaseException as error:  # raised again where the result is asked for
                self._error = error

        self._thread = threading.Thread(target=body, name="run under test", daemon=True)
        self._thread.start()


def seeded(*seed: object) -> Random:
    """Return chance that is the same every time."""
    return Random(" ".join(map(str, seed)))  # noqa: S311 - it decides what is tested


def pause(item: int, at: str = "numbers") -> dict[str, Any]:
    """Return a gate for `faults`."""
    return {"do": "pause", "at": at, "item": item}


def fault(do: str, at: str, item: int = -1, *, times: int = 1, during: str = "process") -> dict[str, Any]:
    """Return a fault for `faults`."""
    return {"do": do, "at": at, "item": item, "times": times, "during": during}


def green(result: Result) -> None:
    """Check that a run ended well."""
    assert (result.exit_code, result.error) == (0, ""), f"{result.error}\n{result.traceback}"
    assert disagreeing(result.books.lines) == []


def disagreeing(lines: Sequence[Line]) -> list[Line]:
    """Return the lines of books that do not agree."""
    return [line for line in lines if not line.agrees]
