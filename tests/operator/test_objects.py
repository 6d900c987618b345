# SPDX-License-Identifier: Apache-2.0
"""What an attempt is made of, on each mapping."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from tests.operator.scene import KEPT, Scene, workflow

from d4py_operator.mappings import room_of
from d4py_operator.objects import Object, leaving, owner_reference
from d4py_operator.run import Run

MAPPINGS: dict[str, dict[str, Any]] = {
    "simple": {},
    "threads": {"parallelism": {"processes": 3}},
    "multi": {"parallelism": {"processes": 3}},
    "mpi": {"mpi": {"ranks": 4, "slotsPerWorker": 2}},
}
SERVED = {"MPIJob": frozenset({"MPIJob"}), "Native": frozenset[str]()}
EVERYTHING: dict[str, Any] = {
    "args": {"words": "$(HOME) 'quoted'; rm -rf /", "price": "a$$b $$(HOME)"},
    "inputs": {"secretRef": {"name": "inputs", "key": "data"}},
    "outputs": {"uri": "pvc://results/run"},
    "checkpoint": {"volume": {"claimName": "kept", "path": "here"}, "intervalSeconds": 30},
    "env": [
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "HOME", "value": "/tmp/mine"},
    ],
    "envFrom": [{"configMapRef": {"name": "settings"}}],
    "volumes": [{"name": "data", "mountPath": "/data", "readOnly": True, "persistentVolumeClaim": {"claimName": "d"}}],
    "resources": {"worker": {"limits": {"memory": "1Gi"}}, "launcher": {"limits": {"cpu": 1}}},
    "scheduling": {"nodeSelector": {"disk": "fast"}, "tolerations": [{"key": "gpu", "operator": "Exists"}]},
    "template": {"labels": {"team": "a"}, "annotations": {"note": "b"}, "spec": {"terminationGracePeriodSeconds": 9}},
    "imagePullSecrets": [{"name": "registry"}],
    "serviceAccountName": "lab",
}


def objects(mapping: str, served: frozenset[str] = frozenset(), **more: Any) -> list[Object]:
    run = Run(workflow(mapping=mapping, **MAPPINGS[mapping], **more))
    room = room_of(run, served)
    assert room is not None
    return room.objects(run, 1)


def pods(things: list[Object]) -> list[Object]:
    """Return the templates of all pods."""
    found = [thing["spec"]["template"] for thing in things if thing["kind"] == "Job"]
    for thing in things:
        if thing["kind"] == "MPIJob":
            found += [replica["template"] for replica in thing["spec"]["mpiReplicaSpecs"].values()]
    return found


def container(things: list[Object]) -> Object:
    found: Object = pods(things)[0]["spec"]["containers"][0]
    return found


EACH = [pytest.param(mapping, SERVED[how], id=f"{mapping} {how}") for mapping in MAPPINGS for how in SERVED]


@pytest.mark.parametrize(("mapping", "served"), EACH)
@pytest.mark.parametrize("more", [{}, EVERYTHING], ids=["bare", "with everything"])
def test_pods_meet_pod_security_restricted(mapping: str, served: frozenset[str], more: dict[str, Any]) -> None:
    found = pods(objects(mapping, served, **more))

    assert found
    for pod in found:
        spec, context = pod["spec"], pod["spec"]["securityContext"]
        assert (context["runAsNonRoot"], context["seccompProfile"]["type"]) == (True, "RuntimeDefault")
        assert context["runAsUser"] == 1000
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
        assert spec["automountServiceAccountToken"] is False
        for each in spec["containers"]:
            own = each["securityContext"]
            assert own["allowPrivilegeEscalation"] is False
            assert own["capabilities"] == {"drop": ["ALL"]}
            assert own["readOnlyRootFilesystem"] is True
        allowed = {"configMap", "emptyDir", "persistentVolumeClaim", "secret"}
        assert {kind for volume in spec["volumes"] for kind in volume} - {"name"} <= allowed


@pytest.mark.parametrize(("mapping", "served"), EACH)
def test_a_run_is_told_which_variables_are_secret(mapping: str, served: frozenset[str]) -> None:
    more = {**EVERYTHING, "envFrom": [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "whole"}}]}
    more["volumes"] = [*more["volumes"], {"name": "keys", "mountPath": "/keys", "secret": {"name": "keys"}}]

    for pod in pods(objects(mapping, served, **more)):
        each = pod["spec"]["containers"][0]
        told = {variable["name"]: variable.get("value") for variable in each["env"]}
        assert told["D4PY_SECRETS"] == "TOKEN"
        assert told["D4PY_RUN_NAME"] == "kubernetes://lab/demo"  # what its logs name it by
        assert told["D4PY_SECRET_FOLDERS"] == "/d4py/variables/1:/keys"
        mounted = {mount["mountPath"]: mount for mount in each["volumeMounts"]}
        assert mounted["/d4py/variables/1"] == {
            "name": "d4py-variables-1", "mountPath": "/d4py/variables/1", "readOnly": True,
        }  # fmt: skip
        held = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
        assert held["d4py-variables-1"]["secret"] == {"secretName": "whole", "defaultMode": 0o440, "optional": True}


@pytest.mark.parametrize(("mapping", "served"), EACH)
def test_every_object_is_owned_and_labelled(mapping: str, served: frozenset[str]) -> None:
    for thing in objects(mapping, served):
        (owner,) = thing["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["uid"], owner["controller"]) == ("Workflow", "demo", "w-1", True)
        labels = thing["metadata"]["labels"]
        of_attempt = thing["kind"] in ("Job", "MPIJob")
        assert (labels["d4py.dev/workflow"], labels.get("d4py.dev/attempt")) == ("demo", "1" if of_attempt else None)
        assert labels["app.kubernetes.io/managed-by"] == "d4py-operator"


@pytest.mark.parametrize(("mapping", "served"), EACH)
def test_what_launches_comes_last(mapping: str, served: frozenset[str]) -> None:
    things = objects(mapping, served)

    assert things[-1]["metadata"]["name"] == "demo-1"
    assert things[-1]["kind"] in ("Job", "MPIJob")


@pytest.mark.parametrize(("mapping", "served"), EACH)
def test_words_of_a_user_stay_words(mapping: str, served: frozenset[str]) -> None:
    """Neither the shell nor the kubelet finds anything in them to carry out or to fill in."""
    script = container(objects(mapping, served, **EVERYTHING))["command"][2].replace("$$", "$")

    begin = script.partition("else set -- ")[2].partition("; fi\n")[0]
    assert "--set=words=$(HOME) 'quoted'; rm -rf /" in shlex.split(begin)
    assert "--set=price=a$$b $$(HOME)" in shlex.split(begin)


def test_names_of_variables_are_kept_once() -> None:
    for mapping in MAPPINGS:
        for pod in pods(objects(mapping, **EVERYTHING)):
            names = [each["name"] for each in pod["spec"]["containers"][0]["env"]]
            assert len(names) == len(set(names))


def test_one_process_is_a_job_of_one_pod() -> None:
    (job,) = objects("simple")

    assert (job["spec"]["completions"], job["spec"]["parallelism"], job["spec"]["backoffLimit"]) == (1, 1, 0)
    assert "d4py run" not in container([job])["command"][2]
    assert "set -- run --run-id=demo --run-dir=/d4py/runs/demo-" in container([job])["command"][2]


def test_threads_ask_for_as_many_processors() -> None:
    assert container(objects("threads"))["resources"]["requests"] == {"cpu": "3"}
    own = {"worker": {"requests": {"cpu": "1"}}}
    assert container(objects("threads", resources=own))["resources"]["requests"] == {"cpu": "1"}


def test_processes_share_memory_of_the_size_that_is_asked_for() -> None:
    things = objects("multi", multi={"shmSizeLimit": "2Gi"})

    (memory,) = [volume for volume in pods(things)[0]["spec"]["volumes"] if volume["name"] == "d4py-shm"]
    assert memory["emptyDir"] == {"medium": "Memory", "sizeLimit": "2Gi"}
    assert {"name": "d4py-shm", "mountPath": "/dev/shm"} in container(things)["volumeMounts"]


def test_ranks_are_told_how_many_they_are() -> None:
    for served in SERVED.values():
        for pod in pods(objects("mpi", served)):
            variables = {each["name"]: each.get("value") for each in pod["spec"]["containers"][0]["env"]}
            assert (variables["D4PY_RANKS"], variables["D4PY_NODES"]) == ("4", "2")
            assert "-p 2222" in variables["OMPI_MCA_plm_rsh_agent"]
            assert variables["PRTE_MCA_plm_ssh_agent"] == variables["OMPI_MCA_plm_rsh_agent"]


def test_an_mpijob_waits_for_its_workers() -> None:
    (job,) = objects("mpi", SERVED["MPIJob"])

    assert job["spec"]["launcherCreationPolicy"] == "WaitForWorkersReady"
    assert (job["spec"]["slotsPerWorker"], job["spec"]["sshAuthMountPath"]) == (2, "/d4py/ssh")
    assert {name: each["replicas"] for name, each in job["spec"]["mpiReplicaSpecs"].items()} == {
        "Launcher": 1,
        "Worker": 2,
    }


def test_native_ranks_find_each_other_by_name() -> None:
    """Names of pods are those of an attempt's Job, so the Service of the run finds pods of any attempt, each by a name of its own."""
    service, secret, job = objects("mpi")

    name = service["metadata"]["name"]
    assert (secret["kind"], "data" in secret) == ("Secret", False)
    assert job["spec"]["template"]["spec"]["subdomain"] == name
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert service["spec"]["selector"] == {"d4py.dev/workflow": "demo", "d4py.dev/run": "c3b5f"}
    assert service["spec"]["selector"].items() <= job["spec"]["template"]["metadata"]["labels"].items()


def test_attempts_of_ranks_share_all_but_their_jobs() -> None:
    policy = {"backoffLimit": 9, "backoff": {"initialSeconds": 0}}
    scene = Scene(**MAPPINGS["mpi"], mapping="mpi", checkpoint=KEPT, runPolicy=policy).settle()
    for _ in range(2):
        scene.runs().ends(3).pods_go()

    beside = ["Service/demo-c3b5f", "Secret/demo-c3b5f"]
    assert scene.made == [*beside, "Job/demo-1", "Job/demo-2", "Job/demo-3"]
    refs = [f"{ref['kind']}/{ref['name']}" for ref in scene.status["mappingRefs"]]
    assert refs == [*beside, "Job/demo-3"]


def test_mpich_is_told_in_its_own_words() -> None:
    run = Run(workflow(mapping="mpi", mpi={"ranks": 2, "implementation": "MPICH"}))
    room = room_of(run, frozenset())
    assert room is not None

    assert "mpiexec -n 2 -ppn 1 -f /tmp/hosts" in container(room.objects(run, 1))["command"][2]


@pytest.mark.parametrize(
    ("launcher", "served", "kind"),
    [
        ("Auto", SERVED["MPIJob"], "MPIJob"),
        ("Auto", SERVED["Native"], "Job"),
        ("Native", SERVED["MPIJob"], "Job"),
        ("MPIJob", SERVED["MPIJob"], "MPIJob"),
        ("MPIJob", SERVED["Native"], None),
    ],
)
def test_who_launches_ranks(launcher: str, served: frozenset[str], kind: str | None) -> None:
    room = room_of(Run(workflow(mapping="mpi", mpi={"ranks": 2, "launcher": launcher})), served)

    assert (room.LAUNCHES if room else None) == kind


def test_a_launcher_that_is_not_served_is_refused_with_its_path() -> None:
    scene = Scene(mapping="mpi", mpi={"ranks": 2, "launcher": "MPIJob"}, checkpoint=KEPT).settle()

    assert scene.says() == ("Pending", "MappingMissing")
    assert scene.status["message"].startswith("spec.mpi.launcher: ")


def test_inputs_given_in_the_workflow_come_from_a_config_map_of_its_own() -> None:
    scene = Scene(inputs={"inline": '{"a": 1}'}).settle()

    (listed,) = [thing for key, thing in scene.things.items() if key.kind == "ConfigMap"]
    assert listed["data"] == {"inputs.json": '{"a": 1}'}
    assert "--file=/d4py/inputs/inputs.json" in container([scene.job])["command"][2]


def test_checkpoints_outlive_a_workflow_of_the_same_name_only_for_it() -> None:
    """A new attempt goes on with the run; a new workflow of the same name begins its own."""
    one, other = (workflow(checkpoint={"volume": {"claimName": "kept"}}) for _ in "ab")
    other["metadata"]["uid"] = "w-2"

    assert Run(one).folder == Run(one).folder
    assert Run(one).folder != Run(other).folder


def test_outputs_go_where_they_are_asked_to() -> None:
    given = {
        "pvc://results/run": "pvc://results/run/outputs.jsonl",
        "pvc://results": "pvc://results/outputs.jsonl",
        "file:///data/out": "file:///data/out/outputs.jsonl",
    }

    assert {uri: Run(workflow(outputs={"uri": uri})).output_address for uri in given} == given
    same = Run(workflow(outputs={"volume": {"claimName": "results", "path": "run"}}))
    assert same.output_address == "pvc://results/run/outputs.jsonl"


def test_a_network_policy_keeps_a_run_to_itself() -> None:
    scene = Scene(networkPolicy="Isolated").settle()

    (policy,) = [thing for key, thing in scene.things.items() if key.kind == "NetworkPolicy"]
    selected = policy["spec"]["podSelector"]["matchLabels"]
    assert selected.items() <= scene.job["spec"]["template"]["metadata"]["labels"].items()
    itself, operator = policy["spec"]["ingress"]
    assert itself == {"from": [{"podSelector": {"matchLabels": selected}}]}
    assert operator["ports"] == [{"protocol": "TCP", "port": 8090}]
    assert operator["from"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "operator"
    among, names = policy["spec"]["egress"]
    assert among == {"to": [{"podSelector": {"matchLabels": selected}}]}
    asked = {(each["protocol"], each["port"]) for each in names["ports"]}
    assert asked == {(protocol, port) for protocol in ("UDP", "TCP") for port in (53, 5353)}, "some listen at 5353"
    assert names.keys() == {"ports"}, "who answers is not known beforehand"
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]


@pytest.mark.parametrize(
    ("overlay", "path"),
    [
        ({"hostNetwork": True}, "spec.template.spec.hostNetwork"),
        ({"containers": []}, "spec.template.spec.containers"),
        ({"volumes": [{"name": "x", "hostPath": {"path": "/"}}]}, "spec.template.spec.volumes"),
        ({"serviceAccountName": "root"}, "spec.template.spec.serviceAccountName"),
        ({"automountServiceAccountToken": True}, "spec.template.spec.automountServiceAccountToken"),
        ({"securityContext": {"runAsUser": 0}}, "spec.template.spec.securityContext.runAsUser"),
        ({"securityContext": {"runAsNonRoot": False}}, "spec.template.spec.securityContext.runAsNonRoot"),
        ({"affinity": 7}, "spec.template.spec.affinity"),
    ],
)
def test_an_overlay_that_would_weaken_pods_is_refused(overlay: dict[str, Any], path: str) -> None:
    scene = Scene(template={"spec": overlay}).settle()

    assert scene.says() == ("Pending", "InvalidSpec")
    assert scene.condition("Accepted") == ("False", "InvalidSpec")
    assert scene.status["message"].startswith(f"{path}: ")
    assert scene.made == []


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"image": None}, "spec.image"),
        ({"template": {"labels": {"d4py.dev/workflow": "x"}}}, "spec.template.labels.d4py.dev/workflow"),
        ({"outputs": {"uri": "file:///data"}}, "spec.outputs.uri"),
        ({"mapping": 7}, "spec.mapping"),
        ({"args": {"a": 7.5}}, "spec.args.a"),
        ({"volumes": "none"}, "spec.volumes"),
        ({"graph": None}, "spec.graph"),
    ],
)
def test_what_cannot_be_run_is_refused_with_its_path(more: dict[str, Any], path: str) -> None:
    scene = Scene(**more).settle()

    assert scene.condition("Accepted")[0] == "False"
    assert scene.status["message"].startswith(f"{path}: ")
    assert (scene.made, scene.again) == ([], None)


@pytest.mark.parametrize(
    ("name", "theirs", "own"),
    [
        ("inputs", {"iterations": 10}, {"inline": '{"numbers": [1]}'}),
        ("inputs", {"uri": "https://x.example/a.json"}, {"configMapRef": {"name": "n", "key": "k"}}),
        ("outputs", {"volume": {"claimName": "shared"}}, {"uri": "pvc://mine/here"}),
    ],
)
def test_what_is_one_of_several_takes_the_place_of_a_templates(
    name: str, theirs: dict[str, Any], own: dict[str, Any]
) -> None:
    shared = {"kind": "WorkflowTemplate", "spec": {name: theirs, "args": {"a": "1"}}}

    run = Run(workflow(**{name: own}, args={"b": "2"}), shared)

    assert (run.data[name], run.data["args"]) == (own, {"a": "1", "b": "2"})
    assert Run(workflow(), shared).data[name] == theirs


@pytest.mark.parametrize(
    ("there", "goes"),
    [
        ({"ownerReferences": [owner_reference(workflow())]}, False),
        ({"ownerReferences": [{**owner_reference(workflow()), "uid": "w-0"}]}, True),
        ({"ownerReferences": [owner_reference(workflow())], "deletionTimestamp": "2026-05-01T12:00:00Z"}, True),
        ({"ownerReferences": [{**owner_reference(workflow()), "name": "other", "uid": "w-0"}]}, False),
        ({}, False),
    ],
    ids=["its own", "of one that was deleted", "deleted", "of another", "of nobody"],
)
def test_what_has_the_name_of_a_child_may_be_on_its_way_out(there: dict[str, Any], goes: bool) -> None:
    assert leaving({"metadata": there}, objects("multi")[-1]) is goes
