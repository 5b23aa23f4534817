"""When a scheduled backup is due, and which ones are kept. Pure: times and names in, decisions out."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

DAILY, WEEKLY, MONTHLY = 7, 4, 12  # how many days, weeks and months keep their newest backup
OVERDUE_AFTER: Final = timedelta(hours=26)  # a day, and time for a long one
RETRY_AFTER: Final = timedelta(hours=1)
_NAME: Final = re.compile(r"^prewatt-(\d{8}T\d{6}Z)\.backup$")
_STAMP: Final = "%Y%m%dT%H%M%SZ"


def name_of(at: datetime) -> str:
    """The name of a scheduled backup: prewatt-20261121T180003Z.backup"""
    return f"prewatt-{at.astimezone(UTC).strftime(_STAMP)}.backup"


def made_at(name: str) -> datetime | None:
    """When a backup was made, by its name; None for a file that is not one of ours, which is never deleted."""
    found = _NAME.match(name)
    return None if found is None else datetime.strptime(found.group(1), _STAMP).replace(tzinfo=UTC)


def scheduled(at: datetime, *, hour: int, zone: ZoneInfo) -> datetime:
    """The last time a backup was to be made, at or before `at`."""
    local = at.astimezone(zone)
    today = local.replace(hour=hour, minute=0, second=0, microsecond=0)
    return today if today <= local else today - timedelta(days=1)


def due(at: datetime, *, newest: datetime | None, failed_at: datetime | None, hour: int, zone: ZoneInfo) -> bool:
    """Whether one is to be made now: none since the last time there should have been one. A failure waits an hour."""
    if failed_at is not None and timedelta() <= at - failed_at < RETRY_AFTER:
        return False
    return newest is None or newest < scheduled(at, hour=hour, zone=zone)


def superfluous(names: Iterable[str], *, zone: ZoneInfo) -> list[str]:
    """What the rule does not keep: the newest of each of the last 7 days, 4 weeks and 12 months that have one stays."""
    known = {name: at.astimezone(zone) for name in names if (at := made_at(name)) is not None}
    newest_first = sorted(known, key=lambda name: known[name], reverse=True)
    rules: tuple[tuple[int, Callable[[datetime], object]], ...] = (
        (DAILY, lambda local: local.date()),
        (WEEKLY, lambda local: local.isocalendar()[:2]),
        (MONTHLY, lambda local: (local.year, local.month)),
    )
    kept: set[str] = set()
    for most, period in rules:
        seen: dict[object, str] = {}
        for name in newest_first:
            seen.setdefault(period(known[name]), name)
        kept |= set(list(seen.values())[:most])
    return [name for name in newest_first if name not in kept]
