# SPDX-License-Identifier: Apache-2.0
"""The mapping `simple`: the whole graph as one cell in this process, depth first, one item at a time."""

from d4py.mappings.simple.simple import Simple

__all__ = ["Simple"]
