# SPDX-License-Identifier: Apache-2.0
"""What is in an image and how it behaves: run by a container runtime that needs no daemon."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.images.conftest import ROOT, Place, Ran, members

from d4py.packaging.layout import Image

Inside = Callable[..., Ran]
WORKFLOW = "/opt/d4py/workflows/squares"
LISTED = """
import json, importlib.metadata as m
print(json.dumps(sorted([d.name.lower().replace("_", "-").replace(".", "-"), d.version] for d in m.distributions())))
"""


def test_it_runs_its_workflow(unpacked: Path, inside: Inside, squares: Image) -> None:
    settings = squares.config["config"]

    ran = inside(unpacked, *settings["Entrypoint"], "run", "-m", "multi", "-n", "2", "--json", WORKFLOW)

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["counts"]["square"]["written"] == 3
    assert settings["Cmd"] == ["run", "--set=archive=/archive", WORKFLOW]
    assert settings["User"] == "1000:1000"
    assert settings["WorkingDir"] == "/data"
    assert settings["Volumes"] == {"/archive": {}, "/data": {}}


def test_it_refuses_another_workflow(unpacked: Path, inside: Inside, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "workflow.py").write_text((unpacked / WORKFLOW[1:] / "workflow.py").read_text() + "\n# changed\n")

    ran = inside(unpacked, "/opt/d4py/bin/d4py", "run", "/mnt", binds={other: "/mnt"})

    assert ran.returncode == 2
    assert ran.stderr.startswith("d4py: error: This image is for the workflow with the digest ")
    named = inside(unpacked, "/opt/d4py/bin/d4py", "run", WORKFLOW, D4PY_GRAPH_DIGEST="0" * 64)
    assert named.returncode == 2


def test_its_labels_say_what_it_is(squares: Image, unpacked: Path) -> None:
    labels = squares.labels
    described = json.loads((unpacked / "opt/d4py/image.json").read_text())

    assert labels["org.opencontainers.image.title"] == "squares"
    assert labels["org.opencontainers.image.version"] == "1"
    assert labels["org.opencontainers.image.created"] == "1970-01-01T00:00:00Z"
    assert labels["dev.d4py.python"].startswith("3.11.")
    assert labels["dev.d4py.graph.digest"] == described["graph"]
    assert squares.manifest["annotations"] == dict(labels)
    assert f"D4PY_GRAPH_DIGEST={described['graph']}" in squares.config["config"]["Env"]


def test_its_sbom_lists_exactly_what_is_inside(unpacked: Path, inside: Inside, shared: Place) -> None:
    listed = json.loads((unpacked / "opt/d4py/sbom.cdx.json").read_text())
    urls = [component["purl"] for component in listed["components"]]

    debian = inside(unpacked, "dpkg-query", "-W", "-f", "${Package} ${Version}\\n").stdout.splitlines()
    python = json.loads(inside(unpacked, "/opt/d4py/bin/python", "-c", LISTED).stdout)
    assert len(debian) > 50
    assert len(python) > 3
    found = [(part["name"], part["version"]) for part in listed["components"] if "pkg:deb/" in part["purl"]]
    assert sorted(f"{name} {version}" for name, version in found) == sorted(debian)
    own = [url.removeprefix("pkg:pypi/").partition("@") for url in urls if url.startswith("pkg:pypi/")]
    assert sorted([name, version] for name, _, version in own) == python
    assert len(urls) == len(set(urls)) == len(debian) + len(python)
    assert listed["metadata"]["component"]["name"] == "squares"


def test_its_user_is_nobody_special_and_its_root_cannot_be_written(unpacked: Path, inside: Inside) -> None:
    tried = inside(unpacked, "sh", "-c", "id -u; touch /data/ours && echo written; touch /opt/d4py/theirs")

    assert tried.stdout.splitlines() == ["1000", "written"]
    assert tried.returncode != 0


def test_it_holds_no_compiler_no_package_list_and_no_byte_code_of_ours(unpacked: Path) -> None:
    programs = {
        path.name for folder in ("usr/bin", "usr/sbin", "usr/local/bin") for path in (unpacked / folder).iterdir()
    }

    assert "python3" in programs
    assert programs & {"cc", "gcc", "g++", "clang", "ld", "as", "make", "pip", "pip3"} == set()
    assert [*(unpacked / "var/lib/apt/lists").glob("*_Packages*")] == []
    assert [*(unpacked / "opt").rglob("*.pyc")] == []


def test_a_runtime_image_has_less_than_200_mb(unpacked: Path) -> None:
    assert size_of(unpacked) < 200e6


def test_a_secret_of_the_environment_is_nowhere_in_it(place: Place, write: Callable[..., Path]) -> None:
    secret = "hunter2-9f8e7d"
    root = write({".env": f"TOKEN={secret}", ".netrc": secret})

    place.build(
        root,
        "-t",
        "open:1",
        "--lock",
        TOKEN=secret,
        GITHUB_TOKEN=secret,
        PIP_INDEX_URL=f"https://me:{secret}@localhost:1/",
    )

    image = place.image("open:1")
    texts = [json.dumps(image.config), json.dumps(image.manifest), (root / "workflow.lock").read_text()]
    assert [text for text in texts if secret in text] == []
    held = [
        name for number in range(len(image.layers)) for name, data in members(image, number) if secret.encode() in data
    ]
    assert held == []
    kept = [path for path in place.path.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
    assert kept == []


def test_the_base_is_made_once(base: Path) -> None:
    again = subprocess.run([ROOT / "scripts" / "base_image"], capture_output=True, text=True, check=True)

    assert Path(again.stdout.strip()) == base
    assert again.stderr == ""


def size_of(root: Path) -> int:
    """Return the bytes of all files of a folder, each counted once."""
    return sum({status.st_ino: status.st_size for status in map(Path.lstat, root.rglob("*"))}.values())
