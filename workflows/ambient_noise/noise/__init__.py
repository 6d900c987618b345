# SPDX-License-Identifier: Apache-2.0
"""Ambient-noise correlation for any number of stations.

Arrays in, arrays out: no workflow engine is imported in this package. Samples of a block are float, (stations, n), with
a bool mask of the same shape that is True where there is real data; rows are stations in NET.STA.LOC.CHA order.

    masks, normalise -> spectra -> correlate (tiles) -> stack -> lags -> measure
"""
