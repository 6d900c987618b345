# SPDX-License-Identifier: Apache-2.0
"""The page on images: its commands do what it shows, its workflow.toml is read as it stands."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.docs.markdown import agrees, blocks, commands
from tests.docs.shell import in_shell
from tests.images.conftest import ROOT, Place

from d4py.packaging import spec

RUNS = "the suite images runs"  # the tests of engines and registries do the others
PAGE = ROOT / "docs" / "images.md"


def test_its_commands_do_what_it_shows(shared: Place, tmp_path: Path) -> None:
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    (tmp_path / "kept" / "d4py").mkdir(parents=True)
    (tmp_path / "kept" / "d4py" / "bases").symlink_to(shared.base.parent)  # else the page would make one of its own
    path = f"{Path(sys.executable).parent}:{shared.variables['PATH']}"
    own = {"PATH": path, "XDG_CACHE_HOME": str(tmp_path / "kept"), "TERM": "dumb", "BASE": str(shared.base)}
    variables = {**shared.variables, **own}
    differing, count = [], 0
    for block in blocks(PAGE):
        if block.file:
            (tmp_path / block.file).write_text(block.text)
        if block.language != "console" or RUNS not in block.comment:
            continue
        listed = [command for command in commands(block) if not command.text.startswith("pip ")]
        ran = in_shell(listed, folder=tmp_path, variables=variables)
        count += len(listed)
        differing += [
            (command.text, result.code, result.printed)
            for command, result in zip(listed, ran, strict=True)
            if result.code or not agrees(command.shown, result.printed)
        ]

    assert count >= 9
    assert differing == []


def test_its_workflow_toml_says_all_that_can_be_said() -> None:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    (shown,) = [block for block in blocks(PAGE) if block.language == "toml"]

    found = spec.read(tomllib.loads(shown.text), where="the page")

    empty = spec.Spec()
    assert [name for name in spec.Spec.__dataclass_fields__ if getattr(found, name) == getattr(empty, name)] == []
