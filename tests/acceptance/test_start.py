"""Why `prewatt` does not start: the exit code, and the last line on stderr."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.conftest import Site
from tests.journeys.running import ROOT, free_base

pytestmark = pytest.mark.processes
COMMAND = [sys.executable, "-c", "from prewatt.wiring.cli import main; raise SystemExit(main())"]
LAST_LINE = re.compile(r"error ([a-z0-9_]+): \S.*")
START_S = 60


def refused(home: Path, /, *words: str, **env: str) -> tuple[int, str]:
    """Exit code and the code of the last line; nothing may be said on stdout."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PREWATT_")},
        "PREWATT_HOME": str(home), "PREWATT_PORT": str(free_base()), "PYTHONPATH": str(ROOT), **env,
    }  # fmt: skip
    found = subprocess.run(
        [*COMMAND, *(words or ("up",))], env=environment, capture_output=True, text=True, timeout=START_S, check=False
    )
    last = found.stderr.rstrip("\n").rpartition("\n")[2]
    told = LAST_LINE.fullmatch(last)
    assert told is not None, found.stderr[-2000:]
    assert found.stdout == ""
    return found.returncode, told[1]


@pytest.mark.parametrize(
    "env",
    [{"PREWATT_PORT": "x"}, {"PREWATT_PORT": "0"}, {"PREWATT_PORT": "70000"}, {"PREWATT_PORT": "-1"},
     {"PREWATT_STREAM_PORT": "1.5"}, {"PREWATT_BIND": "999.1.1.1"}, {"PREWATT_DEMO": "maybe"}, {"PREWATT_POLL_S": "0"},
     {"PREWATT_POLL_S": "soon"}, {"PREWATT_REGISTER_S": "-1"}],
)  # fmt: skip
def test_a_setting_that_cannot_be_used_is_2(tmp_path: Path, env: dict[str, str]) -> None:
    assert refused(tmp_path / "home", **env) == (2, "setting_invalid")


def test_ports_that_overlap_and_a_home_that_is_a_file_are_2(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    base = str(free_base())
    assert refused(tmp_path / "home", PREWATT_PORT=base, PREWATT_SIM_PORT=base) == (2, "ports_overlap")
    assert refused(tmp_path / "file") == (2, "home_unusable")


@pytest.mark.parametrize("words", [("nonsense",), ("up", "more"), ("--wrong",), ("bench", "nonsense")])
def test_wrong_usage_is_2(tmp_path: Path, words: tuple[str, ...]) -> None:
    assert refused(tmp_path / "home", *words) == (2, "usage")


def test_a_second_instance_in_the_same_home_is_3(site: Site) -> None:
    assert refused(site.running.home) == (3, "already_running")


@pytest.mark.parametrize(
    ("url", "code"),
    [("mysql://u:p@127.0.0.1/x", (2, "database_url_invalid")), ("not an address", (2, "database_url_invalid")),
     ("postgresql://u:p@127.0.0.1:1/x", (4, "database_unreachable")),
     ("postgresql://u:p@nowhere.invalid/x", (4, "database_unreachable"))],
)  # fmt: skip
def test_what_is_no_database_address_is_2_and_a_dead_one_is_4(tmp_path: Path, url: str, code: tuple[int, str]) -> None:
    assert refused(tmp_path / "home", PREWATT_DATABASE_URL=url) == code


def test_a_database_that_does_not_exist_and_one_without_that_user_are_4(tmp_path: Path, site: Site) -> None:
    dsn = (site.running.home / "postgres.dsn").read_text(encoding="utf-8").strip()
    for broken in (dsn.replace("/prewatt?", "/nowhere?"), dsn.replace("://prewatt@", "://stranger:wrong@")):
        assert broken != dsn
        exit_code, code = refused(tmp_path / "home", PREWATT_DATABASE_URL=broken)
        assert exit_code == 4 and code.startswith("database_"), code


@pytest.mark.parametrize("setting", ["PREWATT_PORT", "PREWATT_STREAM_PORT", "PREWATT_SIM_PORT"])
def test_a_taken_port_is_5(tmp_path: Path, setting: str) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = str(holder.getsockname()[1])
        assert refused(tmp_path / "home", **{setting: taken}) == (5, "port_taken")


def test_no_refusal_tells_the_password(tmp_path: Path) -> None:
    environment = {
        **os.environ, "PREWATT_HOME": str(tmp_path / "home"), "PYTHONPATH": str(ROOT),
        "PREWATT_PORT": str(free_base()), "PREWATT_DATABASE_URL": "postgresql://u:s3cret@127.0.0.1:1/x",
    }  # fmt: skip
    found = subprocess.run(
        [*COMMAND, "up"], env=environment, capture_output=True, text=True, timeout=START_S, check=False
    )
    assert found.returncode == 4 and "s3cret" not in found.stdout + found.stderr
