# SPDX-License-Identifier: Apache-2.0
"""The native engine: writes an image by itself. It needs no daemon, no root and no container; it runs on a login node."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from d4py.errors import BuildError
from d4py.packaging import itself
from d4py.packaging.archive import kept
from d4py.packaging.cache import Cache
from d4py.packaging.descriptor import canonical, digest_of
from d4py.packaging.layout import Layout, written
from d4py.packaging.tree import write_tar

if TYPE_CHECKING:
    from typing import IO

    from d4py.packaging.cache import Made
    from d4py.packaging.layout import Image
    from d4py.packaging.plan import Layer, Plan


def build(plan: Plan, layout: Layout, cache: Cache) -> Image:
    """Carry out a plan: write the image into a layout, under its name."""
    layers = [made(layer, plan.time, cache) for layer in plan.layers]
    with layout.locked():
        base = kept(plan.base.image, layout)
        for layer in layers:
            layout.adopt(layer.blob, cache.layout.blob(layer.blob.digest))
        image = layout.write(_config(plan, layers), [*base.layers, *(layer.blob for layer in layers)], plan.labels)
        layout.tag(plan.reference, image)
        return image


def compare(plan: Plan, cache: Cache) -> None:
    """Build an image with what is in the cache and once more without. Raises BuildError where that gives two."""
    with written(cache.path), tempfile.TemporaryDirectory(prefix=".check-", dir=cache.path) as folder:
        room = Path(folder)
        first = build(plan, Layout.create(room / "first"), cache)
        again = build(plan, Layout.create(room / "again"), Cache(room / "nothing"))
        if first.digest == again.digest:
            return
    names = ["base"] * (len(first.layers) - len(plan.layers)) + [layer.name for layer in plan.layers]
    pairs = zip(first.layers, again.layers, strict=True)
    other = [name for name, (one, two) in zip(names, pairs, strict=True) if one.digest != two.digest]
    what = f"in the layer {other[0]!r}" if other else "in its configuration"
    raise BuildError(f"Built twice, the image differs {what}.", hint="See that nothing writes to its files, and again.")


def made(layer: Layer, at: int, cache: Cache) -> Made:
    """Return a layer as blobs; it is written only where no cache has it."""

    def write(out: IO[bytes]) -> None:
        with layer.opened() as entries:
            write_tar(entries, out, time=at)
        out.flush()

    return cache.layer(digest_of(canonical([itself.version(), layer.key, at])), write)


def _config(plan: Plan, layers: list[Made]) -> dict[str, Any]:
    base = plan.base.image.config
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(plan.time))
    history = [
        {"created": created, "created_by": f"d4py build: {layer.name}", "comment": layer.made} for layer in plan.layers
    ]
    before = base.get("history") or [{"created": created, "created_by": "base"} for _ in base["rootfs"]["diff_ids"]]
    return {
        **{name: base[name] for name in ("architecture", "os", "variant") if name in base},
        "created": created,
        "config": plan.settings(),
        "rootfs": {"type": "layers", "diff_ids": [*base["rootfs"]["diff_ids"], *(layer.diff for layer in layers)]},
        "history": [*before, *history],
    }
