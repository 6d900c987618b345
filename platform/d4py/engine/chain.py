# SPDX-License-Identifier: Apache-2.0
"""A straight run of PEs inside a cell as one generated loop over many items.

Where each PE takes one bare value and its result goes to one place, the calls stand in a loop one below the other, as its author would write
them: no call of ours between two of theirs. Counts are made of the length of the run and of what was dropped on the way, not item by item.
Whatever is not so simple (generators, writes, several readers, policies) goes the general way, which `circuit` wires; both give the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, GeneratorType
from typing import TYPE_CHECKING, Any

from d4py.engine.failure import OWN, RAISED, describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, MutableSequence, Sequence

    from d4py.engine.count import Count
    from d4py.engine.outlet import Lane
    from d4py.engine.receiver import Hooks
    from d4py.plan.plan import Instance


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One PE of a chain. `emit` is the general way out of it; None for a sink, whose result is dropped."""

    instance: Instance
    port: str
    call: Callable[[Any], Any]
    emit: Callable[[Any], None] | None
    count: Count


class Chain:
    """Runs many items through the stages, then into a lane or a call."""

    def __init__(
        self,
        stages: Sequence[Stage],
        end: Lane | Callable[[Any], None] | None,
        hooks: Hooks,
        *,
        hurry: list[None] | None = None,
    ) -> None:
        """end: where the results of the last stage go; None where that is a sink. hurry: of a source; once it is filled, the loop ends after the item in hand."""
        self.stages = tuple(stages)
        self.hooks = hooks
        self.taken = 0  # items of the last run
        kind = "none" if end is None else "call" if callable(end) else "lane"
        names: dict[str, Any] = {
            "Generator": GeneratorType,
            "RAISED": RAISED,
            "failed": self._failed,
            "settle": self._settle,
            "put": end,
            "lane": end,
            "buffer": getattr(end, "buffer", None),
            "full": hooks.full,
            "hurry": hurry,
        }
        for number, stage in enumerate(self.stages):
            names[f"f{number}"] = stage.call
            names[f"expand{number}"] = _expansion(stage.emit)
        code, self._stage_of = _compiled(
            tuple(stage.emit is None for stage in self.stages), kind, source=hurry is not None
        )
        exec(code, names)  # noqa: S102 - our own text; nothing of a user's is in it
        self.run: Callable[[Iterable[Any], MutableSequence[int]], None] = names["run"]

    def _settle(self, taken: int, drops: Sequence[int]) -> None:
        """Count a run. A drop is an item of which a stage sent nothing, or what the general way has counted."""
        self.taken = taken
        passed = taken
        for stage, dropped in zip(self.stages, drops, strict=True):
            stage.count.read[stage.port].n += passed
            passed -= dropped
            if stage.emit is not None:
                stage.count.written["output"].n += passed

    def _failed(self, error: BaseException, taken: int, drops: Sequence[int], value: Any) -> None:
        """Fail the run in the name of the stage that raised; return if the items themselves did."""
        assert error.__traceback__ is not None
        number = self._stage_of.get(error.__traceback__.tb_lineno)
        if number is None:
            return
        stage = self.stages[number]
        item = stage.count.read[stage.port].n + taken - 1 - sum(drops[:number])
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


@lru_cache(maxsize=256)
def _compiled(sinks: tuple[bool, ...], end: str, *, source: bool) -> tuple[CodeType, dict[int, int]]:
    """Return the code of a loop, and which stage each of its lines belongs to. A source has no item in hand to note."""
    drops = ", ".join(f"d{number}" for number in range(len(sinks))) + ("," if sinks else "")
    # Locals are found faster than globals.
    used = ["Generator", "hurry", "buffer", "lane", "full", "put"]
    used += [name for number in range(len(sinks)) for name in (f"f{number}", f"expand{number}")]
    lines = [f"def run(items, note, {', '.join(f'{name}={name}' for name in used)}):", "    index = -1"]
    lines += [f"    d{number} = 0" for number in range(len(sinks))]
    lines += ["    x = None", "    try:", "        for x in items:", "            index += 1"]
    lines += [] if source else ["            note[2] = index"]
    leave = ["    if hurry:", "        break", "    continue"] if source else ["    continue"]
    stage_of: dict[int, int] = {}

    def add(number: int, *texts: str) -> None:
        for text in texts:
            lines.append(f"            {text}")
            stage_of[len(lines)] = number

    for number, sink in enumerate(sinks):
        if sink:
            add(number, f"f{number}(x)")
        else:
            add(number, f"y = f{number}(x)")
            add(number, "if y is None:", f"    d{number} += 1", *leave)
            add(number, "if y.__class__ is Generator:", f"    d{number} += 1", f"    expand{number}(y)", *leave)
            if number + 1 < len(sinks) or end != "none":
                add(number, "x = y")
    last = len(sinks) - 1
    if end == "call":
        add(last, "put(x)")
    elif end == "lane":
        add(last, "buffer.append(x)", "if len(buffer) >= lane.limit:", "    full(lane)")
    lines.append("            x = y = None")  # a large item must not live on while the next one is made
    lines += ["            if hurry:", "                break"] if source else []
    lines += [
        "    except RAISED as error:",
        f"        failed(error, index + 1, ({drops}), x)",
        "        raise",
        "    finally:",
        f"        settle(index + 1, ({drops}))",
    ]
    return compile("\n".join(lines) + "\n", OWN + "chain", "exec"), {
        line: stage for line, stage in stage_of.items() if stage >= 0
    }
