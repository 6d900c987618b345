# SPDX-License-Identifier: Apache-2.0
"""Workers that cannot begin, and the process that starts them, killed while it loads: told, or tried again."""

from __future__ import annotations

from pathlib import Path

import pytest

import d4py
from d4py.errors import NotPicklable

HEAD = """\
import os
import pathlib
import signal
import threading
import time

import d4py

HERE = pathlib.Path(__file__)


def once(name):
    mark = HERE.with_name(name)
    first = not mark.exists()
    mark.touch()
    return first


@d4py.producer
def numbers():
    for number in range(10):
        yield number, number


"""
KEYED = """
class Keyed(d4py.IterativePE):
    def __init__(self):
        super().__init__()
        self._add_input("input", grouping=[0])
        self.numprocesses = 4
        {made}

    def _process(self, value):
        return value
{more}

workflow = numbers() >> Keyed()
"""
ORPHANED = """
if HERE.with_name("orphaned").exists() and once("killed again"):
    os.kill(os.getpid(), signal.SIGKILL)


class Orphan(d4py.IterativePE):
    def _process(self, value):
        if value[0] == 3 and once("orphaned"):
            os.kill(os.getppid(), signal.SIGKILL)
            while not HERE.with_name("killed again").exists():  # else all may be done before anybody hears of it
                time.sleep(0.01)
        return value[0]


workflow = numbers() >> Orphan()
"""


def written(folder: Path, text: str) -> str:
    path = folder / "workflow.py"
    path.write_text(HEAD + text)
    return str(path)


@pytest.mark.parametrize("mapping", ["threads", "multi"])
def test_a_pe_that_cannot_be_copied_for_another_instance_is_named_before_anything_starts(
    mapping: str, tmp_path: Path
) -> None:
    workflow = written(tmp_path, KEYED.format(made="self.lock = threading.Lock()", more=""))

    with pytest.raises(NotPicklable, match=r"PE 'Keyed' cannot be copied for another instance: cannot pickle"):
        d4py.run(workflow, mapping=mapping, processes=2, run_dir=tmp_path / "run")


def test_what_a_worker_raises_while_it_begins_is_told(tmp_path: Path) -> None:
    more = "\n    def __deepcopy__(self, _):\n        if os.getpid() != self.pid:\n            raise OSError('no room here')\n        return self\n"
    workflow = written(tmp_path, KEYED.format(made="self.pid = os.getpid()", more=more))

    result = d4py.run(workflow, mapping="multi", processes=2, run_dir=tmp_path / "run", check=False)

    assert result.exit_code == 3
    assert (
        "starting a worker: NotPicklable: PE 'Keyed' cannot be copied for another instance: no room here"
        in result.error
    )


def test_a_process_that_starts_workers_and_is_killed_while_it_loads_is_begun_once_more(tmp_path: Path) -> None:
    result = d4py.run(written(tmp_path, ORPHANED), mapping="multi", processes=2, run_dir=tmp_path / "run")

    assert result.exit_code == 0
    assert result.outputs.values() == list(range(10))
    assert (tmp_path / "killed again").exists()
