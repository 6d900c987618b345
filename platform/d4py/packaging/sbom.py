# SPDX-License-Identifier: Apache-2.0
"""The list of everything that is in an image, as CycloneDX JSON."""

from __future__ import annotations

import json
import re
import time
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from d4py.packaging import itself
from d4py.packaging.base import Package
from d4py.packaging.descriptor import canonical

if TYPE_CHECKING:
    from collections.abc import Sequence

    from d4py.packaging.base import Base
    from d4py.packaging.lock import Lock

_KINDS = {"deb": "deb/debian", "apk": "apk/alpine", "pypi": "pypi", "generic": "generic"}


def sbom(name: str, tag: str, graph: str, base: Base, lock: Lock, *, at: int) -> bytes:
    """Return the list for an image: the base's packages, the locked distributions, d4py, and the workflow itself."""
    own = [Package(kind="pypi", name=title, version=version) for title, version in lock.pins]
    own.append(Package(kind="pypi", name="d4py", version=itself.version()))
    workflow = {
        "type": "application",
        "name": name,
        "version": tag,
        "bom-ref": f"workflow:{name}",
        "hashes": [{"alg": "SHA-256", "content": graph}],
    }
    found: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)),
            "tools": {"components": [{"type": "application", "name": "d4py", "version": itself.version()}]},
            "component": workflow,
            "properties": [{"name": "d4py:base", "value": base.image.digest}],
        },
        "components": components([*base.packages, *own]),
    }
    found["serialNumber"] = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, canonical(found).decode())}"
    return (json.dumps(found, indent=1, sort_keys=True) + "\n").encode()


def components(packages: Sequence[Package]) -> list[dict[str, str]]:
    """Return packages as components, in order."""
    found = {}
    for package in packages:
        url = _url(package)
        found[url] = {
            "type": "library",
            "name": package.name,
            "version": package.version,
            "purl": url,
            "bom-ref": url,
        }
    return [found[url] for url in sorted(found)]


def _url(package: Package) -> str:
    name = re.sub(r"[-_.]+", "-", package.name).lower() if package.kind == "pypi" else package.name
    machine = f"?arch={quote(package.architecture)}" if package.architecture else ""
    return f"pkg:{_KINDS[package.kind]}/{quote(name)}@{quote(package.version, safe='')}{machine}"
