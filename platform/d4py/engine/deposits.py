# SPDX-License-Identifier: Apache-2.0
"""What a cell keeps in the run's folder: values that nobody consumes, and items that no try could process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from d4py.engine.failure import describe
from d4py.errors import NotPicklable

if TYPE_CHECKING:
    from collections.abc import Callable

    from d4py.engine.failure import Failure
    from d4py.engine.link import Link
    from d4py.plan.plan import Plan


class Deposits:
    """The two spools of a cell."""

    def __init__(self, plan: Plan, link: Link, fail: Callable[[Failure], NoReturn]) -> None:
        """fail: ends the run; never returns."""
        self._plan, self._link, self._fail = plan, link, fail

    def output(self, rank: int, name: str, value: Any) -> None:
        """Keep a value that nobody consumes."""
        try:
            self._link.outputs.append(rank, name, value)
        except NotPicklable as error:
            self._unkept(error)

    def quarantine(self, rank: int, port: str, value: Any, failure: Failure) -> None:
        """Keep an item that no try could process."""
        try:
            self._link.quarantine.append(rank, port, (value, failure))
        except NotPicklable as error:
            self._unkept(error)

    def reach(self) -> tuple[Any, Any]:
        """Make both durable; return what a part keeps of them."""
        try:
            return self._link.outputs.reach(), self._link.quarantine.reach()
        except NotPicklable as error:
            self._unkept(error)

    def flush(self) -> None:
        """Hand both to the operating system."""
        try:
            self._link.outputs.flush()
            self._link.quarantine.flush()
        except NotPicklable as error:
            self._unkept(error)

    def _unkept(self, error: NotPicklable) -> NoReturn:
        """Fail the run in the name of the PE whose value a spool cannot keep: many are written at once, and it need not be the last."""
        if error.record is None:
            raise error
        instance = self._plan.instances[error.record[0]]
        during = f"what it wrote on {error.record[1]!r}"
        self._fail(describe(error, pe=instance.pe, instance=instance.label, during=during))
