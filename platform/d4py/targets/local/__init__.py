# SPDX-License-Identifier: Apache-2.0
"""This machine, in the background: `d4py run` as a process of its own that outlives whoever started it."""

from d4py.targets.local.submit import submit

__all__ = ["submit"]
