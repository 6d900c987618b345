# SPDX-License-Identifier: Apache-2.0
"""What stands around runs: metrics, completion, the doctor, defaults of a workflow's folder."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from tests.cli.conftest import Call, command, eventually, touch

from d4py.cli.main import NAMES
from d4py.graph.load import find, load
from d4py.mappings import Options, get
from d4py.mappings.metrics import exposition
from d4py.runs import State
from d4py.runs.board import Board

SAMPLE = re.compile(r'[a-z0-9_]+(\{[a-z_]+="(\\.|[^"\\\n])*"(,[a-z_]+="(\\.|[^"\\\n])*")*\})? \d+')


def served(address: str) -> dict[str, int]:
    with urlopen(address, timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        lines = answer.read().decode().splitlines()
    assert [line for line in lines if not line.startswith("# ") and not SAMPLE.fullmatch(line)] == []
    return {line.rpartition(" ")[0]: int(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def test_metrics_are_the_counters_of_the_run_while_it_goes_on(here: Path) -> None:
    run = subprocess.Popen(
        command("run waiting.py --metrics 0 --run-id a"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert run.stderr is not None
    told = run.stderr.readline()
    address = told.split()[-1]
    assert told.startswith("d4py: metrics on http://127.0.0.1:")

    samples = eventually(
        lambda: (now := served(address)).get('d4py_items_read_total{pe="Total",instance="0"}') == 3 and now
    )
    assert samples['d4py_items_written_total{pe="Numbers",instance="0"}'] >= 3
    assert samples['d4py_items_quarantined_total{pe="Total",instance="0"}'] == 0
    assert samples["d4py_generation"] == 1
    assert samples['d4py_up{run="a",workflow="waiting",mapping="simple"}'] == 1
    with pytest.raises(HTTPError, match="404"):
        urlopen(address.replace("metrics", "secrets"), timeout=10)
    touch("go")
    run.communicate()
    assert run.returncode == 0
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", int(address.split(":")[2].partition("/")[0])))


def test_a_port_that_is_taken_is_told_before_anything_runs(call: Call) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        told = call(f"run tiny.py --metrics {port} --run-id a")

    assert told.code == 2
    assert told.err == (
        f"d4py: error: Port {port} of 127.0.0.1 cannot be used for metrics: Address already in use. Choose another, or 0 for any that is free.\n"
    )
    assert call("status a").code == 2


def test_labels_of_metrics_are_escaped(here: Path, tmp_path: Path) -> None:
    Path("w.py").write_text(
        "import d4py\npe = d4py.ProducerPE()\npe.name = 'a\"b\\\\c\\nd'\ng = d4py.WorkflowGraph()\ng.add(pe)\n"
    )
    plan = get("simple").layout(load(find("w.py")).graph, Options(), {})
    board = Board(tmp_path / "board", 1, 1, create=True)
    board.publish(0, 5, 6, 7)

    lines = list(exposition(plan, board, State(run="r", workflow="w", mapping="simple")))
    board.close()

    assert 'd4py_items_read_total{pe="a\\"b\\\\c\\nd",instance="0"} 5' in lines
    assert [line for line in lines if not line.startswith("# ") and not SAMPLE.fullmatch(line)] == []


def test_bash_completes_commands_options_and_runs(call: Call, here: Path, tmp_path: Path) -> None:
    call("run tiny.py -q --run-id night-run")
    script = tmp_path / "completion.bash"
    script.write_text(call("completion bash").out)
    (tmp_path / "d4py").write_text(f'#!/bin/sh\nexec {sys.executable} -m d4py.cli.main "$@"\n')
    (tmp_path / "d4py").chmod(0o755)
    subprocess.run(["bash", "-n", script], check=True)

    def completed(*words: str) -> list[str]:
        line = " ".join(words)
        shell = f'PATH="{tmp_path}:$PATH"; . {script}; COMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _d4py; echo "${{COMPREPLY[@]}}"'
        return subprocess.check_output(["bash", "-c", shell], text=True).split()

    assert completed("d4py", "su") == ["submit", "suspend"]
    assert completed("d4py", "run", "--on") == ["--on-error"]
    assert completed("d4py", "status", "ni") == ["night-run"]
    assert completed("d4py", "completion", "z") == ["zsh"]
    assert completed("d4py", "run", "ti") == ["tiny.py"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_other_shells_know_every_command(shell: str, call: Call) -> None:
    script = call(f"completion {shell}").out

    assert [name for name in NAMES if not re.search(rf"\b{name}\b", script)] == []
    assert script.count("'") % 2 == 0


def test_the_doctor_says_what_works(call: Call) -> None:
    told = call("doctor")
    findings = json.loads(call("doctor -o json").out)

    assert told.code == 0
    assert [line for line in told.out.splitlines() if line and not line.startswith(" ")] == [
        "machine",
        "packages",
        "mappings",
        "clusters",
    ]
    verdicts = {finding["name"]: finding["verdict"] for finding in findings}
    assert {
        verdicts[name] for name in ("python", "run folders", "processors", "rich", "simple", "threads", "multi")
    } == {"ok"}


def test_the_doctor_names_a_broken_plug_in(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "broken-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[d4py.mappings]\nquantum = no_such_package:Quantum\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    told = call("doctor")

    line = next(line for line in told.out.splitlines() if "quantum" in line)
    assert line.split()[0] == "broken"
    assert "no_such_package:Quantum" in line
    assert told.code == 0  # nobody needs it
    run = call("run tiny.py -m quantum")
    assert (run.code, "no_such_package:Quantum" in run.err) == (2, True)


def test_the_doctor_says_what_every_run_needs_and_does_not_have(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))

    told = call("doctor")

    assert told.code == 3
    line = next(line for line in told.out.splitlines() if "run folders" in line)
    assert line.split()[0] == "broken"
    assert "XDG_STATE_HOME" in line


def test_a_folder_says_its_defaults_and_the_command_line_overrules_them(call: Call) -> None:
    Path("folder").mkdir()
    Path("folder/workflow.py").write_text(Path("tiny.py").read_text())
    Path("folder/workflow.toml").write_text('[parameters]\nn = 4\n[defaults]\nmapping = "threads"\nprocesses = 3\n')

    plan = json.loads(call("plan folder --json").out)
    assert (plan["mapping"], plan["processes"]) == ("threads", 3)
    plan = json.loads(call("plan folder --json -m simple").out)
    assert plan["mapping"] == "simple"
    assert call("run folder --run-id a").out.splitlines()[-1] == "Total.output: 12"
    assert call("run folder --run-id b --set n=3").out.splitlines()[-1] == "Total.output: 6"


def test_input_data_is_taken_from_f_then_d_then_i(call: Call) -> None:
    """dispel4py's order."""
    Path("sum.py").write_text(Path("tiny.py").read_text() + "workflow = double() >> Total()\n")
    Path("input.json").write_text('{"double": [{"input": 1}]}')

    def total(options: str) -> str:
        return call(f"run sum.py {options}").out.splitlines()[-1]

    two = """-d '{"double": [{"input": 1}, {"input": 2}]}'"""
    assert total(f"-i 5 {two} -f input.json") == "Total.output: 2"
    assert total(f"-i 5 {two}") == "Total.output: 6"
