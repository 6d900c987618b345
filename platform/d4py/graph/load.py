# SPDX-License-Identifier: Apache-2.0
"""A workflow by name: a file, a folder with workflow.py, or `package.module[:object]`.

Loading runs the module once, in its own namespace, with its folder on the path.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from types import ModuleType
from typing import TYPE_CHECKING, Any

from d4py.errors import D4pyError, LoadError, ParameterError, did_you_mean, listed
from d4py.graph import kept, resources
from d4py.graph.function import FunctionPE
from d4py.graph.graph import WorkflowGraph
from d4py.graph.parameters import call_configure, converted, default_of, set_on_graph, takes_path
from d4py.graph.types import hints_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is needed to load a workflow again, here or in a worker. JSON-able."""

    name: str
    kind: str  # "file" or "module"
    target: str  # absolute path of the file, or the module's name
    variable: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    folder: str | None = None  # of workflow.toml
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)  # by PE; they go before those of workflow.toml
    kept: dict[str, str] | None = None  # where there is a copy: its folder, the root that it is of, its file

    @property
    def file(self) -> Path:
        """The file that is run, of one that names a file."""
        return Path(self.target) if self.kept is None else Path(self.kept["folder"], self.kept["file"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """A loaded workflow: its flat graph, and where it came from."""

    graph: WorkflowGraph
    source: Source | None
    digest: str
    toml: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name to show."""
        return self.source.name if self.source else "workflow"


def find(text: str, *, parameters: Mapping[str, Any] | None = None, variable: str | None = None) -> Source:
    """Return what a workflow's name means, without running it."""
    name, _, object_name = text.partition(":")
    path = Path(name)
    given = dict(parameters or {})
    chosen = variable or object_name or None
    try:
        folder, is_file = path.is_dir(), path.is_file()
    except OSError as error:
        raise LoadError(
            f"The name {name!r:.60} cannot be looked up: {error.strerror}.", hint=_near_file(Path())
        ) from None
    if folder:
        file = path / "workflow.py"
        if not file.is_file():
            raise LoadError(
                f"The folder {name!r} has no workflow.py.", hint="Name a folder with one, or the file itself."
            )
        return Source(
            name=path.resolve().name,
            kind="file",
            target=str(path.resolve() / file.name),
            variable=chosen,
            parameters=given,
            folder=str(path.resolve()),
        )
    if is_file:
        if path.suffix != ".py":
            raise LoadError(
                f"The file {name!r} is not a Python file.",
                hint="Workflows are .py files, folders with workflow.py, or modules.",
            )
        # A link to a file is kept: where a ConfigMap is mounted, what it leads to has another name in each pod.
        target = str(path.parent.resolve() / path.name)
        return Source(name=path.stem, kind="file", target=target, variable=chosen, parameters=given)
    if path.suffix == ".py" or "/" in name or not all(part.isidentifier() for part in name.split(".")):
        raise LoadError(f"There is no file {name!r}.", hint=_near_file(path))
    return Source(name=name.rpartition(".")[2], kind="module", target=name, variable=chosen, parameters=given)


def load(source: Source, *, choose: Callable[[Mapping[str, WorkflowGraph]], str] | None = None) -> Workflow:
    """Run the module of a workflow and return its flat graph with parameters set.

    choose: which of the module's graphs it is, where the source does not name one; it is named from then on.
    """
    toml = _toml(source)
    module, digest = _run_file(source) if source.kind == "file" else _import(source)
    if choose is not None and source.variable is None:
        source = replace(source, variable=choose(_graphs(module)))
    parameters = {**_declared(toml, source), **source.parameters}
    graph = _graph(module, source, parameters)
    resources.claim(graph, _resources(toml, source))
    return Workflow(graph=graph, source=source, digest=digest, toml=toml)


def unloaded(source: Source) -> Workflow:
    """Return what is known of a workflow whose module cannot be run here: its name, and workflow.toml."""
    return Workflow(graph=WorkflowGraph(), source=source, digest="", toml=_toml(source))


def threads_of(source: Source) -> int:
    """Return how many threads numerical libraries are to make in a process of a workflow; 0 where nobody says. It is not loaded yet."""
    return resources.merged(_resources(_toml(source), source), "threads")


def parameters_of(source: Source) -> dict[str, Any]:
    """Return the values of parameters that a workflow's name and its workflow.toml give. It is not loaded yet."""
    return {**_declared(_toml(source), source), **source.parameters}


def paths_of(source: Source) -> set[str]:
    """Return the parameters that are paths by their annotations, each as it may be set. The graph is drawn, with no values."""
    module, _ = _run_file(source) if source.kind == "file" else _import(source)
    configure = _configure(module, source)
    if configure is not None:
        return {name for name, hint in hints_of(configure).items() if takes_path(hint)}
    functions = [pe for pe in _chosen(module, source).flatten().pes if isinstance(pe, FunctionPE)]
    return {
        full
        for pe in functions
        for name, hint in hints_of(pe.function).items()
        if name in pe.settable and takes_path(hint)
        for full in (name, f"{pe.id}.{name}", f"{pe.name}.{name}")
    }


def check_values(source: Source, values: Mapping[str, Sequence[object]]) -> None:
    """Check several values of each parameter against its annotation. Raises ParameterError. The graph is drawn once at most."""
    module, _ = _run_file(source) if source.kind == "file" else _import(source)
    configure = _configure(module, source)
    graph = _chosen(module, source).flatten() if configure is None else None
    for name, each in values.items():
        for value in each:
            if graph is not None:
                set_on_graph(graph, {name: value})
            elif configure is not None:
                converted(name, value, hints_of(configure).get(name), default_of(configure, name))


def of_graph(graph: WorkflowGraph) -> Workflow:
    """Wrap a graph that was drawn in this process."""
    return Workflow(graph=graph.flatten(), source=None, digest="")


def _run_file(source: Source) -> tuple[ModuleType, str]:
    path, file = Path(source.target), source.file
    try:
        code_bytes = file.read_bytes()
    except OSError as error:
        raise LoadError(
            f"The file {source.target!r} cannot be read: {error.strerror}.", hint="Check its permissions."
        ) from None
    module = ModuleType(f"d4py_workflow_{path.stem if path.stem.isidentifier() else 'file'}")
    module.__file__ = str(path)
    # Registered, so that classes of the module can be pickled by name wherever the same file is loaded.
    sys.modules[module.__name__] = module
    beside = path.resolve().parent if source.kept is None else Path(source.kept["root"])
    if str(beside) not in sys.path:  # what a linked file imports is where the file is
        sys.path.insert(0, str(beside))
    kept.use(beside, source.kept)
    try:
        exec(compile(code_bytes, str(file), "exec"), module.__dict__)  # noqa: S102 - running a workflow's file is what was asked for
    except SyntaxError as error:
        raise LoadError(
            f"{source.name}: syntax error in {error.filename or source.target} line {error.lineno or '?'}: {error.msg}.",
            hint="Mend that line.",
        ) from None
    except D4pyError:
        raise
    except ImportError as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name
        raise LoadError(
            _imported(source, error), hint=f"Install {error.name!r} here." if missing else "Mend that import."
        ) from error
    except Exception as error:
        raise LoadError(_raised(source, error), hint="The workflow's own code failed while it was loaded.") from error
    except SystemExit as error:
        raise LoadError(
            f"{source.target} called exit({error.code}) while it was loaded.",
            hint="Guard it with if __name__ == '__main__'.",
        ) from None
    return module, digest_of(file.resolve())


def _import(source: Source) -> tuple[ModuleType, str]:
    import importlib

    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    if source.kept is not None:
        kept.use(Path(source.kept["root"]), source.kept)
    try:
        module = importlib.import_module(source.target)
    except ModuleNotFoundError as error:
        if error.name and (source.target == error.name or source.target.startswith(f"{error.name}.")):
            raise LoadError(
                f"There is no file, folder or module {source.target!r}.", hint=_near_file(Path(source.target))
            ) from None
        raise LoadError(_imported(source, error), hint=f"Install {error.name!r} here.") from error
    except SyntaxError as error:
        raise LoadError(
            f"Syntax error in {error.filename} line {error.lineno}: {error.msg}.", hint="Mend that line."
        ) from None
    except D4pyError:
        raise
    except Exception as error:
        raise LoadError(_raised(source, error), hint="The module's own code failed while it was imported.") from error
    file = getattr(module, "__file__", None) if source.kept is None else source.file
    return module, digest_of(Path(file)) if file else ""


def digest_of(path: Path) -> str:
    """Return a digest of a workflow's code: the file and, for a folder with workflow.py, every .py and .toml in it."""
    files = [path]
    if path.name == "workflow.py":
        files = sorted(
            file
            for pattern in ("*.py", "*.toml")
            for file in path.parent.rglob(pattern)
            if "__pycache__" not in file.parts
        )
    return digest_of_files({file.relative_to(path.parent): file for file in files})


def digest_of_files(files: Mapping[PurePath, Path]) -> str:
    """Return a digest of files by their names within a workflow."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(str(name).encode() + b"\0" + files[name].read_bytes() + b"\0")
    return digest.hexdigest()


def _configure(module: ModuleType, source: Source) -> Callable[..., Any] | None:
    """Return the function that draws the graph; None where a variable holds it."""
    configure: Callable[..., Any] | None = getattr(module, "configure", None)
    if source.variable is not None or not callable(configure):
        return None
    if not hasattr(configure, "__code__"):
        raise LoadError(
            f"configure of {source.target} is not a function.",
            hint="Write def configure(...): and return a WorkflowGraph.",
        )
    return configure


def _graph(module: ModuleType, source: Source, parameters: dict[str, Any]) -> WorkflowGraph:
    configure = _configure(module, source)
    if configure is not None:
        try:
            graph = call_configure(configure, parameters)
        except D4pyError:
            raise
        except Exception as error:
            raise LoadError(_raised(source, error), hint="The workflow's own configure() failed.") from error
        if not isinstance(graph, WorkflowGraph):
            raise LoadError(
                f"configure() of {source.target} returned {graph!r:.60}.", hint="It must return a WorkflowGraph."
            )
        return graph.flatten()
    graph = _chosen(module, source).flatten()
    set_on_graph(graph, parameters)
    return graph


def _chosen(module: ModuleType, source: Source) -> WorkflowGraph:
    graphs = _graphs(module)
    if source.variable is not None:
        if source.variable not in graphs:
            raise LoadError(
                f"{source.target} has no graph {source.variable!r}; it has {listed(graphs)}.",
                hint=did_you_mean(source.variable, graphs),
            )
        return graphs[source.variable]
    whole = {name: graph for name, graph in graphs.items() if not graph.inputmappings and not graph.outputmappings}
    inner = {id(node) for graph in graphs.values() for node in graph.nodes}
    tops = {id(graph): name for name, graph in whole.items() if id(graph) not in inner}
    if not tops:
        raise LoadError(
            f"{source.target} defines no workflow graph.",
            hint="Assign one to a variable, or define configure() that returns one.",
        )
    if len(tops) > 1:
        names = sorted(tops.values())
        raise LoadError(
            f"{source.target} defines {len(tops)} graphs: {listed(names)}.",
            hint=f"Choose one: {source.target}:{names[0]}.",
        )
    return graphs[next(iter(tops.values()))]


def _graphs(module: ModuleType) -> dict[str, WorkflowGraph]:
    return {name: value for name, value in vars(module).items() if isinstance(value, WorkflowGraph)}


def _toml(source: Source) -> Mapping[str, Any]:
    if source.folder is None:
        return {}
    path = Path(source.kept["folder"] if source.kept else source.folder) / "workflow.toml"
    if not path.is_file():
        return {}
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LoadError(f"{path} is not TOML: {error}.", hint="Mend that line.") from None


def _declared(toml: Mapping[str, Any], source: Source) -> dict[str, Any]:
    declared = toml.get("parameters", {})
    if not isinstance(declared, dict):
        raise LoadError(f"[parameters] of {source.folder}/workflow.toml is not a table.", hint="Write name = default.")
    if declared:
        for name in source.parameters:
            if name not in declared and "." not in name:
                raise ParameterError(
                    f"Workflow {source.name!r} has no parameter {name!r}; it has {listed(declared, limit=20)}.",
                    hint=did_you_mean(name, declared),
                )
    return declared


def _resources(toml: Mapping[str, Any], source: Source) -> list[tuple[Mapping[str, object], str]]:
    """Return what is asked for PEs, each table with where it is from."""
    table = toml.get("resources", {})
    where = f"[resources] of {source.folder}/workflow.toml"
    if not isinstance(table, dict):
        raise LoadError(f"{where} is not a table.", hint="Write [resources.PE], and below it threads = 4.")
    return [(table, where), (source.resources, "--resource")]


def _near_file(path: Path) -> str:
    if not path.parent.is_dir():
        return f"There is no folder {str(path.parent)!r} either."
    folder = path.parent
    suggestion = did_you_mean(path.name, [entry.name for entry in folder.iterdir()]) if folder.is_dir() else ""
    return suggestion or "Give a .py file, a folder with workflow.py, or package.module[:graph]."


def _imported(source: Source, error: ImportError) -> str:
    return f"{source.target} cannot be loaded: {error.msg}."


def _raised(source: Source, error: BaseException) -> str:
    line = ""
    traceback = error.__traceback__
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == str(source.file):
            line = f" line {traceback.tb_lineno}"
        traceback = traceback.tb_next
    return f"{source.target}{line} raised {type(error).__name__}: {error}."
