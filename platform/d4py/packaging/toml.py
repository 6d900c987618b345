# SPDX-License-Identifier: Apache-2.0
"""The text of a workflow.toml."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from d4py.packaging.guess import Guesses


def text(guesses: Guesses) -> str:
    """Return a workflow.toml that says what was guessed, and what else may be said."""
    lines = ["# What the workflow needs and takes, and what its container image holds: see docs/images.md.", ""]
    lines += ["requirements = ["]
    lines += [f"    {value(one.requirement)},  # {one.why}" for one in guesses.requirements]
    lines += ["]", ""]
    if guesses.parameters:
        lines += ["[parameters]", *(f"{name} = {value(found)}" for name, found in guesses.parameters.items()), ""]
    lines += [
        "[image]",
        '# entry = "workflow"          the variable that holds the graph, where there are several',
        '# arguments = ["-m", "multi"]  of d4py run in the image',
        '# packages = ["libgomp1"]      of the system, that the base must have',
        '# exclude = ["notes/*"]        files of this folder that stay outside',
        "",
        "[data]",
        '# include = ["stations.csv"]   files and folders that go into the image, in a layer of their own',
        '# mount = { data = "/archive" } a parameter, and where in the image its data is mounted',
    ]
    return "\n".join(lines) + "\n"


def value(found: Any) -> str:
    """Return a value as TOML writes it."""
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, str):
        return json.dumps(found, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(found, (list, tuple)):
        return f"[{', '.join(value(part) for part in found)}]"
    if isinstance(found, float) and not math.isfinite(found):
        return "nan" if math.isnan(found) else "inf" if found > 0 else "-inf"
    return repr(found)
