# SPDX-License-Identifier: Apache-2.0
"""`d4py profile`: the sites that runs can be sent to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from d4py.cli.table import table
from d4py.errors import UsageError
from d4py.targets.slurm import profile as profiles

if TYPE_CHECKING:
    from d4py.cli.parser import Namespace, Parser

ABOUT = "List the profiles of clusters, or show one. Your own go into ~/.config/d4py/profiles, a TOML file each."


def options(parser: Parser) -> None:
    """Take what to do."""
    parser.add_argument("act", metavar="list|show", choices=("list", "show"), help="list them, or show one")
    parser.add_argument("name", metavar="NAME", nargs="?", help="which to show")


def call(args: Namespace) -> int:
    """Print them."""
    if args.act == "show":
        if args.name is None:
            raise UsageError("d4py profile show needs a name.", hint="d4py profile list lists them.")
        profiles.find(args.name)
        print(Path(profiles.names()[args.name]).read_text(encoding="utf-8"), end="")
        return 0
    rows = [(name, profiles.read(path).about) for name, path in profiles.names().items()]
    print("\n".join(table(("PROFILE", "SITE"), rows)))
    return 0
