# SPDX-License-Identifier: Apache-2.0
"""`mpiexec -n N python -m d4py.mappings.mpi SCRIPT ...`: rank 0 runs a script, whose runs on this mapping the others take part in.

`-m MODULE` instead of a script runs a module.
"""

import os
import runpy
import sys
from pathlib import Path

from d4py.mappings.launchers import untold
from d4py.mappings.mpi.job import serve

if __name__ == "__main__":
    serve()
    for name in os.environ.keys() - untold(os.environ):
        del os.environ[name]  # what the script starts is no rank of this job
    sys.argv = sys.argv[1:]
    if sys.argv and sys.argv[0] == "-m":
        sys.argv = sys.argv[1:]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    elif sys.argv:
        sys.path[0] = str(Path(sys.argv[0]).resolve().parent)
        runpy.run_path(sys.argv[0], run_name="__main__")
    else:
        sys.exit("usage: mpiexec -n N python -m d4py.mappings.mpi SCRIPT ...")
