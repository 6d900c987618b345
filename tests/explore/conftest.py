# SPDX-License-Identifier: Apache-2.0
"""Lets the tests import the explorer's modules, which are a command too."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
