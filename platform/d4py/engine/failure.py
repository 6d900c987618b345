# SPDX-License-Identifier: Apache-2.0
"""A PE's exception, told to its author: which PE, instance, item and input, and the lines of the user's own code."""

from __future__ import annotations

import re
import traceback
from typing import NamedTuple

from d4py.errors import D4pyError

OWN = __file__.rpartition("/engine/")[0] + "/"
_SHOWN = 200
_TITLE = re.compile(r"""PE (?:'|")(.+?)(?:'|"), instance """)
UNREAD = "nobody reads what this run prints any more"


class Failure(NamedTuple):
    """What failed the run, or put an item into quarantine."""

    pe: str
    instance: str
    item: (
        int | None
    )  # number of the input among those the instance has read; None in preprocess, postprocess and sources
    port: str
    value: str  # the input, shortened
    error: str  # type and message
    traceback: str  # the user's lines
    during: str = "process"

    @property
    def title(self) -> str:
        """One line."""
        place = f"item {self.item} on {self.port!r}" if self.item is not None else self.during
        shown = f", input {self.value}" if self.item is not None else ""
        return f"PE {self.pe!r}, instance {self.instance}, {place}{shown}: {self.error}"

    @property
    def unread(self) -> bool:
        """Whether it printed for a reader that has left: no try mends that, and the item is not to blame."""
        return self.error.endswith(UNREAD)


# What a user's code may raise at its own fault. sys.exit() is among it: a run must not end as if its work were done.
RAISED = (Exception, SystemExit)


class Unwind(BaseException):
    """Ends the calls in progress; no `except Exception` of a user's stops it."""


class Abandoned(Unwind):
    """This generation is given up."""


class StopSource(Unwind):
    """A live source is to stop."""


def describe(
    error: BaseException,
    *,
    pe: str,
    instance: str,
    item: int | None = None,
    port: str = "",
    value: object = None,
    during: str = "process",
) -> Failure:
    """Make a failure of an exception."""
    return Failure(
        pe=pe,
        instance=instance,
        item=item,
        port=port,
        value=shortened(value),
        error=f"{type(error).__name__}: {UNREAD if isinstance(error, BrokenPipeError) and reader_left() else error}",
        traceback=users_lines(error),
        during=during,
    )


def pe_of(title: str) -> str | None:
    """Return the PE that the title of a failure names; None where it is no such title."""
    name = _TITLE.match(title)
    return name[1] if name else None


def reader_left() -> bool:
    """Whether standard output is a pipe that nobody reads."""
    import select

    poller = select.poll()
    poller.register(1, 0)
    return any(events & select.POLLERR for _, events in poller.poll(0))


def shortened(value: object) -> str:
    """Return a value's repr, cut; an object whose repr fails is named by its type."""
    try:
        text = repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "..."


def users_lines(error: BaseException) -> str:
    """Return the traceback without the lines of d4py itself; with them where there are no others, for that is a defect of its own."""
    frames = traceback.extract_tb(error.__traceback__)
    kept = [frame for frame in frames if not frame.filename.startswith(OWN)]
    if not kept and not isinstance(error, D4pyError):
        kept = list(frames)
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(kept)] if kept else []
    lines.extend(traceback.format_exception_only(type(error), error))
    cause = error.__cause__
    if cause is not None:
        lines.insert(0, users_lines(cause) + "\n\nThe above exception was the direct cause of the following one:\n\n")
    return "".join(lines).rstrip()
