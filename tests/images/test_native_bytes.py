# SPDX-License-Identifier: Apache-2.0
"""The same workflow is the same image, byte for byte, whoever builds it where and when; another workflow changes one small layer."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.images.conftest import SQUARES, Place, made, members

from d4py.packaging.layout import Image

TOML = '[data]\ninclude = ["stations.csv"]\n'


def digests(image: Image) -> list[str]:
    return [layer.digest for layer in image.layers]


def test_two_users_build_one_image(
    tmp_path: Path, base: Path, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other paths, owners, modes, times, order of creation, time zone and locale; nothing in a cache that both know."""
    first = write({"helper.py": "x = 1\n", "stations.csv": "A\n", "tool.sh": "#!/bin/sh\n"}, toml=TOML)
    (first / "tool.sh").chmod(0o755)
    elsewhere = tmp_path / "another" / "place" / "squares"
    elsewhere.mkdir(parents=True)
    for file in sorted(first.iterdir(), reverse=True):
        shutil.copy(file, elsewhere / file.name)
        os.utime(elsewhere / file.name, (1e9, 1e9))
        os.chown(elsewhere / file.name, 1234, 4321)
        (elsewhere / file.name).chmod(0o700 if file.name == "tool.sh" else 0o600)
    (elsewhere / "__pycache__").mkdir()
    (elsewhere / "__pycache__" / "helper.cpython-311.pyc").write_bytes(b"stale")
    (elsewhere / ".git").mkdir()
    one, other = made(tmp_path / "one", base), made(tmp_path / "other", base)

    one.build(first, "--lock", "-t", "squares:1")
    shutil.copy(first / "workflow.lock", elsewhere / "workflow.lock")
    other.build(elsewhere, "-t", "squares:1", TZ="Asia/Tokyo", LC_ALL="C", HOME=str(tmp_path), USER="somebody")

    assert other.image("squares:1").digest == one.image("squares:1").digest
    assert one.left == other.left == []


def test_check_builds_twice_and_compares(shared: Place, write: Callable[..., Path]) -> None:
    ran = shared.build(write(), "--check", "-t", "checked:1")

    assert ran.stdout.splitlines()[-1] == f"checked:1 {shared.image('checked:1').digest}"
    assert shared.left == []


def test_check_finds_a_layer_that_differs(shared: Place, write: Callable[..., Path], tmp_path: Path) -> None:
    """A layer of the cache that is not what would be written now, as if it had been written in another way."""
    root = write({"note.txt": "one"})
    shared.build(root, "-t", "forged:1")
    top = shared.image("forged:1").layers[-1]
    notes = shared.path / "cache" / "d4py" / "layers" / "notes"
    for note in notes.iterdir():
        if top.digest in note.read_text():
            other = shared.image("forged:1").layers[-2]
            note.write_text(note.read_text().replace(top.digest, other.digest).replace(str(top.size), str(other.size)))

    ran = shared.build(root, "-t", "forged:1", "--check", code=3)

    assert "differs in the layer 'workflow'" in ran.stderr


def test_the_time_in_an_image_is_source_date_epoch(shared: Place, write: Callable[..., Path]) -> None:
    root = write()
    shared.build(root, "-t", "timed:1", SOURCE_DATE_EPOCH="1000000000")
    image = shared.image("timed:1")

    assert image.config["created"] == "2001-09-09T01:46:40Z"
    shared.build(root, "-t", "timed:2")
    assert shared.image("timed:2").config["created"] == "1970-01-01T00:00:00Z"
    assert digests(shared.image("timed:2"))[-1] != digests(image)[-1]
    assert "SOURCE_DATE_EPOCH is 'soon'." in shared.build(root, code=2, SOURCE_DATE_EPOCH="soon").stderr


def test_a_change_of_the_workflow_makes_one_small_layer_in_two_seconds(
    shared: Place, write: Callable[..., Path]
) -> None:
    root = write({"stations.csv": "A\n" * 100_000}, toml=TOML)
    shared.build(root, "-t", "grown:1")
    before = shared.image("grown:1")
    (root / "workflow.py").write_text(SQUARES.replace("x * x", "x * x + 0"))

    start = os.times()
    shared.build(root, "-t", "grown:1")
    end = os.times()

    after = shared.image("grown:1")
    assert digests(after)[:-1] == digests(before)[:-1]
    assert digests(after)[-1] != digests(before)[-1]
    assert after.layers[-1].size < 100_000
    # Of the processor, so that a busy machine does not make it red; what it waits for is the disk, for kilobytes.
    assert end.children_user - start.children_user + end.children_system - start.children_system < 2
    assert not before.layout.blob(before.digest).exists()  # nothing has its name any more


def test_data_has_a_layer_of_its_own(shared: Place, write: Callable[..., Path]) -> None:
    root = write(
        {"archive/a.bin": b"a", "archive/deep/b.bin": b"b", "note.txt": "n"}, toml='[data]\ninclude = ["archive"]\n'
    )
    shared.build(root, "-t", "data:1")
    image = shared.image("data:1")
    room = "opt/d4py/workflows/squares"

    data, code = dict(members(image, -2)), dict(members(image, -1))
    assert {name: text for name, text in data.items() if text} == {
        f"{room}/archive/a.bin": b"a",
        f"{room}/archive/deep/b.bin": b"b",
    }
    assert f"{room}/note.txt" in code
    assert not any("archive" in name for name in code)


def test_every_entry_is_of_nobody_on_this_machine(squares: Image) -> None:
    from d4py.packaging.probe import opened

    seen = set()
    for layer in squares.layers[1:]:
        with opened(squares, layer) as tar:
            own = [member for member in tar if member.name != "data"]
            names = [member.name for member in own]
            assert names == sorted(names)
            seen |= {(member.uid, member.gid, member.uname, member.gname, member.mtime) for member in own}

    assert seen == {(0, 0, "", "", 0)}
