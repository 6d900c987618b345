# SPDX-License-Identifier: Apache-2.0
"""The page on Kubernetes, as somebody follows it who has the role edit in a namespace of a real cluster, and a registry with a password."""

from __future__ import annotations

from typing import Any

from tests.cluster.lab import Lab
from tests.docs.markdown import blocks, commands
from tests.images.engines.daemons import PASSWORD, USER
from tests.kubernetes.test_page import PAGE, THERE, differing, room, variables

SOMEBODY = "somebody"
PATIENCE = 240  # seconds for a block: pods begin there, beside those of all other tests


def volume(name: str, place: str) -> dict[str, Any]:
    """Return what a claim of the page is bound to: a folder of this machine."""
    spec = {
        "accessModes": ["ReadWriteMany"],
        "capacity": {"storage": "10Gi"},
        "hostPath": {"path": place},
        "claimRef": {"namespace": "default", "name": name},
    }
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"page-{name}"}, "spec": spec}


def test_who_has_the_role_edit_sends_what_the_page_sends(lab: Lab) -> None:
    """A run made from a template gives its outputs back too: they are read by its own image, with its own password."""
    cluster, folder = lab.cluster, room(lab.folder)
    for name in ("results", "archive"):
        (folder / name).mkdir()
        (folder / name).chmod(0o777)
        cluster.apply(volume(name, str(folder / name)))
    cluster.kubectl("create", "serviceaccount", SOMEBODY)
    cluster.kubectl("create", "rolebinding", SOMEBODY, "--clusterrole=edit", f"--serviceaccount=default:{SOMEBODY}")
    told = variables(cluster, cluster.kubeconfig_of(SOMEBODY), NAME=USER, PASSWORD=PASSWORD)
    ran = 0
    wrong: list[tuple[str, int, str]] = []

    for block in blocks(PAGE):
        if block.file:
            (folder / block.file).write_text(block.text)
        if block.language == "console" and THERE in block.comment:
            ran += len(commands(block))
            wrong += differing(block, folder, told, seconds=PATIENCE)

    assert wrong == []
    assert ran == 12
