# SPDX-License-Identifier: Apache-2.0
"""`d4py init`: say what a workflow needs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from d4py.errors import ImageError, UsageError

if TYPE_CHECKING:
    from d4py.cli.parser import Namespace, Parser
    from d4py.packaging.guess import Guesses

ABOUT = "Make a workflow.toml for a workflow from what its code imports, and say what was guessed. For a single file, make a folder with it as workflow.py."


def options(parser: Parser) -> None:
    """Take a workflow."""
    parser.add_argument("workflow", metavar="WORKFLOW", help="a .py file, or a folder with workflow.py")


def call(args: Namespace) -> int:
    """Make it."""
    from d4py.graph.load import find
    from d4py.packaging import context, spec, toml
    from d4py.packaging.guess import guess

    source = find(args.workflow)
    if source.kind != "file":
        raise UsageError(f"{args.workflow!r} is a module.", hint="Name a .py file or a folder with workflow.py.")
    file = Path(source.target)
    folder = Path(source.folder) if source.folder else file.with_suffix("")
    made = folder / "workflow.toml"
    if made.exists() or (source.folder is None and folder.exists()):
        raise ImageError(f"{made if made.exists() else folder} exists.", hint="Change it, or delete it first.")
    if source.folder:
        code = context.collect(folder, spec.Spec()).code
        found = guess({name: one.path for name, one in code.items() if not one.target})
    else:
        found = guess({"workflow.py": file})
    write(folder, None if source.folder else file.read_bytes(), toml.text(found))
    print(made)
    tell(found)
    return 0


def write(folder: Path, code: bytes | None, text: str) -> None:
    """Write workflow.toml into a folder; with code, the whole folder, which appears at once."""
    from d4py.packaging.layout import written
    from d4py.packaging.whole import whole
    from d4py.runs import atomic

    if code is None:
        with written(folder):
            atomic.write(folder / "workflow.toml", text.encode(), durable=False)
        return
    with whole(folder) as temporary:
        temporary.mkdir()
        (temporary / "workflow.py").write_bytes(code)
        (temporary / "workflow.toml").write_text(text, encoding="utf-8")


def tell(found: Guesses) -> None:
    """Print what was guessed."""
    for one in found.requirements:
        print(f"guessed: {one.requirement} ({one.why})")
    for name, value in found.parameters.items():
        print(f"guessed: parameter {name} = {value!r}")
    for doubt in found.doubts:
        print(f"in doubt: {doubt}")
    if not found.requirements:
        print("It needs nothing but d4py and the standard library.")
