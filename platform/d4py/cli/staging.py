# SPDX-License-Identifier: Apache-2.0
"""Data by URI for runs whose nodes reach no network: fetched before they are sent, and written back when they are over."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from d4py.cli.workflow import source_of
from d4py.errors import UsageError

if TYPE_CHECKING:
    from d4py.cli.parser import Namespace
    from d4py.runs import Folder
    from d4py.targets.slurm import Profile


def stage(args: Namespace, site: Profile, run: Path) -> None:
    """Fetch what parameters that are paths name by URI, and let them name the copies instead."""
    from d4py.connectors.uri import fetch, is_uri
    from d4py.graph.load import parameters_of, paths_of
    from d4py.runs.submission import submitted

    source = source_of(args)
    given = {name: [value] for name, value in parameters_of(source).items()} | dict(args.sweep)
    named = {name: [value for value in values if is_uri(value)] for name, values in given.items()}
    if not any(named.values()):
        return
    paths = paths_of(source)
    wanted = {name: uris for name, uris in named.items() if uris and name in paths}
    if wanted and not site.staging:
        name = next(iter(wanted))
        raise UsageError(
            f"The parameter {name!r} is a path, and {wanted[name][0]} is none; the profile {site.name!r} stages nothing.",
            hint='Give it staging = "run", or name a local file.',
        )
    if args.dry_run or submitted(run):
        return
    folder = run / "data" if site.staging == "run" else Path(os.path.expandvars(site.staging)).expanduser()
    copies = {uri: str(fetch(uri, folder.absolute())) for uris in wanted.values() for uri in uris}

    def copied(name: str, value: str) -> str:
        return copies.get(value, value) if name in wanted else value

    args.sweep = [(name, tuple(copied(name, value) for value in values)) for name, values in args.sweep]
    swept = dict(args.sweep)
    known = {name: copied(name, uris[0]) for name, uris in wanted.items() if name not in swept}
    args.parameters = [*args.parameters, *known.items()]


def check_output(args: Namespace) -> None:
    """Refuse to send a run that could not write its outputs where it is told: its nodes may reach no network."""
    from d4py.connectors.uri import is_uri

    if is_uri(args.output) and not (args.wait or args.follow):
        raise UsageError(
            "--output with a URI is written from here, when the run is over.",
            hint="Add --wait, or fetch them later: d4py outputs RUN --output URI.",
        )


def give_back(folder: Folder, uri: str) -> int:
    """Write the outputs of a run to where a URI says, arrays beside them; return how many there are."""
    import tempfile

    from d4py.connectors.uri import beside, put
    from d4py.runs.outputs import Outputs, write_lines

    with tempfile.TemporaryDirectory(prefix=".d4py-", dir=folder.path) as scratch:
        path = Path(scratch) / uri.rpartition("/")[2]
        number = write_lines(Outputs(folder), path)
        arrays = path.with_suffix(".npz")
        if arrays.exists():
            put(arrays, beside(uri, ".npz"))
        put(path, uri)
    return number
