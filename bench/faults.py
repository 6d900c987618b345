# SPDX-License-Identifier: Apache-2.0
"""Tasks whose workers are killed, in d4py and its peers: faults.py [--tasks N] [--kills N] [--repeats N] [--only a,b] [--output FILE].

Prints what was lost, delivered twice and run again; a whole run writes it to faults.md beside this file.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.killing import CELERY, DASK, QUIET_S, Contestant, Tally, redis_server, run
from bench.machine import machine
from bench.peers import PEERS, STREAM, NoPeer, installed

TASKS, KILLS, REPEATS = 400, 5, 3
CONTESTANTS = (
    Contestant(name="d4py multi"),
    Contestant(name="stream-d4py multi", peer=STREAM),
    Contestant(name="dask.distributed, results taken as they come", peer=DASK.name),
    Contestant(name="dask.distributed, gathered at the end", peer=DASK.name, variant="gathered"),
    Contestant(name="Celery", peer=CELERY.name),
    Contestant(name="Celery, acks_late and reject_on_worker_lost", peer=CELERY.name, variant="late"),
)
ABOUT = """# Workers killed, side by side

Made by `make bench-faults`. {tasks} tasks of 50 ms (asleep) on 4 workers; {kills} times SIGKILL hits the process that has just begun a task. *Lost* is what
was not delivered when the run ended, or nothing had moved for {quiet:.0f} s; *twice* what was delivered more than once; *run again* the calls beyond one a
task. Time is from the first call to the last result (without kills and overheads: {ideal:.1f} s). Each figure is the median of {repeats} rounds, with its least and most.
"""


def main() -> int:
    """Let everyone do the tasks in turn, and print the page."""
    arguments = read()
    programs, missing = at_hand()
    playing = [one for one in CONTESTANTS if not one.peer or one.peer in programs]
    playing = [one for one in playing if not arguments.only or one.name in arguments.only]
    tallies: dict[str, list[Tally]] = {one.name: [] for one in playing}
    for number in range(arguments.repeats):
        for one in playing:
            tally = run(one, programs, tasks=arguments.tasks, kills=arguments.kills)
            tallies[one.name].append(tally)
            print(f"{number + 1}/{arguments.repeats} {one.name}: {tally}", file=sys.stderr, flush=True)
    text = page(tallies, missing, arguments)
    print(text)
    whole = not arguments.only and arguments.tasks == TASKS and not missing
    if output := arguments.output or (Path(__file__).with_suffix(".md") if whole else None):
        output.write_text(text)
    return int(any(tally.lost or tally.twice or not tally.ended for tally in tallies.get(CONTESTANTS[0].name, [])))


def at_hand() -> tuple[dict[str, Path], dict[str, str]]:
    """Return where the programs of the peers are, and why some can't be had."""
    programs: dict[str, Path] = {}
    missing: dict[str, str] = {}
    for peer in (*(peer for peer in PEERS if peer.name == STREAM), DASK, CELERY):
        try:
            if peer is CELERY:
                redis_server()
            programs[peer.name] = installed(peer)
        except NoPeer as error:
            missing[peer.name] = str(error)
    return programs, missing


def page(tallies: Mapping[str, Sequence[Tally]], missing: Mapping[str, str], arguments: argparse.Namespace) -> str:
    """Return the result as a page."""
    tasks = arguments.tasks
    about = ABOUT.format(
        tasks=tasks, kills=arguments.kills, quiet=QUIET_S, ideal=tasks * 0.05 / 4, repeats=arguments.repeats
    )
    lines = [
        about,
        "| | killed | lost | delivered twice | run again | of all | time, s | ended by itself |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for name, found in tallies.items():
        share = f"{median(tally.again for tally in found) / tasks:.1%}"
        figures = [
            spread([getattr(tally, figure) for tally in found]) for figure in ("kills", "lost", "twice", "again")
        ]
        time = spread([round(tally.seconds, 1) for tally in found])
        ended = "yes" if all(tally.ended for tally in found) else "no"
        lines.append(f"| {' | '.join([name, *figures, share, time, ended])} |")
    facts = machine(peers=(), missing=missing)
    facts["broker"] = broker()
    facts["peers"] = ", ".join(pin for peer in (*PEERS[:1], DASK, CELERY) for pin in peer.pins)
    return "\n".join([*lines, "", *(f"- {name}: {value}" for name, value in facts.items())]) + "\n"


def broker() -> str:
    """Return what Celery's broker says of itself."""
    try:
        told = subprocess.check_output([redis_server(), "--version"], text=True)
    except NoPeer:
        return "none"
    return " ".join(told.split()[:3])


def spread(values: Sequence[float]) -> str:
    """Return a median with its bounds, where these differ."""
    if min(values) == max(values):
        return f"{values[0]:g}"
    return f"{median(values):g} ({min(values):g} to {max(values):g})"


def read() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Kill workers of d4py and its peers.")
    parser.add_argument("--tasks", type=int, default=TASKS, metavar="N", help=f"default: {TASKS}")
    parser.add_argument("--kills", type=int, default=KILLS, metavar="N", help=f"default: {KILLS}")
    parser.add_argument("--repeats", type=int, default=REPEATS, metavar="N", help=f"rounds (default: {REPEATS})")
    parser.add_argument(
        "--only", type=lambda text: text.split(";"), default=[], metavar="a,b", help="contestants by name"
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="where the page goes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
