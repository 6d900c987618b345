# SPDX-License-Identifier: Apache-2.0
"""The page on Kubernetes: a real API server takes every object and every spec that it shows, and its commands do what it shows.

The suite cluster runs those that need real nodes; what is left says why nobody runs it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.docs.markdown import Block, agrees, blocks, commands
from tests.docs.shell import SECONDS, in_shell
from tests.kubernetes.cluster import ROOT, Cluster
from tests.kubernetes.test_release import CRDS

PAGE = ROOT / "docs" / "kubernetes.md"
HERE, THERE = "the suite kubernetes runs this", "the suite cluster runs this"
SUITES = ("the suite kubernetes", "the suite cluster", "the suites images and cluster", "the documentation's tests")


def variables(cluster: Cluster, kubeconfig: Path, **more: str) -> dict[str, str]:
    """Return the variables of somebody who has d4py, kubectl and helm, and a kubeconfig."""
    path = f"{Path(sys.executable).parent}:{cluster.programs}:/usr/local/bin:/usr/bin:/bin"
    own = {"PATH": path, "KUBECONFIG": str(kubeconfig), "HOME": str(cluster.root), "TERM": "dumb", "COLUMNS": "120"}
    return {**own, "HELM_CACHE_HOME": str(cluster.root / "helm"), "LC_ALL": "C.UTF-8", **more}


def room(folder: Path) -> Path:
    """Return a folder as somebody has it who reads the page."""
    for name in ("helm", "workflows"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def differing(
    block: Block, folder: Path, told: dict[str, str], *, seconds: float = SECONDS
) -> Iterator[tuple[str, int, str]]:
    """Run the commands of a block; yield those that do something else than is shown."""
    listed = commands(block)
    ran = in_shell(listed, folder=folder, variables=told, seconds=seconds)
    for command, result in zip(listed, ran, strict=True):
        if result.code or not agrees(command.shown, result.printed):
            yield command.text, result.code, result.printed


@pytest.fixture
def bare(played: Cluster) -> Iterator[Cluster]:
    """Nothing of d4py is installed, or left."""
    played.kubectl("delete", "crd", "--ignore-not-found", *sorted(CRDS))
    yield played
    played.kubectl("delete", "namespace", "d4py-system", "--ignore-not-found", "--wait=false")
    played.kubectl("delete", "persistentvolumeclaims,configmaps", "--all", "--wait=false")


def test_what_it_shows_is_taken_and_what_it_says_is_done(bare: Cluster, tmp_path: Path) -> None:
    folder, told = room(tmp_path), variables(bare, bare.kubeconfig)
    ran, taken = 0, []
    wrong: list[tuple[str, int, str]] = []
    for block in blocks(PAGE):
        if block.file:
            (folder / block.file).write_text(block.text)
        if block.language == "yaml":
            sent = f"d4py submit primes.py --kubernetes --image a:1 --mapping multi --values {block.file}"
            words = f"kubectl apply -f {block.file}" if "\nkind: " in block.text else sent
            taken.append(words)
            wrong += differing(Block(language="console", text=f"$ {words}\n...\n", line=block.line), folder, told)
            for each in yaml.safe_load_all(block.text):
                if each.get("apiVersion") == "d4py.dev/v1alpha1":  # kubectl takes a bare n for a truth value
                    there = bare.get(f"{each['kind'].lower()}s.d4py.dev", each["metadata"]["name"])
                    assert there["spec"] == each["spec"]
        if block.language == "console" and HERE in block.comment:
            ran += len(commands(block))
            wrong += differing(block, folder, told)

    assert wrong == []
    assert (ran, len(taken)) == (11, 7)
    assert not CRDS & {each["metadata"]["name"] for each in bare.get("crds")["items"]}


def test_a_block_that_no_test_runs_names_who_does_the_same() -> None:
    for block in blocks(PAGE):
        reason = block.left_out
        assert reason is None or any(suite in reason for suite in SUITES), f"line {block.line}: {reason}"
    assert any(THERE in block.comment for block in blocks(PAGE))
    assert all(block.file for block in blocks(PAGE) if block.language == "yaml")
