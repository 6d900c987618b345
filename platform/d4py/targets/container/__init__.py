# SPDX-License-Identifier: Apache-2.0
"""The container engine of this machine: a run in a container, whose files are where they are outside it."""

from d4py.targets.container.request import Request
from d4py.targets.container.run import noted, run

__all__ = ["Request", "noted", "run"]
