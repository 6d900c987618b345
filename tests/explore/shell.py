# SPDX-License-Identifier: Apache-2.0
"""A cell as the exploration sees it: the engine's real machine and lanes, and around them the runner's part, one effect at a time.

The order of effects is the runner's own. Between two polls it runs on; each effect that others can see is one step, so that a crash can come
before and after it.
"""

from __future__ import annotations

from typing import Any

from committing import Holding, begun, clone_sinks, sinks_key
from keys import Key, clone, clone_lane, key, lane_key
from rules import NeedChoice, Part, Rules, Violation
from systems import MARK, Place, System, outputs

from d4py.engine.cell import Act, MissingFrame
from d4py.engine.outlet import Lane
from d4py.engine.sinks import Sinks
from d4py.items import Frame

Op = tuple[Any, ...]
Effect = tuple[
    Any, ...
]  # what others see: its name ("send", "ack", "tell", "appears", "released", "lost" or "dies"), and of what


class Shell:
    """One cell in one generation."""

    holding: Holding  # the PE of a sink that commits

    def __init__(
        self, rules: Rules, system: System, place: Place, generation: int, part: Part | None, epoch: int
    ) -> None:
        """epoch: of the commit that the part is of."""
        self.rules = rules
        self.system = system
        self.place = place
        self.machine = rules.machine(
            place.inlets,
            place.outlets,
            generation=generation,
            start=part.counters if part else None,
            window=system.credit,
            credit=min(2, system.credit),
        )
        for inlet in self.machine.inlets.values():
            inlet.__class__ = rules.inlet
        for outlet in self.machine.outlets.values():
            outlet.__class__ = rules.outlet
        self.lanes = [
            rules.lane(
                [self.machine.outlets[channel] for channel in channels], choice, near=channels if system.near else ()
            )
            for choice, channels in place.lanes
        ]
        self.ops: tuple[Op, ...] = ()
        self.seen: dict[int, tuple[int, ...]] = dict(part.seen or {}) if part else {}
        self.out: dict[int, tuple[int, ...]] = dict(part.out) if part else {}
        self.position = (part.position or 0) if part else 0
        self.sinks: Sinks | None = None
        if place.pe.kind == "files":
            self.sinks, self.holding = begun(rules.sinks, part.held if part else (), epoch)
        self.eager = False  # a long call is being made
        self.hand: tuple[int, int] | None = None  # channel and items of the frame in hand, until all it caused is sent
        self.lost = False
        if not self.machine.finished:
            self.machine.calling = place.pe.kind == "source"
            for lane in self.lanes:
                lane.refresh()
        self.choices: list[bool] = []

    def clone(self) -> Shell:
        """Return a copy."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin.machine = clone(self.machine)
        twin.lanes = [clone_lane(lane, twin.machine.outlets) for lane in self.lanes]
        twin.seen, twin.out = dict(self.seen), dict(self.out)
        if self.sinks is not None:
            twin.sinks, twin.holding = clone_sinks(self.sinks)
        return twin

    def key(self) -> Key:
        """Return the key of this state."""
        lanes = tuple([lane_key(lane) for lane in self.lanes])
        sinks = sinks_key(self.sinks) if self.sinks is not None else None
        state = (key(self.seen), key(self.out), self.position, self.hand, self.lost, self.eager, sinks)
        return (self.place.index, key(self.machine), lanes, key(self.ops), state)

    @property
    def generation(self) -> int:
        """The generation it lives in."""
        return self.machine.generation

    @property
    def polls(self) -> bool:
        """Whether it looks at what came in: between two acts, or blocked."""
        return not self.ops or self.ops[0][0] in {"more", "flushing"}

    @property
    def top(self) -> bool:
        """Whether it is between two acts."""
        return not self.ops

    def arrive(self, frame: Frame) -> Effect | None:
        """Take a frame in."""
        try:
            self.machine.arrive(frame)
        except MissingFrame as error:
            return self._lost(error)
        held = sum(
            len(other.items) for other in (*self.machine.queue, *self.machine.held) if other.channel == frame.channel
        )
        held += self.hand[1] if self.hand and self.hand[0] == frame.channel else 0
        if held > self.system.credit:
            raise Violation(
                f"{self.place.name} holds {held} items of channel {frame.channel}; its writer has credit for {self.system.credit}."
            )
        return None

    def acknowledge(self, channel: int, number: int, credit: int) -> None:
        """Take an acknowledgement in."""
        self.machine.outlets[channel].acknowledge(number, credit)
        for lane in self.lanes:
            if any(outlet.channel == channel for outlet in lane.outlets):
                lane.refresh()
                lane.limit = 1 if self.eager else lane.limit

    def ask(self, epoch: int) -> None:
        """Take the coordinator's request in."""
        self.machine.asked = epoch

    def hear(self, epoch: int) -> None:
        """Take in that a commit is durable."""
        if self.sinks is not None:
            self.sinks.committed = epoch

    def step(self, choices: tuple[bool, ...]) -> Effect | None:
        """Run until others can see something, or until the next poll. choices: what the clock says, in turn."""
        self.choices = list(choices)
        began = False
        while not self.lost:
            if not self.ops:
                if began:
                    break
                try:
                    self.ops = self._decide()
                except MissingFrame as error:
                    return self._lost(error)
                if not self.ops:
                    break
            began = True
            effect = self._do(self.ops[0])
            if effect == ("blocked",):
                break
            if effect is not None:
                self._trim()
            if not self.ops:
                self.hand = None
            if effect is not None:
                return effect
        return None

    def _lost(self, error: MissingFrame) -> Effect:
        self.lost, self.ops = True, ()
        return ("lost", str(error))

    def _decide(self) -> tuple[Op, ...]:
        """Turn what the machine decides into operations."""
        if self.sinks is not None and self.sinks.waiting:
            return self.release()
        step = self.machine.decide()
        if step.act is Act.RUN:
            assert step.frame is not None
            return self.run(step.frame)
        if step.act is Act.CALL:
            return self.call()
        if step.act is Act.BARRIER:
            return self.barrier(step.epoch)
        if step.act is Act.FINISH:
            return self.end()
        return ()

    def run(self, frame: Frame) -> tuple[Op, ...]:
        """Return the operations for a data frame."""
        self.hand = (frame.channel, len(frame.items))
        items: tuple[Op, ...] = tuple([("item", frame.channel, value) for value in frame.items])
        if len(frame.items) == 1:
            items = (("eager", True), *items, ("eager", False))
        return (*items, ("flush",), ("done", frame))

    def end(self) -> tuple[Op, ...]:
        """Return the operations for the end."""
        return (("post",), ("flush",), ("ends",), ("finish",))

    def call(self) -> tuple[Op, ...]:
        """Return the operations for one write of a source, or for its end."""
        if self.position < self.place.pe.items:
            return (*self.write(self.place.pe.base + self.position), ("called",), ("idle",))
        self.machine.calling = False
        return (("idle",), ("flush",), ("pass",))

    def release(self) -> tuple[Op, ...]:
        """Return the operations that let go what a commit covers."""
        assert self.sinks is not None
        epoch = self.sinks.release()
        going, self.holding.going = self.holding.going, ()
        return (*[("appears", value) for value in going], ("released", epoch))

    def barrier(self, epoch: int) -> tuple[Op, ...]:
        """Return the operations for a barrier."""
        return (("flush",), ("barriers", epoch), ("hand", epoch), ("taken",))

    def write(self, value: int) -> tuple[Op, ...]:
        """Return the operations for one whole write: to each route in turn."""
        return tuple([("put", lanes[value % len(lanes)], value) for lanes in self.place.routes])

    def _do(self, op: Op) -> Effect | None:
        """Do one operation; return what others see of it, or that it is blocked."""
        self.ops = self.ops[1:]
        result: Effect | None = getattr(self, f"_do_{op[0]}")(*op[1:])
        return result

    def _trim(self) -> None:
        """Do at once what nobody sees."""
        while self.ops:
            name = self.ops[0][0]
            unseen = name == "pass" or (
                name in {"flush", "flushing", "idle"} and not any(lane.buffer for lane in self.lanes)
            )
            if name == "more":
                lane = self.lanes[self.ops[0][1]]
                unseen = len(lane.buffer) < max(lane.limit, lane.frame_limit())
            if (
                not unseen
                and name not in {"eager", "called"}
                and not (name == "taken" and not self.machine.unacked_marks)
            ):
                return
            self._do(self.ops[0])

    def _do_pass(self) -> None:
        pass

    def _do_eager(self, on: bool) -> None:
        self.eager = on
        if on:
            for lane in self.lanes:
                lane.limit = 1

    def _do_item(self, channel: int, value: int) -> Effect | None:
        if value == self.system.poison:
            return ("dies",)
        if self.place.pe.keeps:
            self.seen[channel] = (*self.seen.get(channel, ()), value)
        if self.sinks is not None:
            self.holding.write(value)
        if self.place.pe.reads_last:
            self.out[channel] = (*self.out.get(channel, ()), value)
        writes = [op for output in outputs(self.place.pe.kind, value) for op in self.write(output)]
        self.ops = (*writes, *self.ops)
        return None

    def _do_put(self, index: int, value: int) -> None:
        lane = self.lanes[index]
        lane.buffer.append(value)
        if len(lane.buffer) >= lane.limit:
            self.ops = (("full", index), *self.ops)

    def _do_full(self, index: int) -> None:
        lane = self.lanes[index]
        waiting = len(lane.buffer)
        if self.system.size > 1:
            lane.weigh(self.system.size)
        if waiting < lane.frame_limit():
            if not self.eager and not lane.hungry:
                lane.refresh()
                return
            if self._early():
                lane.limit = min(2 * waiting, lane.frame_limit())
                return
        self.ops = (*self._cut(lane), ("more", index), *self.ops)

    def _do_more(self, index: int) -> Effect | None:
        lane = self.lanes[index]
        if len(lane.buffer) < max(lane.limit, lane.frame_limit()):
            return None
        sends = self._cut(lane)
        self.ops = (*sends, ("more", index), *self.ops)
        return None if sends else ("blocked",)

    def _do_flush(self) -> Effect | None:
        return self._do_flushing()

    def _do_flushing(self) -> Effect | None:
        for lane in self.lanes:
            if lane.buffer:
                sends = self._cut(lane)
                self.ops = (*sends, ("flushing",), *self.ops)
                return None if sends else ("blocked",)
        return None

    def _do_idle(self) -> None:
        for lane in self.lanes:
            if lane.buffer and (lane.idle or len(lane.buffer) >= lane.frame_limit()):
                self.ops = (*self._cut(lane), *self.ops)

    def _do_send(self, frame: Frame) -> Effect:
        return ("send", frame)

    def _do_called(self) -> None:
        self.position += 1

    def _do_done(self, frame: Frame) -> Effect:
        inlet = self.machine.done(frame)
        return ("ack", frame.channel, frame.number, inlet.grant(0.0))

    def _do_barriers(self, epoch: int) -> None:
        self.ops = (*[("send", frame) for frame in self.machine.barriers(epoch)], *self.ops)

    def _do_hand(self, epoch: int) -> None:
        self.ops = (*self.hand_over(epoch), *self.ops)

    def _do_tell(self, part: Part) -> Effect:
        return ("tell", part)

    def _do_appears(self, value: int) -> Effect:
        return ("appears", value)

    def _do_released(self, epoch: int) -> Effect:
        return ("released", epoch)

    def _do_taken(self) -> None:
        self.ops = (*self._acks(self.machine.barrier_taken()), *self.ops)

    def _do_ack(self, channel: int, number: int, credit: int) -> Effect:
        return ("ack", channel, number, credit)

    def _do_post(self) -> None:
        if self.place.pe.kind == "total":
            self.ops = (*self.write(MARK + sum(map(len, self.seen.values()))), *self.ops)

    def _do_ends(self) -> None:
        self.ops = (*[("send", frame) for frame in self.machine.ends()], *self.ops)

    def _do_finish(self) -> None:
        acks = self._acks(self.machine.finish())
        self.ops = (*self.hand_over(0), *acks, *self.ops)

    def hand_over(self, epoch: int) -> tuple[Op, ...]:
        """Return the operations that make a part durable and tell the coordinator."""
        return (("tell", self.part(epoch)),)

    def part(self, epoch: int) -> Part:
        """Return the part as it is now."""
        finished = self.machine.finished
        if self.sinks is not None:
            self.sinks.prepare(epoch)
        return Part(
            self.generation,
            self.place.index,
            epoch,
            self.machine.counters(),
            None if finished else dict(self.seen),
            None if finished else self.position,
            dict(self.out),
            self.holding.state() if self.sinks is not None else (),
        )

    def _acks(self, marks: list[Frame]) -> list[Op]:
        return [("ack", frame.channel, frame.number, self.machine.inlets[frame.channel].granted) for frame in marks]

    def _cut(self, lane: Lane) -> list[Op]:
        frames = lane.cut()
        for frame in frames:
            self.sent(frame)
        if self.eager:
            lane.limit = 1
        for outlet in lane.outlets:
            if outlet.unacked_bytes != sum(entry[2] for entry in outlet.unacked):
                raise Violation(f"{self.place.name} keeps wrong books of the bytes on channel {outlet.channel}.")
        return [("send", frame) for frame in frames]

    def sent(self, frame: Frame) -> None:
        """Take note of a frame's size."""
        self.machine.outlets[frame.channel].sent(self.system.size * len(frame.items), frame.number)

    def _early(self) -> bool:
        """Whether the clock says that a value of a long call may wait."""
        if not self.choices:
            raise NeedChoice
        return self.choices.pop(0)
