# SPDX-License-Identifier: Apache-2.0
"""`d4py graph`: draw a workflow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from d4py.cli.table import BOLD, number_of, paint
from d4py.cli.workflow import add_workflow, loaded
from d4py.errors import UsageError, listed

if TYPE_CHECKING:
    from d4py.cli.drawn import Drawn
    from d4py.cli.parser import Namespace, Parser

ABOUT = "Draw a workflow: as text, for Graphviz, or as an SVG picture."
_FORMATS = {".svg": "svg", ".dot": "dot", ".gv": "dot", ".txt": "text"}


def options(parser: Parser) -> None:
    """Take a workflow, a form and a file."""
    add_workflow(parser)
    parser.add_argument(
        "--format", choices=("text", "dot", "svg"), help="the form (default: as the name of the file says, else text)"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="write it to a file")


def call(args: Namespace) -> int:
    """Draw it."""
    from d4py.cli.drawn import drawn
    from d4py.graph.check import check

    form = args.format or form_of(args.output)
    workflow = loaded(args)
    check(workflow.graph)
    found = drawn(workflow.name, workflow.graph)
    if form == "svg":
        from d4py.cli.svg import svg

        picture = svg(found)
    else:
        picture = dot(found) if form == "dot" else text(found, colours=args.output is None)
    if args.output is None:
        print(picture, end="")
        return 0
    try:
        Path(args.output).write_text(picture, encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"The file {args.output!r} cannot be written: {error.strerror}.", hint="Choose another with -o."
        ) from None
    print(args.output)
    return 0


def form_of(path: str | None) -> str:
    """Return the form that a file's name asks for."""
    if path is None:
        return "text"
    ending = Path(path).suffix.lower()
    if ending not in _FORMATS:
        raise UsageError(
            f"The name {path!r} does not say what to draw; it may end in {listed(_FORMATS)}.",
            hint="Change it, or give --format.",
        )
    return _FORMATS[ending]


def text(drawn: Drawn, *, colours: bool = True) -> str:
    """Return the graph as lines: each PE, and below it where its outputs go."""
    inner = sum(not arrow.leaves for arrow in drawn.arrows)
    lines = [f"{drawn.title}: {number_of(len(drawn.boxes), 'PE')}, {number_of(inner, 'connection')}"]
    for box in drawn.boxes:
        lines += ["", (paint(box.name, BOLD) if colours else box.name) + (f" ({box.note})" if box.note else "")]
        leaving = [arrow for arrow in drawn.arrows if arrow.start == box.id]
        for arrow in leaving:
            corner = "└" if arrow is leaving[-1] else "├"
            where = "the run's outputs" if arrow.leaves else f"{arrow.end}.{arrow.input}"
            lines.append(f"{corner}─ {arrow.output} → {where}{f' ({arrow.grouping})' if arrow.grouping else ''}")
    return "\n".join(lines) + "\n"


def dot(drawn: Drawn) -> str:
    """Return the graph for Graphviz."""
    return "\n".join(_dot(drawn)) + "\n"


def _dot(drawn: Drawn) -> Iterator[str]:
    yield f"digraph {_quoted(drawn.title)} {{"
    yield '  rankdir=LR; node [shape=box, style="rounded,filled", fillcolor="#f4f7fa", fontname="Helvetica"]; edge [fontname="Helvetica", fontsize=10];'
    for box in drawn.boxes:
        label = f"{box.name}\n{box.note}" if box.note else box.name
        colour = ', fillcolor="#e6f1ec"' if box.source else ""
        yield f"  {_quoted(box.id)} [label={_quoted(label)}{colour}];"
    for arrow in drawn.arrows:
        if arrow.leaves:
            yield f"  {_quoted(arrow.end)} [label={_quoted(arrow.output)}, shape=plaintext, style=solid];"
        yield f"  {_quoted(arrow.start)} -> {_quoted(arrow.end)} [label={_quoted('' if arrow.leaves else arrow.label)}];"
    yield "}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\0", "/")
    return f'"{escaped}"'
