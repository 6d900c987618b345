# SPDX-License-Identifier: Apache-2.0
"""Objects that are malformed, or mean harm: refused by the cluster or by the operator with the path, and never asked about again and again."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from tests.operator.hands import SPEC, Hands, eventually

from d4py.resources.described import Described, described, key
from d4py.resources.schema import bare
from d4py.resources.workflow import WorkflowSpec
from d4py_operator.cluster.errors import ApiError
from d4py_operator.objects import Object
from d4py_operator.operator import Operator

NUMBER = 300
SEED = 20
HOSTILE: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 0.5, "", " ", "-", ".", "..", "../..", "/", "//", "/etc/passwd", "/d4py/runs", "/tmp", "$(HOME)",
    "$(rm -rf /)", "`id`", "; exit 1", "'\"", "a\nb", "a\u0000b", "\u202eevil", "\U0001f600", "x" * 64, "x" * 300, "x" * 5000, "x" * 50_000, "NaN", "1e9",
    "-1Gi", "1Gi", "0", "true", "null", "{}", [], {}, [None], [[]], {"": ""}, {"a": {"b": {"c": []}}}, {"name": "../x"}, {"name": "a", "key": "../../b"},
    {"claimName": "a", "path": "../b"}, [{"name": "a"}], [{"name": "a"}, {"name": "a"}], {"-": "-"}, {"a b": "c"}, {"d4py.dev/workflow": "other"},
    ["--privileged"], {"module": "os; import sys"}, {"uri": "file:///etc"}, {"uri": "pvc://a/../b"}, {"hostNetwork": True}, {"containers": []},
]  # fmt: skip


def paths(kind: type[Described], at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield where a value can be, in a spec that has everything."""
    for entry, annotation in described(kind):
        here = (*at, key(entry))
        yield here
        part = bare(annotation)
        if isinstance(part, type) and issubclass(part, Described):
            yield from paths(part, here)


FULL: dict[str, Any] = {
    **SPEC,
    "mapping": "threads",
    "args": {"a": "1"},
    "inputs": {"uri": "https://data.example.org/days.json"},
    "outputs": {"uri": "pvc://results"},
    "parallelism": {"processes": 2, "perPE": {"a": 2}},
    "runPolicy": {"backoffLimit": 1, "backoff": {"factor": 2}},
    "checkpoint": {"volume": {"claimName": "kept"}, "upgradeMode": "Checkpoint"},
    "snapshotNonce": "1",
    "scheduling": {"nodeSelector": {"a": "b"}, "tolerations": [{"key": "a"}]},
    "template": {"labels": {"a": "b"}, "spec": {"affinity": {}}},
    "resources": {"worker": {"limits": {"cpu": "1"}}},
    "volumes": [{"name": "a", "mountPath": "/a", "emptyDir": {}}],
    "env": [{"name": "A", "value": "1"}],
    "envFrom": [{"secretRef": {"name": "a"}}],
}


def crooked(number: int) -> dict[str, Any]:
    """Return a spec with one to three values that do not belong there."""
    chance = random.Random(f"{SEED} {number}")
    spec = copy.deepcopy(FULL if chance.random() < 0.7 else SPEC)
    for _ in range(chance.choice((1, 1, 2, 3))):
        *way, last = chance.choice(PLACES)
        at: Any = spec
        for name in way:
            at = at.setdefault(name, {}) if isinstance(at, dict) else {}
        if isinstance(at, dict):
            at[last] = copy.deepcopy(chance.choice(HOSTILE))
        if chance.random() < 0.2:
            spec[chance.choice(("hostPID", "serviceAccount", "command", "x" * 100))] = chance.choice(HOSTILE)
    return spec


PLACES = list(paths(WorkflowSpec))
OVERLAYS: list[Any] = [
    {"hostNetwork": True}, {"hostPID": True}, {"hostIPC": True}, {"shareProcessNamespace": True}, {"nodeName": "master"}, {"containers": [{"name": "x"}]},
    {"initContainers": [{"name": "x", "image": "x", "securityContext": {"privileged": True}}]}, {"ephemeralContainers": []}, {"restartPolicy": "Always"},
    {"volumes": [{"name": "x", "hostPath": {"path": "/"}}]}, {"serviceAccountName": "default"}, {"automountServiceAccountToken": True},
    {"securityContext": {"runAsUser": 0}}, {"securityContext": {"runAsNonRoot": False}}, {"securityContext": {"sysctls": []}},
    {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}, {"securityContext": []}, {"affinity": "x"}, {"hostAliases": {}}, {"": 1},
]  # fmt: skip


def test_three_hundred_crooked_objects(hands: Hands, operator: Operator) -> None:
    refused, taken = 0, []
    for number in range(NUMBER):
        spec = crooked(number) if number >= len(OVERLAYS) else {**SPEC, "template": {"spec": OVERLAYS[number]}}
        try:
            hands.make("Workflow", f"crooked-{number}", spec)
            taken.append(f"crooked-{number}")
        except ApiError as error:
            if error.status not in (400, 422):
                raise
            refused += 1
    assert refused > NUMBER / 4
    assert len(taken) > NUMBER / 10

    def unjudged() -> list[str]:
        return [each["metadata"]["name"] for each in hands.all("Workflow") if not (accepted(each) or anothers(each))]

    eventually(lambda: not unjudged(), "the operator to judge all", 60)
    assert not [each for each in hands.all("Workflow") if anothers(each) and "status" in each]
    wrong = [each for each in hands.all("Workflow") if accepted(each).get("status") == "False"]
    assert len(wrong) >= len(OVERLAYS)
    for each in wrong:
        said = accepted(each)["message"]
        assert said.startswith(("spec.", "metadata.")), (each["spec"], said)
    ran = [each["metadata"]["name"] for each in hands.all("Job")]
    assert not {f"crooked-{number}-1" for number in range(len(OVERLAYS))} & set(ran)
    assert not defects(operator)
    quiet(operator)


def anothers(workflow: Object) -> bool:
    """Whether it says that it is not the operator's to act on."""
    return "managedBy" in (workflow["spec"].get("runPolicy") or {})


def accepted(workflow: Object) -> dict[str, Any]:
    for each in (workflow.get("status") or {}).get("conditions", ()):
        if each["type"] == "Accepted":
            found: dict[str, Any] = each
            return found
    return {}


def defects(operator: Operator) -> list[str]:
    return [line for line in operator.metrics.text().splitlines() if 'result="defect"' in line]


def quiet(operator: Operator) -> None:
    """Assert that the operator comes to rest: it asks for nothing while nothing changes."""

    def writes() -> int:
        return sum(count for (verb, _), count in operator._api.counts.items() if verb in ("PATCH", "POST", "DELETE"))

    def still() -> bool:
        before = writes()
        return not operator.ending.wait(1.5) and writes() == before

    eventually(still, "the operator to come to rest", 60)


DEEP = "[" * 3000 + "]" * 3000
LAST_WORDS = [
    "", "{}", "null", "[]", "{", '{"d4py": 1}', '{"d4py": 2, "exit_code": 0}', '{"d4py": 1, "exit_code": "0"}', '{"d4py": 1, "exit_code": 999}',
    '{"d4py": 1, "read": -5, "written": 1e99, "outputs": 99999999999999999999}', '{"d4py": 1, "failed_pe": {"a": 1}, "error": ["x"]}',
    json.dumps({"d4py": 1, "error": "x\u0000\u202e\n" * 200}), json.dumps({"d4py": 1, "failed_pe": "p" * 3000}), DEEP[:4000], "\x1b[2J", "é" * 1500,
    '{"d4py": 1, "checkpoint": true}', '{"d4py": true, "exit_code": 0}', '{"d4py": 1, "exit_code": 0}',
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(LAST_WORDS)))
def test_whatever_a_pod_says_at_its_end_is_borne(hands: Hands, operator: Operator, number: int) -> None:
    name = f"says-{number}"
    hands.workflow(name)
    hands.ends(f"{name}-1", 3, said=LAST_WORDS[number])

    status = hands.await_phase(name, "Failed")

    assert status["reason"] in ("PEFailed", "PodFailed")
    assert status["message"].isprintable()
    assert not defects(operator)


def test_a_status_that_somebody_has_changed_does_no_harm(hands: Hands, operator: Operator) -> None:
    hands.workflow("forged")
    hands.runs("forged-1")
    hands.await_phase("forged", "Running")
    forged = {
        "phase": "Succeeded",
        "attempts": 7,
        "lastAttempt": {"number": 9, "name": "forged-1", "startTime": "2020-01-01T00:00:00Z"},
    }

    hands.patch("Workflow", "forged", {"status": forged}, part="status")

    hands.await_phase("forged", "Running")
    hands.ends("forged-1")
    hands.await_phase("forged", "Succeeded")
    assert [each["metadata"]["name"] for each in hands.all("Job") if each["metadata"]["name"].startswith("forged")] == [
        "forged-1"
    ]
    assert not defects(operator)


def test_children_with_odd_labels_do_no_harm(hands: Hands, operator: Operator) -> None:
    hands.workflow("odd")
    hands.runs("odd-1")
    hands.await_phase("odd", "Running")
    for number, label in enumerate(("", "x", "0", "9" * 60, "1.5")):
        labels = {**hands.get("Job", "odd-1")["metadata"]["labels"], "d4py.dev/attempt": label}
        owner = hands.get("Job", "odd-1")["metadata"]["ownerReferences"]
        pod = {"spec": {"restartPolicy": "Never", "containers": [{"name": "x", "image": "x"}]}}
        hands.make("Job", f"stray-{number}", {"suspend": True, "template": pod}, labels=labels, ownerReferences=owner)

    hands.ends("odd-1")

    assert hands.await_phase("odd", "Succeeded")["attempts"] == 1
    assert not defects(operator)


def test_secrets_appear_nowhere(hands: Hands, operator: Operator, caplog: pytest.LogCaptureFixture) -> None:
    """Neither in the status, nor in Events, nor in the log: the operator does not even read them."""
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "stringData": {"key": "hunter-4711"}}
    hands.api.request("POST", f"/api/v1/namespaces/{hands.namespace}/secrets", body=secret)
    hands.workflow("quiet", env=[{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "token", "key": "key"}}}])
    hands.ends("quiet-1")
    hands.await_phase("quiet", "Succeeded")

    seen = [hands.all(kind) for kind in ("Workflow", "Event", "Job", "Pod", "ConfigMap")]

    assert "hunter-4711" not in json.dumps(seen)
    assert "hunter-4711" not in caplog.text
