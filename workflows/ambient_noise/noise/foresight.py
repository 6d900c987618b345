# SPDX-License-Identifier: Apache-2.0
"""What can be told before a run, from names and a few headers: that it would find a pair, how large it would be, and that it may write.

Headers are read in a mixed order and only until two channels are found that recorded at once: of a month of a thousand stations a handful of
files. Only where that fails are all of them read, and then the reason is worth the time.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np

from noise.archive import (
    NANO,
    REMEDY,
    DataError,
    Epoch,
    asked_for,
    day_overlaps,
    epochs_of,
    named,
    scan,
    waveform_files,
)
from noise.errors import ParameterError
from noise.response import Responses
from noise.settings import Settings
from noise.sizes import Memory, Sizes
from noise.store import NAME
from noise.survey import places

MOST_HEADERS = 500  # files without a telling name that are opened to count channels


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """What was read of a data path."""

    epochs: Sequence[Epoch]
    channels: frozenset[str]  # of the files that may matter, by name or header
    first_ns: int | None = None  # of the data, whatever was asked for
    last_ns: int | None = None
    damage: str = ""  # the first reason why a file could not be read


def foresee(settings: Settings) -> None:
    """Raise DataError or ParameterError, one line with a remedy, if a run could not end well."""
    check_output(settings.output)
    places(settings)
    headers = _headers(settings)
    if fault := _fault(headers, settings):
        raise DataError(fault)
    sizes = Sizes(
        settings=settings,
        channels=max(2, len(headers.channels)),
        segments=_segments(headers, settings),
        rate_hz=max(epoch.rate_hz for epoch in headers.epochs),
    )
    sizes.check(Memory.of(settings))


def check_output(output: str) -> None:
    """Raise ParameterError if no folder can be made or nothing written there. Leaves no trace."""
    folder = Path(output)
    place = folder
    try:
        while not place.exists():
            place = place.parent
        if not place.is_dir():
            raise ParameterError(f"output is {output!r}; {place} is a file: name another folder.")
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        raise ParameterError(
            f"output is {output!r}; nothing can be written in {place} ({error.strerror}): name another folder, or mend its permissions."
        ) from None
    stacks = folder / NAME
    if stacks.exists() and not stacks.is_dir():
        raise ParameterError(f"output is {output!r}; {stacks} is a file: remove it, or name another folder.")


def share_a_window(epochs: Iterable[Epoch], settings: Settings) -> bool:
    """Tell whether two channels recorded at once for a window, with what the filter needs at an end or a gap."""
    window, guard = round(settings.window_s * NANO), round(settings.span.guard_s * NANO)
    starts = []  # when a window can begin: the first moment, the last one
    for first, last in _stretches(epochs):
        begin, end = first + guard, last - guard
        begin = begin if settings.start_ns is None else max(begin, settings.start_ns)
        end = end if settings.end_ns is None else min(end, settings.end_ns)
        if end - begin >= window:
            starts.append((begin, end - window))
    reach = None
    for begin, end in sorted(starts):  # stretches of one channel never overlap, so two that do are of two
        if reach is not None and begin <= reach:
            return True
        reach = end if reach is None else max(reach, end)
    return False


def _stretches(epochs: Iterable[Epoch]) -> list[tuple[int, int]]:
    """Unbroken stretches of each channel, whatever files they are in."""
    found: list[tuple[int, int]] = []
    channel = None
    for epoch in sorted(epochs, key=lambda e: (e.channel, e.start_ns)):
        if epoch.channel == channel and epoch.start_ns <= found[-1][1] + NANO / epoch.rate_hz / 2:
            found[-1] = found[-1][0], max(found[-1][1], epoch.end_ns)
        else:
            found.append((epoch.start_ns, epoch.end_ns))
        channel = epoch.channel
    return found


def _headers(s: Settings) -> Headers:
    paths = tuple(waveform_files(s.data))
    if not paths:
        raise DataError(f"The data path {s.data!r} holds no waveform file; name a folder with MiniSEED or SAC files.")
    names = [(path, named(path)) for path in paths]
    near = [(path, name) for path, name in names if day_overlaps(path, s.start_ns, s.end_ns)]
    near.sort(
        key=lambda one: crc32(str(one[0]).encode())
    )  # mixed: two stations of one day are soon met, whatever the folders
    epochs: list[Epoch] = []
    damage, found = "", False
    if s.corrupt == "fail":  # better before a run than in it; damage inside the samples is found when they are read
        epochs = list(scan(s.data, channels=s.channels, start_ns=s.start_ns, end_ns=s.end_ns, corrupt="fail").epochs)
        near = []
    for number, (path, name) in enumerate(near, 1):
        if found and (number > MOST_HEADERS or name is not None):
            continue
        try:
            epochs += epochs_of(path)
        except DataError as error:
            damage = damage or str(error)
        if not found and number & (number - 1) == 0:
            found = _fault(Headers(epochs=epochs, channels=frozenset()), s) is None
    chosen = {epoch.channel for epoch in asked_for(epochs, s.channels, s.start_ns, s.end_ns)}
    days = [name for _, name in names if name is not None]
    told = {name.channel for _, name in near if name is not None and name.matches(s.channels)}
    return Headers(
        epochs=epochs,
        channels=frozenset(chosen | told),
        first_ns=min([*(e.start_ns for e in epochs), *(d.start_ns for d in days)], default=None),
        last_ns=max([*(e.end_ns for e in epochs), *(d.end_ns for d in days)], default=None),
        damage=damage,
    )


def _fault(headers: Headers, s: Settings) -> str | None:
    """Say why these records hold no pair with a window; None if they do."""
    epochs = headers.epochs
    within = " in the time asked for" if s.start or s.end else ""
    if not epochs and (headers.damage or headers.first_ns is None):
        reason = headers.damage.replace(REMEDY, "")
        return (
            f"The data path {s.data!r} holds no waveform that can be read ({reason}); repair it, or name another path."
        )
    channels = asked_for(epochs, s.channels, None, None)
    if epochs and not channels:
        held = sorted({epoch.channel for epoch in epochs})
        told = ", ".join(held[:5]) + (" ..." if len(held) > 5 else "")
        return f"The data path {s.data!r} holds nothing of channels {s.channels!r}; it has {told}: mend channels."
    timed = asked_for(channels, s.channels, s.start_ns, s.end_ns)
    if not timed:
        first, last = (str(np.datetime64(moment, "ns"))[:19] for moment in (headers.first_ns, headers.last_ns))
        return f"The data path {s.data!r} holds nothing of channels {s.channels!r} in the time asked for; it has {first} to {last}; mend start or end."
    names = sorted({epoch.channel for epoch in timed})
    if len(names) < 2:
        return (
            f"The data path {s.data!r} holds one channel, {names[0]}{within}; a pair needs two: widen channels or data."
        )
    fast = [epoch for epoch in timed if epoch.rate_hz >= 2 * s.band_hz[1]]
    if len({epoch.channel for epoch in fast}) < 2:
        rates = sorted({epoch.rate_hz for epoch in timed})
        return (
            f"band_hz reaches {s.band_hz[1]:g} Hz, which needs {2 * s.band_hz[1]:g} samples a second of two channels; "
            f"the data path {s.data!r} has {', '.join(f'{rate:g}' for rate in rates[-3:])} Hz: lower band_hz, or name other data."
        )
    known = _with_response(fast, s)
    if len({epoch.channel for epoch in known}) < 2:
        return f"The StationXML {s.response!r} has responses for fewer than two of {', '.join(names[:5])}{within}: mend response or channels."
    if not share_a_window(known, s):
        return (
            f"No two channels have {s.window_s:g} s of data at once{within}; shorten window_s, or name more data "
            f"(at each gap and end the filter takes {s.span.guard_s:.3g} s)."
        )
    return None


def _with_response(epochs: Sequence[Epoch], s: Settings) -> list[Epoch]:
    if not s.response:
        return list(epochs)
    responses = Responses(s.response)
    known: dict[tuple[str, int], bool] = {}
    for epoch in epochs:
        moment = max(epoch.start_ns, s.start_ns or epoch.start_ns)
        key = epoch.channel, moment // (86_400 * NANO)
        if key not in known:
            known[key] = responses.has(epoch.channel, moment)
    return [e for e in epochs if known[e.channel, max(e.start_ns, s.start_ns or e.start_ns) // (86_400 * NANO)]]


def _segments(headers: Headers, s: Settings) -> int:
    """As many as there are at least."""
    assert headers.first_ns is not None
    assert headers.last_ns is not None
    first = headers.first_ns if s.start_ns is None else max(s.start_ns, headers.first_ns)
    last = headers.last_ns if s.end_ns is None else min(s.end_ns, headers.last_ns)
    return max(1, -((first - last) // round(s.segment_s * NANO)))
