# SPDX-License-Identifier: Apache-2.0
"""A straight run of PEs inside a cell as one generated loop over many items.

Where each PE takes one bare value and its result goes to one place, the calls stand in a loop one below the other, as its author would write
them: no call of ours between two of theirs; a PE that gives many values is a loop within. Counts are made of the length of the run and of what was
dropped or added on the way, not item by item. Whatever is not so simple (several readers, policies) goes the general way, which `circuit` wires; both
give the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from types import CodeType, GeneratorType
from typing import TYPE_CHECKING, Any

from d4py.engine.failure import OWN, RAISED, describe
from d4py.engine.outlet import Lane
from d4py.graph.written import NOTHING
from d4py.plan.keys import Partitioner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, MutableSequence, Sequence

    from d4py.engine.count import Count
    from d4py.engine.receiver import Hooks
    from d4py.plan.plan import Instance


class Gives(Enum):
    """What the call of a stage gives."""

    RESULT = "result"  # a value; None for nothing; or a generator of values, which go the general way
    VALUE = "value"  # None, or one value, whatever it is
    WRITTEN = "written"  # a value, or NOTHING
    MANY = "many"  # a generator of values
    END = "end"  # nothing: a sink


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One PE of a chain. `emit` is the general way out of it."""

    instance: Instance
    port: str
    output: str
    call: Callable[[Any], Any]
    gives: Gives
    emit: Callable[[Any], None] | None
    count: Count


class Chain:
    """Runs many items through the stages, then into a lane or a call."""

    def __init__(
        self,
        stages: Sequence[Stage],
        end: Lane | Partitioner[Lane] | Callable[[Any], None] | None,
        hooks: Hooks,
        *,
        hurry: list[None] | None = None,
    ) -> None:
        """end: where the results of the last stage go; None where that is a sink. hurry: of a source; once it is filled, the loop ends after the item in hand."""
        self.stages = tuple(stages)
        self.hooks = hooks
        self.taken = 0  # items of the last run
        # Whether each item is written only when all calls for it have returned: then nothing waits in a lane while users' code runs.
        self.prompt = not callable(end) and all(stage.gives is not Gives.MANY for stage in self.stages)
        names: dict[str, Any] = {
            "Generator": GeneratorType,
            "RAISED": RAISED,
            "NOTHING": NOTHING,
            "failed": self._failed,
            "settle": self._settle,
            "full": hooks.full,
            "hurry": hurry,
            "put": end,
        }
        kind = "none" if end is None else "call"
        if isinstance(end, Lane):
            kind = "lane"
            names.update(lane=end, buffer=end.buffer)
        elif isinstance(end, Partitioner):
            kind = "keys" if end.element is None else "key"
            names.update(known=end.known, element=end.element, find=end.find)
        for number, stage in enumerate(self.stages):
            names[f"f{number}"] = stage.call
            names[f"expand{number}"] = _expansion(stage.emit)
        code, self._stage_of = _compiled(tuple(stage.gives for stage in self.stages), kind, source=hurry is not None)
        exec(code, names)  # noqa: S102 - our own text; nothing of a user's is in it
        self.run: Callable[[Iterable[Any], MutableSequence[int]], None] = names["run"]

    def _settle(self, taken: int, numbers: Sequence[int]) -> None:
        """Count a run. numbers: of each stage, the items of which it sent nothing (or what the general way has counted); of one that gives many, what it sent."""
        self.taken = taken
        for stage, passed, sent in self._passed(taken, numbers):
            stage.count.read[stage.port].n += passed
            if stage.gives is not Gives.END:
                stage.count.written[stage.output].n += sent

    def _passed(self, taken: int, numbers: Sequence[int]) -> Iterator[tuple[Stage, int, int]]:
        """Give each stage with how many items it took and sent."""
        for stage, number in zip(self.stages, numbers, strict=True):
            sent = number if stage.gives is Gives.MANY else taken - number
            yield stage, taken, sent
            taken = sent

    def _failed(self, error: BaseException, taken: int, numbers: Sequence[int], values: Sequence[Any]) -> None:
        """Fail the run in the name of the stage that raised; return if the items themselves did."""
        assert error.__traceback__ is not None
        number = self._stage_of.get(error.__traceback__.tb_lineno)
        if number is None:
            return
        stage, passed, _ = list(self._passed(taken, numbers))[number]
        item = stage.count.read[stage.port].n + passed - 1
        value = values[sum(before.gives is Gives.MANY for before in self.stages[:number])]
        instance = stage.instance
        self.hooks.fail(
            describe(error, pe=instance.pe, instance=instance.label, item=item, port=stage.port, value=value)
        )


def _expansion(emit: Callable[[Any], None] | None) -> Callable[[Any], None] | None:
    if emit is None:
        return None

    def expand(values: Any) -> None:
        for value in values:
            emit(value)

    return expand


class _Text:
    """The text of a loop as it grows: which stage each line belongs to, and how deep the next one stands."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.stage_of: dict[int, int] = {}
        self.depth = 0

    def add(self, *texts: str, stage: int = -1) -> None:
        for text in texts:
            self.lines.append("    " * self.depth + text)
            if stage >= 0:
                self.stage_of[len(self.lines)] = stage


@lru_cache(maxsize=256)
def _compiled(gives: tuple[Gives, ...], end: str, *, source: bool) -> tuple[CodeType, dict[int, int]]:
    """Return the code of a loop, and which stage each of its lines belongs to. A source has no item in hand to note."""
    levels = [f"x{level}" for level in range(1 + gives.count(Gives.MANY))]  # the item in hand in each loop
    numbers = ", ".join(f"n{number}" for number in range(len(gives))) + ("," if gives else "")
    # Locals are found faster than globals.
    used = ["Generator", "NOTHING", "hurry", "full"]
    used += {"lane": ["lane", "buffer"], "key": ["known", "element", "find"], "keys": ["find"], "call": ["put"]}.get(
        end, []
    )
    used += [name for number in range(len(gives)) for name in (f"f{number}", f"expand{number}")]
    text = _Text()
    text.add(f"def run(items, note, {', '.join(f'{name}={name}' for name in used)}):")
    text.depth = 1
    text.add("index = -1", *[f"n{number} = 0" for number in range(len(gives))])
    text.add(f"{' = '.join(levels)} = y = None", "try:")
    text.depth = 2
    text.add("for x0 in items:")
    text.depth = 3
    text.add("index += 1", *([] if source else ["note[2] = index"]))
    level = 0
    for number, given in enumerate(gives):
        level = _stage(text, number, given, level, source=source)
    _end(text, end, f"x{level}", stage=len(gives) - 1)
    while level >= 0:
        text.add(f"x{level} = y = None")  # a large item must not live on while the next one is made
        level -= 1
        text.depth -= 1
    text.depth = 3
    text.add(*(["if hurry:", "    break"] if source else []))
    text.depth = 1
    text.add("except RAISED as error:")
    text.add(f"    failed(error, index + 1, ({numbers}), ({', '.join(levels)},))", "    raise")
    text.add("finally:", f"    settle(index + 1, ({numbers}))")
    return compile("\n".join(text.lines) + "\n", OWN + "chain", "exec"), text.stage_of


def _stage(text: _Text, number: int, gives: Gives, level: int, *, source: bool) -> int:
    """Add the lines of one stage; return the level of what follows it."""
    x = f"x{level}"
    leave = ["    if hurry:", "        break", "    continue"] if source and level == 0 else ["    continue"]
    if gives is Gives.END:
        text.add(f"f{number}({x})", stage=number)
        return level
    if gives is Gives.MANY:
        text.add(f"for y in f{number}({x}):", stage=number)
        text.depth += 1
        text.add(f"n{number} += 1", f"x{level + 1} = y", stage=number)
        return level + 1
    text.add(f"y = f{number}({x})", stage=number)
    text.add(f"if y is {'NOTHING' if gives is Gives.WRITTEN else 'None'}:", f"    n{number} += 1", *leave, stage=number)
    if gives is Gives.RESULT:
        text.add("if y.__class__ is Generator:", f"    n{number} += 1", f"    expand{number}(y)", *leave, stage=number)
    text.add(f"{x} = y", stage=number)
    return level


def _end(text: _Text, end: str, x: str, *, stage: int) -> None:
    """Add the lines that put a result where it goes."""
    if end == "call":
        text.add(f"put({x})", stage=stage)
    elif end == "lane":
        text.add(f"buffer.append({x})", "if len(buffer) >= lane.limit:", "    full(lane)", stage=stage)
    elif end in ("key", "keys"):
        look = ["try:", f"    lane = known[{x}[element]]", "except Exception:"] if end == "key" else ["if True:"]
        text.add(*look, f"    lane = find({x})", stage=stage)
        text.add("y = lane.buffer", f"y.append({x})", "if len(y) >= lane.limit:", "    full(lane)", stage=stage)
