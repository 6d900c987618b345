# SPDX-License-Identifier: Apache-2.0
"""What PEs ask for: how it is read, what the plan makes of it, and what a job of a site is told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import d4py
from d4py.errors import D4pyError, PlanError, ResourceError
from d4py.graph.load import Source, Workflow, find, load, of_graph, threads_of
from d4py.graph.resources import Resources, claim, parsed_size, size
from d4py.mappings.numerics import THREADS, grant_threads, limit_threads
from d4py.plan.demand import RANK, Demand, asked_of, demand, spread
from d4py.plan.layout import layout
from d4py.targets.slurm.fit import fitted
from d4py.targets.slurm.job import Job
from d4py.targets.slurm.profile import Profile

GB = 1 << 30


class Work(d4py.IterativePE):
    stateless = True

    def _process(self, value: object) -> object:
        return value


def drawn(**asked: dict[str, Any]) -> d4py.WorkflowGraph:
    """Return `read >> correlate >> write`, with what is asked."""
    graph = d4py.WorkflowGraph()
    read = d4py.producer(lambda: iter(()))()
    read.name = "read"
    correlate, write = Work(), Work()
    correlate.name, write.name = "correlate", "write"
    graph.connect(read, "output", correlate, "input")
    graph.connect(correlate, "output", write, "input")
    graph = graph.flatten()
    claim(graph, [(asked, "workflow.toml")])
    return graph


def test_what_is_asked_is_had_by_the_pe_and_processes_are_obeyed() -> None:
    graph = drawn(correlate={"processes": 8, "threads": 4, "memory": "8G", "per_node": 2})
    correlate = next(pe for pe in graph.pes if pe.id == "correlate")

    assert correlate.resources == Resources(processes=8, threads=4, memory=8 * GB, per_node=2)
    assert len(layout(graph, 12).instances_of("correlate")) == 8
    assert "resources" not in correlate.snapshot()


def test_the_last_table_counts() -> None:
    graph = drawn(correlate={"threads": 4, "memory": "8G"})
    claim(graph, [({"correlate": {"threads": "2"}}, "--resource")])

    assert asked_of(graph)["correlate"] == Resources(threads=2, memory=8 * GB)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"corelate": {}}, "has the PEs 'read', 'correlate', 'write'. Did you mean 'correlate'?"),
        ({"correlate": {"thread": 1}}, "there is no 'thread'; there is 'processes', 'threads', 'memory', 'per_node'."),
        ({"correlate": {"threads": 0}}, "workflow.toml, correlate: threads is 0. Give a whole number of at least 1."),
        ({"correlate": {"threads": -1}}, "threads is -1."),
        ({"correlate": {"threads": True}}, "threads is True."),
        ({"correlate": {"threads": 1.5}}, "threads is 1.5."),
        ({"correlate": {"processes": "many"}}, "processes is 'many'."),
        ({"correlate": {"memory": 8}}, "memory is 8. Write a size such as"),
        ({"correlate": {"memory": "8 gigs"}}, "memory is '8 gigs'."),
        ({"correlate": {"memory": "0G"}}, "memory is '0G'."),
        ({"correlate": 4}, "4 is no table."),
        ({"read": {"processes": 2}}, "'read', which is a source and has one instance."),
    ],
)
def test_what_cannot_be_had_is_told_in_one_line(asked: dict[str, Any], says: str) -> None:
    with pytest.raises(ResourceError) as error:
        drawn(**asked)

    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "number"), [("8G", 8 * GB), ("512M", GB // 2), ("1Ti", 1 << 40), ("4KB", 4096), ("8", 0)]
)
def test_sizes_are_read(text: str, number: int) -> None:
    assert parsed_size(text) == number


def test_sizes_are_written_so_that_they_are_never_too_small() -> None:
    assert [size(number) for number in (8 * GB, GB + 1, 512 << 20, 1)] == ["8G", "1.1G", "512M", "0.1K"]


def test_the_node_that_needs_most_memory_counts() -> None:
    """Six ranks on two nodes: read and three copies of correlate on the first, a fourth and write on the second."""
    graph = drawn(correlate={"processes": 4, "memory": "2G", "threads": 3}, write={"memory": "1G"})
    plan = layout(graph, 6)

    assert [plan.instances[cell.instances[0]].pe for cell in plan.cells] == ["read", *["correlate"] * 4, "write"]
    assert demand(plan, asked_of(graph), [0, 0, 0, 0, 1, 1]) == Demand(threads=3, memory=3 * 2 * GB + 4 * RANK)


def test_one_instance_that_is_asked_for_is_one() -> None:
    """Where nobody asks, a PE that may have several instances gets what is left."""
    counts = [
        len(layout(drawn(**asked), 6).instances_of("correlate")) for asked in ({}, {"correlate": {"processes": 1}})
    ]

    assert counts == [3, 1]


def test_who_asks_for_nothing_needs_nothing() -> None:
    assert demand(layout(drawn(), 4), asked_of(drawn()), [0] * 4) == Demand()


@pytest.mark.parametrize("nodes", [[0, 0, 0, 0, 1, 1, 1, 1], [0, 1, 0, 1, 0, 1, 0, 1], [0, 0, 0, 0, 0, 0, 1, 1]])
def test_no_node_has_more_instances_than_it_may(nodes: list[int]) -> None:
    graph = drawn(correlate={"processes": 4, "per_node": 2})
    plan = spread(layout(graph, 8), asked_of(graph), nodes)

    there = [nodes[plan.cells[one.cell].process] for one in plan.instances_of("correlate")]
    assert sorted(there) == [0, 0, 1, 1]
    assert len({cell.process for cell in plan.cells}) == min(8, len(plan.cells))


def test_a_plan_without_such_wishes_stays_as_it_is() -> None:
    plan = layout(drawn(), 8)

    assert spread(plan, asked_of(drawn()), [0] * 8) is plan


def test_instances_that_do_not_fit_are_refused() -> None:
    graph = drawn(correlate={"processes": 5, "per_node": 2})

    with pytest.raises(
        PlanError, match=r"PE 'correlate' has 5 instances, of which a node may have 2; there are 2 nodes."
    ):
        spread(layout(graph, 8), asked_of(graph), [0, 0, 0, 0, 1, 1, 1, 1])


def fit(job: Job, site: Profile, **asked: dict[str, Any]) -> Job:
    return fitted(job, site, of_graph(drawn(**asked)), mapping="mpi", processes=None, fuse=True)


def test_a_job_asks_for_the_processors_and_the_memory_of_a_node() -> None:
    job = Job(nodes=2, ntasks_per_node=4)

    fit_in = fit(job, Profile(name="site"), correlate={"processes": 6, "threads": 2, "memory": "1G"})

    assert (fit_in.cpus_per_task, fit_in.mem) == (2, f"{3 * 1024 + 4 * 256}M")
    assert fit(job, Profile(name="site")) is job


def test_what_a_site_forbids_is_not_asked_for_but_its_nodes_must_have_it() -> None:
    site = Profile(name="whole", forbidden=("--mem",), node_memory="96G", node_processors=48)

    assert fit(Job(ntasks_per_node=4), site, correlate={"memory": "8G"}).mem is None
    with pytest.raises(D4pyError, match="on one node need 121G of memory; a node of 'whole' has 96G"):
        fit(Job(ntasks_per_node=4), site, correlate={"memory": "60G", "processes": 2})
    with pytest.raises(D4pyError, match="4 ranks of 16 threads need 64 processors; a node of 'whole' has 48"):
        fit(Job(ntasks_per_node=4), site, correlate={"threads": 16})


def test_what_is_given_goes_before_what_is_asked() -> None:
    site = Profile(name="site")

    assert fit(Job(mem="1G"), site, correlate={"memory": "8G"}).mem == "1G"
    with pytest.raises(D4pyError, match=r"asks for 4 threads, but --cpus-per-task is 2. Give --cpus-per-task 4"):
        fit(Job(cpus_per_task=2), site, correlate={"threads": 4})


TOML = "[resources.double]\nthreads = 3\nprocesses = 2\n"
CODE = """
import d4py
@d4py.producer
def numbers(): yield from range(4)
@d4py.iterative
def double(x: int) -> int: return 2 * x
workflow = numbers() >> double()
"""


@pytest.fixture
def source(tmp_path: Path) -> Source:
    (tmp_path / "workflow.py").write_text(CODE)
    (tmp_path / "workflow.toml").write_text(TOML)
    return find(str(tmp_path))


def test_workflow_toml_is_read_when_a_workflow_is_loaded(source: Source) -> None:
    workflow: Workflow = load(source)

    assert asked_of(workflow.graph)["double"] == Resources(threads=3, processes=2)
    assert threads_of(source) == 3


def test_threads_are_known_before_the_workflow_is_loaded(source: Source) -> None:
    source.resources["double"] = {"threads": "5"}

    assert threads_of(source) == 5
    assert asked_of(load(source).graph)["double"].threads == 5


def test_threads_that_are_asked_for_go_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREADS:
        monkeypatch.setenv(name, "7")

    grant_threads(0)
    limit_threads()
    before = [os.environ[name] for name in THREADS]
    grant_threads(4)

    assert before == ["7"] * len(THREADS)
    assert [os.environ[name] for name in THREADS] == ["4"] * len(THREADS)
