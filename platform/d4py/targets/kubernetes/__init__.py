# SPDX-License-Identifier: Apache-2.0
"""A Kubernetes with d4py's operator: a run is a Workflow there, and whoever asks for it asks the cluster. Nothing is kept here."""

from d4py.targets.kubernetes.client import Cluster
from d4py.targets.kubernetes.manifest import Order, manifests
from d4py.targets.kubernetes.outputs import Outputs
from d4py.targets.kubernetes.patience import Patience
from d4py.targets.kubernetes.run import Run, find, runs
from d4py.targets.kubernetes.submit import submit

__all__ = ["Cluster", "Order", "Outputs", "Patience", "Run", "find", "manifests", "runs", "submit"]
