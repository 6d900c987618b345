# SPDX-License-Identifier: Apache-2.0
"""Names of images: [REGISTRY/]NAME[:TAG], as every container engine takes them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from d4py.errors import ImageError

_PART = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::[0-9]{1,5})?"
_FORM = re.compile(
    rf"(?:(?P<host>{_HOST})/)??(?P<name>{_PART}(?:/{_PART})*)(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}))?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A name of an image, in its parts."""

    name: str  # with its registry, if it names one
    tag: str = "latest"

    def __str__(self) -> str:
        return f"{self.name}:{self.tag}"


def parse(text: str) -> Reference:
    """Read a name. Raises ImageError."""
    found = _FORM.fullmatch(text) if len(text) <= 255 else None
    if found is None:
        raise ImageError(
            f"{text!r:.80} is no name of an image.",
            hint="Write NAME:TAG in lower case, such as ambient-noise:1, or REGISTRY/NAME:TAG.",
        )
    host = f"{found['host']}/" if found["host"] else ""
    return Reference(name=host + found["name"], tag=found["tag"] or "latest")


def plain(name: str) -> str:
    """Return what a name of anything makes as the name of an image."""
    return "-".join(re.findall(r"[a-z0-9]+", name.lower())) or "workflow"
