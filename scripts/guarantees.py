# SPDX-License-Identifier: Apache-2.0
"""Write docs/guarantees.md from what the mappings declare and from the contract that proves it: guarantees.py [--check].

Every cell of the first table names the test that proves it; a promise without one, or a test that does not exist, is an error.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "guarantees.md"
MAPPINGS = ("simple", "threads", "multi")
CONTRACT = "tests.contract.test_mappings"
OWN = "tests.contract.test_guarantees"

HEAD = """\
# Guarantees

Generated from the code by `scripts/guarantees.py`; a test fails when the two differ. What is *not* promised is in [limits](limits.md).
"""
DECLARED_HEAD = """\
## What each mapping declares

Each mapping declares its guarantees as data in its own module. Under each stands the test that proves it; they are in `tests/contract`.
"""
CONTRACT_HEAD = """\
## What every mapping promises

One contract, shipped as `d4py.testing`, is run on each mapping. The sentences are the names of its tests. "yes": the test is run on this mapping; else the reason why it does not apply.
"""
DEATHS_HEAD = """\
## When processes die

The second contract is for mappings whose processes can die one by one: `multi`. (In `simple` and `threads` the one process is the run.)
"""
SUCCESSIONS_HEAD = """\
## When one is replaced alone

The third contract is for mappings that replace a dead stateless instance while all others go on: `multi`.
"""
PARTS = {
    "AnswersContract": "The same answer, and an end that is counted",
    "FailuresContract": "What raises is told, and the books balance or the run is not green",
    "StopsContract": "Stops, checkpoints and resumed runs",
    "BoundsContract": "Memory, outputs, world, progress, safety of data",
    "LeftoversContract": "Nothing stays behind",
    "FramesContract": "Frames that are lost, doubled or out of turn",
    "InterruptsContract": "Signals at any time",
    "MergesContract": "States that are merged",
    "PositionsContract": "Sources that go back to a place",
    "RewindsContract": "Going back",
}
WORDS = {"pe": "PE", "pes": "PEs", "json": "JSON", "python": "Python", "anothers": "another's", "users": "user's"}
TITLES = {
    "parallel": "Do PEs run at the same time?",
    "stateless_death": "A process with stateless PEs dies",
    "stateful_death": "A process with stateful PEs dies",
    "supervisor_death": "The process that was asked to run it dies",
    "memory": "What is under way",
    "arrays": "How large arrays travel",
    "live_stop": "A live source is stopped",
}
_KILLED = "test_a_run_whose_process_was_killed_is_resumed_with_nothing_lost_or_doubled"
_SURVIVES = "test_a_run_survives_a_death_with_nothing_lost_or_committed_twice"
_CREDIT = "test_a_consumer_that_stands_still_stops_its_producer_within_the_credit"
_DRAINS = "test_a_live_source_that_is_stopped_drains_and_ends_with_exit_0"
_REFERENCE = "test_arrays_are_passed_by_reference_within_one_process"
PROOFS: Mapping[str, Mapping[str, str]] = {
    "parallel": {
        "simple": "test_simple_runs_every_pe_in_the_callers_thread",
        "threads": "test_threads_runs_instances_at_once_where_they_release_the_lock",
        "multi": "test_multi_runs_instances_at_once_in_processes_of_their_own",
    },
    "stateless_death": {"simple": _KILLED, "threads": _KILLED, "multi": _SURVIVES},
    "stateful_death": {"simple": _KILLED, "threads": _KILLED, "multi": _SURVIVES},
    "supervisor_death": {
        "simple": _KILLED,
        "threads": _KILLED,
        "multi": "test_a_killed_supervisor_leaves_no_process_and_no_memory",
    },
    "memory": {"simple": "test_simple_has_one_item_under_way", "threads": _CREDIT, "multi": _CREDIT},
    "arrays": {
        "simple": _REFERENCE,
        "threads": _REFERENCE,
        "multi": "test_multi_reads_arrays_in_place_in_few_slots_of_shared_memory",
    },
    "live_stop": dict.fromkeys(MAPPINGS, _DRAINS),
}


class NoProof(Exception):
    """A guarantee has no test, or the test is not there."""


def main(arguments: list[str]) -> int:
    """Write the page, or say whether it is as it should be."""
    text = page()
    if arguments == ["--check"]:
        return int(PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    return 0


def page() -> str:
    """Return the page. Raises NoProof."""
    parts = [
        HEAD,
        DECLARED_HEAD,
        declared(),
        CONTRACT_HEAD,
        promised(),
        DEATHS_HEAD,
        deaths(),
        SUCCESSIONS_HEAD,
        successions(),
    ]
    return "\n".join(parts)


def declared() -> str:
    """Return the table of declared guarantees, each with its proof."""
    from d4py.mappings import get
    from d4py.mappings.base import Guarantees

    rows = []
    for field in Guarantees._fields:
        cells = [f"{getattr(get(name).guarantees, field)}<br>`{proof(field, name)}`" for name in MAPPINGS]
        rows.append([f"**{TITLES[field]}**", *cells])
    return table(["", *(f"`{name}`" for name in MAPPINGS)], rows)


def proof(guarantee: str, mapping: str) -> str:
    """Return the name of the test that proves a guarantee of a mapping, once it was found. Raises NoProof."""
    test = PROOFS.get(guarantee, {}).get(mapping)
    if test is None:
        raise NoProof(f"No test is named for {guarantee!r} of the mapping {mapping!r}. Name one in PROOFS.")
    if hasattr(importlib.import_module(OWN), test):
        return test
    for case in cases(mapping):
        if hasattr(case, test):
            if test in case.not_applicable:
                raise NoProof(f"{test} proves {guarantee!r}, but does not apply to {mapping!r}.")
            return f"{case.__name__}.{test}"
    raise NoProof(f"There is no test {test!r} for the mapping {mapping!r}, which is to prove {guarantee!r}.")


def promised() -> str:
    """Return the table of the contract's tests."""
    from d4py.testing import MappingContract

    by_mapping = {name: next(case for case in cases(name) if issubclass(case, MappingContract)) for name in MAPPINGS}
    rows = []
    for part in MappingContract.__bases__:
        rows.append([f"**{headline(part)}**", *[""] * len(MAPPINGS)])
        rows += [
            [sentence(test), *(by_mapping[name].not_applicable.get(test, "yes") for name in MAPPINGS)]
            for test in tests_of(part)
        ]
    return table(["", *(f"`{name}`" for name in MAPPINGS)], rows)


def deaths() -> str:
    """Return the list of the second contract's tests."""
    from d4py.testing import DeathContract

    return of_multi(DeathContract)


def successions() -> str:
    """Return the list of the third contract's tests."""
    from d4py.testing import SuccessionContract

    return of_multi(SuccessionContract)


def of_multi(contract: type) -> str:
    """Return the list of the tests of a contract that only `multi` passes."""
    kept = [case.mapping for name in MAPPINGS for case in cases(name) if issubclass(case, contract)]
    if set(kept) != {"multi"}:
        raise NoProof(f"{contract.__name__} is run on {kept}, not on 'multi' alone.")
    return "\n".join(f"- {sentence(test)}." for test in tests_of(contract)) + "\n"


def cases(mapping: str) -> Iterator[Any]:
    """Yield the test classes of a mapping."""
    listed = vars(importlib.import_module(CONTRACT)).values()
    from d4py.testing.case import Case  # after the contract, which has its asserts rewritten under pytest

    for value in listed:
        if inspect.isclass(value) and issubclass(value, Case) and getattr(value, "mapping", "") == mapping:
            yield value


def tests_of(part: type) -> list[str]:
    """Return the tests that a part of the contract has of its own, in the order in which they are written."""
    return [name for name in vars(part) if name.startswith("test_")]


def headline(part: type) -> str:
    """Return what a part of the contract is about."""
    if part.__name__ not in PARTS:
        raise NoProof(f"The contract has a part {part.__name__}. Say in PARTS what it is about.")
    return PARTS[part.__name__]


def sentence(test: str) -> str:
    """Return the sentence that a test's name is."""
    words = " ".join(WORDS.get(word, word) for word in test.removeprefix("test_").split("_"))
    return words[:1].upper() + words[1:]


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "platform")]
    sys.exit(main(sys.argv[1:]))
