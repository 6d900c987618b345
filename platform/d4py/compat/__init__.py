# SPDX-License-Identifier: Apache-2.0
"""dispel4py's names: workflows that import them run as they are, on every mapping.

`finder` serves the modules of this package under those names; nothing is written into site-packages. `allocation` and `command` are how dispel4py
counts instances and what its command line says; the rest are the modules themselves, one file each.
"""
