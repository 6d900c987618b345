# SPDX-License-Identifier: Apache-2.0
"""What cannot become an image is told in one line with the remedy, exits 2 or 3, and leaves nothing half-written."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.images.conftest import Place, members

from d4py.packaging.context import LARGEST
from d4py.packaging.probe import opened

Write = Callable[..., Path]
# Root reads everything, unless it gives up the right to.
LIKE_ANYBODY = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (b"two\nlines.txt", "means something else in an image"),
        (b"bell\a.txt", "means something else in an image"),
        (b"back\\slash.txt", "means something else in an image"),
        (b"latin\xe9.txt", "is not UTF-8"),
    ],
)
def test_hostile_names(shared: Place, write: Write, name: bytes, why: str) -> None:
    root = write()
    (root / os.fsdecode(name)).write_text("x")

    ran = shared.build(root, code=2)

    assert why in ran.stderr
    assert "Rename it, or exclude it." in ran.stderr


def test_a_name_that_would_remove_a_file_of_a_lower_layer(shared: Place, write: Write) -> None:
    root = write({"data/.wh.passwd": "x"}, toml='[data]\ninclude = ["data/.wh.passwd"]\n')

    assert "means something else in an image" in shared.build(root, code=2).stderr


def test_odd_names_that_mean_nothing_else_are_taken(shared: Place, write: Write) -> None:
    root = write({"-rf": "1", "a b;$(x)'\".txt": "2", "\u65e5\u672c.txt": "3", "x" * 200: "4"})
    shared.build(root, "-t", "odd:1")

    room = "opt/d4py/workflows/squares/"
    held = {name.removeprefix(room): data for name, data in members(shared.image("odd:1"), -1) if name.startswith(room)}
    names = {"workflow.py", "workflow.toml", "-rf", "a b;$(x)'\".txt", "\u65e5\u672c.txt", "x" * 200}
    assert held.keys() == names
    assert held["-rf"] == b"1"


@pytest.mark.parametrize("target", ["/etc/passwd", "../../secret.txt", "sub/../../../secret.txt"])
def test_a_link_out_of_the_folder(shared: Place, write: Write, tmp_path: Path, target: str) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path.parent / "secret.txt").write_text("secret")
    root = write({"sub/x": "1"})
    (root / "link").symlink_to(target)

    ran = shared.build(root, code=2)

    assert "is a link out of the folder of the workflow" in ran.stderr


def test_a_link_to_nothing_and_links_in_a_circle(shared: Place, write: Write) -> None:
    root = write()
    (root / "link").symlink_to("nowhere")
    assert "is a link to nothing" in shared.build(root, code=2).stderr

    (root / "link").unlink()
    (root / "link").symlink_to("link")
    assert "link" in shared.build(root, code=2).stderr


def test_a_link_within_the_folder_stays_one(shared: Place, write: Write) -> None:
    root = write({"sub/x": "1"})
    (root / "absolute").symlink_to(root / "sub" / "x")
    (root / "sub" / "relative").symlink_to("x")
    shared.build(root, "-t", "linked:1")

    made = shared.image("linked:1")
    with opened(made, made.layers[-1]) as tar:
        links = {member.name.rpartition("/")[2]: member.linkname for member in tar if member.issym()}
    assert links == {"absolute": "sub/x", "relative": "x"}


def test_a_folder_of_include_that_is_a_link_out(shared: Place, write: Write, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    root = write(toml='[data]\ninclude = ["data"]\n')
    (root / "data").symlink_to(tmp_path / "outside")

    assert "is a link out of the folder" in shared.build(root, code=2).stderr


@pytest.mark.parametrize("name", ["/etc", "../x", "absent"])
def test_data_that_is_nothing_in_the_folder(shared: Place, write: Write, name: str) -> None:
    ran = shared.build(write(toml=f"[data]\ninclude = [{json.dumps(name)}]\n"), code=2)

    assert f"[data] includes {name!r}, which is nothing in " in ran.stderr


def test_a_huge_file_must_be_declared(shared: Place, write: Write) -> None:
    root = write()
    with open(root / "huge.bin", "wb") as file:
        file.truncate(LARGEST + 1)

    ran = shared.build(root, code=2)

    assert "has 64 MiB, which is much for a layer of code. Write include = ['huge.bin']" in ran.stderr
    (root / "workflow.toml").write_text('[image]\nexclude = ["*.bin"]\n')
    shared.build(root, "-t", "lean:1")


def test_a_file_that_cannot_be_read(shared: Place, write: Write) -> None:
    root = write({"closed.txt": "x", "folder/y": "z"})
    (root / "closed.txt").chmod(0)
    assert "closed.txt cannot be read: Permission denied." in shared.build(root, code=2, before=LIKE_ANYBODY).stderr

    (root / "closed.txt").chmod(0o644)
    (root / "folder").chmod(0)
    assert "folder cannot be read: Permission denied." in shared.build(root, code=2, before=LIKE_ANYBODY).stderr


def test_what_is_neither_file_nor_folder(shared: Place, write: Write) -> None:
    root = write()
    os.mkfifo(root / "pipe")
    assert "pipe is neither a file nor a folder." in shared.build(root, code=2).stderr

    (root / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(root / "s"))
        assert "is neither a file nor a folder." in shared.build(root, code=2).stderr


@pytest.mark.parametrize(
    ("toml", "why"),
    [
        ("[image]\nentri = 'x'", "Did you mean 'entry'?"),
        ("requirements = 'numpy'", "It is a list of texts."),
        ("requirements = ['-r /etc/passwd']", "cannot be read. Write it as"),
        ("requirements = ['numpy\\n--index-url=x']", "cannot be read. Write it as"),
        ("[image]\npackages = ['lib; rm']", "is no name of a package"),
        ("[image]\nname = 3", "It is a text."),
        ("image = 1", "is not a table"),
        ("[data]\nmount = { data = 'relative' }", "Write a place such as '/archive'."),
        ("[data]\nmount = { data = '/a/../../etc' }", "Write a place such as '/archive'."),
        ("[parameters]\narchive = ''\n[data]\nmount = { archiv = '/a' }", "Did you mean 'archive'?"),
        ("[image", "cannot be read"),
    ],
)
def test_what_workflow_toml_may_not_say(shared: Place, write: Write, toml: str, why: str) -> None:
    assert why in shared.build(write(toml=toml), code=2).stderr


@pytest.mark.parametrize("name", ["UPPER", "a b", "x:y:z", "../x", "", "-x", "a" * 300])
def test_a_name_that_no_image_has(shared: Place, write: Write, name: str) -> None:
    assert " is no name of an image." in shared.build(write(), f"--tag={name or ' '}", code=2).stderr


def test_no_room_on_the_disk(shared: Place, write: Write, small_disk: Path) -> None:
    """At the layers, at the export: exit code 3, and what is there is what was there."""
    full = shared.build(write(), code=3, XDG_CACHE_HOME=str(small_disk))
    assert "No space left on device. Make room, or choose another place." in full.stderr

    shared.build(write(), "-t", "small:1")
    for form in ("dir", "docker-archive", "oci"):
        ran = shared.d4py("export", "small:1", "--format", form, "-o", small_disk / "out", code=3)
        assert "No space left on device." in ran.stderr
    assert "No space left on device." in shared.build(write(), "-o", small_disk / "out", code=3).stderr
    assert sorted(path.name for path in small_disk.iterdir()) == ["d4py"]
    assert [path for path in small_disk.rglob(".*") if path.name != ".lock"] == []
    assert shared.left == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "small"
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", path], check=True)
    yield path
    subprocess.run(["umount", path], check=True)


def test_a_file_that_changes_while_it_is_read(shared: Place, write: Write) -> None:
    """It would be in the cache under a name that is not its own."""
    from d4py.errors import ImageError
    from d4py.packaging import context, spec

    root = write({"log.txt": "one"})
    found = context.collect(root, spec.Spec())
    before = found.fingerprint(found.code)

    with pytest.raises(ImageError, match="changed while it was read"), found.steady(found.code, before, "x", []):
        (root / "log.txt").write_text("two")


def test_a_module_and_a_named_graph_are_no_workflow_for_an_image(shared: Place, write: Write) -> None:
    assert "'json' is a module." in shared.d4py("build", "json", code=2).stderr
    assert "Write entry = 'NAME'" in shared.d4py("build", f"{write()}:workflow", code=2).stderr
    assert "There is no file" in shared.d4py("build", "absent.py", code=2).stderr
