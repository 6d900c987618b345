# SPDX-License-Identifier: Apache-2.0
"""What is done to a run: each act strikes, waits until the effect is there to be seen, and writes the hit down."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.faults import clock, wire
from tests.faults.story import APART

if TYPE_CHECKING:
    from tests.faults.case import Strike
    from tests.faults.director import Director

    from d4py.plan.plan import Plan

Act = Callable[["Director", "Strike", "wire.Visit | None"], None]

_SOON = 5.0  # seconds in which an effect must be seen
_QUIET = 0.15  # seconds without a line in any journal: nothing moves any more
_CHANNEL = 1024 + 512 + 4  # items: a window of credit, a frame that waits to be cut, those in hand
_SMALL = 1024  # bytes that a file may have under a limit


def under_way(plan: Plan) -> int:
    """Return how many items may be between sources and a reader that stands still, at most."""
    return _CHANNEL * len(plan.channels)


def kill(director: Director, strike: Strike, visit: wire.Visit | None) -> None:
    """SIGKILL."""
    victims = director.aim(strike, visit)
    hit = director.hit(strike, victims)
    hit.deadly = True
    for victim in victims:
        victim.send(signal.SIGKILL)
    hit.struck = director.until(lambda: not any(victim.alive for victim in victims), within=_SOON)


def stop(director: Director, strike: Strike, visit: wire.Visit | None) -> None:
    """SIGSTOP, and SIGCONT once nothing moves that waits for those who stand still."""
    victims = director.aim(strike, visit)
    hit = director.hit(strike, victims)
    for victim in victims:
        victim.send(signal.SIGSTOP)
    hit.struck = director.until(
        lambda: all(victim.stopped or not victim.alive for victim in victims), within=_SOON
    ) and any(victim.stopped for victim in victims)
    director.settle(_QUIET)
    for victim in victims:
        victim.send(signal.SIGCONT)


def say(word: str, *, dies: bool = True) -> Act:
    """Give a stage the word that is its end, or makes it raise."""

    def act(director: Director, strike: Strike, visit: wire.Visit | None) -> None:
        assert visit is not None
        victims = director.aim(strike, visit)
        hit = director.hit(strike, victims)
        hit.deadly = dies
        director.answer(visit, word)
        hit.struck = not dies or director.until(lambda: not any(victim.alive for victim in victims), within=_SOON)

    return act


def tell_to_stop(director: Director, strike: Strike, visit: wire.Visit | None) -> None:
    """SIGTERM or SIGUSR1 to the command itself: it makes a checkpoint, and ends."""
    victims = director.aim(strike, visit)
    hit = director.hit(strike, victims)
    for victim in victims:
        victim.send(signal.SIGTERM if strike.moment.number % 2 else signal.SIGUSR1)
    hit.struck = True


def keep_waiting(director: Director, strike: Strike, visit: wire.Visit | None) -> None:
    """Let a reader stand still until its writers do: they may be ahead of it by what credit allows, and no more."""
    assert visit is not None
    hit = director.hit(strike, director.aim(strike, visit))
    director.settle(2 * _QUIET)
    allowed = strike.moment.number % APART + 1 + under_way(director.plan())
    ahead = {name: len(wrote) for name, wrote in director.wrote.items() if len(wrote) > allowed}
    hit.struck = director.written() < director.case.story.items * len(director.wrote)
    if ahead:
        hit.trouble = f"{ahead} numbers were written where {allowed} may be, while {strike.moment.stage} stood still"


def jump(director: Director, strike: Strike, visit: wire.Visit | None) -> None:
    """Put the wall clock of the whole run forward or back."""
    hit = director.hit(strike, director.aim(strike, visit))
    clock.jump(director.clock, strike.amount)
    hit.struck = True


def fill(director: Director, strike: Strike, visit: wire.Visit | None) -> None:
    """Fill the disk that the run's folder is on; where there is none of its own, let no file grow."""
    if director.disk is None or not director.disk.small:
        limit(director, strike, visit)
        return
    hit = director.hit(strike, director.aim(strike, visit))
    hit.struck = director.disk.fill()


def limit(director: Director, strike: Strike, visit: wire.Visit | None) -> None:
    """Let no file of any process of the run grow: what is written beyond fails as on a full disk."""
    victims = director.everyone()
    hit = director.hit(strike, victims)
    for victim in victims:
        victim.limit_files(_SMALL)
    hit.struck = True
