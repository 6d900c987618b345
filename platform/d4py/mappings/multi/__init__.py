# SPDX-License-Identifier: Apache-2.0
"""The mapping `multi`: supervised worker processes on one machine.

A nursery process loads the workflow once and forks the workers; frames travel over unix sockets, large arrays through shared memory. A rewind
kills all workers and forks new ones: there is one way to end a worker, and it is the one that always works.
"""

from d4py.mappings.multi.multi import Multi

__all__ = ["Multi"]
