# SPDX-License-Identifier: Apache-2.0
"""The runtime image: what is in it, and what it needs of whoever runs it."""

from __future__ import annotations

from pathlib import Path

import docker
import pytest
from docker.errors import ContainerError
from tests.images.conftest import SQUARES
from tests.images.engines.daemons import RESTRICTED


def test_it_runs_a_workflow_without_any_right(daemon: docker.DockerClient, runtime: str, tmp_path: Path) -> None:
    """No capability, no network, no root, no root file system to write to: what Pod Security calls restricted, and more."""
    (tmp_path / "squares.py").write_text(SQUARES)
    tmp_path.chmod(0o755)

    said = daemon.containers.run(
        runtime, ["run", "/flow/squares.py", "--mapping", "multi"], volumes=[f"{tmp_path}:/flow:ro"], **RESTRICTED
    )

    assert b"exit code 0" in said
    assert said.endswith(b"square.output: 4\n")


@pytest.mark.parametrize("image", ["runtime", "mpi_image"])
def test_nobody_in_it_has_rights(daemon: docker.DockerClient, image: str, request: pytest.FixtureRequest) -> None:
    said = daemon.containers.run(request.getfixturevalue(image), ["-u"], entrypoint="id", remove=True)

    assert said == b"1000\n"


@pytest.mark.parametrize("image", ["runtime", "mpi_image"])
def test_it_holds_nothing_that_builds(daemon: docker.DockerClient, image: str, request: pytest.FixtureRequest) -> None:
    """No compiler, no pip, no list or archive of packages."""
    look = (
        "for name in cc gcc c++ g++ ld as make pip pip3 git; do command -v $name; done; "
        "find /var/lib/apt/lists /var/cache/apt /root/.cache /opt/d4py -type f -size +0 "
        "\\( -path '*/apt/*' -o -name '*.c' -o -name '*.whl' -o -path '*/pip/*' \\) 2>/dev/null; "
        "python3 -m pip --version 2>/dev/null; true"
    )

    said = daemon.containers.run(request.getfixturevalue(image), ["-c", look], entrypoint="sh", user="0:0", remove=True)

    assert said == b""


@pytest.mark.parametrize(("image", "largest_mb"), [("runtime", 200), ("mpi_image", 260)])
def test_it_is_small(daemon: docker.DockerClient, image: str, largest_mb: int, request: pytest.FixtureRequest) -> None:
    assert daemon.images.get(request.getfixturevalue(image)).attrs["Size"] < largest_mb * 1e6


def test_settings_of_this_machine_are_not_in_it(daemon: docker.DockerClient, runtime: str) -> None:
    """What the index is that wheels came from, and who vouched for it, stays where they were installed."""
    look = "ls /etc/pip.conf /usr/lib/python3/dist-packages/pip; env | grep -i pip; grep -rl index-url /opt /etc"

    with pytest.raises(ContainerError) as failed:
        daemon.containers.run(runtime, ["-c", look], entrypoint="sh", user="0:0", remove=True)

    assert b"index-url" not in failed.value.stderr
    assert failed.value.container is not None
    assert failed.value.exit_status == 1
