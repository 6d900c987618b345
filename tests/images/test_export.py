# SPDX-License-Identifier: Apache-2.0
"""Images written for other tools; and folders unpacked from images that mean no good."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from tests.images.conftest import Place

from d4py.errors import ImageError
from d4py.packaging.cache import Cache
from d4py.packaging.export import export
from d4py.packaging.layout import Image, Layout
from d4py.packaging.unpack import unpack

Member = tuple[str, str, str]  # kind, name, contents or target


def test_each_format_is_a_base_again(squares: Image, shared: Place, write: Callable[..., Path]) -> None:
    """What is exported is whole: every blob is what its digest says, and the same layers come back."""
    for form, name in (("oci", "layout"), ("oci", "layout.tar"), ("docker-archive", "saved.tar")):
        ran = shared.d4py("export", "squares:1", "--format", form, "-o", name)
        assert ran.stdout.splitlines()[0] == name

        shared.d4py("build", write(), "--base", name, "-t", f"again-{form}:1")

        again = shared.image(f"again-{form}:1")
        diffs = squares.config["rootfs"]["diff_ids"]
        assert again.config["rootfs"]["diff_ids"][: len(diffs)] == diffs


def test_the_archive_is_what_docker_loads(squares: Image, shared: Place) -> None:
    shared.d4py("export", "squares:1", "-o", "docker.tar")

    with tarfile.open(shared.path / "docker.tar") as tar:
        (saved,) = json.load(tar.extractfile("manifest.json") or io.BytesIO())
        names = tar.getnames()
        index = json.load(tar.extractfile("index.json") or io.BytesIO())
    assert saved["RepoTags"] == ["squares:1"]
    assert {saved["Config"], *saved["Layers"]} < set(names)
    assert index["manifests"][0]["digest"] == squares.digest
    assert index["manifests"][0]["annotations"]["io.containerd.image.name"] == "docker.io/library/squares:1"


@pytest.mark.parametrize(
    ("form", "name", "command"),
    [
        ("dir", "a", "apptainer build squares_1.sif a"),
        ("docker-archive", "b.tar", "apptainer build squares_1.sif docker-archive:b.tar"),
        ("oci", "c", "apptainer build squares_1.sif oci:c"),
        ("oci", "d d.tar", "apptainer build squares_1.sif 'oci-archive:d d.tar'"),
    ],
)
def test_the_command_for_apptainer_is_told(squares: Image, shared: Place, form: str, name: str, command: str) -> None:
    ran = shared.d4py("export", "squares:1", "--format", form, "-o", name)

    assert ran.stdout.splitlines() == [name, f"For Apptainer: {command}"]


def test_what_exists_is_not_overwritten(squares: Image, shared: Place) -> None:
    (shared.path / "there").write_text("mine")

    assert "there exists. Choose another place" in shared.d4py("export", "squares:1", "-o", "there", code=2).stderr
    assert (shared.path / "there").read_text() == "mine"
    assert "cannot be written" in shared.d4py("export", "squares:1", "-o", "no/such/place", code=3).stderr


def test_an_image_that_there_is_not(squares: Image, shared: Place) -> None:
    assert "Did you mean 'squares:1'?" in shared.d4py("export", "square:1", "-o", "x", code=2).stderr
    assert "is no name of an image" in shared.d4py("export", "UP", "-o", "x", code=2).stderr


@pytest.mark.parametrize("cut", [1, 30, 100])
def test_a_damaged_layer_is_told_and_nothing_is_left(tmp_path: Path, cut: int) -> None:
    made = image(tmp_path, [("file", "x", "1" * 100_000)], [("file", "y", "2")])
    blob = made.layout.blob(made.layers[0].digest)
    blob.write_bytes(blob.read_bytes()[:-cut])

    with pytest.raises(ImageError, match="is missing or damaged"):
        export(made, "broken:1", "dir", tmp_path / "out")

    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


def image(tmp_path: Path, *layers: list[Member]) -> Image:
    """Return an image of layers by hand."""
    cache = Cache(tmp_path / "cache")
    made = [cache.compressed(lambda out, layer=layer: out.write(tarred(layer)) and out.flush()) for layer in layers]  # type: ignore[misc]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [one.diff for one in made]},
    }
    return cache.layout.write(config, [one.blob for one in made], {})


def tarred(layer: list[Member]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for kind, name, text in layer:
            info = tarfile.TarInfo(name)
            info.mode = 0o755 if kind == "folder" else 0o644
            info.type = {
                "file": tarfile.REGTYPE,
                "link": tarfile.SYMTYPE,
                "hard": tarfile.LNKTYPE,
                "folder": tarfile.DIRTYPE,
            }[kind]
            info.linkname = text if kind in ("link", "hard") else ""
            data = text.encode() if kind == "file" else b""
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def files(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): path.read_text()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def test_upper_layers_hide_and_replace_what_is_below(tmp_path: Path) -> None:
    made = image(
        tmp_path,
        [
            ("file", "a/old", "1"),
            ("file", "a/kept", "1"),
            ("file", "b/x", "1"),
            ("file", "c", "1"),
            ("folder", "d", ""),
        ],
        [
            ("file", "a/.wh.old", ""),
            ("file", "b/.wh..wh..opq", ""),
            ("file", "b/y", "2"),
            ("folder", "c", ""),
            ("file", "d", "2"),
        ],
    )

    unpack(made, tmp_path / "root")

    assert files(tmp_path / "root") == {"a/kept": "1", "b/y": "2", "d": "2"}
    assert (tmp_path / "root" / "c").is_dir()


def test_links_are_followed_as_in_a_container(tmp_path: Path) -> None:
    made = image(
        tmp_path,
        [
            ("folder", "usr/bin", ""),
            ("link", "bin", "usr/bin"),
            ("link", "deep", "/usr"),
            ("link", "up", "../../../usr"),
        ],
        [("file", "bin/a", "1"), ("file", "deep/b", "2"), ("file", "up/c", "3"), ("hard", "bin/d", "deep/b")],
    )

    unpack(made, tmp_path / "root")

    assert files(tmp_path / "root") == {"usr/bin/a": "1", "usr/bin/d": "2", "usr/b": "2", "usr/c": "3"}


@pytest.mark.parametrize(
    "layers",
    [
        [[("file", "../escaped", "x")]],
        [[("file", "a/../../escaped", "x")]],
        [[("link", "out", "OUT")], [("file", "out/escaped", "x")]],
        [[("link", "out", "../..")], [("file", "out/escaped", "x")]],
        [[("link", "a", "b"), ("link", "b", "a")], [("file", "a/x", "x")]],
        [[("hard", "stolen", "OUT/secret")]],
        [[("hard", "stolen", "../secret")]],
        [[("link", "out", "OUT")], [("file", "out/.wh.secret", "")]],
        [[("link", "out", "OUT")], [("file", ".wh.out", ""), ("file", "out/.wh..wh..opq", "")]],
        [[("link", "secret", "OUT/secret")], [("file", "secret", "overwritten")]],
    ],
)
def test_nothing_is_written_read_or_removed_outside(tmp_path: Path, layers: list[list[Member]]) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    meant = [[(kind, name, text.replace("OUT", str(outside))) for kind, name, text in layer] for layer in layers]

    with suppress(ImageError):
        unpack(image(tmp_path, *meant), tmp_path / "root")

    assert files(outside) == {"secret": "secret"}
    assert not (tmp_path / "escaped").exists()
    assert not (tmp_path.parent / "escaped").exists()
    assert "secret" not in files(tmp_path / "root").values()


def test_a_folder_may_be_read_only(tmp_path: Path) -> None:
    made = image(tmp_path, [("folder", "a", ""), ("file", "a/x", "1")])
    unpack(made, tmp_path / "root")

    assert (tmp_path / "root" / "a").stat().st_mtime == 0


def test_an_index_of_several_machines_gives_the_image_of_this_one(tmp_path: Path) -> None:
    made = image(tmp_path, [("file", "x", "1")])
    layout = Layout.load(tmp_path / "cache")
    machines = ({"os": "linux", "architecture": "amd64"}, {"os": "linux", "architecture": "arm64"})
    entry = made.descriptor.to_json()
    index = {"schemaVersion": 2, "manifests": [{**entry, "platform": machine} for machine in machines]}

    found = layout.of(layout.add("application/vnd.oci.image.index.v1+json", json.dumps(index).encode()))

    assert found.digest == made.digest
    other = {"schemaVersion": 2, "manifests": [{**entry, "platform": {"os": "plan9", "architecture": "vax"}}]}
    with pytest.raises(ImageError, match="it is for 'plan9/vax'"):
        layout.of(layout.add("application/vnd.oci.image.index.v1+json", json.dumps(other).encode()))
