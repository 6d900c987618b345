# SPDX-License-Identifier: Apache-2.0
"""Requirements are resolved for the Python of the base to the last digit, never for the one that builds, and stay what they are."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from tests.images.conftest import Place, members

Write = Callable[..., Path]


def pins(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", path.read_text(), re.MULTILINE))


def test_they_are_for_the_python_of_the_base(shared: Place, write: Write) -> None:
    """redis asks for async-timeout below Python 3.11.3; the base has 3.11.2."""
    root = write(toml='requirements = ["redis>=5,<6"]\n')

    shared.build(root, "-t", "redis:1", "--lock")

    head = (root / "workflow.lock").read_text().partition("\n")[0]
    assert head.startswith("# d4py lock 1: Python 3.11.2, x86_64-manylinux_2_36, requirements sha256:")
    assert sys.version_info[:3] != (3, 11, 2)  # else this proves nothing
    assert {"redis", "async-timeout", "cloudpickle", "networkx", "rich"} <= set(pins(root / "workflow.lock"))
    held = [name for name, _ in members(shared.image("redis:1"), -3)]
    assert "opt/d4py/lib/python3.11/site-packages/async_timeout/__init__.py" in held


def test_extras_of_d4py_are_requirements_like_others(shared: Place, write: Write) -> None:
    root = write(toml='requirements = ["d4py[mpi]"]\n')

    shared.build(root, "-t", "ranks:1", "--lock")

    assert "mpi4py" in pins(root / "workflow.lock")
    assert "d4py" not in pins(root / "workflow.lock")


def test_a_lock_is_obeyed_and_one_for_something_else_refused(shared: Place, write: Write) -> None:
    root = write()
    shared.build(root, "-t", "locked:1", "--lock")
    lock = root / "workflow.lock"
    kept = lock.read_text()
    older = kept.replace(f"cloudpickle=={pins(lock)['cloudpickle']}", "cloudpickle==3.0.0")
    lock.write_text(
        re.sub(r"(cloudpickle==3.0.0 \\\n)(?:    --hash\S+(?: \\)?\n)+", r"\1", older).replace("3.0.0 \\", "3.0.0")
    )
    assert "The requirements cannot be met: " in shared.build(root, code=3).stderr  # it has no digest

    lock.write_text(kept.replace("Python 3.11.2", "Python 3.12.0"))
    assert "is for Python 3.12.0, not 3.11.2. Make it anew with --lock." in shared.build(root, code=2).stderr
    lock.write_text(kept)
    (root / "workflow.toml").write_text('requirements = ["idna"]\n')
    assert "is for requirements with the digest" in shared.build(root, code=2).stderr
    lock.write_text("numpy==1\n")
    assert "is no lock of d4py. Make it anew with --lock." in shared.build(root, code=2).stderr
    shared.build(root, "--lock")
    assert "idna" in pins(lock)


def test_a_lock_of_files_that_are_not_what_they_were_is_refused(shared: Place, write: Write) -> None:
    root = write()
    shared.build(root, "--lock")
    lock = root / "workflow.lock"
    lock.write_text(re.sub(r"--hash=sha256:[0-9a-f]{64}", "--hash=sha256:" + "0" * 64, lock.read_text()))

    ran = shared.build(root, code=3, UV_CACHE_DIR=str(shared.path / "uv"))

    assert "Make the lock anew with --lock." in ran.stderr
    assert not [*(shared.path / "cache" / "d4py" / "layers").glob(".wheels-*")]


def test_what_cannot_be_resolved_is_told_with_its_reason(shared: Place, write: Write) -> None:
    ran = shared.build(write(toml='requirements = ["rich>=999"]\n'), "--lock", code=3)

    assert "The requirements cannot be met: " in ran.stderr
    assert "rich" in ran.stderr
    assert "Change the requirements in workflow.toml, or the base." in ran.stderr


def test_what_must_be_compiled_is_refused(shared: Place, write: Write, tmp_path: Path) -> None:
    """A source distribution would be built by this machine's Python and compiler."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "setup.py").write_text("from setuptools import setup; setup(name='x', version='1')")
    root = write(toml=f'requirements = ["x @ {project.as_uri()}"]\n')

    assert "The requirements cannot be met: " in shared.build(root, code=3).stderr


def test_a_wheel_that_is_no_packages_of_an_index_is_refused(shared: Place, write: Write, tmp_path: Path) -> None:
    import zipfile

    wheel = tmp_path / "x-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("x-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: x\nVersion: 1\n")
        file.writestr("x-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr("x-1.dist-info/RECORD", "")

    ran = shared.build(write(toml=f'requirements = ["x @ {wheel.as_uri()}"]\n'), code=3)

    assert "The requirement 'x' is not of a package index." in ran.stderr


def test_a_password_of_an_index_is_not_told(shared: Place, write: Write) -> None:
    secret = "hunter2-1a2b3c"
    ran = shared.build(
        write(), "--lock", code=3, UV_DEFAULT_INDEX=f"http://me:{secret}@127.0.0.1:9/simple", UV_HTTP_RETRIES="0"
    )

    assert secret not in ran.stderr


def test_a_package_that_the_base_lacks_is_told_with_the_command_that_gives_it(shared: Place, write: Write) -> None:
    ran = shared.build(write(toml='[image]\npackages = ["python3", "libgomp1"]\n'), code=2)

    assert "lacks the package 'libgomp1'. Make one that has it: scripts/base_image libgomp1." in ran.stderr
