# SPDX-License-Identifier: Apache-2.0
"""Parts of a spec that say how a run lives: on which mapping, how often, how long, where it waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from d4py.resources.described import (
    DNS_LABEL,
    DNS_NAME,
    FEW,
    INLINE,
    MANY,
    NAME,
    QUANTITY,
    WORD,
    Described,
    Rule,
    needed,
    told,
)
from d4py.resources.parts import ClaimReference, FolderReference, KeyReference, Toleration, one_of

MAPPINGS = ("simple", "threads", "multi", "mpi")
OURSELVES = "d4py.dev/operator"
_YEAR = 31_536_000
_RANKS = 4096
_OUTPUT_URI = "^(pvc://[a-z0-9]([-a-z0-9.]*[a-z0-9])?|file://)(/[^/.:][^/:]*)*$"
SCHEMES = ("file", "http", "https", "s3", "gs", "az")  # what inputs are fetched by
PE = r"^[A-Za-z_][A-Za-z0-9_.:-]*$"


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphReference(Described):
    """Where the graph of the workflow is."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(one_of("module", "configMapRef"), "a graph is just one of module, configMapRef"),
    )

    module: str | None = told(
        "A module inside the image, such as workflows.ambient_noise, or an absolute path there.",
        max_length=WORD,
        pattern=r"^(/[A-Za-z0-9_./-]+|[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*)$",
    )
    object: str | None = told(
        "The variable that holds the graph, where there are several.",
        max_length=NAME,
        pattern="^[A-Za-z_][A-Za-z0-9_]*$",
    )
    config_map_ref: FolderReference | None = told("A ConfigMap with the files of a small workflow.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs(Described):
    """What the sources of the graph are given."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            one_of("iterations", "inline", "configMapRef", "secretRef", "persistentVolumeClaim", "uri"),
            "inputs are just one of iterations, inline, configMapRef, secretRef, persistentVolumeClaim, uri",
        ),
        Rule(
            f"!has(self.uri) || self.uri.matches('^({'|'.join(SCHEMES)})://[^[:space:]]+$')",
            f"the address of inputs begins with one of {', '.join(f'{scheme}://' for scheme in SCHEMES)}",
            "uri",
        ),
        Rule(
            "!has(self.uri) || !self.uri.matches('^[a-z0-9]+://[^/]*@')",
            "an address holds no password: give it in variables from a Secret",
            "uri",
        ),
    )

    iterations: int | None = told("How often each source is called.", minimum=0, maximum=2_147_483_647)
    inline: str | None = told(
        """Data as JSON, such as {"PE": [{"input": 1}]}; what is larger belongs into a ConfigMap.""", max_length=INLINE
    )
    config_map_ref: KeyReference | None = told("A key of a ConfigMap that holds the data as JSON.")
    secret_ref: KeyReference | None = told("A key of a Secret that holds the data as JSON.")
    persistent_volume_claim: ClaimReference | None = told("A file on a claim that holds the data as JSON.")
    uri: str | None = told(
        "An address of a file that holds the data as JSON, fetched by the pod when the run begins: file, http and https"
        " as d4py[staging] has them, s3, gs and az with the package that fsspec wants for them. What it asks for"
        " credentials comes by env or envFrom.",
        max_length=1024,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs(Described):
    """Where outputs go that no PE reads."""

    RULES: ClassVar[tuple[Rule, ...]] = (Rule(one_of("volume", "uri"), "outputs have just one of volume, uri"),)

    volume: ClaimReference | None = told("A folder on a claim: outputs.jsonl, and arrays beside it.")
    uri: str | None = told(
        "The same as an address: pvc://CLAIM/FOLDER, or file:///FOLDER on one of the volumes.",
        max_length=2 * WORD,
        pattern=_OUTPUT_URI,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallelism(Described):
    """How many work at once."""

    processes: int | None = told(
        "Processes or threads. A change counts from the next attempt.", minimum=1, maximum=_RANKS
    )
    per_pe: dict[str, int] = told(
        "Instances of a PE by its name, on every mapping; with fewer processes or ranks than instances they share them."
        " PEs that are not named get what is left. It does not change: a run keeps its instances.",
        {},
        key="perPE",
        max_properties=MANY,
        items={"minimum": 1, "maximum": _RANKS},
        keys=PE,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Mpi(Described):
    """How ranks are laid out and started."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.slotsPerWorker) || self.ranks % self.slotsPerWorker == 0",
            "ranks is not a multiple of slotsPerWorker",
            "ranks",
        ),
    )

    ranks: int = needed("Ranks of the job, over all pods.", minimum=1, maximum=_RANKS)
    slots_per_worker: int | None = told("Ranks in each pod; 1 where it is left out.", minimum=1, maximum=512)
    implementation: str | None = told(
        "Whose mpiexec the image has; OpenMPI where it is left out.", enum=("OpenMPI", "MPICH")
    )
    launcher: str | None = told(
        "MPIJob of the MPI Operator, or Native with nothing else installed. Auto, or left out: MPIJob where it is served.",
        enum=("Auto", "MPIJob", "Native"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Multi(Described):
    """What processes of one pod share."""

    shm_size_limit: str | None = told(
        "The most that arrays on their way may take in shared memory; it counts as memory of the pod.",
        max_length=32,
        pattern=QUANTITY,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff(Described):
    """How long the operator waits before it tries again."""

    initial_seconds: int | None = told("Before the second attempt; 10 where it is left out.", minimum=0, maximum=86_400)
    factor: int | None = told(
        "How many times as long before each further one; 2 where it is left out.", minimum=1, maximum=10
    )
    max_seconds: int | None = told("The most; 300 where it is left out.", minimum=0, maximum=86_400)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPolicy(Described):
    """How a run is started, tried again, ended and cleaned up."""

    suspend: bool | None = told("Stop the run, at a checkpoint where it has one; false goes on with a new attempt.")
    active_deadline_seconds: int | None = told(
        "How long the run may take, over all attempts: from its first start, or its first after it was suspended. Time in a queue does not count.",
        minimum=1,
        maximum=_YEAR,
    )
    start_deadline_seconds: int | None = told("How long an attempt may take to start.", minimum=1, maximum=_YEAR)
    backoff_limit: int | None = told(
        "How often the run is tried again; 0 where it is left out.", minimum=0, maximum=100
    )
    backoff: Backoff | None = told("How long the operator waits between attempts.")
    ttl_seconds_after_finished: int | None = told(
        "When the workflow is deleted after its end, with all that it has made; never where it is left out.",
        minimum=0,
        maximum=_YEAR,
    )
    clean_pod_policy: str | None = told(
        "Which pods of an attempt are deleted when it is over; Running where it is left out. Logs go with their pods.",
        enum=("None", "Running", "All"),
    )
    managed_by: str | None = told(
        f"Who acts on this workflow; the operator leaves it alone where this is not {OURSELVES}.", max_length=WORD
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint(Described):
    """Where checkpoints are kept, and whether a new attempt goes on from the last one."""

    volume: ClaimReference = needed("A folder on a claim. Pods on several nodes need one that all of them may write.")
    interval_seconds: int | None = told("Time between checkpoints.", minimum=1, maximum=86_400)
    upgrade_mode: str | None = told(
        "Checkpoint, or left out: a new attempt goes on from what earlier ones left. Stateless: it begins anew, and what"
        " they left is moved aside, until the next one. A change counts from the next attempt.",
        enum=("Checkpoint", "Stateless"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduling(Described):
    """Where and when pods are placed."""

    queue_name: str | None = told("The local queue of Kueue that the run waits in.", max_length=NAME, pattern=DNS_NAME)
    priority_class_name: str | None = told("Priority of its pods.", max_length=WORD, pattern=DNS_NAME)
    scheduler_name: str | None = told("The scheduler that places its pods.", max_length=NAME, pattern=DNS_NAME)
    gang: bool | None = told(
        "Whether pods of an MPIJob are placed all at once or not at all; true where it is left out."
    )
    node_selector: dict[str, str] = told(
        "Labels of nodes that will do.", {}, max_properties=FEW, items={"max_length": NAME}
    )
    tolerations: list[Toleration] = told("Taints of nodes that pods bear.", [], max_items=FEW)


@dataclass(frozen=True, slots=True, kw_only=True)
class PodOverlay(Described):
    """What is added to the pods that the operator makes."""

    labels: dict[str, str] = told("More labels.", {}, max_properties=FEW, items={"max_length": NAME})
    annotations: dict[str, str] = told("More annotations.", {}, max_properties=FEW, items={"max_length": 1024})
    spec: dict[str, object] = told(
        "Fields of a pod's spec, laid over the operator's. What would weaken the restrictions on pods is refused.",
        {},
        open=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PullSecret(Described):
    """A Secret with which images are pulled."""

    name: str = needed("Name of the Secret.", max_length=WORD, pattern=DNS_NAME)


__all__ = [
    "DNS_LABEL", "MAPPINGS", "OURSELVES", "Backoff", "Checkpoint", "GraphReference", "Inputs", "Mpi", "Multi", "Outputs", "Parallelism", "PodOverlay",
    "PullSecret", "RunPolicy", "Scheduling",
]  # fmt: skip
