"""Starts the throw-away PostgreSQL of a test run, before pytest-django reads the settings.

Loaded with `-p tests.pytest_prewatt` (pyproject.toml). One server per run, started by the
controller; pytest-django gives each xdist worker a database of its own on it. Set
PREWATT_TEST_DATABASE_URL to run the tests on a server of yours instead (it must let us create
databases): that is how the floor, PostgreSQL 15, is checked.

Runs that name pure rooms only (`pytest tests/core`) get neither a server nor Django: those rooms must
stand without them, and the answer comes a second sooner.
"""

import atexit
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType

import pytest

SERVER_ENV = "PREWATT_DATABASE_URL"
OTHER_SERVER_ENV = "PREWATT_TEST_DATABASE_URL"
SETTINGS_ENV = "DJANGO_SETTINGS_MODULE"
SETTINGS = "prewatt.wiring.settings"
PURE = ("core", "field", "house")  # test directories whose rooms know no Django
# Two workers with threads and clients of their own; the usual hundred would do for one
SERVER_SETTINGS: Mapping[str, str] = {"max_connections": "200"}
# Seconds a test may take by its marks, far above what it does take: a loop that never ends must fail, not stop the run
TIME_LIMIT_S = 180
TIME_LIMITS_S = {"processes": 600, "browser": 300}
_server: "_ThrowAway | None" = None


class _ThrowAway:
    """A server in a directory of its own, without durability: it never outlives the run."""

    def __init__(self) -> None:
        from prewatt.wiring.embedded import EmbeddedPostgres  # late: pure runs must not need it

        self.home = Path(tempfile.mkdtemp(prefix="prewatt-test-"))
        self.home.chmod(0o711)  # as root, the server's own user must be able to pass
        try:
            self.server = EmbeddedPostgres(self.home / "db", ephemeral=True, settings=SERVER_SETTINGS)
            self.dsn = self.server.start()
        except BaseException:
            shutil.rmtree(self.home, ignore_errors=True)
            raise

    def stop(self) -> None:
        """Stop the server and leave nothing behind; a second call does nothing."""
        if self.home.exists():
            self.server.stop()
            shutil.rmtree(self.home, ignore_errors=True)


def _only_pure(arguments: list[str], here: Path) -> bool:
    """True when each path on the command line lies in the tests of a pure room."""
    pure = [here / name for name in PURE]
    paths = [Path(text.partition("::")[0]).resolve() for text in arguments]
    return bool(paths) and all(any(path.is_relative_to(room) for room in pure) for path in paths)


def _time_limit_s(item: pytest.Item) -> int:
    own = item.get_closest_marker("time_limit")
    if own is not None:
        return int(own.args[0])
    if item.get_closest_marker("soak"):
        return 0  # alarm(0) sets none
    marked = [limit_s for name, limit_s in TIME_LIMITS_S.items() if item.get_closest_marker(name)]
    return max(marked, default=TIME_LIMIT_S)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Fail a test that does not end. Soaks say themselves how long they take; `time_limit(seconds)` overrides."""
    limit_s = _time_limit_s(item)

    def give_up(number: int, frame: FrameType | None) -> None:
        pytest.fail(f"did not end within {limit_s} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(limit_s)
    try:
        return (yield)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Set the address of the database; workers of xdist inherit it from the controller."""
    global _server
    if hasattr(early_config, "workerinput") or os.environ.get("PYTEST_XDIST_WORKER"):
        return
    if early_config.known_args_namespace.help or early_config.known_args_namespace.version:
        return
    if _only_pure(early_config.known_args_namespace.file_or_dir, Path(__file__).resolve().parent):
        return
    os.environ[SETTINGS_ENV] = SETTINGS
    given = os.environ.get(OTHER_SERVER_ENV)
    if given:
        os.environ[SERVER_ENV] = given
        return
    _server = _ThrowAway()
    atexit.register(_server.stop)  # also when the settings or a plugin fail before the first test
    os.environ[SERVER_ENV] = _server.dsn


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Stop the server last, when no test can need it."""
    global _server
    if _server is not None:
        _server.stop()
        _server = None
