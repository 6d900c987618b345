# SPDX-License-Identifier: Apache-2.0
"""What is told of an object that a cluster refuses: the field and its fault, and nothing of what may be secret."""

from __future__ import annotations

import json

from d4py_operator.cluster.errors import api_error

PATH = "spec.template.spec.containers[0]"


def refusal(*causes: tuple[str, str]) -> str:
    told = [{"field": field, "reason": "FieldValueInvalid", "message": message} for field, message in causes]
    body = json.dumps({"kind": "Status", "reason": "Invalid", "message": "no", "details": {"causes": told}})
    return api_error(422, body.encode()).refusal


def test_what_is_asked_for_is_told_with_its_fault_and_once() -> None:
    cause = (f"{PATH}.resources.requests", 'Invalid value: "3G": must be less than or equal to memory limit of 2G')

    assert refusal(cause, cause) == f"{cause[0]}: {cause[1]}"


def test_rules_that_were_not_looked_at_are_not_told() -> None:
    """What an API server adds where the schema is not kept."""
    assert refusal((f"{PATH}.image", "Required value"), ("<nil>", "some validation rules were not checked")) == (
        f"{PATH}.image: is not valid"
    )


def test_values_elsewhere_are_not_told() -> None:
    assert refusal((f"{PATH}.env[0].name", 'Invalid value: "hunter2": no name')) == f"{PATH}.env[0].name: is not valid"
