# SPDX-License-Identifier: Apache-2.0
"""Runs in the background, and every command that looks at them or acts on them while they go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import Call, command, eventually, touch

from d4py.runs import Folder, State, find, home
from d4py.runs.listing import listed_runs


@contextmanager
def submitted(program: Call, line: str) -> Iterator[str]:
    """Submit a run; whatever the test does to it, it is over afterwards."""
    told = program(f"submit {line}")
    assert told.code == 0, told.err
    run = told.out.strip()
    try:
        yield run
    finally:
        state = find(run).state()
        if not state.status.over:
            os.kill(state.pid, signal.SIGKILL)


def read(call: Call, run: str, pe: str) -> int:
    """Return how much a PE has read; a run that has just begun has no counts."""
    counts = json.loads(call(f"status {run} -o json").out)["counts"]
    return int(counts.get(pe, {"read": 0})["read"])


def test_submit_returns_the_id_of_a_run_that_goes_on_by_itself(program: Call, call: Call) -> None:
    with submitted(program, "waiting.py") as run:
        status = json.loads(call(f"status {run} -o json").out)
        assert status["status"] in ("starting", "running")
        assert os.getsid(status["pid"]) == status["pid"]

        touch("go")

        assert call(f"wait {run}") == (0, f"{run}: done, exit code 0\n", "")
        assert call(f"outputs {run}").out == "Total.output: 15\n"


def test_the_output_file_is_whole_when_wait_returns(program: Call, call: Call) -> None:
    """Many times, because a file that is written too late is there most of the time."""
    for number in range(5):
        with submitted(program, f"tiny.py --set n=1000 --output out{number}.jsonl") as run:
            assert call(f"wait {run} -q").code == 0
            assert Path(f"out{number}.jsonl").read_text() == '{"pe": "Total", "output": "output", "value": 999000}\n'


def test_submit_takes_the_options_of_run(program: Call, call: Call) -> None:
    line = "fragile.py -m threads -n 2 --set n=8 -i 1 --on-error invert=quarantine --checkpoint 5 --restarts 1 --no-fuse --run-dir r/a"
    with submitted(program, line) as run:
        assert run.endswith("/r/a")
        assert call(["wait", run]).code == 4
        options = Folder(Path("r/a")).description()
        assert options["mapping"] == "threads"
        assert options["on_error"] == {"invert": "quarantine"}
        assert options["source"]["parameters"] == {"n": "8"}
        assert {name: options["options"][name] for name in ("processes", "fuse", "checkpoint", "restarts")} == {
            "processes": 2,
            "fuse": False,
            "checkpoint": 5.0,
            "restarts": 1,
        }


@pytest.mark.parametrize(
    "line", ["none.py", "tiny.py --set m=1", "tiny.py -m none", "tiny.py -d {", "tiny.py --output no/where"]
)
def test_submit_says_what_run_would_say_and_leaves_no_run_behind(line: str, program: Call, call: Call) -> None:
    told = program(f"submit {line}")

    assert told == (2, "", call(f"run {line}").err)
    assert list(listed_runs()) == []
    assert not home().exists() or list(home().iterdir()) == []


def test_submit_refuses_a_folder_that_holds_a_run(program: Call, call: Call) -> None:
    call("run tiny.py --run-dir r/a")

    told = program("submit tiny.py --run-dir r/a")

    assert told.code == 2
    assert "already holds a run" in told.err
    assert call("outputs r/a").out == "Total.output: 90\n"


def test_submit_wait_exits_as_the_run_does(program: Call) -> None:
    done, failed = program("submit tiny.py --wait"), program("submit fragile.py --wait")

    run = failed.out.strip()
    assert (done.code, done.err) == (0, "")
    assert (failed.code, failed.err) == (
        3,
        f"d4py: {run}: failed, exit code 3. See d4py status {run} and d4py logs {run}.\n",
    )


def test_logs_follow_a_run_until_its_end(program: Call) -> None:
    with submitted(program, "waiting.py") as run:
        follow = subprocess.Popen(command(f"logs -f {run} Total"), stdout=subprocess.PIPE, text=True)
        assert follow.stdout is not None
        first = [follow.stdout.readline() for _ in range(3)]
        touch("go")
        rest = follow.stdout.read()
        follow.stdout.close()

        assert follow.wait() == 0
        assert [line.split(" got ")[1] for line in (*first, *rest.splitlines(keepends=True))] == [
            f"{n}\n" for n in range(6)
        ]


def test_logs_of_one_pe_and_the_last_lines_of_all(call: Call) -> None:
    call("run tiny.py --run-id a")

    assert len(call("logs a Total").out.splitlines()) == 10
    assert call("logs a -n 1").out.startswith("Total | ")
    assert call("logs a -n 1").out.endswith(" got 18\n")
    assert call("logs a double") == (0, "", "Nothing was logged.\n")


def test_submit_follow_prints_the_logs_and_exits_as_the_run_does(program: Call) -> None:
    told = program("submit fragile.py --follow")

    assert told.code == 3
    assert "output | d4py: error: PE 'invert', instance invert, item 5" in told.out


def test_cancel_ends_a_finite_run_which_resume_can_continue(program: Call, call: Call) -> None:
    with submitted(program, "waiting.py") as run:
        eventually(lambda: "got 2" in call(f"logs {run}").out)

        assert call(f"cancel {run}") == (0, f"{run}: cancelled. Continue: d4py resume {run}\n", "")
        assert call(f"wait {run}").code == 5
        touch("go")
        assert call(f"resume {run}").code == 0


def test_cancel_drains_a_live_run(program: Call, call: Call) -> None:
    with submitted(program, "live.py") as run:
        eventually(lambda: read(call, run, "same") > 3)

        assert call(f"cancel {run}").out == f"{run}: done, exit code 0\n"
        counts = json.loads(call(f"status {run} -o json").out)["counts"]
        assert counts["Clock"]["written"] == counts["same"]["read"] == counts["same"]["written"]


def test_cancel_now_ends_a_live_run_without_draining_it(program: Call, call: Call) -> None:
    with submitted(program, "live.py") as run:
        eventually(lambda: read(call, run, "same") > 3)

        assert call(f"cancel {run} --now") == (0, f"{run}: cancelled. Continue: d4py resume {run}\n", "")
        assert call(f"wait {run}").code == 5


def test_suspend_makes_a_checkpoint_and_resume_continues_into_the_same_output_file(program: Call, call: Call) -> None:
    with submitted(program, "waiting.py --output out.jsonl") as run:
        eventually(lambda: "got 2" in call(f"logs {run}").out)

        assert call(f"suspend {run}").out == f"{run}: stopped. Continue: d4py resume {run}\n"
        assert call(f"wait {run}").code == 5
        assert not Path("out.jsonl").exists()
        touch("go")
        assert call(f"resume {run} -q") == (0, "", "")
        assert json.loads(Path("out.jsonl").read_text())["value"] == 15
        assert [line.split()[-1] for line in call(f"logs {run} Total").out.splitlines()] == [
            "0",
            "1",
            "2",
            "3",
            "4",
            "5",
        ]


def test_snapshot_makes_a_checkpoint_and_the_run_goes_on(program: Call, call: Call) -> None:
    with submitted(program, "waiting.py") as run:
        eventually(lambda: "got 2" in call(f"logs {run}").out)

        assert call(f"snapshot {run}").out == f"{run}: checkpoint 1 made; the run goes on\n"
        assert call(f"snapshot {run}").out == f"{run}: checkpoint 2 made; the run goes on\n"
        told = call(f"audit {run}")
        assert (told.code, "as far as checkpoint 2" in told.out) == (0, True)
        touch("go")
        assert call(f"wait {run}").code == 0


def test_a_run_that_cannot_make_checkpoints_says_why_when_asked_for_one(program: Call, call: Call) -> None:
    Path("locked.py").write_text(
        Path("waiting.py")
        .read_text()
        .replace("self.sum = 0", "self.sum = 0; self.guard = __import__('threading').Lock()")
    )
    with submitted(program, "locked.py") as run:
        eventually(lambda: find(run).state().warnings)

        told = call(f"snapshot {run}")

        assert told.code == 2
        assert told.err.startswith(
            "d4py: error: This run takes no checkpoints: PE 'Total': attribute 'guard' cannot be pickled"
        )
        touch("go")
        assert call(f"wait {run}").code == 0


def test_what_a_busy_run_is_asked_stays_asked(program: Call, call: Call) -> None:
    """A PE in a long call serves nobody: the command says so instead of waiting for ever."""
    Path("long.py").write_text(
        "import os, time, d4py\n@d4py.producer\ndef one():\n    while not os.path.exists('go'):\n        time.sleep(0.01)\n    yield 1\n"
        "@d4py.iterative\ndef same(x):\n    return x\nworkflow = one() >> same()\n"
    )
    with submitted(program, "long.py") as run:
        told = call(f"cancel {run} --timeout 0.3")

        assert told == (0, "", f"{run}: asked to cancel; it goes on, perhaps in a long call. Wait: d4py wait {run}\n")
        touch("go")
        assert eventually(lambda: find(run).state().status.over)


def test_a_run_whose_process_is_gone_is_lost_and_can_be_resumed(program: Call, call: Call) -> None:
    with submitted(program, "waiting.py") as run:
        eventually(lambda: "got 2" in call(f"logs {run}").out)
        os.kill(find(run).state().pid, signal.SIGKILL)

        assert call(f"wait {run}") == (5, f"{run}: lost, exit code 5\n", "")
        assert "its process ended without a word" in call(f"status {run}").out
        touch("go")
        resumed = call(f"resume {run}")
        assert (resumed.code, resumed.err, "Total.output: 15" in resumed.out) == (0, "", True)


def test_a_run_whose_job_on_another_host_is_gone_is_told_of_and_can_be_resumed(program: Call, call: Call) -> None:
    with submitted(program, "waiting.py") as run:
        eventually(lambda: "got 2" in call(f"logs {run}").out)
        folder = find(run)
        os.kill(folder.state().pid, signal.SIGKILL)
        eventually(lambda: folder.state().status.over)
        left = json.loads((folder.path / "state.json").read_text())
        (folder.path / "state.json").write_text(json.dumps({**left, "host": "n1"}))
        os.utime(folder.path / "state.json", (time.time() - 100,) * 2)
        says = f"s; if its job is over: d4py resume {run} --gone"

        assert "on n1; no sign of life from n1 for 10" in (told := call(f"status {run}").out)
        assert says in told
        refused = call(f"resume {run}")
        assert (refused.code, refused.err.count("\n"), f"{says}.\n" in refused.err) == (2, 1, True), refused.err
        waited = call(f"wait {run} --timeout 0.1")
        assert (waited.err.count(says), waited.code) == (1, 2), waited.err
        touch("go")
        assert call(f"resume {run} --gone").code == 0


def test_wait_gives_up_when_its_time_is_up(program: Call, call: Call) -> None:
    with submitted(program, "waiting.py") as run:
        told = call(f"wait {run} --timeout 0.1")

        assert told.code == 2
        assert "not over after 0.1 s" in told.err


def test_retry_runs_what_is_in_quarantine_again_with_the_code_as_it_is_now(call: Call) -> None:
    call("run fragile.py --on-error quarantine --run-id a")
    assert call("retry a --list").out.splitlines()[0] == (
        "PE 'invert', instance invert, item 5 on 'input', input 5: ValueError: five is not allowed"
    )
    assert call("retry a").code == 4
    touch("mended")

    told = call("retry a --json")

    assert told.code == 0
    summary = json.loads(told.out)
    assert summary["counts"]["invert"] == {"instances": 1, "read": 1, "written": 1, "quarantined": 0}
    assert summary["counts"]["numbers"]["written"] == 0
    assert call(f"outputs {summary['run_id']}").out == "invert.output: 2.5\n"


def test_outputs_as_lines_for_people_for_machines_and_in_a_file(call: Call) -> None:
    Path("arrays.py").write_text(
        "import numpy as np\nimport d4py\n@d4py.producer\ndef arrays():\n    yield np.arange(3.0)\n    yield {('a', 1): {2}}\n"
        "workflow = d4py.WorkflowGraph()\nworkflow.add(arrays())\n"
    )
    call("run arrays.py --run-id a")

    assert call("outputs a").out.splitlines() == ["arrays.output: array of 3 float64", "arrays.output: {('a', 1): {2}}"]
    assert [json.loads(line)["value"] for line in call("outputs a -o json").out.splitlines()] == [
        [0.0, 1.0, 2.0],
        {"('a', 1)": [2]},
    ]
    assert call("outputs a -n 1").out.count("\n") == 1
    assert call("outputs a --output out.jsonl").out == f"2 outputs in {Path('out.jsonl').absolute()}\n"
    lines = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert lines[0]["value"] == {"array": "a0", "file": "out.npz", "shape": [3], "dtype": "float64"}
    assert lines[1]["value"] == {"('a', 1)": [2]}
    with np.load("out.npz") as arrays:
        assert arrays["a0"].tolist() == [0.0, 1.0, 2.0]


def test_list_shows_the_newest_first_and_reads_no_more_than_it_shows(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("run tiny.py --run-id a")
    state = json.loads((home() / "a" / "state.json").read_text())
    for number in range(1000):
        folder = home() / f"b{number:04d}"
        folder.mkdir()
        (folder / "state.json").write_text(json.dumps({**state, "run": folder.name}))
        (folder / "run.json").write_text("{}")
        begun = time.time() + 1 + number
        os.utime(folder / "run.json", (begun, begun))
    (home() / "b0999" / "state.json").write_text("{")
    read: list[str] = []
    whole = Folder.state

    def counting(folder: Folder) -> State:
        read.append(folder.path.name)
        return whole(folder)

    monkeypatch.setattr(Folder, "state", counting)

    told = call("list")

    assert len(read) == 20
    assert [line.split()[0] for line in told.out.splitlines()] == [
        "RUN",
        *(f"b{number:04d}" for number in range(999, 979, -1)),
    ]
    assert told.out.splitlines()[1].split() == ["b0999", "damaged"]
    assert told.out.splitlines()[2].split()[:6] == ["b0998", "tiny", "simple", "done", "0", f"{state['seconds']:.2f}"]
    assert len(json.loads(call("list --all -o json").out)) == 1001
    assert call("list --status failed").out == "No runs yet. Start one: d4py run WORKFLOW\n"
    assert call("list -n 1 -q").out == "b0999\n"


def test_prune_deletes_what_is_over_and_nothing_else(program: Call, call: Call) -> None:
    for name in "abc":
        call(f"run tiny.py --run-id {name}")
    (home() / "c" / "state.json").write_text("{")
    with submitted(program, "waiting.py --run-dir r/going") as run:
        assert call("prune b").out.startswith("deleted b (")
        assert call("prune --all --dry-run").out.splitlines()[0].startswith("would delete c (")
        assert call("prune --older 1d").out == "0 runs, 0.0 kB freed\n"
        assert call("prune --keep 1").out.splitlines()[0].startswith("deleted a (")
        refused = call(["prune", run])
        assert (refused.code, "still goes on" in refused.err) == (2, True)
        assert call("prune --all").out.splitlines()[0].startswith("deleted c (")
        assert list(home().iterdir()) == []
        assert find(run).state().status.over is False


def test_status_of_a_running_run_shows_its_counts(program: Call, call: Call) -> None:
    with submitted(program, "waiting.py") as run:
        eventually(lambda: read(call, run, "Total") == 3)

        lines = call(f"status {run}").out.splitlines()
        assert lines[0].split() == ["run", run]
        assert lines[3].startswith("status     running (process ")
        assert [line.split()[0] for line in lines[-4:]] == ["PE", "Numbers", "positive", "Total"]


def test_waiting_ends_with_the_process_and_not_with_the_next_look(
    program: Call, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The state is looked at rarely; the end of the process wakes."""
    from d4py.runs import waiting

    monkeypatch.setattr(waiting, "_LOOK", 1000.0)
    monkeypatch.setattr(waiting, "_LONGEST", 1000.0)
    with submitted(program, "waiting.py") as run:
        os.kill(find(run).state().pid, signal.SIGTERM)
        began = time.monotonic()

        assert call(f"wait {run}").code == 5
        assert time.monotonic() - began < 60
