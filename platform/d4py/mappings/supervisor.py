# SPDX-License-Identifier: Apache-2.0
"""Obeys the coordinator of a run: keeps its commits, its state and its clock. One per run, in the process that was asked to run it."""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from d4py.engine.coordinator import (
    AskBarriers,
    Commit,
    Complete,
    Coordinator,
    Fail,
    Instruction,
    MakeCommit,
    Rewind,
    Suspended,
)
from d4py.engine.keeping import commits
from d4py.engine.link import (
    BarrierAsked,
    CannotSnapshot,
    Committed,
    Drain,
    Event,
    Failed,
    Lost,
    Released,
    Snapshotted,
    Standing,
    Unkept,
)
from d4py.engine.link import Report as CellReport
from d4py.engine.settlement import rooms
from d4py.errors import DiskError, Superseded
from d4py.mappings.outcome import Outcome
from d4py.mappings.signals import Stop
from d4py.runs import Folder, Status
from d4py.runs.board import Board
from d4py.runs.journal import drop

if TYPE_CHECKING:
    from collections.abc import Iterable

    from d4py.engine.failure import Failure
    from d4py.mappings.base import Enactment

FIRST_CHECKPOINT = 10.0
_SHARE = 0.03  # of the time that checkpoints may cost
_TICK = 0.2
_COMMITS = 2  # that stay on disk
_HEARTBEAT = 5.0


@dataclass(frozen=True, slots=True)
class PartKept:
    """A cell's part is durable."""

    generation: int
    cell: int
    epoch: int
    key: str
    final: bool
    journals: dict[int, int] = field(default_factory=dict)  # how many writes of a source lie before it, by rank


Message = PartKept | Released | CannotSnapshot | Failed | Standing | Lost | Unkept


def kept(folder: Folder, report: CellReport) -> Message:
    """Make a part durable where the cell lives; anything else is passed on as it is."""
    if isinstance(report, Snapshotted):
        part = report.part
        journals = {rank: position.spooled for rank, position in part.positions.items() if position.spooled}
        try:
            return PartKept(part.generation, part.cell, part.epoch, folder.write_part(part), part.final, journals)
        except DiskError as error:
            return Unkept(error.reason)
    return report


class Crew(Protocol):
    """What a supervisor asks of its mapping."""

    def tell(self, cell: int, event: Event) -> None:
        """Give an event to a cell."""

    def launch(self, generation: int, start: Commit | None) -> None:
        """Start all cells from a commit, or from the start. What runs of an older generation is ended first."""

    def dismiss(self) -> None:
        """The run is over: let all cells end."""

    def abandon(self) -> None:
        """Give up what runs, at once."""


class Supervisor:
    """Runs the coordinator for one start of a run."""

    def __init__(self, enactment: Enactment, crew: Crew) -> None:
        self.enactment = enactment
        self.folder = enactment.folder
        self.crew = crew
        plan, folder = enactment.plan, enactment.folder
        self.start = folder.last_commit()
        self.generation = folder.generation() + 1
        if self.generation > 1:
            for request in folder.past_requests():
                folder.answered(request)
        folder.begin_generation(self.generation, self.start)  # before anything else is changed
        folder.write_plan(plan)
        enactment.state.live = enactment.live
        self._show_state()
        self.coordinator = Coordinator(
            [cell.index for cell in plan.cells],
            [cell.index for cell in plan.cells if cell.source],
            generation=self.generation,
            start=self.start,
            finished=folder.finished_parts(self.start),
            restarts=enactment.options.restarts,
        )
        words = rooms(plan, {pe.id or "": pe for pe in enactment.workflow.graph.pes})
        self.board = Board(folder.path / "board", len(plan.instances), len(plan.cells), rooms=words, create=True)
        self.outcome: Outcome | None = None
        self._asked = 0.0
        self._wanted = False  # somebody waits for a checkpoint
        self._suspended = False  # by a command
        self._interval = enactment.options.checkpoint or FIRST_CHECKPOINT
        self._due = time.monotonic() + self._interval
        self._next_tick = 0.0
        self._next_heartbeat = time.monotonic() + _HEARTBEAT
        self._stops = 0
        self._commits = deque([self.start] if self.start else [])
        self._origin: Commit | None = (
            None  # of this generation: who takes the place of a dead worker begins from it, too
        )
        self._swept = 0  # generation
        self._journals: dict[str, dict[int, int]] = {}  # by part
        self._cancelled = False
        self._draining = False
        self._sinks = frozenset(
            instance.cell
            for pe in enactment.workflow.graph.pes
            if commits(pe)
            for instance in plan.instances_of(pe.id or "")
        )
        self._ending = False
        self._unreleased: set[int] = set()  # cells whose sinks have yet to let go what the last commit covers

    def begin(self) -> None:
        """Tell the world that the run goes on, and launch it."""
        state = self.enactment.state
        state.status, state.generation = Status.RUNNING, self.generation
        self._show_state()
        for observer in self.enactment.observers:
            observer.begin(self.enactment.plan, self.board, state)
        self._launch(self.start)

    def end(self) -> None:
        """Let the observers go."""
        for observer in self.enactment.observers:
            observer.end()
        self.board.close()

    def handle(self, message: Message) -> None:
        """Take a message of a cell."""
        if self.outcome is not None:
            return
        coordinator = self.coordinator
        match message:
            case PartKept(generation, cell, epoch, key, final, journals):
                if journals:
                    self._journals[key] = journals
                self._obey(
                    coordinator.final(generation, cell, key)
                    if final
                    else coordinator.part(generation, cell, epoch, key)
                )
            case CannotSnapshot(reason):
                if not coordinator.unsnapshotable:
                    self._warn(f"This run takes no checkpoints: {reason}")
                self._obey(coordinator.cannot_snapshot(reason))
            case Released(cell, epoch):
                if epoch == self.enactment.state.epoch:
                    self._unreleased.discard(cell)
                    if self._ending and not self._unreleased:
                        self._end(Outcome(status=Status.DONE))
            case Failed(failure):
                self._fail(failure, failure.title)
            case Lost(reason):
                self.died(reason)
            case Unkept(reason):
                self._end(Outcome(status=Status.STOPPED, reason=reason))

    def died(self, reason: str) -> None:
        """A cell is dead or a frame is missing."""
        if self.outcome is None and self._ending:
            self._end(Outcome(status=Status.STOPPED, reason=f"{reason} All is computed; resume lets the sinks finish."))
        elif self.outcome is None:
            self._obey(self.coordinator.died(reason))

    def replaced(self, reason: str) -> None:
        """A stateless cell is dead, and another takes its place: nothing goes back."""
        self._warn(f"{reason} Another takes its place.")

    def torn(self, reason: str) -> None:
        """End the run because items went missing, and nothing can bring them back before the next `resume`."""
        if self.outcome is None:
            self._end(Outcome(status=Status.FAILED, reason=reason, torn=True))

    def fail(self, failure: Failure | None, reason: str) -> None:
        """End the run for a reason that no restart mends."""
        if self.outcome is None:
            self._fail(failure, reason)

    def tick(self, now: float) -> None:
        """Do what is due: checkpoints, requests of other processes, the heartbeat."""
        if now < self._next_tick or self.outcome is not None:
            return
        self._next_tick = now + _TICK
        if now >= self._due:
            self._checkpoint(now)
        self._requests()
        if now >= self._next_heartbeat:
            self._next_heartbeat = now + _HEARTBEAT
            self._beat()

    @property
    def patience(self) -> float:
        """How long a mapping may wait for messages before it calls `tick`."""
        return _TICK

    def stop(self, stop: Stop) -> None:
        """Ctrl-C, SIGTERM or SIGUSR1 came. The first stops in good order, a second at once."""
        self._stops += 1
        if self._stops > 1:
            self._end(Outcome(status=Status.STOPPED, reason="stopped at once"))
        elif stop is Stop.INTERRUPT and self.enactment.live:
            self._drain()
        else:
            self._obey(self.coordinator.suspend())

    def _requests(self) -> None:
        """Obey what other processes ask for by a file: cancel, suspend, snapshot."""
        for request in self.folder.requests():
            self.folder.answered(request)
            kind = request.partition("-")[0]
            if kind == "snapshot":
                self._wanted = True
                self._checkpoint(time.monotonic())
            elif kind == "suspend":
                self._suspended = True
                self._obey(self.coordinator.suspend())
            elif kind == "cancel" and self.enactment.live and not self._cancelled:
                self._cancelled = True
                self._drain()
            elif kind == "cancel":
                self._end(Outcome(status=Status.CANCELLED, reason="cancelled"))

    def _drain(self) -> None:
        self._draining = True
        for cell in self.enactment.plan.cells:
            self.crew.tell(cell.index, Drain())

    def _checkpoint(self, now: float) -> None:
        self._due = now + self._interval
        self._asked = now
        self._obey(self.coordinator.due())

    def _beat(self) -> None:
        """Show that the run goes on, where it still is this process's to say so."""
        try:
            self.folder.check_generation(self.generation)
        except Superseded as error:
            self._give_way(error)
        else:
            self._show_state()

    def _show_state(self) -> None:
        """Write the state, if the disk takes it: a run does not end for want of that."""
        with suppress(DiskError):
            self.folder.write_state(self.enactment.state)

    def _give_way(self, error: Superseded) -> None:
        self._end(Outcome(status=Status.FAILED, reason=error.message, superseded=error))

    def _obey(self, instructions: Iterable[Instruction]) -> None:
        try:
            self._follow(list(instructions))
        except DiskError as error:
            self._end(Outcome(status=Status.STOPPED, reason=error.reason))
        except Superseded as error:
            self._give_way(error)

    def _follow(self, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            match instruction:
                case AskBarriers(epoch, cells):
                    for cell in cells:
                        self.crew.tell(cell, BarrierAsked(epoch, self.generation))
                case MakeCommit(commit):
                    self._commit(commit)
                case Rewind(generation, start, reason):
                    self._warn(f"{reason} Going back to {f'checkpoint {start.epoch}' if start else 'the start'}.")
                    self.folder.begin_generation(generation, start)
                    self.generation = self.enactment.state.generation = generation
                    self._launch(start)
                    if self._wanted:  # and a death cut it off
                        self._checkpoint(time.monotonic())
                case Complete():
                    assert self.coordinator.last is not None
                    self._release_last(self.coordinator.last)
                case Suspended():
                    self._end(Outcome(status=Status.STOPPED, reason=self._stopped(), asked=self._suspended))
                case Fail(reason):
                    self._fail(None, reason)

    def _tell_sinks(self, commit: Commit) -> None:
        for cell in self._sinks:
            self.crew.tell(cell, Committed(commit.epoch, self.generation))

    def _release_last(self, commit: Commit) -> None:
        """The run is complete when its sinks have let go all they hold."""
        self._ending = True
        self.enactment.state.epoch = commit.epoch
        self._unreleased = set(self._sinks)
        self._tell_sinks(commit)
        if not self._unreleased:
            self._end(Outcome(status=Status.DONE))

    def _stopped(self) -> str:
        if self.coordinator.unsnapshotable:
            return f"stopped without a checkpoint, which this run cannot take: {self.coordinator.unsnapshotable}"
        return "stopped after a checkpoint"

    def _launch(self, start: Commit | None) -> None:
        before, self._origin = self._origin, start
        if before and before not in self._kept():
            self.folder.forget(before, kept=self._kept())
        self.crew.launch(self.generation, start)
        # Sinks make sure of what the commit covers that the cells went on from; of an ended run only that is left.
        if start is not None and start.final:
            self._release_last(start)
        elif start is not None:
            self._tell_sinks(start)
        if self._draining and self.outcome is None:
            self._drain()  # what was stopped once does not begin again

    def _commit(self, commit: Commit) -> None:
        self.folder.write_commit(commit)
        self._commits.append(commit)
        # The one before the last stays for readers that looked up the last a moment ago.
        if len(self._commits) > _COMMITS and (old := self._commits.popleft()) != self._origin:
            self.folder.forget(old, kept=self._kept())
        if self._swept < commit.generation:
            self._swept = commit.generation
            self.folder.sweep(self._kept())
        self._cut_journals()
        self.enactment.state.epoch = commit.epoch
        self._wanted = False
        if not commit.final:
            self._tell_sinks(commit)
        self._obey(self.coordinator.committed(commit))
        if self._asked and self.enactment.options.checkpoint is None:
            now = time.monotonic()
            self._interval = max(FIRST_CHECKPOINT, (now - self._asked) / _SHARE)
            self._due = now + self._interval

    def _kept(self) -> list[Commit]:
        return [*self._commits, *([self._origin] if self._origin else [])]

    def _cut_journals(self) -> None:
        """Remove what sources wrote before the older of the commits that stay."""
        for key in self._commits[0].parts.values():
            for rank, number in self._journals.get(key, {}).items():
                drop(self.folder.path / "sources", rank, number)
        needed = {key for commit in self._commits for key in commit.parts.values()}
        self._journals = {key: journals for key, journals in self._journals.items() if key in needed}

    def _warn(self, text: str) -> None:
        self.enactment.state.warn(text)
        self._show_state()
        self.folder.log(text)

    def _fail(self, failure: Failure | None, reason: str) -> None:
        self._end(Outcome(status=Status.FAILED, failure=failure, reason=reason))

    def _end(self, outcome: Outcome) -> None:
        if self.outcome is not None:
            return
        self.outcome = outcome
        if outcome.status is Status.DONE:
            self.crew.dismiss()
        else:
            self.crew.abandon()
