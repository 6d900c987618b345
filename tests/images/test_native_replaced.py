# SPDX-License-Identifier: Apache-2.0
"""On a base that is an image of ours, nothing is seen of what is replaced: neither of older versions of packages nor of the workflow of that name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from tests.images.conftest import Place, Ran, members
from tests.images.older import SITE, Write, built, left

from d4py.packaging.replaced import hidden, of_distributions, of_workflow, sorted_out

LOOK = """
import importlib.metadata as m, importlib.util as u, json
named = ["layered", "layered.gone", "layered.sub", "layered.sub.deep", "layered_extra", "beside", "shared.one", "shared.two"]
found = {name: u.find_spec(name) is not None for name in named[:1] + named[4:]}
import layered
print(json.dumps({**found, "version": layered.VERSION, "known": [d.version for d in m.distributions(name="layered")],
    **{name: u.find_spec(name) is not None for name in named[1:3]}}))
"""


def test_files_of_older_versions_are_hidden(
    shared: Place, write: Write, tmp_path: Path, inside: Callable[..., Ran]
) -> None:
    built(shared, write, tmp_path)
    root = tmp_path / "root"
    shared.d4py("export", "newer:1", "--format", "dir", "-o", root)

    told = json.loads(inside(root, "/opt/d4py/bin/python", "-c", LOOK).stdout)

    assert told == {
        "layered": True,
        "layered.gone": False,
        "layered.sub": False,
        "layered_extra": False,
        "beside": True,  # which the newer workflow does not ask for, and the base has
        "shared.one": False,
        "shared.two": True,
        "version": 2,
        "known": ["2"],
    }
    assert left(root) == ["bin/layered-new", f"{SITE}/layered/__init__.py", f"{SITE}/layered/new.py"]
    assert sorted(path.name for path in (root / "opt/d4py/workflows/squares").iterdir()) == [
        "workflow.py",
        "workflow.toml",
    ]
    assert inside(root, "/opt/d4py/bin/d4py", "run", "-q", "/opt/d4py/workflows/squares").returncode == 0


def test_a_base_of_others_has_nothing_hidden(shared: Place, write: Write) -> None:
    shared.build(write(), "-t", "plain:1")

    image = shared.image("plain:1")
    names = [name for number in range(1, len(image.layers)) for name, _ in members(image, number)]
    assert not [name for name in names if "/.wh." in name]


def test_a_folder_is_hidden_whole_where_nothing_of_it_stays() -> None:
    room = "opt/d4py/lib/python3.12/site-packages"
    old = [f"{room}/a/b/c.py", f"{room}/a/b/d/e.py", f"{room}/a/kept.py", f"{room}/a/gone.py", f"{room}/f"]
    stays = [f"{room}/a/kept.py", f"{room}/f/g.py"]

    assert [entry.path for entry in hidden(old, stays)] == [f"{room}/a/.wh.b", f"{room}/a/.wh.gone.py"]


def test_what_is_of_no_distribution_is_left() -> None:
    """images/mpi keeps the settings of its sshd in our room."""
    site = "opt/d4py/lib/python3.12/site-packages"
    record = f"{site}/a_b-1.dist-info/RECORD"
    there = [record, "opt/d4py/etc/a.conf", "opt/d4py/etc/sshd_config", "opt/d4py/workflows/w/old.py"]
    listed = b"a_b-1.dist-info/RECORD,,\n../../../etc/a.conf,sha256=x,1\n../../../../../etc/passwd,,\n"
    room = sorted_out(there, {record: listed})

    assert room == {"a-b": sorted([record, "opt/d4py/etc/a.conf"]), "": there[2:]}
    gone = [entry.path for entry in of_distributions(room, ["A.b"], [])]
    assert gone == ["opt/d4py/etc/.wh.a.conf", "opt/d4py/.wh.lib"]
    assert [
        entry.path for entry in of_workflow(room, "opt/d4py/workflows/w", ["opt/d4py/workflows/w/workflow.py"])
    ] == ["opt/d4py/workflows/w/.wh.old.py"]
