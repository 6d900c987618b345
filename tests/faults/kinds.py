# SPDX-License-Identifier: Apache-2.0
"""The kinds of faults. A kind is a row: where it may strike, whom, what is done, and which exit codes the start that it hits may have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.faults import acts
from tests.faults.case import Moment
from tests.faults.story import SOURCES, STATEFUL, STATELESS, Stage, Story

from d4py.plan.plan import Plan

Moments = Callable[[Random, Story, Plan], Moment | None]
Victims = Callable[[Random, Story, Moment], tuple[str, ...]]

KILLED = -9
BACK = "source killed"  # makes a run go back
MANY = 9_000  # items: more than may be under way


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of fault."""

    name: str
    at: Moments
    victims: Victims = lambda *_: ()
    act: acts.Act = acts.kill
    held: bool | None = None  # None: by chance
    ends: tuple[int, ...] = ()  # of the start that it hits; none: as if nothing had been
    policy: str = ""  # of the stage that it strikes
    each_time: bool = False  # it strikes whenever the moment comes, until the run has failed
    amounts: tuple[float, ...] = (0.0,)
    disk: bool = False  # the run's folder is on a small disk of its own
    items: int = 0  # how many the story must have
    alone: bool = False  # it strikes runs of one process (simple, threads) as well as those of many
    after: str = ""  # a kind that must have struck before

    @property
    def last(self) -> bool:
        """Whether the start ends by it, so that a case can have one of these only."""
        return bool(self.ends or self.policy)


def items(*does: str) -> Moments:
    """When a stage of these kinds has an item in hand."""

    def moment(random: Random, story: Story, _: Plan) -> Moment | None:
        stages = story.of(*does)
        if not stages:
            return None
        stage = random.choice(stages)
        source = random.choice(sources_of(story, stage))
        return Moment(stage=stage.name, during="item", number=random.choice(story.numbers(source)))

    return moment


def early(*does: str) -> Moments:
    """When a stage has one of the first items in hand, and what may be under way before it is far less than all."""

    def moment(random: Random, story: Story, plan: Plan) -> Moment | None:
        stages = story.of(*does)
        if not stages or acts.under_way(plan) > MANY // 2:
            return None
        stage = random.choice(stages)
        source = random.choice(sources_of(story, stage))
        return Moment(stage=stage.name, during="item", number=source.first + random.randrange(MANY // 10))

    return moment


def calls(during: str, *does: str, numbers: tuple[int, ...] = (1,)) -> Moments:
    """When a stage of these kinds is in the n-th call of a method in its process."""

    def moment(random: Random, story: Story, _: Plan) -> Moment | None:
        stages = story.of(*does)
        if not stages:
            return None
        return Moment(stage=random.choice(stages).name, during=during, number=random.choice(numbers))

    return moment


def files(during: str, *numbers: int) -> Moments:
    """When a part of the n-th checkpoint, this itself, or the n-th generation appears in the run's folder."""

    def moment(random: Random, story: Story, _: Plan) -> Moment | None:
        return Moment(stage="", during=during, number=random.choice(numbers)) if story.checkpoint < 1 else None

    return moment


def blamed(*does: str) -> Moments:
    """When a stage has an item in hand that another process gave it: only then can an item be blamed for a death."""

    def moment(random: Random, story: Story, plan: Plan) -> Moment | None:
        places = [cell.process for cell in plan.cells]
        heads = {plan.instances[cell.instances[0]].pe for cell in plan.cells}
        near = {
            plan.routes[channel.route].reader
            for channel in plan.channels
            if places[channel.writer_cell] == places[channel.reader_cell]
        }
        stages = [stage for stage in story.of(*does) if stage.name in heads and stage.name not in near]
        if not stages:
            return None
        stage = random.choice(stages)
        source = random.choice(sources_of(story, stage))
        return Moment(stage=stage.name, during="item", number=random.choice(story.numbers(source)))

    return moment


def either(*choices: Moments) -> Moments:
    """At one of several kinds of moments."""
    return lambda random, story, plan: random.choice(choices)(random, story, plan)


def sources_of(story: Story, stage: Stage) -> list[Stage]:
    """Return the sources whose numbers come to a stage."""
    if not stage.reads:
        return [stage]
    found: dict[str, Stage] = {}
    for writer in stage.reads:
        if story.stage(writer).does not in ("sum", "keyed"):  # these pass no items on
            found.update({source.name: source for source in sources_of(story, story.stage(writer))})
    return list(found.values()) or story.of(*SOURCES)


def writer(random: Random, story: Story, moment: Moment) -> tuple[str, ...]:
    """One whose outputs the stage reads."""
    return (random.choice(story.stage(moment.stage).reads),)


def anyone(random: Random, story: Story, _: Moment) -> tuple[str, ...]:
    """Any stage."""
    return (random.choice(story.stages).name,)


def named(*names: str) -> Victims:
    """Always these."""
    return lambda *_: names


ANY = (*STATELESS, *STATEFUL, "sink")
ALL = (*SOURCES, *ANY)
IN_A_CHECKPOINT = either(
    calls("snapshot", *STATEFUL, "sink", numbers=(2, 3)), calls("prepare", "sink", numbers=(1, 2, 3))
)
ENDING = either(calls("end", *SOURCES, numbers=(0,)), calls("postprocess", *ALL))
ANYWHEN = either(
    items(*ALL), items(*ALL), items(*ALL), IN_A_CHECKPOINT, files("checkpoint", 1, 2, 3), files("part", 1, 2, 3)
)

_TABLE = (
    Kind(name="stateless stage killed", at=items(*STATELESS)),
    Kind(name="stateful stage killed", at=items(*STATEFUL)),
    Kind(name="source killed", at=items(*SOURCES)),
    Kind(name="sink killed", at=items("sink")),
    Kind(name="writer and reader killed", at=items(*ANY), victims=writer),
    Kind(name="all workers killed", at=ANYWHEN, victims=named("workers"), held=False),
    Kind(name="killed in its snapshot", at=calls("snapshot", *STATEFUL, "sink", numbers=(2, 3))),
    Kind(name="killed as it prepares", at=calls("prepare", "sink", numbers=(1, 2, 3))),
    Kind(name="killed as it commits", at=calls("commit", "sink", numbers=(1, 2, 3))),
    Kind(name="killed with parts on disk", at=files("part", 1, 2, 3), victims=anyone, held=False),
    Kind(name="killed with a checkpoint new", at=files("checkpoint", 1, 2, 3), victims=anyone, held=False),
    Kind(name="killed at its start", at=calls("preprocess", *ALL)),
    Kind(name="killed at the end of its stream", at=calls("end", *SOURCES, numbers=(0,))),
    Kind(name="killed in postprocess", at=calls("postprocess", *ALL)),
    Kind(name="segfault", at=either(items(*ALL), ENDING), act=acts.say("segfault"), held=True),
    Kind(name="exit without a word", at=either(items(*ALL), ENDING), act=acts.say("exit"), held=True),
    Kind(name="aborted at a memory limit", at=items(*ALL), act=acts.say("abort"), held=True),
    Kind(
        name="MemoryError, retried",
        at=items(*ANY),
        act=acts.say("memory", dies=False),
        held=True,
        policy="retry:2@0.01",
    ),
    Kind(name="one process stopped and continued", at=ANYWHEN, victims=anyone, act=acts.stop, held=False),
    Kind(name="all workers stopped and continued", at=ANYWHEN, victims=named("workers"), act=acts.stop, held=False),
    Kind(name="supervisor stopped and continued", at=ANYWHEN, victims=named("supervisor"), act=acts.stop, held=False),
    Kind(name="nursery killed", at=ANYWHEN, victims=named("nursery")),
    Kind(
        name="nursery killed while going back",
        at=files("generation", 2),
        victims=named("nursery"),
        held=False,
        after=BACK,
    ),
    Kind(name="slow consumer", at=early(*STATEFUL, "sink"), act=acts.keep_waiting, held=True, items=MANY),
    Kind(name="clock jump", at=ANYWHEN, act=acts.jump, amounts=(86_400.0, -86_400.0, 3_600.0, -5.0e8), held=False),
    Kind(
        name="poison raises, quarantine",
        at=items(*ANY),
        act=acts.say("raise", dies=False),
        held=True,
        each_time=True,
        policy="quarantine",
        alone=True,
    ),
    Kind(
        name="poison kills, quarantine",
        at=blamed(*ANY),
        act=acts.say("segfault"),
        held=True,
        each_time=True,
        policy="quarantine",
    ),
    Kind(
        name="poison raises",
        at=items(*ALL),
        act=acts.say("raise", dies=False),
        held=True,
        each_time=True,
        ends=(3,),
        alone=True,
    ),
    Kind(name="poison kills", at=blamed(*ANY), act=acts.say("segfault"), held=True, each_time=True, ends=(3,)),
    Kind(name="supervisor killed", at=ANYWHEN, victims=named("supervisor"), ends=(KILLED,), alone=True),
    Kind(
        name="supervisor killed while going back",
        at=files("generation", 2),
        victims=named("supervisor"),
        held=False,
        ends=(KILLED,),
        after=BACK,
    ),
    Kind(
        name="told to stop",
        at=ANYWHEN,
        victims=named("supervisor"),
        act=acts.tell_to_stop,
        held=False,
        ends=(0, 5),
        alone=True,
    ),
    Kind(
        name="every process killed",
        at=ANYWHEN,
        victims=named("supervisor", "nursery", "workers"),
        ends=(KILLED,),
        alone=True,
    ),
    Kind(name="disk full", at=ANYWHEN, act=acts.fill, ends=(0, 3, 5), disk=True),
    Kind(
        name="files may not grow",
        at=ANYWHEN,
        act=acts.limit,
        victims=named("supervisor", "nursery", "workers"),
        ends=(0, 3, 5),
        alone=True,
    ),
)
KILLS = {
    "stateless stage killed": STATELESS,
    "stateful stage killed": STATEFUL,
    "sink killed": ("sink",),
}
KINDS: dict[str, Kind] = {kind.name: kind for kind in _TABLE}
