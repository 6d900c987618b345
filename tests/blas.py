# SPDX-License-Identifier: Apache-2.0
"""Which kernels OpenBLAS is to take on this machine: where the last bits are compared, the other place takes the same."""

from __future__ import annotations

import os

KERNELS = {name: value for name, value in os.environ.items() if name.startswith("OPENBLAS_")}
