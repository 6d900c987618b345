# SPDX-License-Identifier: Apache-2.0
"""Runs sent from the command line to a real cluster: their logs, their outputs, an end before time, and another beginning."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from tests.cluster.images import ARRAYS, MPI
from tests.cluster.lab import Lab
from tests.cluster.nodes import Nodes
from tests.cluster.squares import LONG, SCIENCE, values_of
from tests.kubernetes.cluster import ROOT

SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "whole"}, "stringData": {"TOKEN": "token-4711"}}


def test_logs_are_followed_and_outputs_come_back(lab: Lab) -> None:
    run = lab.send("small", "--mapping", "multi", "-n", "2", "--resource", "Square.processes=3")

    followed = lab.call("logs", "-f", run.id)
    assert "exit code 0: run" in followed.out
    logged = lab.call("logs", run.id, "--pe", "Square").out.splitlines()
    assert all(line.startswith("Square") for line in logged)
    assert sum(line.endswith(" seven") for line in logged) == 1
    assert lab.call("logs", run.id, "Square", "-n", "1").out.count("\n") == 1
    assert lab.call("wait", run.id).code == 0
    assert sorted(values_of(lab.call("outputs", run.id, "-o", "json").out)) == [number * number for number in range(50)]
    assert run.status["plan"] == {"numbers": 1, "Square": 3}
    assert len(run.status["graph"]["hash"]) == 64


def test_what_a_pe_raises_ends_the_run_with_its_name_and_its_message_and_without_secrets(lab: Lab) -> None:
    lab.cluster.apply(SECRET, namespace=SCIENCE)
    run = lab.send("bad", "--set", "n=1001", more="envFrom: [{secretRef: {name: whole}}]\n")

    waited = lab.call("wait", run.id)

    assert waited.code == 3
    assert "PEFailed: PE 'Square'" in waited.err
    assert run.status["lastAttempt"]["failedPE"] == "Square"
    assert run.condition("Failed") == ("True", "PEFailed")
    printed = lab.call("logs", run.id).out
    assert "ValueError: a thousand ***" in printed
    assert "a thousand" in lab.cluster.kubectl("describe", "workflows.d4py.dev", run.name, "-n", SCIENCE)
    for told in (printed, waited.err, lab.cluster.kubectl("get", "d4wf,pods,events", "-o", "json", "-n", SCIENCE)):
        assert "token-4711" not in told
    refused = lab.call("outputs", run.id)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "is failed; its outputs are written when it is done" in refused.err


def test_a_run_is_suspended_at_a_checkpoint_and_goes_on_in_another_pod(lab: Lab) -> None:
    run = lab.send("slow", *LONG)
    run.committed()

    suspended = lab.call("suspend", run.id, "--timeout", "100")
    assert "stopped. Continue:" in suspended.out, suspended.err
    assert lab.call("resume", run.id).code == 0
    run.wait_for(lambda: lab.call("status", run.id).out.count("attempt 2"), "a second attempt")

    assert lab.call("wait", run.id).code == 0
    assert values_of(lab.call("outputs", run.id, "-o", "json").out) == [number * number for number in range(200)]


def test_a_run_is_asked_for_a_checkpoint_and_goes_on_in_another_pod(lab: Lab) -> None:
    run = lab.send("kept", *LONG)
    run.committed()

    asked = lab.call("snapshot", run.id, "--timeout", "100")

    assert "stopped at a checkpoint; attempt 2 goes on from there" in asked.out, asked.err
    assert lab.call("wait", run.id).code == 0
    assert values_of(lab.call("outputs", run.id, "-o", "json").out) == [number * number for number in range(200)]
    assert [each["reason"] for each in run.status["history"]] == ["Snapshot"]


def test_ranks_log_each_for_itself_and_a_run_that_is_cancelled_leaves_nothing(lab: Lab) -> None:
    """Ranks in pods of their own, which find each other by a Service and a Secret."""
    words = ("--mapping", "mpi", "-n", "2", "--image", MPI, "--set", "pause=1", "--set", "n=1000")
    run = lab.send("long", *words, more="mpi: {launcher: Native}\n")
    run.wait_for(lambda: "@1 |" in lab.call("logs", run.id).out, "the second rank to log")

    everything = [line for line in lab.call("logs", run.id).out.splitlines() if "@" in line.partition(" |")[0]]
    by_rank = {rank: lab.call("logs", run.id, "--rank", rank).out.splitlines() for rank in "01"}
    assert all(line.partition(" |")[0].endswith(f"@{rank}") for rank, lines in by_rank.items() for line in lines)
    assert by_rank["1"]
    assert set(everything) <= {line for lines in by_rank.values() for line in lines}
    refused = lab.call("logs", run.id, "--rank", "2")
    assert (refused.code, "its ranks are 0 to 1" in refused.err) == (2, True)
    assert {each["kind"] for each in run.things()} >= {"Pod", "Job", "Service", "Secret", "ConfigMap"}

    assert lab.call("cancel", run.id).code == 0

    run.gone()


def test_arrays_come_back_as_those_of_a_run_here_and_are_not_all_held_at_once(lab: Lab) -> None:
    """A hundred megabytes in 25 arrays: whoever gets them takes 40 more than for two small ones at most."""

    def submit(name: str, *words: str) -> str:
        (lab.folder / "values.yaml").write_text(f"outputs: {{volume: {{claimName: results, path: {name}}}}}\n")
        flags = ("--kubernetes", "--namespace", SCIENCE, "--values", str(lab.folder / "values.yaml"))
        told = lab.call("submit", "/opt/d4py/workflows/arrays", "--image", ARRAYS, *flags, *words, "--wait")
        assert told.code == 0, told.err
        return told.out.split()[0]

    small, large = submit("small-arrays"), submit("large-arrays", "--set", "n=25", "--set", "size=724")
    here = str(lab.folder / "here")
    assert lab.call("run", str(ROOT / "tests" / "cluster" / "arrays"), "-q", "--run-dir", here).code == 0

    for words in ([], ["-o", "json"], ["-n", "1"], ["--pe", "stacks"]):
        assert lab.call("outputs", small, *words).out == lab.call("outputs", here, *words).out
    assert lab.call("outputs", here, "--output", str(lab.folder / "here.jsonl")).code == 0
    held = [
        memory_of(lab.cluster, run, lab.folder / f"{name}.jsonl") for run, name in ((small, "there"), (large, "large"))
    ]

    assert (lab.folder / "there.jsonl").read_text().replace("there", "here") == (lab.folder / "here.jsonl").read_text()
    with np.load(lab.folder / "there.npz") as one, np.load(lab.folder / "here.npz") as other:
        assert {name: one[name].tolist() for name in one} == {name: other[name].tolist() for name in other}
    with np.load(lab.folder / "large.npz") as arrays:
        assert sum(arrays[name].nbytes for name in arrays) > 100e6
        assert arrays["a24"].min() == arrays["a24"].max() == 24
    assert held[1] - held[0] < 40e6
    left = [each["metadata"]["name"] for each in lab.cluster.get("pods", namespace=SCIENCE)["items"]]
    readers = tuple(f"{run.rpartition('/')[2]}-outputs-" for run in (small, large))
    assert not [name for name in left if name.startswith(readers)]


def memory_of(cluster: Nodes, run: str, file: Path) -> int:
    """Return how many bytes a process has held at most that wrote the outputs of a run to a file."""
    words = [sys.executable, "-m", "d4py.cli.main", "outputs", run, "--output", str(file)]
    process = subprocess.Popen(words, env={**os.environ, "KUBECONFIG": str(cluster.kubeconfig)})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss * 1024
