"""`prewatt keep-backups`: the scheduled backups of a site, one process under the supervisor of `prewatt up`.

Runs where PREWATT_BACKUP_KEY and PREWATT_BACKUP_DIR are set. What it last did stands in `backup.json` of the home, for
`prewatt doctor`, and in its sign of life, from which the alarm is raised.
"""

import json
import logging
import os
import time
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import psycopg

from prewatt.wiring import backup_plan, database
from prewatt.wiring.backup import PASSPHRASE, ended_by_signals, take
from prewatt.wiring.backup_watch import KEY_NAME, STATUS_NAME, Plan, Status, newest, planned, status
from prewatt.wiring.config import Config
from prewatt.wiring.home import write_private
from prewatt.wiring.parts.ground import running_database
from prewatt.wiring.refusals import Exit, StartRefused, language

logger = logging.getLogger(__name__)

PART: Final = "backup"
_LOOK_EVERY_S: Final = 20.0


def serve(config: Config) -> int:
    """Back up each day until a signal; the exit code. A backup that fails is told and tried again in an hour."""
    plan = planned()
    if plan is None:
        raise StartRefused("backup_key_missing")
    try:
        with ended_by_signals():
            while True:
                look(config, plan)
                time.sleep(_LOOK_EVERY_S)
    except StartRefused as refused:
        if refused.code != "interrupted":
            raise
    return Exit.OK


def look(config: Config, plan: Plan) -> None:
    """Make a backup if one is due, and give a sign of life that tells what came of the last."""
    at = datetime.now(UTC)
    last = status(config.home)
    try:
        dsn = running_database(config)
        zone = _zone(dsn)
        failed_at = last.at if last is not None and last.code else None
        if backup_plan.due(at, newest=newest(plan.directory), failed_at=failed_at, hour=plan.hour, zone=zone):
            last = make(config, dsn, plan, at=at, zone=zone)
        _beat(dsn, last)
    except (StartRefused, psycopg.Error) as error:  # the database is away: its own trouble, told by others
        if isinstance(error, StartRefused) and error.code == "interrupted":
            raise
        logger.warning("no look at the backups: %s", error)


def make(config: Config, dsn: str, plan: Plan, *, at: datetime, zone: ZoneInfo) -> Status:
    """Make one now and delete what the rule does not keep. A failure deletes nothing."""
    try:
        plan.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        taken = take(
            dsn, plan.directory / backup_plan.name_of(at), home=config.home, key=os.environ[KEY_NAME],
            sealed_with=PASSPHRASE, pg_bin=config.pg_bin,
        )  # fmt: skip
        for name in backup_plan.superfluous(os.listdir(plan.directory), zone=zone):
            (plan.directory / name).unlink()
            logger.info("no longer kept: %s", name)
    except (StartRefused, OSError) as error:
        if isinstance(error, StartRefused) and error.code == "interrupted":
            raise
        code = error.code if isinstance(error, StartRefused) else "backup_failed"
        text = error.message(language()) if isinstance(error, StartRefused) else str(error)
        logger.error("backup: %s: %s", code, text)
        done = Status(at=at, code=code, text=text, bytes=0)
    else:
        logger.info("backed up to %s: %d bytes in %.1f s", taken.path, taken.bytes, taken.seconds)
        done = Status(at=at, code="", text=str(taken.path), bytes=taken.bytes)
    said = {"at": done.at.isoformat(), "code": done.code, "text": done.text, "bytes": done.bytes}
    write_private(config.home / STATUS_NAME, json.dumps(said, ensure_ascii=False) + "\n")
    return done


def _zone(dsn: str) -> ZoneInfo:
    """The local time of the first site; UTC before there is one."""
    with database.connect(dsn) as connection:
        row = connection.execute("SELECT timezone FROM estate_site ORDER BY id LIMIT 1").fetchone()
    try:
        return ZoneInfo(str(row[0]) if row is not None else "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def _beat(dsn: str, last: Status | None) -> None:
    from prewatt.office.metering import heartbeats

    code = "" if last is None else last.code
    with database.connect(dsn) as connection:
        heartbeats.beat(connection, part=PART, detail={"failed": code})
