# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with what the core is given."""

from __future__ import annotations


class ParameterError(ValueError):
    """A parameter has a value that no computation can honour."""


class ShapeError(ValueError):
    """Two arrays that belong together do not fit."""


class SegmentError(ValueError):
    """A segment was added to a sum that already holds it."""
