# SPDX-License-Identifier: Apache-2.0
"""`d4py build`: make a container image of a workflow."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d4py.cli.table import table
from d4py.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from d4py.cli.parser import Namespace, Parser
    from d4py.packaging.assemble import Parts
    from d4py.packaging.cache import Cache
    from d4py.packaging.layout import Image, Layout
    from d4py.packaging.plan import Plan

ABOUT = "Make a container image of a workflow, without a daemon and without root unless an engine is named, and print its name and digest. Its requirements, data and base are in workflow.toml; d4py init makes one."


def options(parser: Parser) -> None:
    """Take a workflow, a name, a base, and what else is wanted."""
    parser.add_argument("workflow", metavar="WORKFLOW", help="a .py file, or a folder with workflow.py")
    parser.add_argument("-t", "--tag", metavar="NAME[:TAG]", help="name of the image (default: the workflow's, latest)")
    parser.add_argument(
        "--base", metavar="IMAGE", help="what it is put on: an image, a tar of a root file system, an OCI layout"
    )
    parser.add_argument(
        "--engine",
        choices=("native", "docker"),
        default="native",
        help="what makes it: d4py itself (default), or the container engine of this machine, which keeps it",
    )
    parser.add_argument("--push", action="store_true", help="push it to the registry that its name begins with")
    parser.add_argument(
        "--ca", metavar="FILE", help="certificate of who vouches for the registry (default: the machine's)"
    )
    parser.add_argument("--lock", action="store_true", help="resolve requirements anew, and keep them in workflow.lock")
    parser.add_argument("--sbom", action="store_true", help="print the list of everything in it, as CycloneDX JSON")
    parser.add_argument("--check", action="store_true", help="build it a second time from nothing, and compare")
    parser.add_argument("-o", "--output", metavar="FOLDER", help="write an OCI layout there, not into the store")


def call(args: Namespace) -> int:
    """Build it."""
    return by_docker(args) if args.engine == "docker" else by_itself(args)


def by_itself(args: Namespace) -> int:
    """Build it without an engine."""
    from d4py.packaging import registry, store
    from d4py.packaging.assemble import assemble
    from d4py.packaging.cache import Cache
    from d4py.packaging.native import build, compare

    cache = Cache(store.cache() / "layers")
    parts = parts_of(args, cache)
    plan = assemble(parts, cache.path)
    if args.check:
        compare(plan, cache)
    with target(args.output) as layout:
        image = build(plan, layout, cache)
        if args.push:
            registry.push(image, parts.reference, authority=args.ca)
    if args.sbom:
        print(parts.sbom.decode(), end="")
    else:
        report(plan, image)
    return 0


def by_docker(args: Namespace) -> int:
    """Build it by the container engine."""
    from d4py.packaging import daemon, docker, store
    from d4py.packaging.assemble import assemble
    from d4py.packaging.cache import Cache

    given = [option for option in ("check", "output", "ca") if getattr(args, option)]
    if given:
        raise UsageError(f"--{given[0]} is for the engine native.", hint="Leave --engine docker away.")
    cache = Cache(store.cache() / "layers")
    with daemon.connected() as client:
        parts = parts_of(args, cache, client)
        plan = assemble(parts, cache.path)
        image = docker.build(plan, client, cache)
        if args.push:
            daemon.pushed(client, parts.reference)
    if args.sbom:
        print(parts.sbom.decode(), end="")
    else:
        rows = [("base", plan.base.name), *((layer.name, layer.made) for layer in plan.layers)]
        print("\n".join([*table(("LAYER", "WHAT"), rows), "", f"{plan.reference} {image}"]))
    return 0


def parts_of(args: Namespace, cache: Cache, client: Any = None) -> Parts:
    """Return what the image is put together from. client: of the engine whose images may be bases."""
    from d4py.packaging import bases, lock, reference, registry, workflow
    from d4py.packaging.assemble import Parts

    found = workflow.named(args.workflow)
    name = reference.parse(args.tag or found.name)
    if args.push:
        registry.check(name)
    if args.output is not None and Path(args.output).exists():
        raise UsageError(f"{args.output!r} exists.", hint="Choose another folder with -o, or delete it.")
    found.files()  # what is wrong with them is told before anything is fetched
    base = bases.find(args.base or found.spec.base or bases.DEFAULT, cache, authority=args.ca, client=client)
    wanted = lock.Wanted.of(found.spec.requirements, base)
    known = None if args.lock else lock.read(found.lock, wanted)
    if known is None:
        known = lock.resolve(wanted, cache, anew=args.lock)
    if args.lock:
        lock.write(known, found.lock)
    return Parts(reference=name, workflow=found, files=found.files(), base=base, lock=known)


@contextmanager
def target(output: str | None) -> Iterator[Layout]:
    """Yield the layout to write into: the store, or a folder that appears when it is whole."""
    from d4py.packaging import store
    from d4py.packaging.layout import Layout
    from d4py.packaging.whole import whole

    if output is None:
        yield store.opened()
        return
    with whole(Path(output)) as path:
        yield Layout.create(path)


def report(plan: Plan, image: Image) -> None:
    """Print what was built."""
    number = len(image.layers) - len(plan.layers)
    rows = [("base", _size(sum(layer.size for layer in image.layers[:number])), plan.base.name)]
    own = zip(plan.layers, image.layers[number:], strict=True)
    rows += [(layer.name, _size(blob.size), layer.made) for layer, blob in own]
    print("\n".join(table(("LAYER", "SIZE", "WHAT"), rows)))
    print(f"\n{plan.reference} {image.digest}")


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
