# SPDX-License-Identifier: Apache-2.0
"""Instrument responses from a StationXML, evaluated once per channel epoch and axis of frequencies instead of once per trace."""

from __future__ import annotations

import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from noise.archive import DataError

Array = NDArray[Any]

WATER_LEVEL_DB = 60.0  # below the largest amplitude of the response, as ObsPy's remove_response has it

_evaluator = threading.Lock()  # the C code behind ObsPy's responses keeps its state in global variables


class Responses:
    """The responses of an inventory; remembers every inverse it has computed."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._inventory = _inventory(path)
        self._inverses: dict[tuple[str, str, int, float], Array | None] = {}

    def inverse(self, channel: str, time_ns: int, frequencies_hz: Array) -> Array | None:
        """Return 1 / R to metres per second, zero at zero frequency, or None if the inventory has no response for that channel then.

        channel: NET.STA.LOC.CHA. frequencies_hz: evenly spaced, from 0. Where |R| is more than 60 dB below its largest value it is held there.
        """
        found = self._epoch(channel, time_ns)
        if found is None:
            return None
        key = (channel, str(found.start_date), len(frequencies_hz), float(frequencies_hz[-1]))
        if key not in self._inverses:
            self._inverses[key] = _inverted(found.response, frequencies_hz)
        return self._inverses[key]

    def has(self, channel: str, time_ns: int) -> bool:
        """Tell whether there is a response for a channel then."""
        return self._epoch(channel, time_ns) is not None

    def _epoch(self, channel: str, time_ns: int) -> Any:
        from obspy import UTCDateTime

        network, station, location, code = channel.split(".")
        found = self._inventory.select(
            network=network, station=station, location=location, channel=code, time=UTCDateTime(ns=time_ns)
        )
        epochs = [
            one
            for net in found
            for sta in net
            for one in sta
            if one.response is not None and one.response.response_stages
        ]
        return epochs[0] if epochs else None

    def coordinates(self) -> dict[str, tuple[float, float, float]]:
        """Latitude, longitude (degrees) and elevation (m) of each NET.STA."""
        return {
            f"{net.code}.{sta.code}": (float(sta.latitude), float(sta.longitude), float(sta.elevation))
            for net in self._inventory
            for sta in net
        }


def _inverted(response: Any, frequencies_hz: Array) -> Array:
    with _evaluator:
        values = response.get_evalresp_response_for_frequencies(frequencies_hz, output="VEL")
    amplitude = np.abs(values)
    least = amplitude.max() * 10 ** (-WATER_LEVEL_DB / 20)
    raised = np.where(
        (amplitude > 0) & (amplitude < least), values * (least / np.where(amplitude > 0, amplitude, 1)), values
    )
    inverse = np.zeros(len(values), dtype=np.complex128)
    np.divide(1, raised, out=inverse, where=amplitude > 0)
    inverse[frequencies_hz == 0] = 0
    return inverse


def _inventory(path: str) -> Any:
    try:
        return _parsed(path, Path(path).stat().st_mtime_ns)
    except OSError as error:
        raise DataError(f"The StationXML {path!r} cannot be read: {error.strerror or error}; mend response.") from None
    except Exception as error:  # whatever a damaged file makes the parser raise
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise DataError(
            f"The file {path!r} is no station metadata that ObsPy can read ({reason}); give a StationXML as response."
        ) from None


@lru_cache(maxsize=1)
def _parsed(path: str, _changed_ns: int) -> Any:
    """Parse once a process: thousands of responses take seconds, and workers that are forked later have them already."""
    import obspy

    return obspy.read_inventory(path)
