# SPDX-License-Identifier: Apache-2.0
"""The commands of pods, run by a shell: what they begin and continue, how they end, and what they leave as the last word."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.operator.hands import eventually
from tests.operator.place import Place

# One that has begun, and has no handler of a signal yet.
BEGINS = "#!/bin/sh\n: >{place}/begun\nexec sleep 60\n"
# One that takes its time.
SLOW = """#!/bin/sh
: >{place}/begun
while ! [ -e {place}/go ]; do sleep 0.05; done
exec /bin/mkdir "$@"
"""
NATIVE: dict[str, Any] = {"mapping": "mpi", "mpi": {"ranks": 2, "launcher": "Native"}}
OPENMPI: dict[str, Any] = {"mapping": "mpi", "mpi": {"ranks": 2}}
MPICH: dict[str, Any] = {"mapping": "mpi", "mpi": {"ranks": 2, "implementation": "MPICH"}}
# Every pod that is made: its spec, and how it is told which it is.
PODS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "alone": ({}, {}),
    "first": (NATIVE, {}),
    "further": (NATIVE, {"number": "1"}),
    "launcher": (OPENMPI, {}),
    "launcher of MPICH": (MPICH, {}),
    "worker": (OPENMPI, {"role": "Worker"}),
}
Pod = Callable[..., Place]


@pytest.fixture(params=[{}, {"mapping": "mpi", "mpi": {"ranks": 2}}], ids=["alone", "ranks"])
def pod(request: pytest.FixtureRequest, tmp_path: Path) -> Pod:
    return lambda does="", **spec: Place(tmp_path, does, **{**request.param, **spec})


def test_a_pod_begins_the_run(pod: Pod) -> None:
    place = pod(args={"words": "a  b; $(c)"}, outputs={"uri": "pvc://results/here"})

    assert place.runs()[0] == 0
    assert place.words[:2] == ["run", "--run-id=demo"]
    assert place.words[-3:] == ["--set=words=a  b; $(c)", "--", "wordcount"]
    assert place.run_folder.is_dir()
    assert (place.folder / "d4py" / "outputs" / "here").is_dir()


def test_a_pod_continues_a_run_that_is_there(pod: Pod) -> None:
    place = pod()
    place.run_folder.mkdir(parents=True)
    (place.run_folder / "run.json").touch()

    assert place.runs()[0] == 0
    assert place.words[:2] == ["resume", "--gone"]
    assert place.words[-1] == str(place.run_folder)


def test_a_pod_of_a_stateless_run_begins_anew_and_moves_aside_what_is_there(pod: Pod) -> None:
    place = pod(checkpoint={"volume": {"claimName": "kept", "path": "here"}, "upgradeMode": "Stateless"})
    for content in ("first", "second"):
        place.run_folder.mkdir(parents=True)
        (place.run_folder / "run.json").write_text(content)

        assert place.runs()[0] == 0
        assert place.words[0] == "run"
        assert list(place.run_folder.iterdir()) == []
        place.run_folder.rmdir()
        for name in ("said", "said.pipe"):
            (place.folder / "tmp" / name).unlink(missing_ok=True)
    assert place.run_folder.with_name(f"{place.run_folder.name}.before").joinpath("run.json").read_text() == "second"


def test_a_pod_asks_for_instances_and_for_data_by_address(pod: Pod) -> None:
    place = pod(parallelism={"perPE": {"stack": 3, "a.b": 2}}, inputs={"uri": "https://data.example.org/a b?c=$(d)"})

    assert place.runs()[0] == 0
    assert "--file=https://data.example.org/a b?c=$(d)" in place.words
    assert [word for word in place.words if word.startswith("--resource")] == [
        "--resource=a.b.processes=2",
        "--resource=stack.processes=3",
    ]


def test_ranks_are_given_the_variables_that_objects_hold(tmp_path: Path) -> None:
    spec: dict[str, Any] = {
        "mapping": "mpi",
        "mpi": {"ranks": 2},
        "envFrom": [{"secretRef": {"name": "s"}}, {"configMapRef": {"name": "c"}}],
    }
    place = Place(tmp_path, "", **spec)
    for name in ("0/TOKEN", "0/not.a.name", "1/REGION"):
        file = tmp_path / "d4py" / "variables" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (tmp_path / "bin" / "mpiexec").write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" >{tmp_path}/all\n")

    place.runs()

    words = (tmp_path / "all").read_text().splitlines()
    assert words.index("TOKEN") < words.index("d4py")
    assert [
        words[at + 1]
        for at, word in enumerate(words)
        if word == "-x" and words[at + 1] in ("TOKEN", "REGION", "not.a.name")
    ] == ["REGION", "TOKEN"]


@pytest.mark.parametrize(
    ("implementation", "first", "last"),
    [
        ("OpenMPI", "demo-1-0.demo-c3b5f slots=2", "demo-1-4095.demo-c3b5f slots=2"),
        ("MPICH", "demo-1-0.demo-c3b5f:2", "demo-1-4095.demo-c3b5f:2"),
    ],
)
def test_the_first_of_many_pods_writes_down_where_all_are(
    tmp_path: Path, implementation: str, first: str, last: str
) -> None:
    many = {"ranks": 8192, "slotsPerWorker": 2, "launcher": "Native", "implementation": implementation}
    place = Place(tmp_path, "", mapping="mpi", mpi=many)
    (tmp_path / "bin" / "python3").symlink_to("/bin/true")  # which says that all of them listen

    assert place.runs()[0] == 0
    hosts = (tmp_path / "tmp" / "hosts").read_text().splitlines()
    assert (len(set(hosts)), hosts[0], hosts[-1]) == (4096, first, last)


@pytest.mark.parametrize("name", PODS)
def test_a_pod_that_is_told_to_end_before_it_has_begun_begins_nothing(name: str, tmp_path: Path) -> None:
    """What has no handler is not ended by a signal where it is the first process of a pod: here it would be, and have no exit code."""
    spec, which = PODS[name]
    place = Place(tmp_path, "", **which, **spec)
    place.program("mkdir", SLOW.format(place=tmp_path))

    assert place.told() == 143
    assert not (tmp_path / "words").exists()


@pytest.mark.parametrize("name", PODS)
def test_a_pod_whose_program_hears_of_no_signal_yet_ends_when_it_is_told_to(name: str, tmp_path: Path) -> None:
    spec, which = PODS[name]
    place = Place(tmp_path, "", **which, **spec)
    for program in ("d4py", "mpiexec", *(["sshd"] if name in ("worker", "further") else ["python3"])):
        place.program(program, BEGINS.format(place=tmp_path))

    assert place.told() in (143, 138)


@pytest.mark.parametrize("code", [0, 3, 5])
def test_a_pod_ends_as_the_run_does(pod: Pod, code: int) -> None:
    assert pod(f"exit {code}").runs()[0] == code


def test_a_pod_that_is_to_end_has_the_run_make_a_checkpoint(pod: Pod) -> None:
    place = pod("trap 'echo told; exit 5' TERM USR1\necho begun\nwhile :; do sleep 0.05; done")
    process = place.start()
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"

    process.send_signal(signal.SIGTERM)

    assert process.wait(timeout=20) == 5
    assert process.stdout.read() == "told\n"
    process.stdout.close()


def test_ranks_leave_their_last_line_as_the_last_word(tmp_path: Path) -> None:
    does = 'echo first\necho \'{"d4py": 1, "exit_code": 3}\'\nexit 3'
    place = Place(tmp_path, does, mapping="mpi", mpi={"ranks": 2})

    code, printed = place.runs()

    assert code == 3
    assert printed.splitlines() == ["first", '{"d4py": 1, "exit_code": 3}']
    assert place.left == '{"d4py": 1, "exit_code": 3}\n'


def test_ranks_that_say_nothing_leave_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path, "exit 7", mapping="mpi", mpi={"ranks": 2})

    assert place.runs() == (7, "")
    eventually(lambda: place.left == "", "the last word")
