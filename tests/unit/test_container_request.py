# SPDX-License-Identifier: Apache-2.0
"""What a container sees of this machine, and what is called in it: decided before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from d4py.errors import StateError, UsageError
from d4py.targets.container.request import GRAPH, Mount, Request

IMAGE = {
    "Cmd": ["run", "--set=archive=/archive", "--mapping=multi", "/opt/d4py/workflows/wf"],
    "Volumes": {"/archive": {}, "/data": {}},
    "Labels": {GRAPH: "abc"},
}
RUNTIME = {"Cmd": ["help"], "Volumes": {"/data": {}}, "Labels": {"other": "label"}}


def request(here: Path, **more: Any) -> Request:
    given = {
        "command": "run",
        "options": ["--run-id=r"],
        "subject": "/home/me/wf",
        "run": "r",
        "folder": "/home/me/runs/r",
        "workdir": str(here),
        "digest": "abc",
    }
    return Request(**{**given, **more})


def test_an_image_runs_its_own_copy_with_its_own_options_first(tmp_path: Path) -> None:
    """No data is given, so none is mounted: the parameter keeps its default."""
    words = request(tmp_path).words(IMAGE)

    assert words == ["run", "--mapping=multi", "--run-id=r", "--", "/opt/d4py/workflows/wf"]


def test_an_image_without_a_workflow_runs_the_one_of_here(tmp_path: Path) -> None:
    words = request(tmp_path, parameters={"n": "3"}).words(RUNTIME)

    assert words == ["run", "--run-id=r", "--set=n=3", "--", "/home/me/wf"]


def test_an_image_of_another_state_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="another state of '/home/me/wf'"):
        request(tmp_path, digest="abd").words(IMAGE)


def test_a_run_goes_on_by_its_folder(tmp_path: Path) -> None:
    resumed = request(tmp_path, command="resume", subject="/home/me/runs/r", kept=[Mount("/a", "/archive", True)])

    assert resumed.words(IMAGE) == ["resume", "--run-id=r", "--", "/home/me/runs/r"]
    assert Mount("/a", "/archive", True) in resumed.mounts(IMAGE)


@pytest.mark.parametrize(("name", "place"), [("day", "/archive"), ("day.mseed", "/archive/day.mseed")])
def test_data_is_where_the_image_wants_it(tmp_path: Path, name: str, place: str) -> None:
    """A folder in the place of the image's, a file in that; a path is taken from the folder that one is in."""
    path = tmp_path / name
    path.write_text("x") if path.suffix else path.mkdir()
    asked = request(tmp_path, parameters={"archive": name})

    assert f"--set=archive={place}" in asked.words(IMAGE)
    assert Mount(str(path), place, True) in asked.mounts(IMAGE)


def test_data_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no data at"):
        request(tmp_path, parameters={"archive": "absent"}).mounts(IMAGE)


def test_paths_keep_their_place_and_are_mounted_once(tmp_path: Path) -> None:
    """What lies in the folder that one is in is seen with it; other parameters that are paths can be read, and texts are texts."""
    inner, outer, runs = tmp_path / "in" / "data", tmp_path / "out", tmp_path / "runs"
    for folder in (inner, outer):
        folder.mkdir(parents=True)
    asked = request(
        tmp_path / "in",
        folder=str(runs),
        parameters={"a": str(inner), "b": str(outer), "c": "a text", "d": ""},
        volumes=[f"{outer}:ro", str(inner)],
    )

    here = str(tmp_path / "in")
    assert asked.mounts(RUNTIME) == [
        Mount(here, here),
        Mount(str(runs), str(runs)),
        Mount(str(outer), str(outer), True),
    ]


@pytest.mark.parametrize("path", ["/", "/usr/share", "/opt/d4py", "/etc"])
def test_what_an_image_needs_is_not_hidden(path: str) -> None:
    with pytest.raises(UsageError, match="would hide what the image has there"):
        request(Path(path)).mounts(RUNTIME)
