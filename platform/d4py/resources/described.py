# SPDX-License-Identifier: Apache-2.0
"""How a type says what its fields mean and allow: the text of `kubectl explain`, and the limits that a cluster holds."""

from __future__ import annotations

from dataclasses import MISSING, Field, field, fields
from functools import cache
from typing import Any, ClassVar, NamedTuple, get_type_hints

# The most that each kind of thing may hold. They keep what a rule costs within the budget of the API server.
NAME, WORD, TEXT, INLINE = 63, 253, 4096, 32768
FEW, MANY = 16, 64

DNS_LABEL = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DNS_NAME = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
_SEEN: dict[type[Any], tuple[tuple[Field[Any], Any], ...]] = {}

VARIABLE = "^[A-Za-z_][A-Za-z0-9_]*$"
PLACE = "^/([^/.:][^/:]*(/[^/.:][^/:]*)*)?$"  # an absolute path without . and ..
INSIDE = "^[^/.:][^/:]*(/[^/.:][^/:]*)*$"  # the same below something
QUANTITY = "^[0-9]+(\\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"


class Rule(NamedTuple):
    """A rule in CEL that objects of a type keep, what is said where one does not, and the field it is about."""

    cel: str
    message: str
    field: str = ""


class Described:
    """Something with described fields. `RULES` hold for the whole of it."""

    __slots__ = ()
    RULES: ClassVar[tuple[Rule, ...]] = ()


def told(about: str, default: Any = None, **facts: Any) -> Any:
    """Return a field: what it means, its default where it may be left out, and what else a schema says of it.

    Facts are those of OpenAPI in Python's spelling (`max_length`, `enum`), `default_in_schema` to have the cluster fill it in, `keys` for the
    pattern of a map's keys, `items` for facts of a list's or a map's elements, `list_map` for the names that tell elements apart, `rules`.
    """
    if isinstance(default, (list, dict)):
        return field(default_factory=type(default), metadata={"about": about, **facts})
    return field(default=default, metadata={"about": about, **facts})


def needed(about: str, **facts: Any) -> Any:
    """Return a field that may not be left out."""
    return field(metadata={"about": about, **facts})


def required(entry: Field[Any]) -> bool:
    """Whether a field may not be left out."""
    return entry.default is MISSING and entry.default_factory is MISSING


@cache
def key(entry: Field[Any]) -> str:
    """Return the name of a field as Kubernetes spells it."""
    first, *rest = entry.name.split("_")
    return entry.metadata.get("key") or first + "".join(word.capitalize() for word in rest)


def described(kind: type[Any]) -> tuple[tuple[Field[Any], Any], ...]:
    """Return the fields of a type, each with its resolved annotation."""
    if kind not in _SEEN:
        hints = get_type_hints(kind)
        _SEEN[kind] = tuple((entry, hints[entry.name]) for entry in fields(kind) if "about" in entry.metadata)
    return _SEEN[kind]
