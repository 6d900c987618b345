# SPDX-License-Identifier: Apache-2.0
"""An hour of many stations, correlated by pairs: each station has the same noise, some samples later than the one before it.

Spectra are made before the clock starts: what is measured is dispel4py's second phase, that of all pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import isqrt
from typing import Any

import numpy as np
from bench.workloads.marks import begin, end
from numpy.typing import NDArray

Array = NDArray[Any]
SAMPLES, POINTS = 14_400, 32_768  # an hour at 4 Hz; the length of the transform
LAGS = 5_000  # that are kept, each way
LATER = 3  # samples, from station to station
BLOCK = 8  # stations


def stations_of(pairs: int) -> int:
    """Return how many stations have so many pairs."""
    return (1 + isqrt(1 + 8 * pairs)) // 2


def spectra(stations: int) -> Array:
    """Return the spectra: (stations, POINTS), complex128."""
    noise = np.random.default_rng(7).standard_normal(SAMPLES)
    turns = np.exp(-2j * np.pi * np.fft.fftfreq(POINTS) * LATER)
    first = np.fft.fft(noise, POINTS)
    return np.stack([first * turns**number for number in range(stations)])


def halves(stations: int) -> Array:
    """Return what a real signal's spectrum says: (stations, POINTS // 2 + 1), complex128."""
    return np.ascontiguousarray(spectra(stations)[:, : POINTS // 2 + 1])


def pairs(number: int) -> Iterator[tuple[Array, Array]]:
    """Yield both spectra of each pair."""
    all_of = spectra(stations_of(number))
    begin()
    for second in range(len(all_of)):
        for first in range(second):
            yield all_of[first], all_of[second]


def tiles(number: int) -> Iterator[tuple[bool, Array, Array]]:
    """Yield the spectra of two blocks of stations, all pairs of which are a tile of the matrix; say whether it lies on the diagonal."""
    all_of = halves(stations_of(number))
    begin()
    for second in range(0, len(all_of), BLOCK):
        for first in range(0, second + 1, BLOCK):
            yield first == second, all_of[first : first + BLOCK], all_of[second : second + BLOCK]


def traces(tile: tuple[bool, Array, Array]) -> Array:
    """Return the correlations of the pairs of a tile: (pairs, lags)."""
    diagonal, first, second = tile
    parts = [second[row + 1 :] if diagonal else second for row in range(len(first))]
    many = [np.fft.irfft(np.conj(row) * part, POINTS) for row, part in zip(first, parts, strict=True) if len(part)]
    return kept(np.concatenate(many)) if many else np.empty((0, 2 * LAGS + 1))


def trace(pair: tuple[Array, Array]) -> Array:
    """Return the correlation of a pair: (1, lags)."""
    return kept(np.fft.ifft(np.conj(pair[0]) * pair[1]).real[np.newaxis])


def kept(circular: Array) -> Array:
    """Return the lags that are kept, in their order."""
    return np.concatenate((circular[:, -LAGS:], circular[:, : LAGS + 1]), axis=1)


class Delays:
    """The sum of the delays of all pairs, where each correlation is greatest; exact."""

    def __init__(self) -> None:
        self.total = 0

    def add(self, many: Array) -> None:
        self.total += int(np.sum(np.argmax(many, axis=1) - LAGS)) if len(many) else 0


def loop(items: int) -> None:
    """Correlate in a loop."""
    delays = Delays()
    for pair in pairs(items):
        delays.add(trace(pair))
    end(delays.total)


def answer(items: int) -> int:
    """Return the sum of all delays."""
    stations = stations_of(items)
    return LATER * stations * (stations**2 - 1) // 6
