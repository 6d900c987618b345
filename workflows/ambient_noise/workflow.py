# SPDX-License-Identifier: Apache-2.0
"""Ambient-noise cross-correlation of every pair of stations, as a stream of blocks.

    Survey -> Read -> Preprocess -> WindowSpectra -> [by slab] -> RankUpdate -> [by tile] -> InverseTile -> Write -> Plot

What travels is a block of stations and a segment of time, then a slab of frequencies, then a tile of pairs; never a pair. What was wrong with the
data travels beside it, from every PE that notices something to Write. Shapes and the order of every sum follow from the parameters, so the result
has the same bits on any mapping and any number of processes.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

import d4py
from d4py.errors import InputError, ParameterError
from fetch import default_folder
from noise.archive import DataError, scan
from noise.blas import single_threaded
from noise.correlate import cross_spectra, evened, fold
from noise.foresight import foresee
from noise.items import Samples, SlabSpectra, Survey, TileSpectra, TileTraces, Waveforms, Work
from noise.lags import lag_traces
from noise.normalise import normalise
from noise.prepare import prepare
from noise.report import Report
from noise.response import Responses
from noise.settings import Settings
from noise.sizes import Memory, Sizes
from noise.spectra import window_spectra
from noise.stack import Stack
from noise.store import Writer, load
from noise.survey import survey, works
from noise.table import doubts, measured, rows
from noise.waveforms import read_block

REPORTS_AT_ONCE = 64  # are kept before they are added up: each addition copies every name


class Segments(d4py.GenericPE):
    """Scan the archive and list the work: every block of stations in every segment of time."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._add_output("output", type=Work)
        self._add_output("survey", type=Survey)
        self._add_output("report", type=Report)
        self.settings = settings

    def process(self, inputs: dict[str, Any]) -> None:
        s = self.settings
        try:
            catalogue = scan(s.data, channels=s.channels, start_ns=s.start_ns, end_ns=s.end_ns, corrupt=s.corrupt)
            found, report = survey(catalogue, s)
            rate = max(epoch.rate_hz for epoch in catalogue.epochs)
            sizes = Sizes(settings=s, channels=len(found.channels), segments=found.segments, rate_hz=rate)
            sizes.check(Memory.of(s))  # once more: `configure` looked at names and a few headers
        except DataError as error:
            raise InputError(str(error)) from None
        except ValueError as error:
            raise ParameterError(str(error)) from None
        self.log(f"{len(found.channels)} channels, {found.segments} segments of {s.segment_s:g} s")
        self.write("survey", found)
        self.write("report", report)
        for work in works(catalogue, found, s):
            self.write("output", work)


class Read(d4py.GenericPE):
    """Read a block of channels over a segment, with margins of real data on both sides."""

    stateless = True

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._add_input("input", type=Work)
        self._add_output("output", type=Waveforms)
        self._add_output("report", type=Report)
        self.settings = settings

    def process(self, inputs: dict[str, Any]) -> None:
        s = self.settings
        try:
            waveforms, report = read_block(
                inputs["input"], s.span, window_s=s.window_s, least_rate_hz=2 * s.band_hz[1], corrupt=s.corrupt
            )
        except DataError as error:
            raise InputError(str(error)) from None
        if report:
            self.write("report", report)
        self.write("output", waveforms)


class Preprocess(d4py.GenericPE):
    """Detrend, take out the response, filter, resample and normalise a block."""

    stateless = True
    pickleIgnore = ("responses",)

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._add_input("input", type=Waveforms)
        self._add_output("output", type=Samples)
        self._add_output("report", type=Report)
        self.settings = settings
        self.responses: Responses | None = None

    def preprocess(self) -> None:
        self.responses = Responses(self.settings.response) if self.settings.response else None

    def process(self, inputs: dict[str, Any]) -> None:
        s = self.settings
        block, report = prepare(inputs["input"], s, responses=self.responses)
        normal = normalise(
            block.samples,
            block.mask,
            method=s.normalisation,
            rate_hz=s.rate_hz,
            running_s=s.running_s,
            clip_rms=s.clip_rms,
        )
        if report:
            self.write("report", report)
        self.write("output", block._replace(samples=normal))


class WindowSpectra(d4py.GenericPE):
    """Transform and whiten the windows of a block, and send each slab of frequencies where it is summed."""

    stateless = True

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._add_input("input", type=Samples)
        self._add_output("output", type=SlabSpectra)
        self.settings = settings
        self.grid = settings.grid
        self.smooth_bins = self.grid.half_width(settings.whitening_hz)

    def process(self, inputs: dict[str, Any]) -> None:
        segment, block, blocks, samples, mask = inputs["input"]
        spectra, weights = window_spectra(
            samples, mask, self.grid, whitening=self.settings.whitening, smooth_bins=self.smooth_bins
        )
        for number, slab in enumerate(self.grid.slabs):
            part = spectra[slab] if weights.any() else None
            self.write("output", SlabSpectra(number, segment, block, blocks, part, weights))


class RankUpdate(d4py.GenericPE):
    """Sum the cross-spectra of all pairs: one matrix product a frequency and segment, added up in a tree of segments.

    A segment of a slab is summed when all its blocks of stations are there. Partial sums of several instances can be merged.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._add_input("input", grouping=[0], type=SlabSpectra)
        self._add_output("output", type=TileSpectra)
        self._add_output("report", type=Report)
        self.settings = settings
        self.stations = 0
        self.waiting: dict[tuple[int, int], dict[int, SlabSpectra]] = {}  # slab, segment -> block -> spectra
        self.stacks: dict[int, Stack] = {}

    def process(self, inputs: dict[str, Any]) -> None:
        self._take(inputs["input"])

    def merge(self, other: RankUpdate) -> None:
        """Take over what another instance has summed and what it still waits for."""
        self.stations = max(self.stations, other.stations)
        for slab, stack in other.stacks.items():
            self.stacks.setdefault(slab, Stack()).merge(stack)
        for parts in other.waiting.values():
            for part in parts.values():
                self._take(part)

    def postprocess(self) -> None:
        for slab, segment in sorted(self.waiting):
            self.write("report", Report.of("incomplete", f"slab {slab}, segment {segment}"))
            self.stacks.setdefault(slab, Stack()).skip(segment)
        totals = {slab: self.stacks.pop(slab).total() for slab in sorted(self.stacks)}
        if self.stations == 0:
            return
        for tile in self.settings.tiling(self.stations).tiles:  # outside, so that few of them wait in InverseTile
            for slab, total in totals.items():
                if total is not None:
                    cross, counts = np.ascontiguousarray(total[0][:, tile.packed]), total[1][tile.packed]
                    self.write("output", TileSpectra(tile.number, slab, self.stations, cross, counts))

    def _take(self, part: SlabSpectra) -> None:
        key = part.slab, part.segment
        parts = self.waiting.setdefault(key, {})
        parts[part.block] = part
        if len(parts) == part.blocks:
            del self.waiting[key]
            self._sum([parts[block] for block in range(part.blocks)])

    def _sum(self, parts: list[SlabSpectra]) -> None:
        slab, segment = parts[0].slab, parts[0].segment
        stack = self.stacks.setdefault(slab, Stack())
        weights = np.concatenate([part.weights for part in parts])
        self.stations = len(weights)
        if not weights.any():
            stack.skip(segment)
            return
        bins = self.settings.grid.slabs[slab]
        shapes = [(bins.stop - bins.start, *part.weights.shape) for part in parts]
        blocks = [
            np.zeros(shape, np.complex64) if part.spectra is None else part.spectra
            for part, shape in zip(parts, shapes, strict=True)
        ]
        tiling = self.settings.tiling(self.stations)
        with single_threaded():
            stack.add(segment, (cross_spectra(np.concatenate(blocks, axis=1), tiling), fold(weights, tiling)))


class InverseTile(d4py.GenericPE):
    """Transform the sums of a tile to lag traces when all its slabs are there."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._add_input("input", grouping=[0], type=TileSpectra)
        self._add_output("output", type=TileTraces)
        self.settings = settings
        self.waiting: dict[int, dict[int, TileSpectra]] = {}

    def process(self, inputs: dict[str, Any]) -> None:
        part: TileSpectra = inputs["input"]
        grid = self.settings.grid
        parts = self.waiting.setdefault(part.tile, {})
        parts[part.slab] = part
        if len(parts) < len(grid.slabs):
            return
        del self.waiting[part.tile]
        positions, first, second = self.settings.tiling(part.stations).tiles[part.tile].pairs()
        counts = parts[0].counts
        cross = np.concatenate([evened(parts[slab].cross, parts[slab].counts, counts) for slab in sorted(parts)])
        traces = lag_traces(cross, counts, grid, positions=positions)
        windows = counts[positions].astype(np.int32)
        self.write("output", TileTraces(part.tile, part.stations, first, second, traces, windows))


class Write(d4py.GenericPE):
    """Write the stacks as Zarr, with what was measured on them and what was wrong with the data."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._add_input("input", grouping="global", type=TileTraces)
        self._add_input("survey", grouping="global", type=Survey)
        self._add_input("report", grouping="global", type=Report)
        self._add_output("output", type=str)
        self.settings = settings
        self.survey: Survey | None = None
        self.reports: list[Report] = []
        self.written: set[int] = set()

    def process(self, inputs: dict[str, Any]) -> None:
        if "survey" in inputs:
            self.survey = inputs["survey"]
        elif "report" in inputs:
            self.reports.append(inputs["report"])
            if len(self.reports) >= REPORTS_AT_ONCE:
                self.reports = [Report.sum(self.reports)]
        else:
            self._put(inputs["input"])

    def postprocess(self) -> None:
        found = self.survey
        if found is None:
            return
        writer = Writer(self.settings.output)
        if not self.written:
            told = "; ".join(Report.sum(self.reports).lines()) or "no data"
            raise InputError(f"No window of {self.settings.window_s:g} s is whole on two channels: {told}.")
        places = {
            "latitude": np.array(found.latitudes),
            "longitude": np.array(found.longitudes),
            "elevation": np.array(found.elevations_m),
        }
        columns = measured(writer, places["latitude"], places["longitude"], self.settings)
        first, second = writer.pairs()
        doubted = doubts(
            columns, lambda pair: f"{found.channels[first[pair]]} - {found.channels[second[pair]]}", self.settings
        )
        report = Report.sum([*self.reports, doubted])
        attributes = {
            "channels": list(found.channels),
            "start": str(np.datetime64(found.start_ns, "ns")),
            "end": str(np.datetime64(found.end_ns, "ns")),
            "parameters": self.settings.as_json(),
            "report": report.as_json(),
            "report_lines": report.lines(),
        }
        self.write("output", str(writer.finish(columns=columns, places=places, attributes=attributes)))

    def _put(self, tile: TileTraces) -> None:
        writer, tiling = Writer(self.settings.output), self.settings.tiling(tile.stations)
        if not self.written:
            writer.begin(tiling, self.settings.grid.lag_times_s())
        writer.put(tiling, tile)
        self.written.add(tile.tile)


class Plot(d4py.GenericPE):
    """Draw the stacks; the outputs are the rows of the table, one a pair (the nearest pairs, if there are many), and last the paths."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._add_input("input", grouping="global", type=str)
        self._add_output("output", type=dict)
        self.settings = settings

    def process(self, inputs: dict[str, Any]) -> None:
        from noise.plots import draw

        stacks = load(inputs["input"])
        paths = draw(stacks, Path(self.settings.output))
        for row in rows(stacks):
            self.write("output", row)
        self.write("output", {"stacks": str(stacks.path), **paths, "report": list(stacks.attributes["report_lines"])})


def configure(
    *,
    data: str = "",
    output: str = "ambient-noise",
    start: str = "",
    end: str = "",
    channels: str = "*",
    response: str = "",
    stations: str = "",
    corrupt: str = "skip",
    rate_hz: float = 20.0,
    band_hz: list[float] | tuple[float, ...] = (0.55, 1.6),
    edge_hz: float = 0.2,
    normalisation: str = "one-bit",
    running_s: float = 0.9,
    clip_rms: float = 3.0,
    window_s: float = 60.0,
    overlap: float = 0.5,
    whitening: str = "phase",
    whitening_hz: float = 0.1,
    max_lag_s: float = 30.0,
    speeds_km_s: list[float] | tuple[float, ...] = (0.5, 2.0),
    segment_s: float = 3600.0,
    block: int = 16,
    slabs: int = 8,
    tile: int = 128,
    memory_gb: float = 0.0,
) -> d4py.WorkflowGraph:
    """Make the graph for these parameters; workflow.toml tells their meaning and units. Looks at paths, names and a few headers."""
    given = {**locals(), "data": data or str(default_folder())}
    try:
        settings = Settings.of(**given)
        if not data and not default_folder().is_dir():
            raise DataError(
                f"No data are named; get a day with `python {Path(__file__).with_name('fetch.py')}`, or name yours with --set data=FOLDER."
            )
        foresee(settings)
    except DataError as error:
        raise InputError(str(error)) from None
    except (ValueError, TypeError) as error:
        raise ParameterError(str(error)) from None
    return graph_of(settings)


def graph_of(settings: Settings) -> d4py.WorkflowGraph:
    """Connect the PEs."""
    segments, read, preprocess, spectra = (
        Segments(settings),
        Read(settings),
        Preprocess(settings),
        WindowSpectra(settings),
    )
    update, inverse, write, plot = RankUpdate(settings), InverseTile(settings), Write(settings), Plot(settings)
    graph = d4py.WorkflowGraph()
    chain = (segments, read, preprocess, spectra, update, inverse, write, plot)
    for writer, reader in pairwise(chain):
        graph.connect(writer, "output", reader, "input")
    graph.connect(segments, "survey", write, "survey")
    for noticing in (segments, read, preprocess, update):
        graph.connect(noticing, "report", write, "report")
    return graph
