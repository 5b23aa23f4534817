"""Backup and restore of a site, as commands: the same books on an empty machine, or a refusal and nothing half done."""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import psycopg
import pytest
from django.contrib.sessions.models import Session
from django.db import connection

from prewatt.office.metering.models import Heartbeat
from prewatt.wiring import backup_keeper, backup_watch, diagnosis
from prewatt.wiring.backup_books import applied, figures
from prewatt.wiring.backup_home import UNFINISHED_NAME
from prewatt.wiring.backup_kept import keep_before
from prewatt.wiring.backup_restore import check
from prewatt.wiring.config import read
from prewatt.wiring.embedded import EmbeddedPostgres
from prewatt.wiring.embedded.binaries import wheel_bin
from prewatt.wiring.refusals import StartRefused
from tests.journeys.running import COMMAND, ROOT
from tests.office.vending.scene import build

pytestmark = [pytest.mark.processes]
KEY = {"PREWATT_BACKUP_KEY": "correct horse battery staple"}
LIMIT_S = 240


def prewatt(*words: str, home: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """A command of ours, to its end."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PREWATT_", "DJANGO_"))}
    return subprocess.run(
        [*COMMAND, *words],
        env={**clean, "PREWATT_HOME": str(home), "PYTHONPATH": str(ROOT), "PREWATT_LANG": "en", **environment},
        capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip


def refusal(done: "subprocess.CompletedProcess[str]") -> str:
    """The code a command was refused with; it must say so in its last line."""
    assert done.returncode != 0, done.stdout
    word, code, *_ = done.stderr.strip().splitlines()[-1].split()
    assert word == "error", done.stderr
    return code.rstrip(":")


def dsn() -> str:
    """The test's own database, as a libpq address."""
    parts = {"dbname": "NAME", "user": "USER", "host": "HOST", "port": "PORT"}
    said = {name: str(connection.settings_dict[key]) for name, key in parts.items() if connection.settings_dict[key]}
    return psycopg.conninfo.make_conninfo("", **said)


@pytest.fixture
def sold(transactional_db: None) -> Iterator[Mapping[str, str]]:
    """A site with sales in the shared database; the environment that leads there."""
    scene = build()
    for n in range(2):
        scene.sell(n, key=f"k{n}", amount_minor=5000 + n)
    Session.objects.create(session_key="s", session_data="d", expire_date=datetime(2099, 1, 1, tzinfo=UTC))
    yield {"PREWATT_DATABASE_URL": dsn(), "PREWATT_SECRET_KEY": "k" * 48, **KEY}


def at_rest(home: Path) -> Any:
    return EmbeddedPostgres(home)


def test_a_restored_site_has_the_same_books_its_secret_no_sessions_and_meters_to_be_read(
    sold: Mapping[str, str], home: Path
) -> None:
    file = home / "night.backup"
    vault = home / "vault-on-a-stick"
    vault.write_bytes(b"opens the vault")
    taken = prewatt("backup", str(file), home=home / "old", PREWATT_VAULT_KEY_FILE=str(vault), **sold)
    vault.unlink()
    assert taken.returncode == 0, taken.stderr
    said = json.loads(taken.stdout)
    assert said["books"]["sales"] == 2 and said["books"]["sales_minor"] == 10_001
    assert file.stat().st_size == said["bytes"] and file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in home.iterdir() if path.is_file()] == ["night.backup"], "no work file is left"

    new = home / "new"
    done = prewatt("restore", str(file), home=new, **KEY)
    assert done.returncode == 0, done.stderr
    restored = json.loads(done.stdout.splitlines()[-1])
    assert restored["books"] == said["books"] and restored["findings"] == [] and restored["checks"] > 10
    assert restored["meters_to_read"] == 2 and restored["token_times_after"] > restored["made_at"]
    assert (new / "secret").read_text().strip() == "k" * 48
    assert (new / "vault.key").read_bytes() == b"opens the vault" and restored["files"] == ["secret", "vault.key"]
    assert {path.stat().st_mode & 0o777 for path in (new / "secret", new / "vault.key")} == {0o600}
    with at_rest(new) as server, psycopg.connect(server.dsn) as there:
        assert figures(there) == said["books"]
        assert there.execute("SELECT count(*) FROM django_session").fetchone() == (0,)
        assert there.execute("SELECT count(*) FROM metering_credithold").fetchone() == (2,)
        with pytest.raises(psycopg.ProgrammingError, match="append_only"):
            there.execute("DELETE FROM ledger_transfer")  # the books guard themselves again
    assert refusal(prewatt("restore", str(file), home=new, **KEY)) == "restore_home_not_empty"
    upside = prewatt("backup", str(home / "again.backup"), home=new, **KEY)
    assert upside.returncode == 0 and json.loads(upside.stdout)["books"] == said["books"], upside.stderr


def test_what_cannot_be_restored_is_refused_and_leaves_an_empty_home_empty(sold: Mapping[str, str], home: Path) -> None:
    file, new = home / "night.backup", home / "new"
    assert prewatt("backup", str(file), home=home / "old", **sold).returncode == 0
    whole = file.read_bytes()
    wrong = {"PREWATT_BACKUP_KEY": "another"}
    assert refusal(prewatt("restore", str(file), home=new)) == "backup_key_missing"
    assert refusal(prewatt("restore", str(file), home=new, **wrong)) == "backup_wrong_key"
    assert refusal(prewatt("restore", str(home / "none"), home=new, **KEY)) == "backup_file_unusable"
    file.write_bytes(whole[: len(whole) * 2 // 3])
    assert refusal(prewatt("restore", str(file), home=new, **KEY)) == "backup_damaged"
    file.write_bytes(whole[:-40] + bytes([whole[-40] ^ 1]) + whole[-39:])
    assert refusal(prewatt("restore", str(file), home=new, **KEY)) == "backup_damaged"
    older = {"PREWATT_PG_BIN": str(_wheel_16())}
    file.write_bytes(whole)
    assert refusal(prewatt("restore", str(file), home=new, **KEY, **older)) == "backup_other_version"
    assert not new.exists(), "nothing half done"
    new.mkdir()
    (new / "notes.txt").write_text("mine")
    assert refusal(prewatt("restore", str(file), home=new, **KEY)) == "restore_home_not_empty"
    assert [path.name for path in new.iterdir()] == ["notes.txt"]


def test_a_restore_that_was_killed_keeps_others_out_and_is_begun_again(sold: Mapping[str, str], home: Path) -> None:
    file, new = home / "night.backup", home / "new"
    assert prewatt("backup", str(file), home=home / "old", **sold).returncode == 0
    new.mkdir()
    (new / UNFINISHED_NAME).write_text("restore\n")
    (new / "secret").write_text("half\n")
    assert refusal(prewatt("up", home=new)) == "home_unfinished"
    assert refusal(prewatt("backup", str(home / "x"), home=new, **KEY)) == "home_unfinished"
    done = prewatt("restore", str(file), home=new, **KEY)
    assert done.returncode == 0, done.stderr
    assert not (new / UNFINISHED_NAME).exists() and (new / "secret").read_text().strip() == "k" * 48


def test_a_backup_that_cannot_be_made_says_why_and_leaves_the_old_one(sold: Mapping[str, str], home: Path) -> None:
    file = home / "night.backup"
    file.write_bytes(b"the last good one")
    assert refusal(prewatt("backup", str(home / "no" / "x"), home=home / "old", **sold)) == "backup_file_unusable"
    assert refusal(prewatt("backup", str(file), home=home / "old")) == "backup_key_missing"
    assert refusal(prewatt("backup", str(file), home=home / "old", **KEY)) == "backup_nothing"
    away = {**sold, "PREWATT_DATABASE_URL": "postgresql://localhost:1/none"}
    assert refusal(prewatt("backup", str(file), home=home / "old", **away)) == "database_unreachable"
    assert file.read_bytes() == b"the last good one"


def test_a_database_that_holds_something_is_backed_up_before_it_is_changed(
    sold: Mapping[str, str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = read({"PREWATT_HOME": str(home), "PREWATT_DATABASE_URL": dsn()})
    monkeypatch.delenv("PREWATT_BACKUP_KEY", raising=False)
    monkeypatch.delenv("PREWATT_SECRET_KEY", raising=False)
    assert keep_before(config, dsn()) is None, "there is nothing to migrate"
    for day in (1, 2, 3):
        (home / "backups").mkdir(exist_ok=True)
        (home / "backups" / f"before-migration-2020010{day}T000000Z.backup").touch()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'sessions' RETURNING name, applied")
        [(name, at)] = cursor.fetchall()
        try:
            taken = keep_before(config, dsn())
        finally:
            cursor.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('sessions', %s, %s)", [name, at])
    assert taken is not None and taken.books["sales"] == 2
    kept = sorted(path.name for path in (home / "backups").iterdir())
    assert len(kept) == 3 and kept[-1] == taken.path.name and kept[0].startswith("before-migration-20200102")
    own = (home / "secret").read_text().strip()
    opened = check(taken.path, key=own, server=18, pg_bin="")
    assert opened.manifest.books == taken.books, "sealed with the home's secret"


def _wheel_16() -> Path:
    wheel = wheel_bin()
    assert wheel is not None
    return wheel.parent.parent / "pginstall" / "bin"


def test_a_database_of_an_older_postgresql_is_upgraded_and_the_old_files_stay_until_confirmed(home: Path) -> None:
    site = home / "site"
    with EmbeddedPostgres(site, pg_bin=str(_wheel_16())) as old, psycopg.connect(old.dsn, autocommit=True) as there:
        there.execute("CREATE TABLE estate_company (id bigint PRIMARY KEY)")
        there.execute("CREATE TABLE ledger_transfer (amount_minor bigint NOT NULL)")
        there.execute("INSERT INTO estate_company VALUES (1)")
        there.execute("INSERT INTO ledger_transfer SELECT generate_series(1, 1000)")
    assert refusal(prewatt("up", home=site)) == "wrong_major_version"
    done = prewatt("upgrade-database", home=site)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert (said["upgraded"], said["from"], said["books"]["transfers_minor"]) == (True, 16, 500_500)
    with at_rest(site) as server, psycopg.connect(server.dsn) as there:
        assert there.info.server_version // 10000 == said["to"] > 16
        assert figures(there)["transfers_minor"] == 500_500 and applied(there) == []
    assert json.loads(prewatt("upgrade-database", home=site).stdout) == {"upgraded": False, "major": said["to"]}
    assert Path(said["kept"]).is_dir()
    assert json.loads(prewatt("upgrade-database", "--confirm", home=site).stdout) == {"deleted": ["data.16"]}
    assert not Path(said["kept"]).exists()
    assert refusal(prewatt("upgrade-database", "--confirm", home=site)) == "upgrade_not_confirmed"


def test_an_exchange_that_was_broken_off_is_taken_back(home: Path) -> None:
    """Killed between the two renames: no data directory under its name, and `up` would have made an empty one."""
    site = home / "site"
    with at_rest(site) as server, psycopg.connect(server.dsn, autocommit=True) as there:
        there.execute("CREATE TABLE mark (id int)")
    (site / "postgres" / "data").rename(site / "postgres" / "data.16")
    (site / "upgrade").mkdir()
    (site / UNFINISHED_NAME).write_text("upgrade-database\n")
    assert refusal(prewatt("up", home=site)) == "home_unfinished"
    assert json.loads(prewatt("upgrade-database", home=site).stdout)["upgraded"] is False
    with at_rest(site) as server, psycopg.connect(server.dsn) as there:
        assert there.execute("SELECT count(*) FROM mark").fetchone() == (0,)
    assert not (site / "upgrade").exists()


def test_the_keeper_makes_one_when_it_is_due_says_so_and_tells_a_failure(
    sold: Mapping[str, str], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {**sold, "PREWATT_BACKUP_DIR": str(home / "disk")}.items():
        monkeypatch.setenv(name, value)
    config = read({"PREWATT_HOME": str(home / "site"), "PREWATT_DATABASE_URL": dsn(), "PREWATT_DEMO": "0"})
    plan = backup_watch.planned()
    assert plan is not None
    backup_keeper.look(config, plan)
    [made] = (home / "disk").iterdir()
    last = backup_watch.status(config.home)
    assert last is not None and last.code == "" and last.bytes == made.stat().st_size
    backup_keeper.look(config, plan)
    assert [*(home / "disk").iterdir()] == [made], "one a day"
    assert diagnosis.backup_last(config)
    made.unlink()
    monkeypatch.setattr(backup_keeper, "take", _no_room)
    backup_keeper.look(config, plan)
    with pytest.raises(diagnosis.Wrong, match="backup_disk_full"):
        diagnosis.backup_last(config)
    assert Heartbeat.objects.get(part="backup").detail == {"failed": "backup_disk_full"}


def _no_room(*given: object, **named: object) -> NoReturn:
    raise StartRefused("backup_disk_full", path="disk", free_mib=1, need_mib=2)
