# SPDX-License-Identifier: Apache-2.0
"""`d4py profile`: the sites that runs can be sent to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d4py.cli.parser import seconds, whole
from d4py.cli.table import GREEN, RED, paint, table
from d4py.errors import LoadError, UsageError
from d4py.targets.slurm import profile as profiles

if TYPE_CHECKING:
    from pathlib import Path

    from d4py.cli.parser import Namespace, Parser

ABOUT = "List the profiles of clusters, show one, or check one by a small job. Your own go into ~/.config/d4py/profiles, a TOML file each."


def options(parser: Parser) -> None:
    """Take what to do."""
    parser.add_argument("act", metavar="list|show|check", choices=("list", "show", "check"), help="what to do")
    parser.add_argument("name", metavar="NAME", nargs="?", help="which to show or to check")
    parser.add_argument(
        "--timeout", metavar="SECONDS", type=seconds, default=300.0, help="for the job of a check (300)"
    )
    parser.add_argument("--nodes", metavar="N", type=whole(1), help="of that job (default: 2)")
    for name in ("partition", "account", "time", "clusters"):
        parser.add_argument(f"--{name}", metavar=name.upper(), help="of that job")


def call(args: Namespace) -> int:
    """Do it."""
    if args.act == "list":
        rows = [(name, about(path)) for name, path in profiles.names().items()]
        print("\n".join(table(("PROFILE", "SITE"), rows)))
        return 0
    if args.name is None:
        raise UsageError(f"d4py profile {args.act} needs a name.", hint="d4py profile list lists them.")
    profile = profiles.find(args.name)
    if args.act == "check":
        return checked(profile, args)
    print(profiles.file_of(args.name).read_text(encoding="utf-8"), end="")
    return 0


def about(path: Path) -> str:
    """Return what a profile says of its site, or what is wrong with its file: one that cannot be used hides no other."""
    try:
        return profiles.read(path).about
    except LoadError as error:
        return f"cannot be used: {error}"


def checked(profile: profiles.Profile, args: Namespace) -> int:
    """Say which launchers work; exit 2 where the profile's own does not."""
    from d4py.targets.slurm.check import check

    given = {name: getattr(args, name) for name in ("nodes", "partition", "account", "time", "clusters")}
    found = check(profile, {name: value for name, value in given.items() if value is not None}, patience=args.timeout)
    for launcher in found:
        verdict = paint("works ", GREEN) if launcher.works else paint("fails ", RED)
        print(f"{verdict} {' '.join(launcher.words).ljust(22)} {launcher.said}")
    own = found[0]
    if own.works:
        return 0
    others = [" ".join(one.words) for one in found if one.works]
    hint = (
        f"Set launcher = {list(next(one.words for one in found if one.works))!r} in it."
        if others
        else "Is an MPI there?"
    )
    raise UsageError(f"The launcher of the profile {profile.name!r} does not work.", hint=hint)
