# SPDX-License-Identifier: Apache-2.0
"""Images from Dockerfiles, on a base without a registry, with the package index that this machine is set up for.

What the index is, and who vouches for it, is in the image that wheels are installed in, of which nothing goes on.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import ssl
from pathlib import Path

import docker

ROOT = Path(__file__).parents[3]
AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
SETTINGS = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_TRUSTED_HOST")
PROXIES = ("http_proxy", "https_proxy", "no_proxy")
FILES = ("/etc/pip.conf", "~/.pip/pip.conf", "~/.config/pip/pip.conf")


def built(
    client: docker.DockerClient, folder: Path, tag: str, *, dockerfile: str = "Dockerfile", **arguments: str
) -> None:
    """Build a Dockerfile with the network of this machine."""
    given = {name: os.environ[name] for name in PROXIES if name in os.environ} | arguments
    how = {"buildargs": given, "network_mode": "host", "rm": True, "forcerm": True}
    client.images.build(path=str(folder), dockerfile=dockerfile, tag=tag, **how)


def with_pip(client: docker.DockerClient, base: str, tag: str, room: Path) -> None:
    """Put pip on a base, as it is set up here."""
    spec = importlib.util.find_spec("pip")
    assert spec is not None
    assert spec.origin is not None
    shutil.copytree(Path(spec.origin).parent, room / "pip", ignore=shutil.ignore_patterns("__pycache__"))
    authorities = os.environ.get("PIP_CERT") or ssl.get_default_verify_paths().cafile or AUTHORITIES
    shutil.copy(authorities, room / "authorities.crt")
    files = [Path(name).expanduser() for name in FILES]
    (room / "pip.conf").write_text("\n".join(path.read_text() for path in files if path.is_file()))
    given = {name: os.environ[name] for name in SETTINGS if name in os.environ} | {"PIP_CERT": AUTHORITIES}
    lines = [
        f"FROM {base}",
        "COPY pip /usr/lib/python3/dist-packages/pip",
        f"COPY authorities.crt {AUTHORITIES}",
        "COPY pip.conf /etc/pip.conf",
        *(f'ENV {name}="{value}"' for name, value in given.items()),
    ]
    (room / "Dockerfile").write_text("\n".join(lines) + "\n")
    built(client, room, tag)


def with_sources(client: docker.DockerClient, base: str, tag: str, room: Path) -> None:
    """Put the sources of this machine's apt on an image: a base from a registry has its own."""
    files = ("/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list")
    path = next(Path(name) for name in files if Path(name).is_file() and Path(name).stat().st_size)
    shutil.copy(path, room / path.name)
    place = path.parent
    lines = [f"FROM {base}", "USER 0:0", f"COPY {path.name} {place}/", "USER 1000:1000"]
    (room / "Dockerfile").write_text("\n".join(lines) + "\n")
    built(client, room, tag)
