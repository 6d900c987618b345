# SPDX-License-Identifier: Apache-2.0
"""The files of parameters and of input data that a run on a cluster is submitted with: it keeps copies, for its jobs begin when these may have changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from d4py.connectors.uri import is_uri, local_of
from d4py.errors import InputError, UsageError
from d4py.graph import inputs

if TYPE_CHECKING:
    from d4py.cli.parser import Namespace

_COPIES = {"set_from": "parameters.json", "file": "inputs.json"}


def kept(args: Namespace, room: Path) -> dict[str, bytes]:
    """Return what is in the files that the arguments name, by the names of its copies, and let the arguments name these instead.

    room: the folder where the copies are to be. Data by URI is left to where it is read. Raises UsageError and InputError.
    """
    copies = {}
    for option, name in _COPIES.items():
        given = getattr(args, option)
        file = local_of(given) or (None if given is None or is_uri(given) else Path(given))
        if file is None:
            continue
        if file.exists() and not file.is_file() and not file.is_dir():
            raise UsageError(
                f"The run is to keep a copy of {given!r}, which is no regular file.", hint="Write it into one."
            )
        if option == "file":
            inputs.read(str(file), name=given)  # where the workflow cannot be loaded here, nobody has looked yet
        try:
            copies[name] = file.read_bytes()
        except OSError as error:
            raise InputError(f"{given!r} cannot be read: {error.strerror}.", hint="Check its path.") from None
        setattr(args, option, str(room / name))
    return copies
