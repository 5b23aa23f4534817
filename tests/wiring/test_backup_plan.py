"""When a scheduled backup is due, and which ones stay."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from prewatt.wiring import backup_watch
from prewatt.wiring.backup_plan import due, made_at, name_of, scheduled, superfluous
from prewatt.wiring.refusals import StartRefused

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)  # noon in Shanghai


def test_the_hour_is_the_sites_own() -> None:
    assert scheduled(NOW, hour=2, zone=SHANGHAI) == datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
    assert scheduled(NOW, hour=13, zone=SHANGHAI) == datetime(2026, 11, 20, 5, 0, tzinfo=UTC), "yesterday's"


@pytest.mark.parametrize(
    ("newest", "failed", "expected"),
    [
        (None, None, True),  # the first
        (timedelta(hours=9), None, False),  # after the hour: done for today
        (timedelta(hours=11), None, True),  # before it
        (timedelta(days=9), None, True),  # the site was off: once, not nine times
        (timedelta(hours=11), timedelta(minutes=59), False),  # a failure waits an hour
        (timedelta(hours=11), timedelta(minutes=61), True),
        (timedelta(hours=11), timedelta(hours=-2), True),  # a clock that was set back holds nothing up
    ],
)  # fmt: skip
def test_one_is_due_when_the_last_is_older_than_its_hour(
    newest: timedelta | None, failed: timedelta | None, expected: bool
) -> None:
    assert expected == due(
        NOW, newest=None if newest is None else NOW - newest,
        failed_at=None if failed is None else NOW - failed, hour=2, zone=SHANGHAI,
    )  # fmt: skip


def test_a_name_tells_its_time_and_other_files_are_not_ours() -> None:
    assert made_at(name_of(NOW)) == NOW
    for name in ("prewatt-latest.backup", "notes.txt", "prewatt-20261121T040000Z.backup.part", "before-x.backup"):
        assert made_at(name) is None


def test_seven_days_four_weeks_and_twelve_months_stay() -> None:
    every = [NOW - timedelta(days=n, hours=-1) for n in range(800)]
    gone = set(superfluous([name_of(at) for at in every], zone=SHANGHAI))
    kept = [at for at in every if name_of(at) not in gone]
    assert kept[:7] == every[:7]
    months = {(at.astimezone(SHANGHAI).year, at.astimezone(SHANGHAI).month) for at in kept}
    weeks = {at.astimezone(SHANGHAI).isocalendar()[:2] for at in kept}
    assert len(months) == 12 and len(weeks) >= 4 and len(kept) <= 7 + 4 + 12


def test_a_rule_applied_each_day_leaves_what_one_application_would() -> None:
    """The newest of a month must not be deleted before the month's rule needs it."""
    there: set[str] = set()
    every = [NOW + timedelta(days=n) for n in range(400)]
    for at in every:
        there.add(name_of(at))
        there -= set(superfluous(there, zone=SHANGHAI))
    kept = [made.astimezone(SHANGHAI) for name in there if (made := made_at(name))]
    months = {(local.year, local.month) for local in kept}
    assert len(months) == 12 and len(there) <= 23


def test_a_foreign_file_is_never_superfluous() -> None:
    names = [name_of(NOW - timedelta(hours=n)) for n in range(3)] + ["accounts.ods", "prewatt-x.backup"]
    assert superfluous(names, zone=SHANGHAI) == [name_of(NOW - timedelta(hours=1)), name_of(NOW - timedelta(hours=2))]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"PREWATT_BACKUP_KEY": "k"}, None),
        ({"PREWATT_BACKUP_DIR": "/srv/b"}, None),
        ({"PREWATT_BACKUP_KEY": "k", "PREWATT_BACKUP_DIR": "/srv/b"}, (Path("/srv/b"), 2)),
        ({"PREWATT_BACKUP_KEY": "k", "PREWATT_BACKUP_DIR": "/b", "PREWATT_BACKUP_HOUR": "23"}, (Path("/b"), 23)),
    ],
)  # fmt: skip
def test_key_and_directory_ask_for_it(environment: dict[str, str], expected: tuple[Path, int] | None) -> None:
    plan = backup_watch.planned(environment)
    assert (None if plan is None else (plan.directory, plan.hour)) == expected


@pytest.mark.parametrize("hour", ["24", "-1", "noon"])
def test_an_hour_that_is_none_is_refused(hour: str) -> None:
    with pytest.raises(StartRefused) as refused:
        backup_watch.planned({"PREWATT_BACKUP_KEY": "k", "PREWATT_BACKUP_DIR": "/b", "PREWATT_BACKUP_HOUR": hour})
    assert refused.value.code == "setting_invalid"
