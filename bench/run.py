# SPDX-License-Identifier: Apache-2.0
"""Compare d4py with plain Python and with stream-d4py, side by side: run.py [--only a,b] [--repeats N] [--quick] [--no-peer] [--output FOLDER].

Prints ratios, and writes them to results.md and results.json: beside this file after a whole run, else only where --output says.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.cases import CASES, Case
from bench.contest import Score, compete
from bench.machine import load, machine
from bench.measure import WrongRun
from bench.peers import NoPeer, stream_d4py
from bench.report import data, document

REPEATS = 5


def main() -> int:
    arguments = read()
    try:
        peer = None if arguments.no_peer or arguments.quick else stream_d4py()
        facts = machine(peer=peer is not None)
        repeats = 1 if arguments.quick else arguments.repeats
        found = []
        for case in CASES:
            if case.key in arguments.only:
                items = max(1, case.items // 10) if arguments.quick else case.items
                found.append((case, items, play(case, items, repeats, peer)))
        facts["load after"] = load()
    except (NoPeer, WrongRun) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    text = document(facts, found, repeats)
    print(text)
    whole = peer is not None and len(found) == len(CASES)
    if folder := arguments.output or (Path(__file__).parent if whole else None):
        (folder / "results.md").write_text(text)
        (folder / "results.json").write_text(json.dumps(data(facts, found, repeats), indent=2) + "\n")
    return 0


def play(case: Case, items: int, repeats: int, peer: Path | None) -> list[Score]:
    """Let a case be played; tell what goes on."""
    scores: list[Score] = []
    for told in compete(case, repeats=repeats, items=items, peer=peer):
        if isinstance(told, str):
            print(told, file=sys.stderr, flush=True)
        else:
            scores = told
    return scores


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

    parser = argparse.ArgumentParser(description="Compare d4py with plain Python and stream-d4py, side by side.")
    parser.add_argument(
        "--only",
        type=some,
        default=keys,
        metavar="a,b",
        help=f"cases: {', '.join(f'{case.key} {case.title}' for case in CASES)}",
    )
    parser.add_argument("--repeats", type=count, default=REPEATS, metavar="N", help=f"rounds (default: {REPEATS})")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one round with a tenth of the items and without the peer: does it run, are the answers right?",
    )
    parser.add_argument(
        "--no-peer", action="store_true", help="without stream-d4py, which is otherwise installed into the user's cache"
    )
    parser.add_argument("--output", type=Path, metavar="FOLDER", help="where results.md and results.json go")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
