# SPDX-License-Identifier: Apache-2.0
"""What `run` and `resume` ask of a container, from their arguments."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from d4py.errors import CutOff, ImageError, UsageError

if TYPE_CHECKING:
    from d4py.cli.parser import Namespace
    from d4py.runs import Folder


def contained(args: Namespace) -> int:
    """Run a workflow in a container; return its exit code."""
    from d4py.cli.submit import words
    from d4py.connectors.uri import is_uri
    from d4py.runs import home, new_id
    from d4py.targets.container import Request

    name = args.run_id or new_id()
    folder = str(Path(args.run_dir).absolute() if args.run_dir else home() / name)
    chosen = [f"--{option}={getattr(args, option)}" for option in ("mapping", "processes") if getattr(args, option)]
    options = [word for word in words(args)[:-2] if not word.startswith("--set=")]
    options += [f"--output={args.output}"] if is_uri(args.output) else []  # as without a container, it is refused
    path = Path(args.workflow)
    files = [path, *(Path(name) for name in (args.file, args.set_from) if name)]
    request = Request(
        command="run",
        options=[f"--run-id={name}", f"--run-dir={folder}", *chosen, *_told(args), *options],
        subject=str(path.absolute()) if path.exists() else args.workflow,
        run=name,
        folder=folder,
        parameters=dict(args.parameters),
        reads=[str(file.absolute()) for file in files if file.exists()],
        writes=_written(args),
        volumes=args.volume,
        digest=_digest(args.workflow),
    )
    return _run(args, request)


def continued(args: Namespace, folder: Folder) -> int:
    """Continue a run in a container; return its exit code."""
    from d4py.targets.container import Request, noted

    given = {"mapping": args.mapping, "processes": args.processes, "output": args.output}
    flags = [f"--{name.replace('_', '-')}" for name in ("accept_changes", "gone", "here") if getattr(args, name)]
    path = str(folder.path.absolute())
    request = Request(
        command="resume",
        options=[*(f"--{name}={value}" for name, value in given.items() if value is not None), *flags, *_told(args)],
        subject=path,
        run=folder.state().run,
        folder=path,
        kept=noted(folder.path),
        writes=_written(args),
        volumes=args.volume,
    )
    return _run(args, request)


def _run(args: Namespace, request: object) -> int:
    from d4py.cli.summary import run_name
    from d4py.targets.container import Request, run

    assert isinstance(request, Request)
    if args.metrics is not None:
        raise UsageError("--metrics cannot be reached in a container.", hint="Leave it away, or run without --image.")
    args.stdout.give_back()
    code = run(args.image, request)
    if code == CutOff.exit_code and not args.quiet:
        print(
            f"In the same image: d4py resume {run_name(Path(request.folder), request.run)} --image {args.image}",
            file=sys.stderr,
        )
    return code


def _told(args: Namespace) -> list[str]:
    return [f"--{option}" for option in ("json", "quiet") if getattr(args, option)]


def _written(args: Namespace) -> list[str]:
    """Return the folder that outputs go to."""
    parent = Path(args.output or "").absolute().parent
    return [str(parent)] if args.output and parent != Path("/dev") and parent.is_dir() else []


def _digest(workflow: str) -> str:
    """Return the digest of a workflow's files, as images carry it."""
    from d4py.packaging.workflow import named

    try:
        return named(workflow).files().digest
    except ImageError:
        return ""
