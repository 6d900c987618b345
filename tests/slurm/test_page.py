# SPDX-License-Identifier: Apache-2.0
"""The page on clusters: its commands do what it shows, on the real Slurm, at a site whose modules and profile are as on SuperMUC-NG."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docs.markdown import Block, agrees, blocks, commands
from tests.docs.shell import in_shell, surroundings
from tests.mpi.installed import installed
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import SOURCE_ROOT
from tests.slurm.login import Login
from tests.slurm.test_supermuc import ROOT

CHECKOUT = SOURCE_ROOT.parent
PAGE = CHECKOUT / "docs" / "hpc.md"
RUNS = "the suite slurm runs this"
RUN = [block for block in blocks(PAGE) if block.language == "console" and RUNS in block.comment]
LEFT_OUT = ["it is installed already where the pages are tested", "data.example.org is no server"]


@pytest.fixture(scope="module")
def login(cluster: Cluster) -> Iterator[Login]:
    """A login node without a d4py."""
    with tempfile.TemporaryDirectory(prefix="d4py-login-", dir="/var/tmp", ignore_cleanup_errors=True) as folder:
        node = Login(Path(folder), cluster, SOURCE_ROOT)
        node.up()
        (node.root / "bin/d4py").unlink()
        try:
            yield node
        finally:
            node.down()


@pytest.fixture(scope="module")
def user(cluster: Cluster, login: Login) -> Iterator[tuple[Path, dict[str, str]]]:
    """Where somebody is who has a checkout and d4py, and the variables there. What they load at the site are the modules of the page."""
    open_mpi = installed("openmpi")
    cluster.module("slurm_setup", *ROOT)
    folders = [
        f"prepend-path PATH {Path(open_mpi.mpiexec).parent}",
        f"prepend-path LD_LIBRARY_PATH {open_mpi.library.parent}",
    ]
    cluster.module("mpi", *folders)
    with tempfile.TemporaryDirectory(prefix="d4py-work-", dir="/var/tmp", ignore_cleanup_errors=True) as place:
        here, home, programs = Path(place, "here"), Path(place, "home"), Path(place, "bin")
        for folder in (here, home, programs):
            folder.mkdir()
        (here / "d4py").symlink_to(CHECKOUT)
        for block in blocks(PAGE):
            if block.file:
                (here / block.file).parent.mkdir(exist_ok=True)
                (here / block.file).write_text(block.text)
        # It looks for its files where the system says that the user is at home.
        (programs / "ssh").write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {login.root}/client.conf "$@"\n')
        (programs / "ssh").chmod(0o755)
        variables = surroundings(Path(sys.executable).parent.parent, home)
        own = {"PATH": f"{programs}:{variables['PATH']}", "SLURM_CONF": cluster.environment["SLURM_CONF"]}
        cache = subprocess.run(
            [sys.executable, "-m", "pip", "cache", "dir"], capture_output=True, text=True, check=True
        )
        yield here, {**variables, **own, "PIP_CACHE_DIR": cache.stdout.strip(), "COLUMNS": "200"}


@pytest.mark.parametrize("block", RUN, ids=lambda block: f"line {block.line}")
def test_its_commands_do_what_it_shows(block: Block, user: tuple[Path, dict[str, str]]) -> None:
    """One block after the other, as a reader comes to them."""
    here, variables = user
    listed = commands(block)

    ran = in_shell(listed, folder=here, variables=variables)

    differing = [
        f"line {command.line}: $ {command.text}\nexit code {result.code}:\n{result.printed}"
        for command, result in zip(listed, ran, strict=True)
        if result.code or not agrees(command.shown, result.printed)
    ]
    assert not differing, "\n".join(differing)


def test_what_is_not_run_says_why() -> None:
    reasons = [block.left_out for block in blocks(PAGE) if block.left_out is not None and RUNS not in block.comment]

    print(*reasons, sep="\n")
    assert [reason.partition(";")[0] for reason in reasons] == LEFT_OUT
    assert len(RUN) >= 8
