# SPDX-License-Identifier: Apache-2.0
"""The mapping `threads`: each cell has a thread of this process; nothing is copied on the way."""

from d4py.mappings.threads.threads import Threads

__all__ = ["Threads"]
