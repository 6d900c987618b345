# SPDX-License-Identifier: Apache-2.0
"""A process() that writes, as a function that returns or yields what it would have written.

`self.write("output", value)` costs several calls. Where it is the last thing that a process() does, the same lines with `return value` in its place
are a function of one value; where it is not, they are a generator. Both can stand in a generated loop. Such a twin is compiled from the author's own
text, if that text is what runs and nobody could tell the difference; else there is none, and process() is called as it is.
"""

from __future__ import annotations

import ast
import inspect
import linecache
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from itertools import zip_longest
from types import CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from d4py.graph.pe import ConsumerPE, GenericPE, IterativePE, ProducerPE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

NOTHING = object()  # what a twin returns where process() does not write
_NOTHING = "d4py_nothing"
_ATTEMPTS = 10  # to parse
_UNUSUAL = 0x04 | 0x08 | 0x20 | 0x80 | 0x200  # *args, **kwargs, generators, coroutines
_FUTURE = 0x1FF0000  # what `from __future__ import` leaves in the flags of code
_TELLING = frozenset({"locals", "vars", "eval", "exec", "super", "__class__", _NOTHING})  # names that can tell a twin
_NESTED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.GeneratorExp)
_NESTED += (ast.ListComp, ast.SetComp, ast.DictComp)  # type: ignore[assignment]


class Writes(Enum):
    """How a process() writes, and so what calling its twin gives."""

    LAST = "last"  # nothing is done after a write: the twin returns the value written, or NOTHING
    MANY = "many"  # the twin is a generator of the values
    NONE = "none"  # the PE has no output


@dataclass(frozen=True, slots=True)
class Twin:
    """A function of the PE and the bare value of its input; of a root, of the inputs of the call."""

    function: Callable[[Any, Any], Any]
    writes: Writes


def twin(pe: GenericPE) -> Twin | None:
    """Return the twin of a PE's process(), or None where there is none."""
    cls, ports, outputs = type(pe), list(pe.inputconnections), list(pe.outputconnections)
    if cls.write is not GenericPE.write or vars(pe).keys() & {"process", "_process", "write"}:
        return None
    if len(ports) > 1 or len(outputs) > 1 or not (ports or outputs):
        return None
    bare = cls.process in (IterativePE.process, ConsumerPE.process)
    inherited = bare or cls.process in (GenericPE.process, ProducerPE.process)
    function: Any = cls._process if inherited else cls.process
    if not isinstance(function, FunctionType) or (outputs and "write" not in function.__code__.co_names):
        return None
    return _twin(function, None if bare or not ports else ports[0], outputs[0] if outputs else None, root=not ports)


@lru_cache(maxsize=256)
def _twin(function: FunctionType, port: str | None, output: str | None, *, root: bool) -> Twin | None:
    """port: what `inputs` is subscripted with; None if it is the value itself. Of a root, only loops are worth a generator."""
    module = _parsed(function)
    if module is None:
        return None
    definition = module.body[-1].body[0]  # type: ignore[attr-defined]
    reading = _Reading(definition, port, output)
    if not reading.plain or (root and not reading.loops):
        return None
    how = Writes.NONE
    if output is not None:
        lasts = set(_lasts(definition.body, reading.writes, last=True))
        how = Writes.LAST if not root and len(lasts) == len(reading.writes) else Writes.MANY
    if how is Writes.LAST:
        definition.args.args.append(ast.arg(_NOTHING))
        definition.body.append(ast.Return())
    _Rewriting(reading, how).visit(definition)
    code = _code(ast.fix_missing_locations(module), function)
    assert code is not None
    defaults = (NOTHING,) if how is Writes.LAST else None
    return Twin(FunctionType(code, function.__globals__, function.__name__, defaults), how)


def _parsed(function: FunctionType) -> ast.Module | None:
    """Return the text of a method as a class with it alone, if that is what was compiled to the method's code."""
    code = function.__code__
    owner = function.__qualname__.rpartition(".")[0].rpartition(".")[2]
    unusual = code.co_flags & _UNUSUAL or code.co_freevars or code.co_argcount != 2 or code.co_kwonlyargcount
    first = code.co_firstlineno
    lines = linecache.getlines(code.co_filename, function.__globals__)[first - 1 :]
    if unusual or function.__defaults__ or not owner.isidentifier() or first < 3 or not lines:
        return None
    # Names that were imported are called in another way than others.
    imported = [name for name in code.co_names if isinstance(function.__globals__.get(name), ModuleType)]
    imports = f"import {', '.join(imported)}; " if imported else ""
    try:
        text = "".join([imports, "\n" * (first - 2), f"class {owner}:\n", *inspect.getblock(lines)])
        module = _module(text)
        known = _code(module, function)
    except (SyntaxError, ValueError, TypeError, SystemError):
        return None
    if known is None or any(getattr(known, part) != getattr(code, part) for part in _PARTS):
        return None
    return module


def _module(text: str) -> ast.Module:
    """Parse a text. Several releases of CPython count one depth for all threads, and refuse where another thread parses meanwhile."""
    for _ in range(_ATTEMPTS - 1):
        with suppress(SystemError):
            return ast.parse(text)
    return ast.parse(text)


_PARTS = ("co_code", "co_consts", "co_names", "co_varnames", "co_cellvars", "co_freevars", "co_firstlineno")


def _code(module: ast.Module, function: FunctionType) -> CodeType | None:
    """Compile a class with one method; return the method's code."""
    flags = function.__code__.co_flags & _FUTURE
    outer = compile(module, function.__code__.co_filename, "exec", flags, dont_inherit=True)
    (cls,) = (part for part in outer.co_consts if isinstance(part, CodeType))
    found = [part for part in cls.co_consts if isinstance(part, CodeType) and part.co_name == function.__name__]
    return found[0] if len(found) == 1 else None


class _Reading(ast.NodeVisitor):
    """Finds the writes and the inputs of a method, and whether there is anything that a twin could not do."""

    def __init__(self, definition: ast.FunctionDef, port: str | None, output: str | None) -> None:
        self.me, self.inputs = (argument.arg for argument in definition.args.args)
        self.port, self.output = port, output
        self.writes: list[ast.Expr] = []
        self.subscripts: list[ast.Subscript] = []
        self.plain = not definition.decorator_list
        self.loops = False  # whether a write is in a loop
        self._within: list[type[ast.AST]] = []
        for statement in definition.body:
            self.visit(statement)
        self.plain = self.plain and (output is None or bool(self.writes))

    def visit(self, node: ast.AST) -> None:
        """Visit a node, knowing what it lies in."""
        self._within.append(type(node))
        super().visit(node)
        self._within.pop()

    def generic_visit(self, node: ast.AST) -> None:
        """Refuse what binds the names of the parameters anew, in whichever way."""
        named = [value for _, value in ast.iter_fields(node) if isinstance(value, str)]
        if {self.me, self.inputs}.intersection(named) and not isinstance(
            node, (ast.Attribute, ast.keyword, ast.Constant)
        ):
            self.plain = False
        super().generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> None:
        """Take a write; its value may have anything in it."""
        call = node.value
        if not isinstance(call, ast.Call) or not self._is_write(call.func):
            self.generic_visit(node)
            return
        port = call.args[0] if len(call.args) == 2 else None
        if call.keywords or not isinstance(port, ast.Constant) or port.value != self.output or self._shut_in():
            self.plain = False
            return
        self.writes.append(node)
        self.loops = self.loops or any(issubclass(outer, (ast.For, ast.While)) for outer in self._within)
        self.visit(call.args[1])

    def visit_Attribute(self, node: ast.Attribute) -> None:
        """Refuse a write that is anything but a statement of its own."""
        self.plain = self.plain and not self._is_write(node)
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        """Take a look at the input."""
        looks = isinstance(node.value, ast.Name) and node.value.id == self.inputs and isinstance(node.ctx, ast.Load)
        if looks and self.port is not None and isinstance(node.slice, ast.Constant) and node.slice.value == self.port:
            self.subscripts.append(node)
        else:
            self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> None:
        """Refuse other uses of `inputs`, where it is to be the value; new values of the parameters; and what looks at frames."""
        own = node.id == self.me or (node.id == self.inputs and self.port is None)
        if node.id in _TELLING or (own and not isinstance(node.ctx, ast.Load)) or (node.id == self.inputs and not own):
            self.plain = False

    def visit_Return(self, node: ast.Return) -> None:
        """Refuse a result: it would be written as well."""
        nothing = node.value is None or (isinstance(node.value, ast.Constant) and node.value.value is None)
        if not nothing and not any(issubclass(outer, _NESTED) for outer in self._within):
            self.plain = False
        self.generic_visit(node)

    def _is_write(self, node: ast.AST) -> bool:
        return (
            isinstance(node, ast.Attribute)
            and node.attr == "write"
            and isinstance(node.value, ast.Name)
            and node.value.id == self.me
        )

    def _shut_in(self) -> bool:
        """Whether a write lies where leaving it is not going on: in another function, or in a try that may catch what ends it."""
        return any(issubclass(outer, _NESTED) or outer.__name__ in ("Try", "TryStar") for outer in self._within)


class _Rewriting(ast.NodeTransformer):
    """Puts the bare value where the input is looked up, and a return or a yield where a write is left."""

    def __init__(self, reading: _Reading, how: Writes) -> None:
        self.reading, self.how = reading, how
        self._inside = 0  # functions in the method

    def visit(self, node: ast.AST) -> Any:
        """Visit a node, knowing whether it is the method's own."""
        nested = isinstance(node, _NESTED)
        self._inside += nested
        result = super().visit(node)
        self._inside -= nested
        return result

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """Return or yield what was written."""
        written = node in self.reading.writes
        self.generic_visit(node)
        if not written:
            return node
        value = node.value.args[1]  # type: ignore[attr-defined]
        if self.how is Writes.LAST:
            return ast.copy_location(ast.Return(value), node)
        return ast.copy_location(ast.Expr(ast.copy_location(ast.Yield(value), node)), node)

    def visit_Return(self, node: ast.Return) -> ast.AST:
        """Say that nothing was written."""
        self.generic_visit(node)
        if self.how is Writes.LAST and self._inside == 1:
            node.value = ast.Name(_NOTHING, ast.Load())
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        """Take the value itself."""
        if node in self.reading.subscripts:
            return ast.copy_location(ast.Name(self.reading.inputs, ast.Load()), node)
        return self.generic_visit(node)


def _lasts(body: Sequence[ast.stmt], writes: Sequence[ast.Expr], *, last: bool) -> Iterator[ast.stmt]:
    """Give the writes after which a method does nothing more. last: whether nothing follows these statements."""
    for statement, following in zip_longest(body, body[1:]):
        ends = isinstance(following, ast.Return) or (last and following is None)
        if statement in writes and ends:
            yield statement
        elif isinstance(statement, (ast.If, ast.For, ast.While)):
            for part in (statement.body, statement.orelse):
                yield from _lasts(part, writes, last=ends and isinstance(statement, ast.If))
