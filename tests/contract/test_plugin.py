# SPDX-License-Identifier: Apache-2.0
"""An outsider's package brings a mapping by one entry point, and the contract is there for it; a broken package hurts nobody but itself."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

import d4py
from d4py import mappings
from d4py.errors import UnknownMapping
from d4py.testing import MappingContract
from d4py.testing.case import pause
from d4py.testing.stops import Alone

SIGNALS = "its author left signals to Python"
ENTRY_POINTS = """[d4py.mappings]
parcel = parcel:Parcel
broken = broken:Broken
absent = nowhere.at_all:Absent
"""


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder on the path, as pip would leave it: modules, and beside them what says which mappings they bring."""
    site = tmp_path_factory.mktemp("site-packages")
    (site / "parcel.py").write_text((Path(__file__).parent / "plugin" / "parcel.py").read_text())
    (site / "broken.py").write_text("raise RuntimeError('this package needs a newer d4py')\n")
    about = site / "d4py_parcel-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: d4py-parcel\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(ENTRY_POINTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        yield site
    sys.modules.pop("parcel", None)


class TestParcel(MappingContract):
    mapping = "parcel"
    not_applicable: ClassVar[dict[str, str]] = {
        "test_a_run_that_finds_another_world_than_it_was_promised_refuses_to_begin": "it has one process",
        "test_a_signal_before_the_walltime_makes_a_checkpoint_and_exits_5": SIGNALS,
        "test_ctrl_c_drains_a_live_source_whenever_it_comes": SIGNALS,
        "test_ctrl_c_reaches_a_live_source_that_stands_in_a_read": SIGNALS,
        "test_ctrl_c_while_an_item_is_on_its_way_keeps_a_live_source_from_its_next_read": SIGNALS,
        "test_a_second_ctrl_c_while_the_run_drains_ends_it_and_resume_goes_on": SIGNALS,
    }

    def test_a_signal_does_to_it_what_it_does_to_any_python(self) -> None:
        parameters = {"shape": "total", "scratch": str(self.scratch), "items": 100, "faults": [pause(60)]}
        with Alone(self, self.scratch / "signalled", parameters) as process:
            self.await_("numbers-process-60", process)
            process.terminate()
            assert process.wait(timeout=20) == -signal.SIGTERM


def test_a_plug_in_is_listed_beside_the_built_in_mappings() -> None:
    assert mappings.names() == ["simple", "threads", "multi", "mpi", "absent", "broken", "parcel"]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("broken", "The mapping 'broken' of broken:Broken cannot be loaded: this package needs a newer d4py."),
        ("absent", "The mapping 'absent' of nowhere.at_all:Absent cannot be loaded: No module named 'nowhere'."),
    ],
)
def test_a_broken_plug_in_is_reported_by_name(name: str, told: str) -> None:
    with pytest.raises(UnknownMapping) as raised:
        mappings.get(name)

    assert raised.value.message == told
    assert raised.value.hint == "Mend or remove that package."


def test_a_broken_plug_in_does_not_keep_the_others_from_running(tmp_path: Path) -> None:
    graph = d4py.WorkflowGraph()
    graph.add(d4py.SimpleFunctionPE(abs))

    found = {
        name: d4py.run(graph, name, inputs={"PE_abs": [{"input": -7}]}, run_dir=tmp_path / name).outputs.values()
        for name in ("simple", "threads", "parcel")
    }

    assert found == {"simple": [7], "threads": [7], "parcel": [7]}


def test_a_mapping_that_nobody_brings_is_told_with_those_that_there_are() -> None:
    with pytest.raises(UnknownMapping, match=r"There is no mapping 'parcle'.*Did you mean 'parcel'"):
        mappings.get("parcle")
