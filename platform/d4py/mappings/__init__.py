# SPDX-License-Identifier: Apache-2.0
"""Engines that enact a plan, one room each, all of one shape; and how a run is begun and resumed on any of them.

A room knows how to carry frames and to start and watch what runs; the rules are in `d4py.engine`. Rooms do not know each other.
"""

from d4py.mappings.base import Enactment, Guarantees, Mapping, Options
from d4py.mappings.enact import Result, resume, run
from d4py.mappings.find import get, names

__all__ = ["Enactment", "Guarantees", "Mapping", "Options", "Result", "get", "names", "resume", "run"]
