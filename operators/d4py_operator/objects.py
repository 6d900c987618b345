# SPDX-License-Identifier: Apache-2.0
"""Objects of a cluster as the plain data that they are, and what all of ours carry."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple

from d4py.resources.workflow import API_VERSION

Object = dict[str, Any]

MANAGER = "d4py-operator"  # the field manager, and what our objects say they are managed by
WORKFLOW, ATTEMPT, ROLE, RUN, CRON = (f"d4py.dev/{word}" for word in ("workflow", "attempt", "role", "run", "cron"))
MANAGED_BY = "app.kubernetes.io/managed-by"


class Key(NamedTuple):
    """Which object: enough to find it in a cluster."""

    kind: str
    namespace: str
    name: str


def key_of(thing: Object) -> Key:
    """Return the key of an object."""
    metadata = thing["metadata"]
    return Key(thing["kind"], metadata.get("namespace", ""), metadata["name"])


def labels_of(thing: Object) -> dict[str, str]:
    """Return its labels."""
    labels: dict[str, str] = thing["metadata"].get("labels") or {}
    return labels


def uid_of(thing: Object) -> str:
    """Return its uid."""
    uid: str = thing["metadata"].get("uid", "")
    return uid


def owners_of(thing: Object) -> list[str]:
    """Return the uids of its owners."""
    return [owner.get("uid", "") for owner in thing["metadata"].get("ownerReferences") or ()]


def leaving(there: Object, wanted: Object) -> bool:
    """Whether what has the name of a child is on its way out: it is deleted, or so is its owner, in whose name there is another now."""

    def owners(thing: Object) -> dict[tuple[str, str], str]:
        references = thing["metadata"].get("ownerReferences") or ()
        return {(owner["kind"], owner["name"]): owner["uid"] for owner in references}

    before, now = owners(there), owners(wanted)
    return bool(there["metadata"].get("deletionTimestamp")) or any(
        before[owner] != now[owner] for owner in before.keys() & now.keys()
    )


def owned(things: Iterable[Object], owner: Object) -> list[Object]:
    """Return those that an object owns."""
    uid = uid_of(owner)
    return [thing for thing in things if uid in owners_of(thing)]


def owner_reference(owner: Object) -> Object:
    """Return what a child says of its owner: it goes when the owner goes."""
    return {
        "apiVersion": API_VERSION,
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": uid_of(owner),
        "controller": True,
    }


def labelled(workflow: str, **more: str) -> dict[str, str]:
    """Return the labels of everything that is made for a workflow."""
    return {
        "app.kubernetes.io/name": "d4py",
        "app.kubernetes.io/instance": workflow,
        MANAGED_BY: MANAGER,
        WORKFLOW: workflow,
        **{f"d4py.dev/{name}": value for name, value in more.items()},
    }


def digest(data: Any) -> str:
    """Return a short digest of plain data."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def condition(thing: Object, kind: str) -> Mapping[str, Any]:
    """Return a condition of an object's status; empty where it has none of this kind that is true."""
    for each in (thing.get("status") or {}).get("conditions") or ():
        if each.get("type") == kind and each.get("status") == "True":
            found: Mapping[str, Any] = each
            return found
    return {}


def stamp(moment: datetime) -> str:
    """Return a time as Kubernetes writes it, in whole seconds."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str | None) -> datetime | None:
    """Read a time; None where there is none, or it is none."""
    if not text:
        return None
    try:
        read = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=timezone.utc)
