# SPDX-License-Identifier: Apache-2.0
"""What the PEs of a workflow ask for, as a job asks Slurm for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from d4py.errors import UsageError
from d4py.graph.resources import NONE, parsed_size, size
from d4py.mappings import get
from d4py.mappings.enact import settled_options
from d4py.plan.demand import asked_of, demand, spread
from d4py.runs.costs import recall

if TYPE_CHECKING:
    from d4py.graph.load import Workflow
    from d4py.plan.demand import Demand
    from d4py.targets.slurm.job import Job
    from d4py.targets.slurm.profile import Profile


def fitted(job: Job, site: Profile, workflow: Workflow, *, mapping: str, processes: int | None, fuse: bool) -> Job:
    """Return the job with the processors and the memory that the plan of a workflow needs on each node.

    Raises UsageError for what no node of the site has. What a site forbids to ask for, its nodes have anyway.
    """
    asked = asked_of(workflow.graph)
    if all(one == NONE for one in asked.values()):
        return job
    engine = get(mapping)
    mpi = mapping == "mpi"
    number = job.ranks if mpi else processes or job.ntasks_per_node
    plan = engine.layout(workflow.graph, settled_options(engine, number, {"fuse": fuse}), recall(workflow))
    nodes = [rank // job.ntasks_per_node if mpi else 0 for rank in range(number)]
    need = demand(spread(plan, asked, nodes) if mpi else plan, asked, nodes)
    return _remembered(_threaded(job, site, need), site, need)


def _threaded(job: Job, site: Profile, need: Demand) -> Job:
    if not need.threads or "--cpus-per-task" in site.forbidden:
        return job
    if job.cpus_per_task is not None and job.cpus_per_task < need.threads:
        raise UsageError(
            f"A PE asks for {need.threads} threads, but --cpus-per-task is {job.cpus_per_task}.",
            hint=f"Give --cpus-per-task {need.threads}, or leave it away.",
        )
    processors = job.ntasks_per_node * (job.cpus_per_task or need.threads)
    if site.node_processors and processors > site.node_processors:
        raise UsageError(
            f"{job.ntasks_per_node} ranks of {need.threads} threads need {processors} processors; a node of {site.name!r} has "
            f"{site.node_processors}.",
            hint="Give fewer --ntasks-per-node, or fewer threads.",
        )
    return replace(job, cpus_per_task=job.cpus_per_task or need.threads)


def _remembered(job: Job, site: Profile, need: Demand) -> Job:
    if not need.memory:
        return job
    if site.node_memory and need.memory > parsed_size(site.node_memory):
        raise UsageError(
            f"The instances on one node need {size(need.memory)} of memory; a node of {site.name!r} has {site.node_memory}.",
            hint="Ask for more nodes, fewer --ntasks-per-node, or give PEs per_node.",
        )
    if job.mem is not None or "--mem" in site.forbidden:
        return job
    return replace(job, mem=f"{-(-need.memory // (1 << 20))}M")
