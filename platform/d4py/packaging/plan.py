# SPDX-License-Identifier: Apache-2.0
"""The plan of an image: its layers and what it says of itself. Every engine carries out the same one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from d4py.packaging.descriptor import canonical, digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from d4py.packaging.base import Base
    from d4py.packaging.tree import Entry

USER = 1000  # whose process it is; it may write below DATA and nowhere else
ROOM = "opt/d4py"  # of everything that is put on a base
PYTHON = f"/{ROOM}/bin/python"
DATA = "/data"  # where runs, outputs and relative paths are
LABEL = "dev.d4py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One layer above the base."""

    name: str  # dependencies, d4py, data or workflow
    made: str  # how, for people
    key: str  # the digest of all that decides its bytes
    opened: Callable[
        [], AbstractContextManager[Iterable[Entry]]
    ]  # what is in it, while that is open; asked for where no cache has it

    @classmethod
    def of(
        cls, name: str, made: str, decides: Any, opened: Callable[[], AbstractContextManager[Iterable[Entry]]]
    ) -> Layer:
        """Return a layer whose bytes are decided by this data."""
        return cls(name=name, made=made, key=digest_of(canonical([name, decides])), opened=opened)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An image before it is made."""

    reference: str  # NAME:TAG
    base: Base
    layers: Sequence[Layer]
    time: int  # of everything in it
    arguments: Sequence[str]  # of `d4py`, where its user gives none
    environment: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    volumes: Sequence[str] = ()

    def settings(self) -> dict[str, Any]:
        """Return how a container of it is started, in the words of an OCI configuration."""
        own = self.base.settings
        variables = dict(line.split("=", 1) for line in own.get("Env") or [] if "=" in line)
        path = variables.get("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        variables |= {**self.environment, "PATH": f"/{ROOM}/bin:{path}"}
        return {
            "User": f"{USER}:{USER}",
            "Env": [f"{name}={value}" for name, value in sorted(variables.items())],
            "Entrypoint": [f"/{ROOM}/bin/d4py"],
            "Cmd": list(self.arguments),
            "WorkingDir": DATA,
            "Volumes": {volume: {} for volume in sorted({DATA, *self.volumes})},
            "StopSignal": "SIGTERM",
            "Labels": {**(own.get("Labels") or {}), **self.labels},
        }
