"""`prewatt up` keeps its promises: what it says, how it ends, and that no old process ever serves beside a new one."""

import json
import os
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from prewatt.wiring.embedded import EmbeddedPostgres
from prewatt.wiring.refusals import Exit
from tests.wiring.stage import ROOT, Running, alive, eventually, fetch, free_ports, marked

UP = "tests.wiring.fake_up"
Run = Callable[..., Running]

pytestmark = pytest.mark.processes


def refused(running: Running) -> tuple[int, str]:
    """Exit code and the code on the last line of stderr."""
    errors = running.errors()
    last = errors.strip().splitlines()[-1]
    assert last.startswith("error "), errors
    return running.process.returncode, last.split()[1].rstrip(":")


def dsn_of(home: Path) -> str:
    return (home / "postgres.dsn").read_text(encoding="utf-8").strip()


def answers(url: str) -> set[str]:
    """Everybody who answers on the port (workers share it, so ask often)."""
    return {fetch(f"{url}/healthz") for _ in range(20)} - {""}


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_serves_and_stops_cleanly(home: Path, run: Run, signum: signal.Signals) -> None:
    port = free_ports()
    up = run(UP, "web=serve", "worker=rest", home=home, PREWATT_PORT=str(port))
    ready = up.said()
    assert ready == {
        "url": f"http://127.0.0.1:{port}",
        "stream_url": f"http://127.0.0.1:{port + 1}",
        "sim_url": f"http://127.0.0.1:{port + 2}",
        "api_key": None,
        "logins": [],
    }
    assert answers(ready["url"])
    children = marked(home)
    assert len(children) == 3
    begun = time.monotonic()
    assert up.end(signum) == Exit.OK
    assert time.monotonic() - begun < 60
    assert not any(alive(pid) for pid in children)
    assert up.line() == "", "one line on stdout, no more"
    with EmbeddedPostgres(home) as postgres:  # the database is gone too, and was shut down properly
        assert "was not properly shut down" not in postgres.place.log.read_text(encoding="utf-8")


def test_the_logins_of_the_demo_are_told(home: Path, run: Run) -> None:
    login = {"role": "cashier", "username": "alice", "password": "secret-word"}
    (home / "demo.json").write_text(json.dumps({"api_key": "k-1", "logins": [login]}), encoding="utf-8")
    up = run(UP, "web=serve", home=home, PREWATT_PORT=str(free_ports()))
    ready = up.said()
    assert (ready["api_key"], ready["logins"]) == ("k-1", [login])
    up.end()
    errors = up.errors()
    assert "alice" in errors and "secret-word" in errors and ready["url"] in errors


def test_a_second_instance_is_refused_and_harms_nobody(home: Path, run: Run) -> None:
    port = free_ports()
    first = run(UP, "web=serve", home=home, PREWATT_PORT=str(port))
    url = first.said()["url"]
    before = marked(home)
    assert refused(run(UP, "web=serve", home=home, PREWATT_PORT=str(port))) == (3, "already_running")
    assert answers(url) and marked(home) == before


@pytest.mark.parametrize("offset", [0, 1, 2])
def test_a_taken_port_is_refused_before_anything_starts(home: Path, run: Run, offset: int) -> None:
    port = free_ports()
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # our servers could bind beside it
        stranger.bind(("127.0.0.1", port + offset))
        stranger.listen()
        up = run(UP, "web=serve", home=home, PREWATT_PORT=str(port), PREWATT_LANG="zh")
        assert refused(up) == (5, "port_taken")
    assert not (home / "postgres").exists()


def test_a_taken_port_of_a_simulated_line_is_refused_too(home: Path, run: Run) -> None:
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        line = {"host": "127.0.0.1", "port": stranger.getsockname()[1]}
        (home / "site.json").write_text(json.dumps({"lines": [line]}), encoding="utf-8")
        assert refused(run(UP, "web=serve", home=home, PREWATT_PORT=str(free_ports()))) == (5, "port_taken")


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("postgresql://nobody:hidden@127.0.0.1:1/none", "database_unreachable"),
        ("postgresql://nobody:hidden@/none?host=/nonexistent", "database_unreachable"),
        ("mysql://nobody:hidden@127.0.0.1/none", "database_url_invalid"),
        ("nobody:hidden", "database_url_invalid"),
    ],
)
def test_a_broken_database_address_is_refused_without_telling_the_password(
    home: Path, run: Run, address: str, code: str
) -> None:
    up = run("prewatt.wiring.cli", "up", home=home, PREWATT_PORT=str(free_ports()), PREWATT_DATABASE_URL=address)
    errors = up.errors()
    assert up.process.returncode == (2 if code == "database_url_invalid" else 4)
    assert errors.strip().splitlines()[-1].startswith(f"error {code}: ")
    assert "hidden" not in errors


@pytest.mark.parametrize(
    ("words", "environment", "code"),
    [
        (["up"], {"PREWATT_PORT": "eight"}, "setting_invalid"),
        (["up"], {"PREWATT_PORT": "65535"}, "setting_invalid"),
        (["up"], {"PREWATT_DEMO": "maybe"}, "setting_invalid"),
        (["up"], {"PREWATT_STREAM_PORT": "8000", "PREWATT_PORT": "8000"}, "ports_overlap"),
        (["up"], {"PREWATT_HOME": "/dev/null/here"}, "home_unusable"),
        (["up", "--fast"], {}, "usage"),
        ([], {}, "usage"),
        (["fly"], {}, "usage"),
    ],
)
def test_wrong_settings_and_usage_are_refused(
    home: Path, run: Run, words: list[str], environment: dict[str, str], code: str
) -> None:
    given = {"home": home, **{name: value for name, value in environment.items() if name != "PREWATT_HOME"}}
    if "PREWATT_HOME" in environment:
        given["home"] = Path(environment["PREWATT_HOME"])
    assert refused(run("prewatt.wiring.cli", *words, **given)) == (2, code)


def test_a_killed_supervisor_leaves_nobody_serving_beside_the_next(home: Path, run: Run) -> None:
    port = str(free_ports())
    first = run(UP, "web=serve", "worker=rest", home=home, PREWATT_PORT=port)
    url = first.said()["url"]
    old = {int(pid) for pid in answers(url)}
    leaders = marked(home) - old
    first.process.kill()
    eventually(lambda: not any(alive(pid) for pid in leaders), within_s=10, what="children die with the supervisor")
    second = run(UP, "web=serve", "worker=rest", home=home, PREWATT_PORT=port)
    second.said()
    assert not any(alive(pid) for pid in old), "the worker that outlived its server was ended"
    assert answers(url) and not {int(pid) for pid in answers(url)} & old
    assert second.end() == Exit.OK


def test_a_supervisor_killed_at_any_moment_of_its_start_can_be_started_again(home: Path, run: Run) -> None:
    port = str(free_ports())
    for delay_s in (0.05, 0.4, 0.9, 1.5, 2.5):
        victim = run(UP, "web=serve", "worker=rest", home=home, PREWATT_PORT=port)
        time.sleep(delay_s)
        victim.process.kill()
        victim.process.wait()
    last = run(UP, "web=serve", "worker=rest", home=home, PREWATT_PORT=port)
    assert len(answers(last.said()["url"])) == 1
    assert len(marked(home)) == 3


def test_a_killed_child_is_replaced_with_all_its_workers(home: Path, run: Run) -> None:
    up = run(UP, "web=serve", home=home, PREWATT_PORT=str(free_ports()))
    url = up.said()["url"]
    old = marked(home)
    [leader] = [pid for pid in old if os.getpgid(pid) == pid]
    os.kill(leader, signal.SIGKILL)
    eventually(lambda: not marked(home) & old, within_s=15, what="no old worker is left")
    eventually(lambda: answers(url), within_s=15, what="the new child answers")
    assert len(answers(url)) == 1 and len(marked(home)) == 2
    assert up.end() == Exit.OK


def test_a_child_that_cannot_start_is_a_refusal_with_its_last_words(home: Path, run: Run) -> None:
    up = run(UP, "web=fail", home=home, PREWATT_PORT=str(free_ports()))
    errors = up.errors()
    assert up.process.returncode == 1
    assert errors.strip().splitlines()[-1].startswith("error child_failed: ")
    assert "cannot play" in errors
    assert not marked(home)


def postmaster(home: Path) -> int:
    return int((home / "postgres" / "data" / "postmaster.pid").read_text(encoding="ascii").split()[0])


def serves(dsn: str) -> bool:
    try:
        with psycopg.connect(dsn, connect_timeout=2) as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)
    except psycopg.OperationalError:
        return False


def test_a_killed_postmaster_comes_back_while_the_rest_goes_on(home: Path, run: Run) -> None:
    up = run(UP, "web=serve", home=home, PREWATT_PORT=str(free_ports()))
    url = up.said()["url"]
    dsn = dsn_of(home)
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    children = marked(home)
    os.kill(postmaster(home), signal.SIGKILL)
    eventually(lambda: not serves(dsn))
    eventually(lambda: serves(dsn), within_s=20, what="the database is back")
    with psycopg.connect(dsn) as connection:
        assert connection.execute("SELECT one FROM kept").fetchone() == (1,)
    assert answers(url) and marked(home) == children
    assert up.end() == Exit.OK


def test_supervisor_and_postmaster_killed_together_lose_nothing(home: Path, run: Run) -> None:
    port = str(free_ports())
    up = run(UP, "web=serve", home=home, PREWATT_PORT=port)
    up.said()
    with psycopg.connect(dsn_of(home)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    pid = postmaster(home)
    os.kill(pid, signal.SIGSTOP)
    up.process.kill()
    os.kill(pid, signal.SIGKILL)
    again = run(UP, "web=serve", home=home, PREWATT_PORT=port)
    assert len(answers(again.said()["url"])) == 1
    with psycopg.connect(dsn_of(home)) as connection:
        assert connection.execute("SELECT one FROM kept").fetchone() == (1,)


def test_a_signal_during_the_start_is_a_clean_stop(home: Path, run: Run) -> None:
    up = run(UP, "web=rest", home=home, PREWATT_PORT=str(free_ports()))  # never healthy
    eventually(lambda: (home / "children.json").exists())
    assert up.end(signal.SIGINT) == Exit.OK
    assert not marked(home)


def test_nothing_is_written_outside_the_home(home: Path, run: Run) -> None:
    before = set(ROOT.iterdir())
    up = run(UP, "web=serve", home=home, PREWATT_PORT=str(free_ports()))
    up.said()
    secret = home / "secret"
    assert secret.stat().st_mode & 0o777 == 0o600 and len(secret.read_text(encoding="utf-8").strip()) >= 32
    up.end()
    assert set(ROOT.iterdir()) == before
