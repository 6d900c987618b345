# SPDX-License-Identifier: Apache-2.0
"""Runs in an image: nodes that have no d4py and no packages of it, and ranks in containers that form one world."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import ANSWER, WORKFLOW, Call, eventually
from tests.slurm.test_runs import outputs, state

from d4py.errors import UsageError
from d4py.targets.slurm.container import Container

ROOT = Path(__file__).parents[2]
OVER = ("done", "failed", "lost")


@pytest.fixture(scope="session")
def kept() -> Iterator[dict[str, str]]:
    """Where images and layers are, for the tests of this file; all nodes see it."""
    with tempfile.TemporaryDirectory(prefix="d4py-images-", dir="/var/tmp") as folder:
        uv = os.environ.get("UV_CACHE_DIR") or str(Path.home() / ".cache" / "uv")
        yield {
            "XDG_CACHE_HOME": f"{folder}/cache",
            "XDG_DATA_HOME": f"{folder}/data",
            "UV_CACHE_DIR": uv,
            "USER": "root",
        }


@pytest.fixture(scope="session")
def built(kept: dict[str, str]) -> Path:
    """A workflow, and in the store its image, with an MPI."""
    made = subprocess.run(
        [ROOT / "scripts" / "base_image", "libopenmpi3"], check=True, stdout=subprocess.PIPE, text=True
    )
    folder = Path(kept["XDG_DATA_HOME"]) / "counting"
    folder.mkdir(parents=True)
    log = 'self.log(f"on {socket.gethostname()}")'
    assert log in WORKFLOW
    (folder / "workflow.py").write_text(WORKFLOW.replace(log, log.replace('}")', '} {d4py.__file__}")')))
    (folder / "workflow.toml").write_text('requirements = ["d4py[mpi]"]\n')
    build: list[str | Path] = [sys.executable, "-m", "d4py.cli.main", "build", folder, "--base", made.stdout.strip()]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL, env={**os.environ, **kept})
    return folder


@pytest.fixture
def counting(built: Path, here: Path, cluster: Cluster) -> Path:
    """The workflow, where all nodes see it; and a profile whose srun starts ranks that see what srun says to them."""
    profiles = here / "config" / "d4py" / "profiles"
    profiles.mkdir(parents=True)
    (profiles / "pmix.toml").write_text(f'launcher = ["srun", "--mpi=pmix"]\nbind = ["{cluster.root}"]\n')
    return Path(shutil.copytree(built, here / "counting"))


@pytest.mark.parametrize("profile", ["generic", "pmix"])
def test_ranks_in_containers_are_one_world(call: Call, counting: Path, kept: dict[str, str], profile: str) -> None:
    words = f"submit --slurm counting --env image --profile {profile} --nodes 2 --ntasks-per-node 2 --time 5"

    sent = call(f"{words} --run-id {profile}", **kept)
    assert sent.code == 0, sent.err
    eventually(lambda: state(call, profile)["status"] in OVER, "the run", within=180)

    logs = call(f"logs {profile}").out
    assert state(call, profile)["status"] == "done", logs
    assert outputs(call, profile) == ANSWER
    place = "/opt/d4py/lib/python3.11/site-packages/d4py/__init__.py"
    assert set(re.findall(r"on (n\d) (\S+)", logs)) == {("n1", place), ("n2", place)}


def test_an_image_of_another_state_is_refused(call: Call, counting: Path, kept: dict[str, str]) -> None:
    (counting / "workflow.py").write_text(WORKFLOW + "\n# changed\n")

    told = call("submit --slurm counting --env image", **kept)

    assert told.code == 2
    assert "is of another state of 'counting'" in told.err
    absent = call("submit --slurm counting --env image --image other:1", **kept)
    assert (absent.code, "There is no image 'other:1'" in absent.err) == (2, True)
    alone = call("submit --slurm counting --image other:1", **kept)
    assert (alone.code, "Add --env image." in alone.err) == (2, True)


def test_ranks_that_may_not_see_what_starts_them_are_told_of(call: Call, counting: Path, kept: dict[str, str]) -> None:
    words = "submit --slurm counting --env image --profile debian-test --nodes 2 --run-id unseen"

    told = call(words, **kept)
    call("cancel unseen --timeout 60")

    assert (told.code, told.out) == (0, "slurm://unseen\n")
    assert "ranks in containers see what srun says to them only where the profile 'debian-test' binds" in told.err


@pytest.mark.parametrize(
    "place",
    [
        "opt/d4py/lib/python3.11/site-packages",
        "opt/conda/lib/python3.12/site-packages",
        "usr/lib/python3/dist-packages",
        "usr/local/lib/python3.11/site-packages",
    ],
)
def test_an_image_without_mpi_is_refused_where_ranks_are_to_run_in_it(place: str, tmp_path: Path) -> None:
    image = Container(name="counting", root=tmp_path, workflow="counting")

    image.check("multi")
    with pytest.raises(UsageError, match=r"The image 'counting' has no mpi4py, .* Put d4py\[mpi\] into requirements"):
        image.check("mpi")
    (tmp_path / place / "mpi4py").mkdir(parents=True)
    image.check("mpi")
