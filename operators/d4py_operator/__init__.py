# SPDX-License-Identifier: Apache-2.0
"""The operator: makes of each Workflow the objects that run it, and tells in its status how it does.

What is to be there is decided by pure functions (`desired`); only `cluster` talks to a cluster.
"""
