# SPDX-License-Identifier: Apache-2.0
"""A sweep on a real Slurm: one array, a member for each combination, and commands that see it as one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import Call, eventually
from tests.slurm.test_runs import written

SITE = "--profile generic --mapping simple --time 10"

SWEPT = """
import os, time
import d4py

@d4py.producer
def numbers(n: int = 3, word: str = "", gate: str = ""):
    while gate and not os.path.exists(gate) and not os.path.exists(f"{gate}-{n}"):
        time.sleep(0.03)
    if os.path.exists(f"bad-{n}"):
        raise ValueError(f"bad {n}")
    for number in range(n):
        yield number, word

workflow = d4py.WorkflowGraph()
workflow.add(numbers())
"""


@pytest.fixture(autouse=True)
def swept(here: Path) -> None:
    (here / "swept.py").write_text(SWEPT)


def status(call: Call, run: str) -> dict[str, Any]:
    """Return how a sweep is doing."""
    told = call(["status", run, "-o", "json"])
    assert told.code == 0, told.err
    data: dict[str, Any] = json.loads(told.out)
    return data


def statuses(call: Call, run: str) -> list[str]:
    """Return how each of the members is doing."""
    return [member["status"] for member in status(call, run)["members"]]


def values(call: Call, run: str) -> list[tuple[int, Any]]:
    """Return what the members have given."""
    lines = call(["outputs", run, "-o", "json"]).out.splitlines()
    return sorted((entry["member"], entry["value"]) for entry in map(json.loads, lines))


def test_each_combination_runs_once_and_the_whole_is_one_run(call: Call, cluster: Cluster) -> None:
    sent = call(f"submit --slurm swept.py {SITE} --sweep n=1,2 --sweep word=a,b --at-once 2 --run-id s")
    waited = call("wait s")
    shown = call("status s").out
    log = call("logs s")

    assert (sent.code, sent.out) == (0, "slurm://s\n"), sent.err
    assert (waited.code, waited.out) == (0, "s: done, exit code 0\n"), shown
    assert values(call, "slurm://s") == [
        (0, [0, "a"]),
        (1, [0, "b"]),
        (2, [0, "a"]),
        (2, [1, "a"]),
        (3, [0, "b"]),
        (3, [1, "b"]),
    ]
    assert re.search(r"^MEMBER +n +word +STATUS +EXIT +TOOK$", shown, re.MULTILINE)
    assert re.search(r"^ +2 +2 +a +done +0 ", shown, re.MULTILINE)
    assert status(call, "s")["members"][3]["parameters"] == {"n": "2", "word": "b"}
    assert len(re.findall(r"^s +swept +simple +done +0", call("list").out, re.MULTILINE)) == 1
    assert call("list --quiet").out == "s\n"
    assert (call("wait s/3").code, call("status slurm://s/3").code) == (0, 0)
    assert call("outputs s/0").out == "numbers.output: (0, 'a')\n"
    assert {line.partition("/")[0] for line in log.out.splitlines()} >= {"0", "1", "2", "3"}
    (job,) = json.loads((Path(status(call, "s")["folder"]) / "submission.json").read_text())["jobs"]
    assert "ArrayTaskThrottle=2" in cluster.call("scontrol", "show", "job", job)


def test_the_worst_exit_code_counts_and_only_what_is_not_done_is_resumed(call: Call, here: Path) -> None:
    (here / "bad-2").touch()
    sent = call(f"submit --slurm swept.py {SITE} --sweep n=1,2,3 --wait")
    run = sent.out.strip()
    generations = [member["generation"] for member in status(call, run)["members"]]
    first = statuses(call, run)
    (here / "bad-2").unlink()

    again = call(["resume", run])
    waited = call(["wait", run])

    assert sent.code == 3
    assert first == ["done", "failed", "done"]
    assert again.code == 0, again.err
    assert waited.code == 0
    assert statuses(call, run) == ["done"] * 3
    assert [member["generation"] for member in status(call, run)["members"]] == [
        generations[0],
        generations[1] + 1,
        generations[2],
    ]
    assert "nothing to continue: all is done" in call(["resume", run]).err


def test_a_sweep_that_goes_on_is_cancelled_as_one_and_resumed(call: Call, here: Path, cluster: Cluster) -> None:
    gate = here / "gate"
    (here / "gate-1").touch()
    words = f"submit --slurm swept.py {SITE} --sweep n=1,2,3 --at-once 2 --set gate={gate} --run-id c"
    assert call(words).code == 0
    eventually(lambda: statuses(call, "c")[0] == "done" and "running" in statuses(call, "c"), "one done, one running")

    cancelled = call("cancel c --timeout 1")
    eventually(lambda: "d4py-c" not in cluster.call("squeue", "--noheader", "--format=%j"), "the jobs to end")
    ended = {"cancelled", "lost", "stopped"}
    eventually(lambda: set(statuses(call, "c")[1:]) <= ended, "what was killed to be missed")
    after = statuses(call, "c")
    gate.touch()
    resumed = call("resume c")

    assert cancelled.code == 0, cancelled.err
    assert after[0] == "done"
    assert set(after[1:]) <= ended
    assert resumed.code == 0, resumed.err
    assert call("wait c").code == 0
    assert len(values(call, "c")) == 6


def test_one_member_is_resumed_alone(call: Call, here: Path) -> None:
    for number in (1, 2):
        (here / f"bad-{number}").touch()
    assert call(f"submit --slurm swept.py {SITE} --sweep n=1,2 --run-id m --wait").code == 3
    for number in (1, 2):
        (here / f"bad-{number}").unlink()

    assert call("resume m/1").code == 0
    assert call("wait m/1").code == 0
    assert statuses(call, "m") == ["failed", "done"]
    assert call("resume m/0 --here -q").code == 0
    assert call("wait m").code == 0


def test_members_run_as_jobs_of_several_ranks(call: Call) -> None:
    site = "--profile debian-test --nodes 2 --ntasks-per-node 2 --time 10"
    sent = call(f"submit --slurm wf.py {site} --sweep n=30,60 --wait")
    run = sent.out.strip()

    assert sent.code == 0, call(["status", run]).out
    assert sorted(total for _, (_, total) in values(call, run)) == [135, 145, 155, 570, 590, 610]


@pytest.mark.parametrize("again", ["requeue", "dependent"])
def test_a_member_that_its_time_cuts_off_goes_on_by_itself(
    again: str, call: Call, here: Path, cluster: Cluster
) -> None:
    """It is the task that has the number of the whole array: the others neither begin anew with it nor hold it up."""
    (here / "site.toml").write_text(f'launcher = ["mpiexec", "-n", "{{ranks}}"]\nagain = "{again}"\n')
    site = "--profile ./site.toml --mapping simple --time 10"
    words = f"submit --slurm wf.py {site} --sweep gate={here}/0,{here}/1,{here}/2 --set n=20000 --run-id t"
    assert call(words).code == 0
    eventually(lambda: statuses(call, "t") == ["running"] * 3, "all to run")
    eventually(lambda: written(call, "t/2"), "the member to come further than where it began")
    (job,) = json.loads((Path(status(call, "t")["folder"]) / "submission.json").read_text())["jobs"]
    assert f"JobId={job} ArrayJobId={job} ArrayTaskId=2" in cluster.call("scontrol", "show", "job", f"{job}_2")
    assert call("cancel t/0 --timeout 60").code == 0

    cluster.call("scancel", "--signal=USR1", "--batch", f"{job}_2")

    def cut() -> bool:
        member = status(call, "t")["members"][2]
        return member["status"] in ("queued", "stopped") or member["generation"] == 2  # it may go on at once

    eventually(cut, "the checkpoint")
    (here / "2").touch()

    eventually(lambda: statuses(call, "t")[2] == "done", "the member to go on", within=200)
    assert statuses(call, "t") == ["cancelled", "running", "done"]
    (here / "1").touch()
    call("wait t")
    assert [member["generation"] for member in status(call, "t")["members"]] == [1, 1, 2]
    assert len(values(call, "t")) == 6


def test_no_value_is_ever_read_by_a_shell(call: Call, here: Path) -> None:
    hostile = [
        "; touch HACKED #",
        "$(touch HACKED)",
        "`touch HACKED`",
        "a\nb",
        "'\"",
        "c,d",
        "",
        "--flag",
        "%a %j {x} é",
    ]
    given = ",".join('"' + value.replace('"', '""') + '"' for value in hostile)

    sent = call(["submit", "--slurm", "swept.py", *SITE.split(), "--set", "n=1", "--sweep", f"word={given}", "--wait"])
    run = sent.out.strip()

    assert sent.code == 0, sent.err + call(["status", run]).out
    assert values(call, run) == [(number, [0, value]) for number, value in enumerate(hostile)]
    assert "HACKED" not in (Path(status(call, run)["folder"]) / "job" / "script").read_text()
    assert not list(here.rglob("HACKED"))
    assert len(call(["status", run]).out.splitlines()) == 9 + len(hostile) - 1


def test_a_member_that_cannot_begin_says_why(call: Call, here: Path) -> None:
    text = "import d4py\n@d4py.producer\ndef ones(n: int = 1):\n    yield n\n"
    text += "def configure(n: int = 1):\n    if n > 1:\n        raise d4py.D4pyError(f'{n} is too many.')\n"
    (here / "picky.py").write_text(
        text + "    graph = d4py.WorkflowGraph()\n    graph.add(ones(n=n))\n    return graph\n"
    )

    sent = call(f"submit --slurm picky.py {SITE} --sweep n=1,2 --run-id p --wait")

    assert sent.code == 2
    assert statuses(call, "p") == ["done", "failed"]
    assert status(call, "p")["members"][1]["error"] == "2 is too many."


def test_submitting_a_sweep_twice_finds_the_first_and_commands_for_one_run_ask_for_a_member(call: Call) -> None:
    words = f"submit --slurm swept.py {SITE} --sweep n=1,2 --run-id twice"

    first, second = call(words), call(words)

    assert first.out == second.out == "slurm://twice\n"
    assert call("wait twice").code == 0
    assert [member["generation"] for member in status(call, "twice")["members"]] == [1, 1]
    for command in ("audit twice", "outputs twice --output all.jsonl", "resume twice --here"):
        told = call(command)
        assert (told.code, "twice/0" in told.err) == (2, True), told.err
    assert "has no member '2'; it has 0 to 1." in call("status twice/2").err
    assert "is a member of a sweep" in call("prune twice/0").err
    assert call("prune twice").code == 0
    assert call("list --quiet").out == ""


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("--slurm swept.py --sweep n=1,x", "Parameter 'n' takes int, not 'x'."),
        ("--slurm swept.py --sweep m=1,2", "No PE has a parameter 'm'"),
        ("--slurm swept.py --sweep n=1,1", "n is to have a value twice"),
        ("--slurm swept.py --sweep n", "'n' is not of the form name=value"),
        ('--slurm swept.py --sweep word="a"b,c', "the values of word cannot be read"),
        ("--slurm swept.py --sweep n=1 --sweep n=2", "--sweep is given for 'n' twice. Give all its values at once."),
        ("--slurm swept.py --sweep n=1 --set n=2", "'n' is given by --sweep and by --set. Leave one away."),
        ("--slurm swept.py --at-once 2", "--at-once is for a sweep. Add --sweep"),
        ("--slurm swept.py --sweep n=1,2 --at-once 0", "not a whole number of at least 1"),
        ("swept.py --sweep n=1,2", "--sweep means nothing here. Add --slurm."),
        ("--slurm swept.py --set-from absent.json", "The parameters in 'absent.json' cannot be read"),
    ],
)
def test_bad_input_is_one_line_with_the_remedy(words: str, says: str, call: Call, here: Path) -> None:
    told = call(f"submit {words}")

    assert told.code == 2
    assert len(told.err.splitlines()) == 1
    assert says in told.err
    assert not list((here / "state").glob("d4py/runs/*"))


def test_a_sweep_larger_than_an_array_is_refused_before_anything_is_written(call: Call, here: Path) -> None:
    numbers = ",".join(str(number) for number in range(40))

    told = call(f"submit --slurm swept.py {SITE} --sweep n={numbers} --sweep word={numbers}")

    assert told.code == 2
    assert "The sweep has 1,600 combinations; an array of this Slurm takes 1,001 (MaxArraySize)." in told.err
    assert not list((here / "state").glob("d4py/runs/*"))
