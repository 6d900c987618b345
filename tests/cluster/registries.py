# SPDX-License-Identifier: Apache-2.0
"""Real registries that the nodes pull from."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests
from tests.cluster import machine
from tests.cluster.images import pushed
from tests.images.engines.daemons import Authority, Registry

PRIVATE = "registry.example"
MANIFESTS = ("application/vnd.docker.distribution.manifest.v2+json", "application/vnd.oci.image.manifest.v1+json")


class Registries:
    """What was pushed, behind two doors: Docker Hub's name, open to everyone, and one that asks for a password."""

    def __init__(self, root: Path) -> None:
        root.mkdir()
        self.authority = Authority.create(root, machine.HOST)
        self.data = root / "data"
        self.data.mkdir()
        self._maker = ThreadPoolExecutor(1)
        self._filling = self._maker.submit(self._fill)
        common: dict[str, Any] = {"address": "0.0.0.0", "data": self.data}
        self.doors = {
            "docker.io": Registry(root / "open", self.authority, asks=False, **common),
            PRIVATE: Registry(root / "private", self.authority, **common),
        }

    def filled(self) -> None:
        """Wait until they hold what was pushed."""
        self._filling.result()

    @property
    def servers(self) -> dict[str, tuple[str, Path]]:
        """Where nodes find them."""
        certificate = self.authority.certificate
        return {name: (f"https://{machine.HOST}:{door.port}", certificate) for name, door in self.doors.items()}

    def digest(self, image: str) -> str:
        """Return the digest of an image."""
        name, _, tag = image.partition(":")
        manifests = self.data / "docker" / "registry" / "v2" / "repositories" / name / "_manifests"
        return (manifests / "tags" / tag / "current" / "link").read_text()

    def tag(self, image: str, other: str) -> None:
        """Give an image a second name in its repository."""
        name, _, tag = image.partition(":")
        place = f"https://{self.doors['docker.io'].host}/v2/{name}/manifests"
        trust = str(self.authority.certificate)
        found = requests.get(f"{place}/{tag}", headers={"Accept": ", ".join(MANIFESTS)}, verify=trust, timeout=30)
        kind = {"Content-Type": found.headers["Content-Type"]}
        requests.put(f"{place}/{other}", data=found.content, headers=kind, verify=trust, timeout=30).raise_for_status()

    def _fill(self) -> None:
        shutil.copytree(pushed(self.authority), self.data, copy_function=_linked, dirs_exist_ok=True)

    def end(self) -> None:
        """End them."""
        self._maker.shutdown()
        for door in self.doors.values():
            door.end()


def _linked(source: str, target: str) -> None:
    """Copy a file without its bytes: registries write beside what is there."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
