# SPDX-License-Identifier: Apache-2.0
"""How one cell of a plan lives: run its PEs, emit, end, retry, de-duplicate, checkpoint, count; and how a run is coordinated.

The protocol's rules are here and nowhere else, as state machines without I/O: no socket, no thread, no clock, no file. A mapping carries
frames, starts and watches processes, and stores parts of checkpoints, through the small interface in `link`.
"""
