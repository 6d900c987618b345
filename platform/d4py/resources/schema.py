# SPDX-License-Identifier: Apache-2.0
"""From a described type to the structural schema that a cluster checks objects with."""

from __future__ import annotations

import types
from dataclasses import Field
from functools import cache
from typing import Any, Union, get_args, get_origin

from d4py.resources.described import NAME, Described, Rule, described, key, required

Schema = dict[str, Any]
_FACTS = {
    "minimum": "minimum",
    "maximum": "maximum",
    "min_length": "minLength",
    "max_length": "maxLength",
    "max_items": "maxItems",
    "max_properties": "maxProperties",
    "pattern": "pattern",
    "format": "format",
}
_PLAIN = {str: "string", int: "integer", bool: "boolean"}


@cache
def bare(annotation: Any) -> Any:
    """Return an annotation without its None."""
    if get_origin(annotation) in (Union, types.UnionType):
        (left,) = (kind for kind in get_args(annotation) if kind is not types.NoneType)
        return left
    return annotation


def schema_of(kind: type[Described], about: str = "") -> Schema:
    """Return the schema of a type."""
    entries = described(kind)
    schema: Schema = {"type": "object", "description": about or (kind.__doc__ or "").strip()}
    names = [key(entry) for entry, _ in entries if required(entry)]
    if names:
        schema["required"] = names
    schema["properties"] = {key(entry): _of_field(entry, bare(annotation)) for entry, annotation in entries}
    return _ruled(schema, kind.RULES)


def _ruled(schema: Schema, rules: tuple[Rule, ...]) -> Schema:
    if rules:
        schema["x-kubernetes-validations"] = [
            {"rule": rule.cel, "message": rule.message, **({"fieldPath": f".{rule.field}"} if rule.field else {})}
            for rule in rules
        ]
    return schema


def _of_field(entry: Field[Any], annotation: Any) -> Schema:
    facts = entry.metadata
    origin = get_origin(annotation)
    if origin is list:
        (element,) = get_args(annotation)
        schema: Schema = {"type": "array", "description": facts["about"], "items": _element(element, facts)}
        if "list_map" in facts:
            schema |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(facts["list_map"])}
        else:
            schema["x-kubernetes-list-type"] = "atomic"
    elif facts.get("open"):
        return {"type": "object", "description": facts["about"], "x-kubernetes-preserve-unknown-fields": True}
    elif origin is dict:
        element = get_args(annotation)[1]
        schema = {
            "type": "object",
            "description": facts["about"],
            "additionalProperties": _element(element, facts),
        }
    elif isinstance(annotation, type) and issubclass(annotation, Described):
        return schema_of(annotation, facts["about"])
    else:
        schema = {"type": _PLAIN[annotation], "description": facts["about"]}
        if "enum" in facts:
            schema["enum"] = list(facts["enum"])
    schema |= {name: facts[fact] for fact, name in _FACTS.items() if fact in facts}
    if "keys" in facts:
        rule = f"self.all(name, size(name) <= {NAME} && name.matches('{facts['keys']}'))"
        schema = _ruled(schema, (Rule(rule, f"a name does not match {facts['keys']}"),))
    return schema


def _element(kind: Any, facts: Any) -> Schema:
    if isinstance(kind, type) and issubclass(kind, Described):
        return schema_of(kind)
    about: Schema = {name: facts["items"][fact] for fact, name in _FACTS.items() if fact in facts.get("items", {})}
    if facts.get("int_or_string"):
        return {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}], **about}
    return {"type": _PLAIN[kind], **about}
