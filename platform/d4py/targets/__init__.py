# SPDX-License-Identifier: Apache-2.0
"""Where a run is sent, one room a target, all of one shape. Rooms do not know each other.

A target starts `d4py run` somewhere; what the run does there it writes into its folder, which every command reads.
"""
