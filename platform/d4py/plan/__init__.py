# SPDX-License-Identifier: Apache-2.0
"""What runs where.

A plan is computed from a graph and a number of processes, before anything starts. Everything here is pure: no clock, no file, no process.
The engine reads plans; mappings place them.
"""

from d4py.plan.channels import Channel
from d4py.plan.layout import layout
from d4py.plan.plan import Cell, Instance, Plan, Route

__all__ = ["Cell", "Channel", "Instance", "Plan", "Route", "layout"]
