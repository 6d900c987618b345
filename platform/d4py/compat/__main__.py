# SPDX-License-Identifier: Apache-2.0
"""`python -m d4py.compat script.py ...` runs a script that finds dispel4py here; with a mapping instead of a script it is the old command."""

import sys

from d4py.cli.dispel4py import main

if __name__ == "__main__":
    sys.exit(main())
