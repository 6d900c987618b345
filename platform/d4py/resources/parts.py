# SPDX-License-Identifier: Apache-2.0
"""Parts of a spec that say what a pod finds: references, volumes, variables, resources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from d4py.resources.described import (
    DNS_LABEL,
    DNS_NAME,
    FEW,
    INSIDE,
    NAME,
    PLACE,
    QUANTITY,
    TEXT,
    VARIABLE,
    WORD,
    Described,
    Rule,
    needed,
    told,
)

_QUANTITIES = {"max_length": 32, "pattern": QUANTITY}
FILE = "^[A-Za-z0-9_-][A-Za-z0-9._-]*$"


def one_of(*names: str) -> str:
    """Return the rule that just one of these fields is set."""
    return f"[{', '.join(f'has(self.{name})' for name in names)}].filter(given, given).size() == 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalReference(Described):
    """An object in the same namespace."""

    name: str = needed("Name of the object, in the namespace of the workflow.", max_length=WORD, pattern=DNS_NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReference(Described):
    """A key of a ConfigMap or Secret in the same namespace."""

    name: str = needed("Name of the object, in the namespace of the workflow.", max_length=WORD, pattern=DNS_NAME)
    key: str = needed("The key of it that counts.", max_length=WORD, pattern=FILE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderReference(Described):
    """A ConfigMap that is laid out as a folder, or a file of it."""

    name: str = needed("Name of the ConfigMap.", max_length=WORD, pattern=DNS_NAME)
    key: str | None = told(
        "The file of it that is the workflow. Without it the ConfigMap is a folder with workflow.py.",
        max_length=WORD,
        pattern=FILE,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimReference(Described):
    """A place on a PersistentVolumeClaim in the same namespace."""

    claim_name: str = needed("Name of the PersistentVolumeClaim.", max_length=WORD, pattern=DNS_NAME)
    path: str | None = told("A place on it; without it all of it.", max_length=WORD, pattern=INSIDE)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyDir(Described):
    """A folder that lives as long as its pod."""

    size_limit: str | None = told("How large it may become.", **_QUANTITIES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume(Described):
    """Something that pods of the run find at a path."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            one_of("persistentVolumeClaim", "configMap", "secret", "emptyDir"),
            "a volume is just one of persistentVolumeClaim, configMap, secret, emptyDir",
        ),
        Rule(
            "!self.mountPath.startsWith('/d4py') && !(self.mountPath in ['/', '/tmp', '/dev', '/dev/shm', '/proc', '/sys', '/etc'])",
            "this place belongs to the pod: choose another mountPath",
            "mountPath",
        ),
    )

    name: str = needed("What it is called among the volumes of the run.", max_length=40, pattern=DNS_LABEL)
    mount_path: str = needed("Where pods find it: an absolute path.", max_length=WORD, pattern=PLACE)
    read_only: bool | None = told("Whether pods may only read it.")
    persistent_volume_claim: ClaimReference | None = told("A claim, or a place on it.")
    config_map: LocalReference | None = told("A ConfigMap; each key is a file.")
    secret: LocalReference | None = told("A Secret; each key is a file.")
    empty_dir: EmptyDir | None = told("A folder that is empty at the start of each attempt.")


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableSource(Described):
    """Where the value of a variable is."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(one_of("secretKeyRef", "configMapKeyRef"), "valueFrom is just one of secretKeyRef, configMapKeyRef"),
    )

    secret_key_ref: KeyReference | None = told("A key of a Secret.")
    config_map_key_ref: KeyReference | None = told("A key of a ConfigMap.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable(Described):
    """A variable in the environment of the run."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(one_of("value", "valueFrom"), "a variable has just one of value, valueFrom"),
        Rule("!self.name.startsWith('D4PY_')", "names with D4PY_ are set by the operator", "name"),
    )

    name: str = needed("Name of the variable.", max_length=WORD, pattern=VARIABLE)
    value: str | None = told("Its value. What is secret belongs into a Secret: see valueFrom.", max_length=TEXT)
    value_from: VariableSource | None = told("Where its value is.")


@dataclass(frozen=True, slots=True, kw_only=True)
class VariablesSource(Described):
    """Variables of which each is a key of an object."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(one_of("secretRef", "configMapRef"), "envFrom has just one of secretRef, configMapRef"),
    )

    secret_ref: LocalReference | None = told("Each key of a Secret becomes a variable.")
    config_map_ref: LocalReference | None = told("Each key of a ConfigMap becomes a variable.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements(Described):
    """What a pod asks for, and what it may take at most."""

    requests: dict[str, str] = told(
        "What a pod asks for: cpu, memory ...", {}, max_properties=FEW, items=_QUANTITIES, int_or_string=True
    )
    limits: dict[str, str] = told(
        "What a pod may take at most: cpu, memory ...", {}, max_properties=FEW, items=_QUANTITIES, int_or_string=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources(Described):
    """What pods ask for, by what they do."""

    launcher: Requirements | None = told("The pod that starts ranks and does no work itself. Only an MPIJob has one.")
    worker: Requirements | None = told("The pods that do the work.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Toleration(Described):
    """A taint of nodes that pods bear."""

    key: str | None = told("Key of the taint; without it all.", max_length=WORD)
    operator: str | None = told("How value is compared.", enum=("Equal", "Exists"))
    value: str | None = told("Value of the taint.", max_length=NAME)
    effect: str | None = told("What the taint does.", enum=("NoSchedule", "PreferNoSchedule", "NoExecute"))
    toleration_seconds: int | None = told("How long NoExecute is borne.", minimum=0, maximum=31_536_000)
