# SPDX-License-Identifier: Apache-2.0
"""`python -m d4py_operator.crds [FOLDER]`: write the definitions of the custom resources into the chart."""

from __future__ import annotations

import sys
from pathlib import Path

from d4py.resources import KINDS, definition
from d4py.resources.workflow import GROUP
from d4py.resources.yaml import document

HEAD = "# Made from platform/d4py/resources by python -m d4py_operator.crds. Change it there.\n"
CHART = Path(__file__).resolve().parents[2] / "helm" / "d4py" / "crds"


def files() -> dict[str, str]:
    """Return the text of each file."""
    return {f"{kind.plural}.{GROUP}.yaml": HEAD + document(definition(kind)) for kind in KINDS}


def main() -> int:
    """Write them."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else CHART
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
