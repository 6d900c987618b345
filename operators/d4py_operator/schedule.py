# SPDX-License-Identifier: Apache-2.0
"""When something is due by a schedule of cron, in a time zone. Where clocks are set back, an hour that comes twice counts once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from d4py.errors import D4pyError

_SHORT = {"@hourly": "0 * * * *", "@daily": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *"}
_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 7))
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_NAMES = {
    3: {name: number + 1 for number, name in enumerate(_MONTHS)},
    4: {name: day for day, name in enumerate(_DAYS)},
}
_FARTHEST = timedelta(days=366 * 8 + 2)  # a 29 February is due once in eight years at least


class BadSchedule(D4pyError, ValueError):
    """A schedule is none."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule of cron."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool  # both kinds of days are restricted: one of them is enough
    zone: ZoneInfo

    def after(self, when: datetime) -> datetime | None:
        """Return the first time after one; None where there is none."""
        return self._search(_minute(when) + timedelta(minutes=1), forward=True)

    def latest(self, when: datetime) -> datetime | None:
        """Return the last time up to one; None where there is none."""
        return self._search(_minute(when), forward=False)

    def _search(self, when: datetime, *, forward: bool) -> datetime | None:
        until = when + _FARTHEST if forward else when - _FARTHEST
        while (when < until) if forward else (when > until):
            local = when.astimezone(self.zone)
            if not self._hour(local):
                step = 60 - local.minute if forward else -local.minute - 1
            elif local.minute in self.minutes:
                return when
            else:
                step = 1 if forward else -1
            when += timedelta(minutes=step)
        return None

    def _hour(self, local: datetime) -> bool:
        if local.month not in self.months or local.hour not in self.hours:
            return False
        if local.fold and len(self.hours) < 24:
            return False
        day = local.day in self.days
        weekday = local.isoweekday() % 7 in self.weekdays
        return (day or weekday) if self.either else (day and weekday)


def schedule(text: str, zone: str | None = None) -> Schedule:
    """Read a schedule. Raises BadSchedule."""
    fields = _SHORT.get(text, text).split()
    if len(fields) != len(_FIELDS):
        raise BadSchedule(f"{text!r} has {len(fields)} fields, not 5: minute, hour, day of month, month, day of week.")
    minutes, hours, days, months, weekdays = (_field(field, number) for number, field in enumerate(fields))
    try:
        where = ZoneInfo(zone or "UTC")
    except (KeyError, OSError, ValueError):  # not found, a folder, or no name at all
        raise BadSchedule(f"There is no time zone {zone!r}.", hint="Use a name such as Europe/Berlin.") from None
    return Schedule(
        minutes, hours, days, months, frozenset(day % 7 for day in weekdays),
        either=not fields[2].startswith("*") and not fields[4].startswith("*"), zone=where,
    )  # fmt: skip


def _field(text: str, number: int) -> frozenset[int]:
    about, least, most = _FIELDS[number]
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step_text = part.partition("/")
        first, dash, last = span.partition("-")
        if span == "*":
            low, high = least, most
        else:
            low = _value(first, number)
            high = _value(last, number) if dash else (most if slash else low)
        step = int(step_text) if slash and step_text.isdigit() and len(step_text) < 4 else (0 if slash else 1)
        if not (least <= low <= high <= most) or step < 1:
            raise BadSchedule(f"{part!r} is no {about}: those are {least} to {most}.")
        found.update(range(low, high + 1, step))
    return frozenset(found)


def _value(text: str, number: int) -> int:
    named = _NAMES.get(number, {}).get(text.upper())
    if named is not None:
        return named
    return int(text) if text.isascii() and text.isdigit() and len(text) < 4 else -1


def _minute(when: datetime) -> datetime:
    return when.astimezone(timezone.utc).replace(second=0, microsecond=0)
