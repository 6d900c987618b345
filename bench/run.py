# SPDX-License-Identifier: Apache-2.0
"""Compare d4py with plain Python and its peers, side by side: run.py [--only chain,arrays] [--rounds N] [--quick] [--no-peers] [--output FOLDER].

Prints ratios, and writes them to results.md and results.json after each case: beside this file where all cases are run with the peers, else only
where --output says. The exit code is 1 where d4py itself failed or its answer was wrong; what was measured until then is printed and written.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.cases import Case
from bench.contest import Score, compete
from bench.machine import load, machine
from bench.peers import at_hand
from bench.programme import CASES
from bench.report import Found, data, document
from bench.running import WrongRun

ROUNDS = 5
QUICK_S = 2.0  # that memory is watched, where only the answers count


def main() -> int:
    arguments = read()
    began = time.monotonic()
    alone = arguments.no_peers or arguments.quick
    peers, missing = ({}, {}) if alone else at_hand()
    facts = machine(peers=peers, missing=missing)
    rounds = 1 if arguments.quick else arguments.rounds
    cases = [case for case in CASES if case.key in arguments.only]
    whole = not alone and len(cases) == len(CASES)
    folder = arguments.output or (Path(__file__).parent if whole else None)
    found: Found = []
    try:
        for case in cases:
            found.append((case, play(case, rounds, peers, quick=arguments.quick)))
            left = [other.key for other in cases[len(found) :]]
            told = facts | ({"not yet run": ", ".join(left)} if left else {})
            told |= {"load after": load(), "minutes": f"{(time.monotonic() - began) / 60:.1f}"}
            text = document(told, found, rounds)
            if folder:
                keep(folder, text, data(told, found, rounds))
    except WrongRun as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        if found:
            print(text)
    return 0


def keep(folder: Path, text: str, kept: dict[str, Any]) -> None:
    """Write both files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.md").write_text(text)
    (folder / "results.json").write_text(json.dumps(kept, indent=1) + "\n")


def play(case: Case, rounds: int, peers: dict[str, Path], *, quick: bool) -> list[Score]:
    """Let a case be played; tell what goes on."""
    return compete(
        case,
        rounds=min(rounds, case.rounds or rounds),
        items=case.tiny if quick else case.items,
        peers=peers,
        seconds=QUICK_S if quick else case.seconds,
        told=lambda line: print(line, file=sys.stderr, flush=True),
    )


def read() -> argparse.Namespace:
    """Read the command line."""
    keys = [case.key for case in CASES]

    def some(text: str) -> list[str]:
        wanted = text.split(",")
        if unknown := [key for key in wanted if key not in keys]:
            raise argparse.ArgumentTypeError(f"there is no case {unknown[0]!r}; there are {', '.join(keys)}")
        return wanted

    def count(text: str) -> int:
        if not text.isdigit() or int(text) < 1:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
        return int(text)

    parser = argparse.ArgumentParser(description="Compare d4py with plain Python and its peers, side by side.")
    parser.add_argument(
        "--only",
        type=some,
        default=keys,
        metavar="NAME,NAME",
        help="; ".join(f"{case.key}: {case.title.replace('%', '%%')}" for case in CASES),
    )
    parser.add_argument("--rounds", type=count, default=ROUNDS, metavar="N", help=f"rounds (default: {ROUNDS})")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one round with few items and without the peers: does it run, are the answers right?",
    )
    parser.add_argument(
        "--no-peers", action="store_true", help="without the peers, which are otherwise installed into the user's cache"
    )
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="where results.md and results.json go")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
