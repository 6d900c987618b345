# SPDX-License-Identifier: Apache-2.0
"""What travels: frames of items, their wire form, shared memory for large buffers, copies of values.

Knows nothing of PEs, plans or mappings; a frame is cut and carried whole.
"""

from d4py.items.frame import Frame, Kind

__all__ = ["Frame", "Kind"]
