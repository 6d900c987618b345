# SPDX-License-Identifier: Apache-2.0
"""Draws cases from a seed: each kind of fault in turn, on a story that has room for it, with some more that come as they may."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from tests.faults.case import Case, Moment, Strike
from tests.faults.kinds import KILLS, KINDS, Kind
from tests.faults.stages import Scene
from tests.faults.story import STATEFUL, STATELESS, Story, drawn
from tests.faults.workflow import graph_of

from d4py import mappings
from d4py.mappings.base import Options
from d4py.plan.plan import Plan

_MORE = (0, 1, 2, 3)  # faults besides the first
_ALONE = ("simple", "threads")  # mappings of one process
_TRIES = 200
_BURST = 0.4  # of the cases that begin with an item have deaths on the next ones
_CLOSE = 4


def case(seed: str, number: int) -> Case:
    """Return the n-th case of a seed."""
    random = Random(f"{seed}/{number}")
    first = list(KINDS.values())[number % len(KINDS)]
    story, plan, strike = _begun(random, first)
    strikes = [strike]
    if first.after:
        strikes += [before for before in (_drawn(random, KINDS[first.after], story, plan),) if before is not None]
    if story.mapping == "multi" and not first.items:
        if strike.moment.during == "item" and random.random() < _BURST:
            strikes += _burst(random, strike.moment, story)
        for _ in range(random.choice(_MORE)):
            more = _drawn(random, random.choice(list(KINDS.values())), story, plan)
            if more is not None and _fits(more, strikes):
                strikes.append(more)
    return Case(seed=seed, number=number, story=story, strikes=tuple(strikes), resumed_on=random.randint(1, 9))


def _burst(random: Random, moment: Moment, story: Story) -> list[Strike]:
    """Return deaths on the items that follow at once, of whatever stage: neighbours die in turn, and before all is mended."""
    found = []
    for number in range(moment.number + 1, moment.number + 1 + random.randint(1, _CLOSE)):
        stage = random.choice(story.of(*STATELESS, *STATEFUL, "sink"))
        kind = next(kind for kind, does in KILLS.items() if stage.does in does)
        found.append(Strike(kind=kind, moment=Moment(stage=stage.name, during="item", number=number), held=True))
    return found


def plan_of(story: Story) -> Plan:
    """Return the plan that a story will be run by."""
    scene = Scene(address="", folder="", items=story.items, pace=0.0, heavy=False, marks=frozenset())
    graph = graph_of(list(story.stages), scene).flatten()
    return mappings.get(story.mapping).layout(graph, Options(processes=story.processes, fuse=story.fuse), {})


def _begun(random: Random, kind: Kind) -> tuple[Story, Plan, Strike]:
    """Draw stories until one has room for the kind."""
    for _ in range(_TRIES):
        story = drawn(random, mapping=_mapping(random, kind))
        if kind.items:
            story = replace(story, items=kind.items, pace=0.0, heavy=False)
        plan = plan_of(story)
        strike = _drawn(random, kind, story, plan)
        if strike is not None:
            return story, plan, strike
    raise AssertionError(f"no story has room for {kind.name!r}")


def _mapping(random: Random, kind: Kind) -> str:
    return random.choice(("multi", "multi", *_ALONE)) if kind.alone else "multi"


def _drawn(random: Random, kind: Kind, story: Story, plan: Plan) -> Strike | None:
    moment = kind.at(random, story, plan)
    if moment is None or kind.items > story.items:
        return None
    return Strike(
        kind=kind.name,
        moment=moment,
        victims=kind.victims(random, story, moment),
        held=kind.held if kind.held is not None else bool(moment.stage) and random.random() < 0.5,
        amount=random.choice(kind.amounts),
    )


def _fits(more: Strike, strikes: list[Strike]) -> bool:
    """Whether a fault can come besides others: one alone ends the run or has a policy, and no two come at once."""
    kinds = [KINDS[strike.kind] for strike in (*strikes, more)]
    moments = {strike.moment for strike in strikes}
    return sum(kind.last for kind in kinds) <= 1 and more.moment not in moments and not KINDS[more.kind].disk
