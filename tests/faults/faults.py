# SPDX-License-Identifier: Apache-2.0
"""Deal faults to real runs until N have hit: faults.py [N] [--seed SEED] [--case NUMBER] [--at-once RUNS] [--cuts CUTS] [--output FILE]."""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "platform"))

from tests.faults.campaign import Verdict, campaign, verdict
from tests.faults.cuts import Cut, Cutter
from tests.faults.report import page

ROOT = Path(__file__).resolve().parents[2]
FAULTS = 150
CUTS = 50
TOLD = 100  # faults, after which it tells how far it is
KEPT = 1_000  # faults, from which on the result is kept in the checkout


def main(arguments: list[str]) -> int:
    """Deal faults, tell what is wrong at once, and print the page."""
    options = read(arguments)
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    print(f"seed {options.seed}; what goes wrong is kept in {folder}", flush=True)
    if options.case is not None:
        one = verdict(options.seed, options.case, folder)
        told(one)
        return int(bool(one.complaints))
    began = time.monotonic()
    found, cuts = dealt(options, folder), cut(options, folder)
    text = page(options.seed, options.faults, found, cuts, seconds=time.monotonic() - began, about=about())
    print(text)
    output = options.output or (ROOT / "bench" / "campaign.md" if options.faults >= KEPT else None)
    if output is not None:
        output.write_text(text)
    return int(any(one.complaints for one in found) or not all(one.good for one in cuts))


def dealt(options: argparse.Namespace, folder: Path) -> list[Verdict]:
    """Deal faults; tell each hundred, and at once what is wrong."""
    found: list[Verdict] = []
    hits = 0
    for one in campaign(options.seed, options.faults, folder=folder, at_once=options.at_once):
        found.append(one)
        if one.complaints:
            print(one, flush=True)
        before, hits = hits, hits + one.evidence.counted
        if hits // TOLD > before // TOLD:
            print(f"{hits:,} faults in {len(found):,} runs", flush=True)
    return found


def cut(options: argparse.Namespace, folder: Path) -> list[Cut]:
    """Cut runs of the flagship off; tell each."""
    found = []
    for one in Cutter(folder / "cuts").cuts(options.seed, options.cuts) if options.cuts else ():
        found.append(one)
        print(one, flush=True)
    return found


def told(one: Verdict) -> None:
    """Print all that was seen of a case."""
    print(one)
    for hit in one.evidence.hits:
        went_on = f"begun anew after {hit.seconds:.3f} s" if hit.seconds is not None else ""
        print(
            f"  hit in generation {hit.generation}: {hit.strike}; {'counts' if hit.counts else 'came too late'}; {went_on}"
        )
    for start in one.evidence.starts:
        print(f"  {start.command} ended with {start.exit_code} after {start.seconds:.1f} s; {start.error}")


def about() -> dict[str, str]:
    """Return what machine this is."""
    from bench.machine import machine

    facts = machine(peers=(), missing={})
    return {name: facts[name] for name in ("processor", "cores", "kernel", "python", "d4py")}


def read(arguments: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Deal faults to real runs until N have hit.")
    parser.add_argument("faults", nargs="?", type=int, default=FAULTS, metavar="N", help=f"default: {FAULTS}")
    parser.add_argument("--seed", default=None, help="cases follow from it (default: by chance)")
    parser.add_argument(
        "--case", type=int, metavar="NUMBER", help="play this one case only, and tell all that was seen"
    )
    parser.add_argument("--at-once", type=int, default=3, metavar="RUNS", help="default: 3")
    parser.add_argument("--cuts", type=int, default=CUTS, help=f"runs of the flagship to cut off (default: {CUTS})")
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the page goes")
    options = parser.parse_args(arguments)
    options.seed = options.seed or secrets.token_hex(3)
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
