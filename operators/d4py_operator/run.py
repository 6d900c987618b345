# SPDX-License-Identifier: Apache-2.0
"""A workflow as the operator sees it: its spec with what its template gives, and what follows from both."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from d4py.resources import Workflow, WorkflowSpec, read
from d4py.resources.policies import RunPolicy
from d4py_operator.objects import RUN, Object, digest, labelled, owner_reference, uid_of
from d4py_operator.objects import WORKFLOW as OF_WORKFLOW

RUNS, WORKFLOW, INPUTS, OUTPUTS = (f"/d4py/{name}" for name in ("runs", "workflow", "inputs", "outputs"))
SUMMARY = "outputs.jsonl"
_WHOLE = ("graph", "inputs", "outputs")  # each is just one of several: one takes the place of another


def merged(own: Any, other: Any) -> Any:
    """Return what a spec says, and where it says nothing, what its template says."""
    if isinstance(own, dict) and isinstance(other, dict):
        return {**other, **{name: merged(value, other.get(name)) for name, value in own.items()}}
    return other if own is None else own


@dataclass(frozen=True)
class Run:
    """A workflow and the spec that counts."""

    thing: Object
    template: Object | None = None
    unmade: bool = False  # whether nothing was made of it yet

    @cached_property
    def kept(self) -> Object:
        """The spec of its template, as it was when the first attempt was made; empty before that."""
        kept = (self.thing.get("status") or {}).get("template")
        return kept if isinstance(kept, dict) and not self.unmade else {}

    @property
    def given(self) -> Object:
        """What its template gives: all attempts are of one spec, though the template is changed or deleted meanwhile."""
        return self.kept or (self.template or {}).get("spec") or {}

    @cached_property
    def data(self) -> Object:
        """The spec that counts, as plain data."""
        own = self.thing.get("spec") or {}
        counts: Object = merged(own, self.given)
        return {**counts, **{name: own[name] for name in _WHOLE if own.get(name)}}

    @cached_property
    def spec(self) -> WorkflowSpec:
        """The same, read. Raises Unreadable."""
        return read(Workflow, {"spec": self.data}).spec

    @property
    def name(self) -> str:
        name: str = self.thing["metadata"]["name"]
        return name

    @property
    def namespace(self) -> str:
        namespace: str = self.thing["metadata"]["namespace"]
        return namespace

    @property
    def uid(self) -> str:
        return uid_of(self.thing)

    @property
    def generation(self) -> int:
        generation: int = self.thing["metadata"].get("generation", 0)
        return generation

    @property
    def mapping(self) -> str:
        return self.spec.mapping or "simple"

    @property
    def policy(self) -> RunPolicy:
        return self.spec.run_policy or RunPolicy()

    @cached_property
    def digest(self) -> str:
        """What attempts are made from: the spec without what does not shape them."""
        shaping = {name: value for name, value in self.data.items() if name not in ("runPolicy", "snapshotNonce")}
        return digest(shaping)

    @property
    def processes(self) -> int | None:
        """How many processes or threads; None where the mapping decides."""
        return self.spec.parallelism.processes if self.spec.parallelism else None

    @property
    def continues(self) -> bool:
        """Whether a new attempt goes on from what earlier ones left."""
        return self.spec.checkpoint is not None and self.spec.checkpoint.upgrade_mode != "Stateless"

    @property
    def ranks(self) -> int:
        """Ranks of an MPI job."""
        return self.spec.mpi.ranks if self.spec.mpi else 1

    @property
    def slots(self) -> int:
        """Ranks in each of its pods."""
        return (self.spec.mpi.slots_per_worker if self.spec.mpi else None) or 1

    @property
    def pods(self) -> int:
        """How many pods do the work."""
        return self.ranks // self.slots if self.mapping == "mpi" else 1

    @property
    def short(self) -> str:
        """Tells its objects from those of others whose names are chosen by people."""
        return digest(self.uid)[:5]

    def child(self, attempt: int) -> str:
        """Return the name of the Job or MPIJob of an attempt."""
        return f"{self.name}-{attempt}"

    @property
    def beside(self) -> str:
        """The name of what its attempts need beside their Jobs: one of each kind, for all of them."""
        return f"{self.name}-{self.short}"

    @property
    def selector(self) -> dict[str, str]:
        """The labels by which its pods are known, whichever attempt they are of."""
        return {OF_WORKFLOW: self.name, RUN: self.short}

    def labels(self, **more: str) -> dict[str, str]:
        """Return the labels of what is made for it."""
        return labelled(self.name, run=self.short, **more)

    def metadata(self, name: str, **labels: str) -> Object:
        """Return the metadata of a child."""
        return {
            "name": name,
            "namespace": self.namespace,
            "labels": self.labels(**labels),
            "ownerReferences": [owner_reference(self.thing)],
        }

    @property
    def folder(self) -> str:
        """The run's folder, in its pods. A workflow that takes the name of an earlier one does not go on with its run."""
        parts = [RUNS, *(self.spec.checkpoint.volume.path or "" for _ in "x" if self.spec.checkpoint)]
        return "/".join([*(part for part in parts if part), f"{self.name}-{self.short}"])

    @cached_property
    def outputs(self) -> tuple[str, str]:
        """The claim and the folder in the pod that outputs go to; no claim where a volume of the run holds it, nothing without any."""
        given = self.spec.outputs
        if given is None:
            return "", ""
        if given.volume is not None:
            return given.volume.claim_name, "/".join([OUTPUTS, *filter(None, [given.volume.path])])
        scheme, _, rest = (given.uri or "").partition("://")
        claim, _, path = rest.partition("/")
        if scheme == "pvc":
            return claim, "/".join([OUTPUTS, *filter(None, [path])])
        return "", f"/{path}"

    @property
    def output_address(self) -> str | None:
        """Where outputs are, for people and for `d4py outputs`."""
        claim, folder = self.outputs
        if claim:
            return f"pvc://{claim}{folder.removeprefix(OUTPUTS)}/{SUMMARY}"
        return f"file://{folder}/{SUMMARY}" if folder else None
