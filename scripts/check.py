"""The whole check, as `make test` runs it: lint, types, then every test. Ends with one closing line.

All stages run even when an early one fails, so that one run tells everything. Tests that start real
processes or a browser run by themselves at the end: they measure time, and company would disturb them.
"""

import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
WORKERS = 2  # more than two fight for the one database server of the run
ALONE = "processes or browser"
NO_TESTS = 5  # pytest's exit code when nothing was collected
TALLY_ENV = "PREWATT_TALLY"  # a file that carries the counts from the tests to the soak (.ci/run)
SIDE_BY_SIDE = ["-n", str(WORKERS), "--dist", "loadfile", "-m", f"not soak and not ({ALONE})"]
BY_ITSELF = ["-m", f"not soak and ({ALONE})"]
# These start processes too, but nearly all they do is wait for lost replies, leases and lines,
# and they measure nothing: they are a lane of their own beside those that want the machine for themselves.
WAITING_LANE = (
    "tests/field/headend/test_simulator.py", "tests/field/headend/test_held_supply.py",
    "tests/journeys/test_broker.py", "tests/journeys/test_commissioning.py", "tests/journeys/test_exchange.py",
    "tests/journeys/test_real_site.py",
)  # fmt: skip
# Lanes of the soak run at the same time, each with a server and a directory of its own: fault runs mostly wait, and
# company is one more disturbance. The other lane takes what is not named here.
SOAK_LANE = ("tests/journeys/test_chaos.py", "tests/journeys/test_hosts.py", "tests/acceptance")
SLOWEST = "--durations=12"


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How the tests of a run ended."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            passed=self.passed + other.passed,
            failed=self.failed + other.failed,
            skipped=self.skipped + other.skipped,
        )


def main() -> int:
    """Exit 0 when all is well, 1 otherwise."""
    began = time.monotonic()
    soak = "--soak" in sys.argv[1:]
    before = carried() if soak else Counts()
    failed_stages = [] if soak else [name for name, command in stages() if not run(name, command)]
    counts = Counts()
    for name, (part, code) in (soaked() if soak else tested()).items():
        counts += part
        if code not in (0, NO_TESTS) and part.failed == 0:
            failed_stages.append(name)
    counts += Counts(failed=len(failed_stages))
    for name in failed_stages:
        print(f"FAILED stage: {name}")
    carry(before + counts)
    total, took_s = before + counts, time.monotonic() - began
    print(f"{total.passed} passed, {total.failed} failed, {total.skipped} skipped in {took_s:.2f}s", flush=True)
    return 1 if counts.failed or not counts.passed else 0


def carried() -> Counts:
    """What an earlier part of the same check counted."""
    path = os.environ.get(TALLY_ENV)
    if not path:
        return Counts()
    passed, failed, skipped = map(int, Path(path).read_text().split())
    return Counts(passed=passed, failed=failed, skipped=skipped)


def carry(counts: Counts) -> None:
    """Leave the counts for the next part."""
    path = os.environ.get(TALLY_ENV)
    if path:
        Path(path).write_text(f"{counts.passed} {counts.failed} {counts.skipped}\n")


def stages() -> list[tuple[str, list[str]]]:
    """What comes before the tests."""
    return [
        ("ruff", [str(BIN / "ruff"), "check", "prewatt", "tests", "scripts"]),
        ("mypy --strict", [sys.executable, "-m", "mypy"]),
    ]


def run(name: str, command: list[str]) -> bool:
    """Run one stage and say how it went."""
    print(f"== {name}", flush=True)
    return subprocess.run(command, cwd=ROOT, check=False).returncode == 0


def tested() -> dict[str, tuple[Counts, int]]:
    """Every part of the tests, one after the other; what only waits has a lane beside the last one."""
    first, last, waiting = "tests side by side", "tests that run by themselves", "tests that mostly wait"
    others = [f"--ignore={path}" for path in WAITING_LANE]
    told = {first: pytest(first, [*SIDE_BY_SIDE, SLOWEST, "tests"])}
    with ThreadPoolExecutor(1) as beside:
        asked = beside.submit(pytest, waiting, [*BY_ITSELF, *WAITING_LANE], quiet=True)
        told[last] = pytest(last, [*BY_ITSELF, SLOWEST, "tests", *others])
        told[waiting] = asked.result()
    return told


def soaked() -> dict[str, tuple[Counts, int]]:
    """The lanes of the soak side by side; what each said is printed when it has ended."""
    lanes = [list(SOAK_LANE), ["tests", *(f"--ignore={path}" for path in SOAK_LANE)]]
    print("== soak", flush=True)
    with ThreadPoolExecutor(len(lanes)) as pool:
        asked = [pool.submit(pytest, f"soak, lane {n}", ["-m", "soak", "-s", *lane], quiet=True)
                 for n, lane in enumerate(lanes, 1)]  # fmt: skip
        return {f"soak, lane {n}": each.result() for n, each in enumerate(asked, 1)}


def pytest(name: str, options: list[str], *, quiet: bool = False) -> tuple[Counts, int]:
    """Run pytest with these options; the counts and its exit code. `quiet`: say all at the end, in one piece."""
    if not quiet:
        print(f"== {name}", flush=True)
    with tempfile.TemporaryDirectory(prefix="prewatt-check-") as scratch:
        Path(scratch).chmod(0o711)  # as root, a server's own user must be able to pass
        report = Path(scratch) / "report.xml"
        own = ["-q", f"--junit-xml={report}", f"--basetemp={scratch}/tests"]
        command = [sys.executable, "-m", "pytest", *own, *options]
        done = subprocess.run(
            command, cwd=ROOT, check=False, text=True,
            stdout=subprocess.PIPE if quiet else None, stderr=subprocess.STDOUT if quiet else None,
        )  # fmt: skip
        if quiet:
            print(f"== {name}\n{done.stdout}", flush=True)
        return (tally(report) if report.exists() else Counts()), done.returncode


def tally(report: Path) -> Counts:
    """The counts of one pytest run, from its report."""
    total = failed = skipped = 0
    for suite in ElementTree.parse(report).getroot().iter("testsuite"):
        total += int(suite.get("tests", "0"))
        failed += int(suite.get("failures", "0")) + int(suite.get("errors", "0"))
        skipped += int(suite.get("skipped", "0"))
    return Counts(passed=total - failed - skipped, failed=failed, skipped=skipped)


if __name__ == "__main__":
    sys.exit(main())
