# SPDX-License-Identifier: Apache-2.0
"""`Workflow`: one run of one graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from d4py.resources.described import DNS_NAME, FEW, MANY, NAME, TEXT, WORD, Described, Rule, needed, told
from d4py.resources.parts import LocalReference, Resources, Variable, VariablesSource, Volume
from d4py.resources.policies import (
    MAPPINGS,
    Checkpoint,
    GraphReference,
    Inputs,
    Mpi,
    Multi,
    Outputs,
    Parallelism,
    PodOverlay,
    PullSecret,
    RunPolicy,
    Scheduling,
)
from d4py.resources.status import WorkflowStatus

GROUP, VERSION = "d4py.dev", "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
NAME_LENGTH = 40  # leaves room for what the names of children add
PARAMETER = r"^[A-Za-z_][A-Za-z0-9_.]*$"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowSpec(Described):
    """What is run, on what, and how."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.mpi) || !has(self.mapping) || self.mapping == 'mpi'",
            "mpi is for the mapping mpi",
            "mpi",
        ),
        Rule(
            "!has(self.multi) || !has(self.mapping) || self.mapping == 'multi'",
            "multi is for the mapping multi",
            "multi",
        ),
        Rule(
            "!has(self.mapping) || self.mapping != 'mpi' || has(self.mpi) || has(self.templateRef)",
            "the mapping mpi needs mpi.ranks",
            "mapping",
        ),
        Rule(
            "!has(self.mapping) || self.mapping != 'simple' || !has(self.parallelism) || !has(self.parallelism.processes)"
            " || self.parallelism.processes == 1",
            "the mapping simple has one process",
            "parallelism",
        ),
        Rule(
            "!has(self.mapping) || self.mapping != 'mpi' || !has(self.parallelism) || !has(self.parallelism.processes)",
            "the mapping mpi has ranks, not processes: use mpi.ranks",
            "parallelism",
        ),
        Rule(
            "!has(self.inputs) || !has(self.inputs.uri) || self.inputs.uri.startsWith('file:') || !has(self.networkPolicy)"
            " || self.networkPolicy != 'Isolated'",
            "pods that are Isolated fetch nothing: give inputs by a ConfigMap, a Secret or a claim",
            "inputs",
        ),
        Rule(
            "!has(self.volumes) || self.volumes.all(a, self.volumes.exists_one(b, b.mountPath == a.mountPath))",
            "two volumes have the same mountPath",
            "volumes",
        ),
    )

    template_ref: LocalReference | None = told(
        "A WorkflowTemplate, which gives what this spec leaves out, as it is when the first attempt is made."
    )
    graph: GraphReference | None = told("Where the graph of the workflow is.")
    image: str | None = told(
        "The image of every pod: d4py and what the workflow needs. By digest it is the same tomorrow.",
        max_length=512,
        pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._:/@-]*$",
    )
    image_pull_policy: str | None = told("When the image is pulled.", enum=("Always", "IfNotPresent", "Never"))
    image_pull_secrets: list[PullSecret] = told(
        "Secrets with which it is pulled.", [], max_items=FEW, list_map=("name",)
    )
    mapping: str | None = told("The engine that runs the graph; simple where it is left out.", enum=MAPPINGS)
    args: dict[str, str] = told(
        "Parameters of the workflow, as --set name=value gives them.",
        {},
        max_properties=MANY,
        items={"max_length": TEXT},
        keys=PARAMETER,
    )
    inputs: Inputs | None = told("What the sources of the graph are given.")
    outputs: Outputs | None = told("Where outputs go that no PE reads.")
    parallelism: Parallelism | None = told("How many work at once.")
    mpi: Mpi | None = told("For the mapping mpi: how ranks are laid out and started.")
    multi: Multi | None = told("For the mapping multi: what its processes share.")
    run_policy: RunPolicy | None = told("How the run is started, tried again, ended and cleaned up.")
    checkpoint: Checkpoint | None = told(
        "Where checkpoints are kept. Without it a new attempt begins at the beginning."
    )
    snapshot_nonce: str | None = told(
        "Any text. Another one has a checkpoint taken now: the attempt ends with it, and another goes on from there.",
        max_length=NAME,
    )
    scheduling: Scheduling | None = told("Where and when pods are placed.")
    template: PodOverlay | None = told("What is added to the pods that the operator makes.")
    resources: Resources | None = told("What pods ask for.")
    volumes: list[Volume] = told("What pods find at which path.", [], max_items=FEW, list_map=("name",))
    env: list[Variable] = told("Variables in the environment of the run.", [], max_items=MANY, list_map=("name",))
    env_from: list[VariablesSource] = told("Objects whose keys are variables.", [], max_items=FEW)
    service_account_name: str | None = told(
        "The account of its pods. They get no token of it: a run asks nothing of the cluster.",
        max_length=WORD,
        pattern=DNS_NAME,
    )
    network_policy: str | None = told(
        "Isolated: pods of the run talk to each other and ask for names, and nothing else. None, or left out: no policy.",
        enum=("None", "Isolated"),
    )


# What may change while the workflow is there; each counts from then on, or from the next attempt.
CHANGEABLE = ("snapshotNonce", "template")
# The same inside of fields of which the rest stays.
CHANGEABLE_WITHIN: dict[str, tuple[type[Described], tuple[str, ...]]] = {
    "parallelism": (Parallelism, ("processes",)),
    "runPolicy": (RunPolicy, ("suspend", "ttlSecondsAfterFinished")),
    "checkpoint": (Checkpoint, ("upgradeMode",)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec(WorkflowSpec):
    """What is run, on what, and how. What a template may leave to the workflow is asked for here."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        *WorkflowSpec.RULES,
        Rule(
            "!has(self.mpi) || has(self.checkpoint) || has(self.templateRef)"
            " || self.mpi.ranks == (has(self.mpi.slotsPerWorker) ? self.mpi.slotsPerWorker : 1)",
            "ranks in several pods share the run's folder: give checkpoint.volume, or slotsPerWorker for all ranks in one pod",
            "mpi",
        ),
        Rule(
            "!has(self.snapshotNonce) || has(self.templateRef) && !has(self.checkpoint) || has(self.checkpoint)"
            " && (!has(self.checkpoint.upgradeMode) || self.checkpoint.upgradeMode == 'Checkpoint')",
            "snapshotNonce needs a checkpoint to go on from, with upgradeMode Checkpoint",
            "snapshotNonce",
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow(Described):
    """One run of one graph of processing elements. Suspend, scale or delete it; what is run does not change."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(f"size(self.metadata.name) <= {NAME_LENGTH}", f"the name is longer than {NAME_LENGTH} letters"),
        Rule(
            "has(self.spec.templateRef) || has(self.spec.graph)", "the spec has neither graph nor templateRef", "spec"
        ),
    )

    spec: RunSpec = needed("What is run, on what, and how. It stays as it is, but for what is said to change.")
    status: WorkflowStatus | None = told("How the run is doing; the operator writes it.")
