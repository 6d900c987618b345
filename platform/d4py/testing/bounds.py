# SPDX-License-Identifier: Apache-2.0
"""Promises 5 to 9: bounded memory, outputs, the right world, progress, data safety."""

from __future__ import annotations

import json
import os
import pickle
import socket
import stat
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from d4py.runs.outputs import write_lines
from d4py.testing.belongings import descendants
from d4py.testing.case import Case, green, pause
from d4py.testing.stops import Watch
from d4py.testing.waiting import eventually, settled

_SLACK = 4  # an item in the reader's hand, one in the writer's, and what waits to be cut


class BoundsContract(Case):
    """Memory, outputs, world, progress, data safety."""

    @pytest.mark.parametrize("window", [1, 8, 64])
    def test_a_consumer_that_stands_still_stops_its_producer_within_the_credit(self, window: int) -> None:
        gate = 50
        running = self.start(
            "total", items=1000, faults=[pause(gate, at="total")], processes=4, options={"window": window}
        )
        running.at(f"total-process-{gate}")

        written = settled(lambda: len(self.lines("written")))
        running.open(f"total-process-{gate}")

        between = 2  # channels, with a process for each PE, between the source and the PE that stands still
        assert gate < written <= gate + between * (window + max(2, window // 2) + _SLACK)
        green(running.result())

    def test_outputs_that_nobody_consumes_are_given_back_lazily_with_pe_and_output(self) -> None:
        result = self.run("line", items=1000)

        green(result)
        assert next(iter(result.outputs)) == ("sink", "output", 0)
        assert len(result.outputs) == 1000
        assert result.outputs.values("sink") == list(range(1000))
        assert result.outputs.values("relay") == []

    def test_outputs_are_written_as_json_lines_with_arrays_beside_them(self) -> None:
        import numpy as np

        result = self.run("arrays", items=3)

        path = self.scratch / "outputs.jsonl"
        assert write_lines(result.outputs, path) == 3
        entries = [json.loads(line) for line in path.read_text().splitlines()]
        assert [(entry["pe"], entry["output"], entry["value"]["shape"]) for entry in entries] == [
            ("spectrum", "output", [10_000])
        ] * 3
        with np.load(self.scratch / entries[0]["value"]["file"]) as arrays:
            sums = sorted(float(arrays[entry["value"]["array"]].sum()) for entry in entries)
        assert sums == [49_995_000.0, 50_005_000.0, 50_015_000.0]

    def test_a_run_that_finds_another_world_than_it_was_promised_refuses_to_begin(self) -> None:
        refused = self.in_another_world(expected=3, found=1)

        assert refused.returncode == 2
        assert "3" in refused.stderr
        assert "1" in refused.stderr

    def in_another_world(self, *, expected: int, found: int) -> subprocess.CompletedProcess[str]:
        """Start a run that is promised `expected` processes where there are `found`: for mappings whose processes are started by others."""
        raise NotImplementedError(f"{type(self).__name__} says how to start {self.mapping} in a world of another size")

    def test_whoever_watches_a_run_sees_its_counts_while_it_goes_on(self) -> None:
        running = self.start("line", items=100, faults=[pause(60)])
        running.at("numbers-process-60")

        watch = Watch(running.folder)
        eventually(lambda: (watch.read("sink"), watch.written("sink")) == (60, 60), what="the counts to be shown")
        assert not running.over
        running.open("numbers-process-60")

        green(running.result())

    def test_a_stranger_who_reaches_a_socket_of_the_run_is_not_unpickled(self) -> None:
        running = self.start("total", items=100, faults=[pause(60)])
        running.at("numbers-process-60")
        spoils = self.scratch / "spoils"

        for address in reachable([os.getpid(), *descendants()]):
            knock(address, pickle.dumps(Bomb(str(spoils))))
        running.open("numbers-process-60")

        green(running.result())
        assert not spoils.exists()

    def test_nobody_else_can_write_where_the_run_reads_pickles(self) -> None:
        result = self.run("total", options={"checkpoint": 0.05})

        found = [result.folder, *result.folder.rglob("*")]
        assert [str(path) for path in found if path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)] == []


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (self.path,)


def reachable(pids: list[int]) -> Iterator[tuple[int, str | tuple[str, int]]]:
    """Yield family and address of listening sockets of these processes that another user could connect to."""
    sockets = [target for pid in pids for target in _open_files(pid) if target.startswith("socket:[")]
    inodes = {target[8:-1] for target in sockets}
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and fields[9] in inodes:
            yield socket.AF_INET, ("127.0.0.1", int(fields[1].rpartition(":")[2], 16))
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "00010000" and fields[6] in inodes and len(fields) > 7 and _open_to_others(fields[7]):
            yield socket.AF_UNIX, "\0" + fields[7][1:] if fields[7].startswith("@") else fields[7]


def knock(address: tuple[int, str | tuple[str, int]], payload: bytes) -> None:
    """Send a payload as a stranger might: bare, and after its length in the usual forms."""
    for head in (
        b"",
        struct.pack("!i", len(payload)),
        struct.pack("!I", len(payload)),
        struct.pack("<I", len(payload)),
        struct.pack("<Q", len(payload)),
    ):
        with socket.socket(address[0]) as stranger:
            stranger.settimeout(2)
            try:
                stranger.connect(address[1])
                stranger.sendall(head + payload)
                stranger.shutdown(socket.SHUT_WR)
                stranger.recv(1)
            except OSError:
                continue


def _open_files(pid: int) -> list[str]:
    try:
        return [str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return []


def _open_to_others(name: str) -> bool:
    if name.startswith("@"):
        return True
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in Path(name).parents if folder.exists())
