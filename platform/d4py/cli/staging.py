# SPDX-License-Identifier: Apache-2.0
"""Data by URI for runs whose nodes reach no network: fetched before they are sent, and written back when they are over."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from d4py.cli.workflow import source_of
from d4py.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from d4py.cli.parser import Namespace
    from d4py.runs.outputs import Output
    from d4py.targets.slurm import Profile


def stage(args: Namespace, site: Profile, run: Path, *, warn: Callable[[str], None]) -> None:
    """Fetch what parameters that are paths name by URI, and let them name the copies instead. warn: is told what no node will reach."""
    from d4py.connectors.uri import fetch, is_uri
    from d4py.graph.load import parameters_of, paths_of
    from d4py.runs.submission import submitted

    if is_uri(args.file) and not (site.staging or site.internet):
        raise UsageError(
            f"{args.file} would be fetched where it runs, and the nodes of the profile {site.name!r} reach no network.",
            hint='Give it staging = "run", or name a local file.',
        )
    if is_uri(args.file) and site.staging and not (args.dry_run or submitted(run)):
        args.file = str(fetch(args.file, _folder(site, run)))
    source = source_of(args)
    given = {name: [value] for name, value in parameters_of(source).items()} | dict(args.sweep)
    named = {name: [value for value in values if is_uri(value)] for name, values in given.items()}
    if not any(named.values()):
        return
    paths = paths_of(source)
    wanted = {name: uris for name, uris in named.items() if uris and name in paths}
    for name in [name for name, uris in named.items() if uris and name not in paths and not site.internet]:
        warn(
            f"the parameter {name!r} is no path, so that what it names is not fetched; the nodes of the profile {site.name!r} reach no network"
        )
    if wanted and not site.staging:
        name = next(iter(wanted))
        raise UsageError(
            f"The parameter {name!r} is a path, and {wanted[name][0]} is none; the profile {site.name!r} stages nothing.",
            hint='Give it staging = "run", or name a local file.',
        )
    if args.dry_run or submitted(run):
        return
    copies = {uri: str(fetch(uri, _folder(site, run))) for uris in wanted.values() for uri in uris}

    def copied(name: str, value: str) -> str:
        return copies.get(value, value) if name in wanted else value

    args.sweep = [(name, tuple(copied(name, value) for value in values)) for name, values in args.sweep]
    swept = dict(args.sweep)
    known = {name: copied(name, uris[0]) for name, uris in wanted.items() if name not in swept}
    args.parameters = [*args.parameters, *known.items()]


def _folder(site: Profile, run: Path) -> Path:
    """Return where copies go."""
    folder = run / "data" if site.staging == "run" else Path(os.path.expandvars(site.staging)).expanduser()
    return folder.absolute()


def check_output(args: Namespace) -> None:
    """Refuse to send a run that could not write its outputs where it is told: its nodes may reach no network."""
    from d4py.connectors.uri import is_uri

    if is_uri(args.output) and not (args.wait or args.follow):
        raise UsageError(
            "--output with a URI is written from here, when the run is over.",
            hint="Add --wait, or fetch them later: d4py outputs RUN --output URI.",
        )
    check_place(args.output)


def check_place(uri: str | None) -> None:
    """Refuse a file: URI in a folder that there is not: it would be told when the run is over."""
    from d4py.connectors.uri import local_of

    path = local_of(uri)
    if path is not None and not path.parent.is_dir():
        raise UsageError(
            f"The output file {uri} is in a folder that does not exist.",
            hint=f"Make it first: mkdir -p {shlex.quote(str(path.parent))}.",
        )


def give_back(outputs: Iterable[Output], uri: str, *, room: Path | None = None) -> int:
    """Write the outputs of a run to where a URI says, arrays beside them; return how many there are. room: where there is space for them."""
    import tempfile

    from d4py.connectors.uri import beside, put
    from d4py.runs.outputs import write_lines

    with tempfile.TemporaryDirectory(prefix=".d4py-", dir=room) as scratch:
        path = Path(scratch) / uri.rpartition("/")[2]
        number = write_lines(outputs, path)
        arrays = path.with_suffix(".npz")
        if arrays.exists():
            put(arrays, beside(uri, ".npz"))
        put(path, uri)
    return number
