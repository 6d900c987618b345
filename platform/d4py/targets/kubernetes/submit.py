# SPDX-License-Identifier: Apache-2.0
"""Sends a run to a cluster. What was created for one that is refused is taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from d4py.targets.kubernetes.manifest import Order, manifests
from d4py.targets.kubernetes.run import Run

if TYPE_CHECKING:
    from d4py.targets.kubernetes.client import Cluster


def submit(cluster: Cluster, order: Order) -> Run:
    """Create the workflow; return its run."""
    *config_maps, workflow = manifests(order)
    for each in config_maps:
        cluster.create_config_map(each)
    try:
        made = cluster.create(workflow)
    except BaseException:
        for each in config_maps:
            cluster.delete_config_map(each["metadata"]["name"])
        raise
    for each in config_maps:
        cluster.own_config_map(each["metadata"]["name"], made)
    return Run(cluster, order.name)
