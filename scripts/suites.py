# SPDX-License-Identifier: Apache-2.0
"""Run the test suites one after another, each within its budget, and sum up: suites.py [SUITE ...] [-- PYTEST ARGUMENT ...].

Every suite runs but the long ones, whatever the one before it did. The exit code is 1 if one failed, 2 if a name is unknown.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
# A container's only user is root, and it has fewer processors than the tests have ranks.
OPEN_MPI = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}
NO_TESTS = 5  # pytest's exit code when nothing was collected
_TELLING = 5.0  # seconds that a process has to print its stacks


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """A folder of tests and what it may cost; the budgets are ceilings for a slow machine, not what is usual."""

    name: str
    budget: int  # seconds, the whole suite
    test: int  # seconds, one test
    packages: tuple[str, ...] = ()  # of Debian, that it needs
    builds: tuple[str, ...] = ()  # programs of others that it needs: scripts/NAME/build makes them
    ranks: int = 0  # of an MPI job that its tests run in, the first of them; the others serve
    mpi: str = ""  # which wheel's; else the system's
    workers: int = 0  # processes that share its tests, where one does not keep the processors busy
    dist: str = "load"  # to those: "loadfile", where a file's tests share what is costly
    tests: str = ""  # the folder, where it is another's
    long: bool = False  # for `make test-long` only

    @property
    def program(self) -> tuple[str, ...]:
        """What runs Python for it."""
        if not self.ranks:
            return (sys.executable,)
        return ("mpiexec", "-n", str(self.ranks), sys.executable, "-m", "d4py.mappings.mpi")

    @property
    def spread(self) -> tuple[str, ...]:
        """How pytest is told of its workers."""
        return ("-n", str(self.workers), f"--dist={self.dist}", "--no-loadscope-reorder") if self.workers else ()

    @property
    def folder(self) -> Path:
        """Where its tests are."""
        return ROOT / "tests" / (self.tests or self.name.replace("-", "_"))

    @property
    def environment(self) -> dict[str, str]:
        """The variables that it runs with."""
        if not self.mpi:
            return {**os.environ, **OPEN_MPI}
        sys.path.insert(0, str(ROOT))
        from tests.mpi.installed import installed

        mpi = installed(self.mpi)
        path = os.pathsep.join([str(Path(mpi.mpiexec).parent), os.environ["PATH"]])
        return {**os.environ, **OPEN_MPI, "PATH": path, "MPI4PY_LIBMPI": str(mpi.library)}


MPI = ("openmpi-bin", "libopenmpi3")
SLURM = (
    "slurmctld",
    "slurmd",
    "slurm-client",
    "slurm-wlm-basic-plugins",
    "munge",
    "environment-modules",
    "iproute2",
    "iptables",
    "libpmix-dev",
    "openssh-client",
    "openssh-server",
    "tcsh",
)
ACCOUNTING = ("slurmdbd", "mariadb-server")
IMAGES = (
    "mmdebstrap",
    "charliecloud",
    "docker.io",  # and with it containerd
    "docker-registry",
    "openssh-client",
    "openssl",
)
NODES = (
    "openssl",
    "containerd",
    "runc",
    "containernetworking-plugins",
    "iproute2",
    "iptables",
    "nftables",
    "conntrack",
    "socat",
    *IMAGES,
)
SUITES = (
    Suite(name="unit", budget=300, test=30, workers=2),
    Suite(name="contract", budget=420, test=90, workers=2),
    Suite(name="connectors", budget=180, test=60, workers=2),
    Suite(name="explore", budget=420, test=240, workers=2),
    Suite(name="faults", budget=360, test=300, workers=2, dist="loadfile"),
    Suite(name="cli", budget=240, test=60, workers=2),
    Suite(name="errors", budget=240, test=60, workers=2),
    Suite(name="compat", budget=180, test=60, workers=2),
    Suite(name="mpi-contract", budget=300, test=90, packages=MPI, ranks=9),
    Suite(name="mpi", budget=360, test=120, packages=MPI, workers=2),
    Suite(
        name="slurm",
        budget=600,
        test=270,
        packages=(*MPI, *SLURM, "charliecloud", "mmdebstrap"),
        workers=3,
        dist="loadfile",
    ),
    Suite(name="kubernetes", budget=300, test=120, packages=("openssl",), builds=("kubernetes",)),
    Suite(
        name="operator",
        budget=480,
        test=180,
        packages=("openssl",),
        builds=("kubernetes",),
        workers=2,
        dist="loadfile",
    ),
    Suite(name="cluster", budget=840, test=480, packages=NODES, builds=("kubernetes",)),
    Suite(name="flagship", budget=360, test=180, packages=MPI, workers=2),
    Suite(name="images", budget=720, test=180, packages=IMAGES, workers=2),
    Suite(name="docs", budget=240, test=120, workers=2),
    Suite(name="architecture", budget=300, test=240),
    Suite(name="packaging", budget=300, test=180),
    Suite(name="bench-smoke", budget=240, test=120),
    Suite(name="mpi-contract-openmpi", budget=900, test=120, ranks=9, mpi="openmpi", tests="mpi_contract", long=True),
    Suite(name="mpi-contract-mpich", budget=900, test=120, ranks=9, mpi="mpich", tests="mpi_contract", long=True),
    Suite(name="mpi-contract-intel", budget=900, test=120, ranks=9, mpi="intel", tests="mpi_contract", long=True),
    Suite(name="mpi-intel", budget=360, test=120, long=True),
    Suite(name="compat-mpi", budget=900, test=90, packages=MPI, long=True),
    Suite(name="slurm-long", budget=1200, test=240, packages=(*MPI, *SLURM, *ACCOUNTING), long=True),
    Suite(name="operator-long", budget=3600, test=1200, packages=("openssl",), builds=("kubernetes",), long=True),
)


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of a suite."""

    suite: Suite
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    trouble: str = ""  # why it failed, where no test says so
    names: list[str] = field(default_factory=list)  # of the tests that failed
    cells: list[tuple[str, ...]] = field(default_factory=list)  # of tables: title, row, column, what it came to

    @property
    def green(self) -> bool:
        """Every test passed and nothing else went wrong."""
        return not self.failed and not self.trouble


class Builds:
    """What takes minutes to build: begun before all suites, in the background and nicely, and awaited by those that need it."""

    def __init__(self, names: Iterable[str]) -> None:
        self._logs = {name: tempfile.TemporaryFile() for name in names}
        self._running = {name: self._begun(name) for name in self._logs}

    def _begun(self, name: str) -> subprocess.Popen[bytes]:
        command, log = ["nice", "-n", "10", str(ROOT / "scripts" / name / "build")], self._logs[name]
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def close(self) -> None:
        """End what nobody needs any more."""
        for name, process in self._running.items():
            if process.poll() is None:
                end_group(process.pid)
                process.wait()
            self._logs[name].close()

    def done(self, name: str) -> bool:
        """Wait for a build; say whether it succeeded, and print its log where it did not."""
        begin = time.monotonic()
        code = self._running[name].wait()
        waited = time.monotonic() - begin
        if waited > 1:
            print(f"waited {waited:.0f} s for the build of {name}", flush=True)
        if code:
            self._logs[name].seek(0)
            sys.stderr.write(self._logs[name].read().decode("utf-8", "replace"))
        return code == 0


def main(arguments: list[str]) -> int:
    """Run what the command line names."""
    split = arguments.index("--") if "--" in arguments else len(arguments)
    wanted, extra = arguments[:split], arguments[split + 1 :]
    known = {suite.name: suite for suite in SUITES}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        print(f"suites: there is no suite {unknown[0]!r}; there are {', '.join(known)}.", file=sys.stderr)
        return 2
    chosen = [known[name] for name in wanted] or [suite for suite in SUITES if not suite.long]
    with closing(Builds(dict.fromkeys(name for suite in chosen for name in suite.builds))) as builds:
        outcomes = [run(suite, extra, builds) for suite in chosen]
    print_summary(outcomes)
    nothing_ran = not any(outcome.passed + outcome.failed for outcome in outcomes)
    return int(nothing_ran or not all(outcome.green for outcome in outcomes))


def run(suite: Suite, extra: list[str], builds: Builds | None = None) -> Outcome:
    """Run one suite in a process group of its own, which is ended when its budget is."""
    print(f"\n=== {suite.name} (at most {suite.budget} s)", flush=True)
    outcome = Outcome(suite=suite)
    if not suite.folder.is_dir():
        outcome.trouble = f"there is no folder {suite.folder.relative_to(ROOT)}"
        return outcome
    if suite.packages and subprocess.run([ROOT / "scripts" / "debian", *suite.packages], check=False).returncode:
        outcome.trouble = "packages are missing"
        return outcome
    failed = [name for name in suite.builds if not (builds and builds.done(name))]
    if failed:
        outcome.trouble = f"{failed[0]} could not be built"
        return outcome
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.xml"
        command = [
            *(*suite.program, "-m", "pytest", str(suite.folder.relative_to(ROOT)), "--quiet", f"--junitxml={report}"),
            *("-o", "junit_family=xunit1"),  # for the properties of tests
            *suite.spread,
            *("-o", f"timeout={suite.test}", "-o", f"faulthandler_timeout={suite.test + 30}", *extra),
        ]
        begin = time.monotonic()
        code = in_time(command, suite.budget, suite.environment)
        outcome.seconds = time.monotonic() - begin
        count(report, outcome)
    if code is None:
        outcome.trouble = f"not done in {suite.budget} s; the stacks above say where it stood"
    elif code == NO_TESTS and not extra:
        outcome.trouble = "it has no tests"
    elif code not in (0, NO_TESTS) and not outcome.failed:
        outcome.trouble = f"pytest ended with {code}"
    return outcome


def in_time(command: list[str], budget: int, environment: dict[str, str]) -> int | None:
    """Return the command's exit code, or None when it was not done in time: then it prints its stacks and is ended."""
    with heeded():
        process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, env=environment)
    try:
        return process.wait(timeout=budget)
    except subprocess.TimeoutExpired:
        tell_stacks(process.pid)
        process.wait()
        return None
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        process.wait()
        raise
    finally:
        end_group(process.pid)


def tell_stacks(group: int) -> None:
    """Have each process of a group print the stack of every thread, by its faulthandler, and end: one after another, so that they can be read."""
    for pid in sorted((int(place.name) for place in Path("/proc").glob("[0-9]*")), reverse=True):
        with suppress(ProcessLookupError):
            if os.getpgid(pid) == group:
                ended = os.pidfd_open(pid)
                os.kill(pid, signal.SIGABRT)
                select.select([ended], [], [], _TELLING)
                os.close(ended)


@contextmanager
def heeded() -> Iterator[None]:
    """Let what is started meanwhile heed signals that `nohup` and a shell's `&` have it ignore: tests send them."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP)}
    try:
        for number, handler in kept.items():
            if handler is signal.SIG_IGN:
                signal.signal(number, signal.SIG_DFL)
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def end_group(group: int) -> None:
    """Kill what a suite left running."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def count(report: Path, outcome: Outcome) -> None:
    """Read the numbers of pytest's report, if it came to writing one."""
    if not report.is_file():
        return
    for case in ElementTree.parse(report).iter("testcase"):
        kinds = {child.tag for child in case}
        for cell in case.iterfind("properties/property[@name='cell']"):
            *place, told = json.loads(cell.get("value", ""))
            outcome.cells.append((*place, f"**fails** ({told})" if kinds & {"failure", "error"} else told))
        if kinds & {"failure", "error"}:
            outcome.failed += 1
            outcome.names.append(f"{case.get('classname')}::{case.get('name')}")
        elif "skipped" in kinds:
            outcome.skipped += 1
        else:
            outcome.passed += 1


def print_summary(outcomes: list[Outcome]) -> None:
    """Print what failed, a table, and the total as the last line."""
    print()
    for outcome in outcomes:
        for name in outcome.names:
            print(f"failed: {name}")
    print(f"\n{'suite':<22}{'passed':>8}{'failed':>8}{'skipped':>9}{'seconds':>9}{'budget':>8}")
    for outcome in outcomes:
        row = f"{outcome.suite.name:<22}{outcome.passed:>8}{outcome.failed:>8}{outcome.skipped:>9}"
        print(f"{row}{outcome.seconds:>9.1f}{outcome.suite.budget:>8}  {outcome.trouble}".rstrip())
    print(f"{sum(outcome.seconds for outcome in outcomes):.0f} s in all\n")
    passed = sum(outcome.passed for outcome in outcomes)
    skipped = sum(outcome.skipped for outcome in outcomes)
    failed = sum(outcome.failed + bool(outcome.trouble) for outcome in outcomes)
    print(f"total: {passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
