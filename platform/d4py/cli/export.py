# SPDX-License-Identifier: Apache-2.0
"""`d4py export`: write an image of the store as what other tools take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from d4py.cli.parser import Namespace, Parser

ABOUT = "Write a built image as an OCI layout, as an archive that docker and podman load, or as a folder of its files; and print the command that makes an Apptainer image of that."


def options(parser: Parser) -> None:
    """Take an image, a format and a place."""
    parser.add_argument("image", metavar="IMAGE", help="name of a built image, NAME[:TAG]")
    parser.add_argument(
        "--format",
        choices=("oci", "docker-archive", "dir"),
        default="docker-archive",
        help="OCI layout (a tar, where the name ends so), archive for docker (default), or folder",
    )
    parser.add_argument("-o", "--output", metavar="PATH", required=True, help="what to write; it must not exist")


def call(args: Namespace) -> int:
    """Write it."""
    from d4py.packaging import reference, store
    from d4py.packaging.export import apptainer, export

    image = store.find(args.image)
    path = Path(args.output)
    name = "image:latest" if args.image.startswith("sha256:") else str(reference.parse(args.image))
    export(image, name, args.format, path)
    print(path)
    print(f"For Apptainer: {apptainer(name, args.format, path)}")
    return 0
