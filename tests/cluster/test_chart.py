# SPDX-License-Identifier: Apache-2.0
"""The chart on a real cluster: its own test passes, the operator runs restricted."""

from __future__ import annotations

from tests.cluster.conftest import SYSTEM
from tests.cluster.lab import Lab


def test_helm_test_passes(lab: Lab) -> None:
    tested = lab.cluster.call("helm", "test", "d4py", f"--namespace={SYSTEM}", "--timeout=110s")

    assert tested.returncode == 0, tested.stderr
    assert "Phase:          Succeeded" in tested.stdout


def test_the_namespace_of_the_operator_may_take_restricted_pods_only(lab: Lab) -> None:
    words = (
        "label",
        "namespace",
        SYSTEM,
        "--dry-run=server",
        "--overwrite",
        "pod-security.kubernetes.io/enforce=restricted",
    )
    told = lab.cluster.call("kubectl", *words)

    assert told.returncode == 0
    assert "Warning" not in told.stderr, "a pod that is there would be refused"
