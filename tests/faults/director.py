# SPDX-License-Identifier: Apache-2.0
"""Watches one case: keeps the journals of its stages, waits for the moments of its strikes, and deals them."""

from __future__ import annotations

import select
import socket
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults import clock, wire
from tests.faults.case import Case, Strike
from tests.faults.evidence import Hit
from tests.faults.kinds import KINDS
from tests.faults.story import SOURCES
from tests.faults.victims import Held, Victim

from d4py.errors import D4pyError
from d4py.runs import Folder, Status

if TYPE_CHECKING:
    from tests.faults.disk import Disk

    from d4py.plan.plan import Plan

_LOOK = 0.002  # seconds between two looks at what no message tells
_APPEAR = 3.0  # seconds in which an instance that is to be struck must have begun
_PATIENCE = 10.0  # seconds for what must become quiet


@dataclass(slots=True)
class Taken:
    """The number that a source has last taken from its world, and whether it was about to write it."""

    stage: str
    number: int
    noted: bool = False


class Director:
    """One socket for all stages of a case, over all its starts."""

    def __init__(self, case: Case, folder: Path, run: Path, disk: Disk | None) -> None:
        self.case = case
        self.run = run
        self.disk = disk
        self.address = str(folder / "director")
        self.clock = folder / "clock"
        clock.create(self.clock)
        self.wrote: dict[str, list[int]] = {stage.name: [] for stage in case.story.of(*SOURCES)}
        self.reads: Counter[str] = Counter()
        self.world = {stage.name: deque(case.story.numbers(stage)) for stage in case.story.of("tap")}
        self.doubt: dict[str, set[int]] = {name: set() for name in self.world}
        self.hits: list[Hit] = []
        self.samples: list[
            dict[tuple[str, int], list[tuple[int, Held]]]
        ] = []  # a start each: by process, with generations
        self.start = -1
        self._pending = list(case.strikes)
        self._instances: dict[tuple[str, int], Victim] = {}
        self._born: dict[tuple[str, int], int] = {}  # generation of an instance
        self._supervisor: Victim | None = None
        self._nursery: Victim | None = None
        self._known: list[Victim] = []
        self._waiting: dict[tuple[str, int, int], socket.socket] = {}
        self._lines: dict[int, socket.socket] = {}
        self._taken: dict[int, Taken] = {}  # by line
        self._listener = wire.listen(self.address)
        self._poller = select.poll()
        self._poller.register(self._listener, select.POLLIN)
        self._moved = time.monotonic()  # when a journal last grew
        self._dealing = False

    def begin(self, pid: int) -> None:
        """Watch another start of the run."""
        self.start += 1
        self.samples.append({})
        self._supervisor = self._met(pid)
        self._nursery = None
        self._instances.clear()

    def mend(self) -> None:
        """Let poison be none, and give the disk its room, before the run is resumed."""
        self._pending = [strike for strike in self._pending if not KINDS[strike.kind].each_time]
        if self.disk is not None:
            self.disk.free()

    def serve(self, wait: float = _LOOK) -> None:
        """Take in what stages say, and deal the strikes whose moment has come."""
        ready = [descriptor for descriptor, _ in self._poller.poll(wait * 1000)]
        visits = []
        for descriptor in ready:
            if descriptor == self._listener.fileno():
                line, _ = self._listener.accept()
                self._lines[line.fileno()] = line
                self._poller.register(line, select.POLLIN)
            elif descriptor in self._lines:
                visits += self._hear(descriptor)
        for visit in visits:
            self._visited(visit)
        self._look()

    def until(self, look: Callable[[], bool], *, within: float) -> bool:
        """Serve until something is so; return whether it came to be."""
        end = time.monotonic() + within
        while not look():
            if time.monotonic() > end:
                return False
            self.serve()
        return True

    def heard_out(self) -> bool:
        """Whether everything was read that processes which are gone have sent."""
        return not self._lines

    def settle(self, quiet: float) -> bool:
        """Serve until no journal has grown for a while."""
        begun = time.monotonic()
        return self.until(lambda: time.monotonic() - max(self._moved, begun) > quiet, within=_PATIENCE)

    def aim(self, strike: Strike, visit: wire.Visit | None) -> list[Victim]:
        """Return the processes that a strike is for, each once: what it names, or else the one at the mark."""
        named = strike.victims
        own = visit is not None and (not named or self._is_stage(named[0]))
        victims: list[Victim | None] = [self._at(visit.stage, visit.rank)] if visit is not None and own else []
        for name in named:
            if name == "supervisor":
                victims.append(self._supervisor)
            elif name == "nursery":
                if self.case.story.mapping == "multi":
                    self.until(lambda: self._nursery is not None, within=_APPEAR)
                victims.append(self._nursery)
            elif name == "workers":
                victims += [victim for victim in self._instances.values() if victim.alive]
            else:
                victims.append(self._any_of(name))
        found = {victim.pid: victim for victim in victims if victim is not None}
        return list(found.values())

    def everyone(self) -> list[Victim]:
        """Return all processes of the run."""
        found = [self._supervisor, self._nursery, *self._instances.values()]
        return list({victim.pid: victim for victim in found if victim is not None and victim.alive}.values())

    def hit(self, strike: Strike, victims: list[Victim]) -> Hit:
        """Write down a strike with what proves that the run goes on now."""
        self._sample()
        running, final = self._going_on()
        pids = {victim.pid for victim in victims}
        above = {victim.pid for victim in (self._supervisor, self._nursery) if victim is not None}
        instances = frozenset(key for key, victim in self._instances.items() if above & pids or victim.pid in pids)
        hit = Hit(
            strike=strike,
            start=self.start,
            generation=max((self._born[key] for key in instances), default=self.generation()),
            time=time.monotonic(),
            running=running,
            alive=all(victim.alive for victim in victims),
            final=final,
            pids=frozenset(pids),
            instances=instances,
        )
        self.hits.append(hit)
        return hit

    def answer(self, visit: wire.Visit, word: str) -> None:
        """Give a stage that waits the word to go on by, unless it has had it or is gone."""
        line = self._waiting.pop((visit.stage, visit.rank, visit.pid), None)
        if line is not None:
            try:
                line.send(word.encode())
            except OSError:
                return

    def generation(self) -> int:
        """Return the run's generation."""
        return Folder(self.run).generation()

    def plan(self) -> Plan:
        """Return the run's plan."""
        return Folder(self.run).plan()

    def written(self) -> int:
        """Return how many numbers the sources have written."""
        return sum(map(len, self.wrote.values()))

    def close(self) -> None:
        """Let go of everything."""
        for line in self._lines.values():
            line.close()
        self._listener.close()
        for victim in self._known:
            victim.forget()

    def _hear(self, descriptor: int) -> list[wire.Visit]:
        line = self._lines[descriptor]
        message = wire.received(line)
        match message:
            case None:
                self._poller.unregister(line)
                del self._lines[descriptor]
                line.close()
                self._give_back(descriptor)
            case wire.Hello():
                self._greet(message)
            case wire.Note(stage, "wrote", value):
                self.wrote[stage].append(value)
                if descriptor in self._taken:
                    self._taken[descriptor].noted = True
                self._moved = time.monotonic()
            case wire.Note(stage, _, _):
                self.reads[stage] += 1
                self._moved = time.monotonic()
            case wire.Take(stage, _):
                self._give(stage, line, descriptor)
            case wire.Visit():
                self._waiting[message.stage, message.rank, message.pid] = line
                return [message]
        return []

    def _greet(self, hello: wire.Hello) -> None:
        self._instances[hello.stage, hello.rank] = self._met(hello.pid)
        self._born[hello.stage, hello.rank] = self.generation()
        if self.case.story.mapping == "multi" and (self._nursery is None or self._nursery.pid != hello.parent):
            self._nursery = self._met(hello.parent)
        for hit in self.hits:
            anew = (hello.stage, hello.rank) in hit.instances and hello.pid not in hit.pids
            if hit.deadly and hit.seconds is None and anew:
                hit.seconds = time.monotonic() - hit.time
                hit.alone = self.generation() == hit.generation

    def _met(self, pid: int) -> Victim:
        self._known.append(Victim(pid))
        return self._known[-1]

    def _give(self, stage: str, line: socket.socket, descriptor: int) -> None:
        """Give a source the next number of its world. That it asks again says that what it had was written."""
        self._taken.pop(descriptor, None)
        word = "end"
        if self.world[stage]:
            number = self.world[stage].popleft()
            self._taken[descriptor] = Taken(stage, number)
            word = str(number)
        try:
            line.send(word.encode())
        except OSError:
            return  # it died; its line closes next

    def _give_back(self, descriptor: int) -> None:
        """A process is gone: what its source had taken goes back to the world, unless it may have been written."""
        taken = self._taken.pop(descriptor, None)
        if taken is None:
            return
        if taken.noted:
            self.doubt[taken.stage].add(taken.number)
        else:
            self.world[taken.stage].appendleft(taken.number)

    def _visited(self, visit: wire.Visit) -> None:
        strike = next((strike for strike in self._pending if self._meets(strike, visit)), None)
        if strike is not None:
            if not KINDS[strike.kind].each_time:
                self._pending.remove(strike)
            if not strike.held:
                self.answer(visit, "go")
            self._dealt(strike, visit)
        self.answer(visit, "go")

    @staticmethod
    def _meets(strike: Strike, visit: wire.Visit) -> bool:
        moment = strike.moment
        return (moment.stage, moment.during, moment.number) == (visit.stage, visit.during, visit.number)

    def _dealt(self, strike: Strike, visit: wire.Visit | None) -> None:
        dealing, self._dealing = self._dealing, True
        KINDS[strike.kind].act(self, strike, visit)
        self._dealing = dealing

    def _look(self) -> None:
        """See whether a file has appeared that a strike waits for."""
        if self._dealing:
            return
        for strike in [strike for strike in self._pending if not strike.moment.stage]:
            if self._appeared(strike):
                self._pending.remove(strike)
                self._dealt(strike, None)

    def _appeared(self, strike: Strike) -> bool:
        number = strike.moment.number
        if strike.moment.during == "part":
            return any((self.run / "parts").glob(f"*-{number:06d}-*.part"))
        if strike.moment.during == "generation":
            return (self.run / "generations" / f"{number:04d}.json").exists()
        newest = max((int(path.name[1:7]) for path in (self.run / "commits").glob("e*.json")), default=0)
        return newest >= number

    def _going_on(self) -> tuple[bool, bool]:
        """Return whether the run goes on, and whether its last checkpoint was made."""
        folder = Folder(self.run)
        try:
            running = folder.state().status is Status.RUNNING
            commit = folder.last_commit()
        except D4pyError:
            return False, False
        alive = self._supervisor is not None and self._supervisor.alive
        return running and alive, commit is not None and commit.final

    def _sample(self) -> None:
        """Look at what supervisor and nursery hold; the least of some looks, so that what is there for a moment is not."""
        for name, victim in (("supervisor", self._supervisor), ("nursery", self._nursery)):
            if victim is not None and victim.alive:
                looks = [victim.held() for _ in range(3)]
                held = Held(*map(min, zip(*looks, strict=True)))
                self.samples[-1].setdefault((name, victim.pid), []).append((len(self.hits), held))

    @staticmethod
    def _is_stage(name: str) -> bool:
        return name not in ("supervisor", "nursery", "workers")

    def _at(self, stage: str, rank: int) -> Victim:
        self.until(lambda: (stage, rank) in self._instances, within=_APPEAR)
        return self._instances[stage, rank]

    def _any_of(self, stage: str) -> Victim | None:
        """Return the process of an instance of a stage, as soon as there is one."""

        def living() -> Victim | None:
            return next(
                (victim for (name, _), victim in sorted(self._instances.items()) if name == stage and victim.alive),
                None,
            )

        self.until(lambda: living() is not None, within=_APPEAR)
        return living()
