"""The embedded database survives what kills it, and refuses what it cannot do."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from prewatt.wiring.embedded import EmbeddedPostgres, find_binaries, place, server
from prewatt.wiring.embedded.owner import database_owner
from prewatt.wiring.embedded.place import reachable_binaries
from prewatt.wiring.embedded.stale import processes_in
from prewatt.wiring.processes import read_stat
from prewatt.wiring.refusals import Exit, StartRefused
from tests import system
from tests.wiring.stage import Running, alive, eventually

HOLDER = "tests.wiring.holder"
Run = Callable[..., Running]
root_only = system.root_only

pytestmark = pytest.mark.processes


def remember(dsn: str, word: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (word text)")
        connection.execute("INSERT INTO kept VALUES (%s)", (word,))


def remembered(dsn: str) -> list[str]:
    with psycopg.connect(dsn) as connection:
        return [word for (word,) in connection.execute("SELECT word FROM kept ORDER BY word")]


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def test_a_second_start_continues_with_the_same_data(home: Path) -> None:
    with EmbeddedPostgres(home) as first:
        remember(first.dsn, "one")
    with EmbeddedPostgres(home) as second:
        assert remembered(second.dsn) == ["one"]


def test_what_the_schema_relies_on_is_set(home: Path) -> None:
    with EmbeddedPostgres(home) as postgres, psycopg.connect(postgres.dsn) as connection:
        wanted = {
            "server_encoding": "UTF8",
            "TimeZone": "UTC",
            "synchronous_commit": "on",
            "fsync": "on",
            "jit": "off",
            "listen_addresses": "",
            "data_checksums": "on",
        }
        found = {name: connection.execute("SELECT current_setting(%s)", (name,)).fetchone() for name in wanted}
        assert {name: row[0] for name, row in found.items() if row} == wanted
        collation = connection.execute("SELECT datcollate FROM pg_database WHERE datname = 'prewatt'").fetchone()
        assert collation == ("C.UTF-8",)


def test_only_the_owner_can_reach_the_socket(home: Path) -> None:
    with EmbeddedPostgres(home) as postgres:
        mode = postgres.place.sockets.stat().st_mode & 0o777
        assert mode == 0o700
        assert postgres.place.data.stat().st_mode & 0o077 == 0


@root_only
def test_as_root_the_server_runs_as_somebody_else(home: Path) -> None:
    with EmbeddedPostgres(home) as postgres:
        assert postgres.pid is not None
        assert os.stat(f"/proc/{postgres.pid}").st_uid == database_owner().uid != 0


@root_only
def test_without_root_it_runs_as_oneself(home: Path, run: Run) -> None:
    owner = database_owner()
    reachable = reachable_binaries(find_binaries(), owner)
    owner.take(home)
    holder = run(HOLDER, str(home), "--as", owner.name, "--pg-bin", str(reachable.bin), home=home)
    said = holder.said()
    assert "dsn" in said, said
    assert os.stat(f"/proc/{said['postmaster']}").st_uid == owner.uid
    assert holder.end() == 0


@root_only
def test_root_takes_over_a_home_that_was_begun_without_root(home: Path, run: Run) -> None:
    owner = database_owner()
    reachable = reachable_binaries(find_binaries(), owner)
    owner.take(home)
    holder = run(HOLDER, str(home), "--as", owner.name, "--pg-bin", str(reachable.bin), home=home)
    remember(holder.said()["dsn"], "begun")
    holder.end()
    with EmbeddedPostgres(home) as postgres:
        assert remembered(postgres.dsn) == ["begun"]


def test_killing_the_parent_stops_the_server_cleanly(home: Path, run: Run) -> None:
    holder = run(HOLDER, str(home), home=home)
    said = holder.said()
    remember(said["dsn"], "kept")
    kill(holder.process.pid)
    eventually(lambda: not alive(said["postmaster"]), within_s=10, what="the postmaster ends with its parent")
    with EmbeddedPostgres(home) as postgres:
        assert remembered(postgres.dsn) == ["kept"]
        assert "was not properly shut down" not in postgres.place.log.read_text(encoding="utf-8")


def test_killing_the_postmaster_is_seen_and_mended(home: Path) -> None:
    with EmbeddedPostgres(home) as postgres:
        remember(postgres.dsn, "kept")
        assert postgres.pid is not None
        kill(postgres.pid)
        eventually(lambda: not postgres.running())
        postgres.launch()
        eventually(postgres.ready)
        assert remembered(postgres.dsn) == ["kept"]


def test_killing_both_at_once_loses_nothing(home: Path, run: Run) -> None:
    holder = run(HOLDER, str(home), home=home)
    said = holder.said()
    for number in range(20):
        remember(said["dsn"], f"{number:02}")
    os.kill(said["postmaster"], signal.SIGSTOP)  # so that it cannot shut down when its parent dies
    kill(holder.process.pid)
    kill(said["postmaster"])
    with EmbeddedPostgres(home) as postgres:
        assert remembered(postgres.dsn) == [f"{number:02}" for number in range(20)]


def test_backends_that_outlive_their_postmaster_are_waited_for(home: Path) -> None:
    with EmbeddedPostgres(home) as postgres:
        remember(postgres.dsn, "kept")
        busy = psycopg.connect(postgres.dsn)
        backend = busy.info.backend_pid
        os.kill(backend, signal.SIGSTOP)  # one that computes and sees nothing
        assert postgres.pid is not None
        kill(postgres.pid)
        eventually(lambda: not postgres.running())
        postgres.launch()
        eventually(postgres.ready)
        assert not alive(backend)
        assert remembered(postgres.dsn) == ["kept"]
        busy.close()


@pytest.mark.parametrize("whose", ["a zombie's", "a stranger's", "nobody's", "no"])
def test_a_stale_lock_file_with_some_pid_does_not_matter(home: Path, whose: str) -> None:
    with EmbeddedPostgres(home) as first:
        lock = first.place.data / "postmaster.pid"
        lines = lock.read_text(encoding="ascii").splitlines()
        remember(first.dsn, "kept")
    with subprocess.Popen([sys.executable, "-c", ""]) as zombie:
        eventually(lambda: (stat := read_stat(zombie.pid)) is not None and not stat.alive, what="the zombie")
        lines[0] = {"a zombie's": str(zombie.pid), "a stranger's": str(os.getpid()), "nobody's": "999999", "no": "x"}[
            whose
        ]
        lock.write_text("\n".join(lines) + "\n", encoding="ascii")
        with EmbeddedPostgres(home) as second:
            assert remembered(second.dsn) == ["kept"]


def test_a_second_instance_is_refused(home: Path, run: Run) -> None:
    with EmbeddedPostgres(home):
        second = run(HOLDER, str(home), home=home)
        assert second.said()["refused"] == "already_running"
        assert second.process.wait() == Exit.ALREADY_RUNNING


def test_another_major_version_is_refused_and_nothing_is_touched(home: Path) -> None:
    with EmbeddedPostgres(home) as postgres:
        version = postgres.place.data / "PG_VERSION"
    version.write_text("14\n", encoding="ascii")
    before = sorted((path.name, path.stat().st_mtime_ns) for path in version.parent.iterdir())
    with pytest.raises(StartRefused) as refused:
        EmbeddedPostgres(home).start()
    assert (refused.value.code, refused.value.exit) == ("wrong_major_version", Exit.DATABASE)
    assert "14" in refused.value.message("en") and "PREWATT_PG_BIN" in refused.value.message("zh-hans")
    assert before == sorted((path.name, path.stat().st_mtime_ns) for path in version.parent.iterdir())


def test_half_an_initdb_is_begun_anew(home: Path) -> None:
    with EmbeddedPostgres(home) as postgres:
        base = postgres.place.base
        data = postgres.place.data
    data.rename(base / "data.new")
    (base / "data.new" / "PG_VERSION").unlink()
    with EmbeddedPostgres(home) as postgres, psycopg.connect(postgres.dsn) as connection:
        assert connection.execute("SELECT to_regclass('kept')").fetchone() == (None,)
    assert not (base / "data.new").exists()


def test_a_long_home_gets_a_short_socket(home: Path) -> None:
    long = home / ("deep" * 30) / "below"
    with EmbeddedPostgres(long) as postgres:
        remember(postgres.dsn, "kept")
        assert len(str(postgres.place.socket_files()[1])) < 107
        assert postgres.place.data.is_relative_to(long)
        sockets = postgres.place.sockets
    assert not sockets.exists()


def test_a_socket_directory_prepared_by_somebody_else_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "_short_root", lambda owner: home)
    long = home / ("deep" * 30)
    (home / f"prewatt-{database_owner().uid}-{place.home_hash(long / 'postgres')}").symlink_to("/tmp")
    with pytest.raises(StartRefused) as refused:
        EmbeddedPostgres(long).start()
    assert refused.value.code == "socket_dir_foreign"


@pytest.fixture
def private(home: Path) -> Iterator[Path]:
    """A directory that only root may enter, and its rights afterwards."""
    made = home / "private"
    made.mkdir(mode=0o700)
    yield made
    assert made.stat().st_mode & 0o777 == 0o700, "the rights of a parent directory were changed"
    assert home.stat().st_mode & 0o777 == 0o755


@root_only
def test_below_a_private_directory_the_default_home_moves(
    home: Path, private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "SYSTEM_ROOT", home / "lib")
    var = private / "checkout" / "var"
    for _ in range(2):
        with EmbeddedPostgres(var, movable=True) as postgres:
            remember(postgres.dsn, "kept")
            assert postgres.place.data.is_relative_to(home / "lib" / place.home_hash(var))
    assert not (var / "postgres").exists()


@root_only
def test_below_a_private_directory_a_named_home_is_obeyed(home: Path, private: Path, run: Run) -> None:
    named = private / "named"
    holder = run(HOLDER, str(named), home=named)
    said = holder.said()
    assert Path(said["data"]).is_relative_to(named)
    remember(said["dsn"], "kept")
    os.kill(said["postmaster"], signal.SIGSTOP)
    kill(holder.process.pid)
    kill(said["postmaster"])
    with EmbeddedPostgres(named) as postgres:  # also after a crash: the old processes are found there too
        assert remembered(postgres.dsn) == ["kept"]
        assert processes_in(postgres.place.data, database_owner())


@root_only
def test_programs_in_a_private_directory_are_copied(home: Path, private: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "SYSTEM_ROOT", home / "lib")
    found = find_binaries()
    package = found.bin.parent.parent
    (private / package.name).mkdir()
    subprocess.run(["cp", "-a", str(found.bin.parent), str(private / package.name / "programs")], check=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        subprocess.run(["cp", "-a", str(libraries), str(private / libraries.name)], check=True)
    explicit = str(private / package.name / "programs" / "bin")
    with EmbeddedPostgres(home / "var", pg_bin=explicit) as postgres:
        remember(postgres.dsn, "kept")
        assert postgres.pid is not None
        assert os.readlink(f"/proc/{postgres.pid}/exe").startswith(str(home / "lib"))


@pytest.fixture
def small_disk(home: Path) -> Iterator[Callable[[int], Path]]:
    """Mounts a file system of so many MiB."""
    if os.geteuid() != 0:
        system.missing("root (to mount a small disk)", install="sudo")
    made = home / "disk"
    made.mkdir()

    def mount(size_mib: int) -> Path:
        options = ["mount", "-t", "tmpfs", "-o", f"size={size_mib}m", "tmpfs", str(made)]
        mounted = subprocess.run(options, capture_output=True, text=True, check=False)
        if mounted.returncode != 0:
            system.missing(f"the right to mount ({mounted.stderr.strip()})", install="a machine that allows it")
        made.chmod(0o755)
        return made

    yield mount
    subprocess.run(["umount", str(made)], check=False, capture_output=True)


def test_a_disk_without_room_for_a_database_is_refused(small_disk: Callable[[int], Path]) -> None:
    with pytest.raises(StartRefused) as refused:
        EmbeddedPostgres(small_disk(30) / "var").start()
    assert (refused.value.code, refused.value.exit) == ("database_disk_full", Exit.DATABASE)
    assert "MiB" in refused.value.message("en")


def test_a_disk_that_fills_up_inside_initdb_is_refused(
    small_disk: Callable[[int], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "FREE_TO_MAKE_MIB", 1)  # as if others had been writing meanwhile
    with pytest.raises(StartRefused) as refused:
        EmbeddedPostgres(small_disk(30) / "var").start()
    assert refused.value.code == "database_disk_full"


def test_a_disk_that_fills_up_keeps_what_was_committed(small_disk: Callable[[int], Path]) -> None:
    disk = small_disk(400)
    postgres = EmbeddedPostgres(disk / "var")
    remember(postgres.start(), "kept")
    with open(disk / "ballast", "wb") as ballast:
        try:
            while True:
                ballast.write(b"x" * 65536)
                ballast.flush()
        except OSError:
            pass
    with pytest.raises(psycopg.Error), psycopg.connect(postgres.dsn) as connection:
        connection.execute("CREATE TABLE big AS SELECT repeat('x', 1000) FROM generate_series(1, 200000)")
    postgres.stop()
    with pytest.raises(StartRefused) as refused:
        EmbeddedPostgres(disk / "var").start()
    assert refused.value.code == "database_disk_full"
    (disk / "ballast").unlink()
    with EmbeddedPostgres(disk / "var") as again:
        assert remembered(again.dsn) == ["kept"]


def test_an_ephemeral_one_leaves_nothing(home: Path) -> None:
    with EmbeddedPostgres(home, ephemeral=True) as postgres:
        remember(postgres.dsn, "gone")
    assert list(home.iterdir()) == []
