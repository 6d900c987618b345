# SPDX-License-Identifier: Apache-2.0
"""A run's folder: plan, state, checkpoints, spools, logs, books. Every mapping and every target keeps and reads it the same way.

Files only; nothing here starts, watches or decides.
"""

from d4py.runs.folder import Folder, find, home, new_id, opened
from d4py.runs.state import State, Status

__all__ = ["Folder", "State", "Status", "find", "home", "new_id", "opened"]
