"""Freezes that meters keep, and the gaps in their readings that these fill (冻结数据补召).

A line that was dead for days comes back with one reading, far above the last. What the meter froze at the midnights
between says on which day how much was used, so it is asked for before the gap is charged; and if nothing comes, the gap
is charged as ever, by linear time. A charge that was made is never changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db import connection, transaction

from prewatt.core.meters import Profile
from prewatt.core.meters.freezes import FreezeKind, FreezeSpan
from prewatt.core.meters.gaps import Point, Quality, by_day, judged
from prewatt.core.meters.jobs import Intent, Job, Verdict
from prewatt.core.meters.judging import CODES, Mark
from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Circuit
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.metering import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.metering.jobs import enqueue
from prewatt.office.metering.models import Gap, JobRow, JobState, MeterClock

SOURCE_FREEZE: Final = 3
DAYS_OF_JOB: Final = 8  # a conversation brings no more than twelve
MONTHS_OF_JOB: Final = 12
MOST: Final = 500  # gaps of one sweep
MOST_TRIES: Final = 4  # of a conversation that was silent
LIFE: Final = timedelta(minutes=10)
AGAIN: Final = timedelta(minutes=1)
PATIENCE: Final = timedelta(hours=2)  # for a first energy after the gap: the register clock is half an hour
CLOCK_OFF_S: Final = 300  # a meter that is further off froze at another midnight
LISTED_DAYS: Final = 62


@dataclass(frozen=True, kw_only=True, slots=True)
class Frozen:
    """One freeze as it is kept. `rates_wh`: sharp, peak, flat, valley; None where the meter told none."""

    at: datetime
    energy_wh: int
    rates_wh: Sequence[int] | None
    read_at: datetime


def listed(site_id: int, circuit_id: int, kind: FreezeKind, *, most: int = LISTED_DAYS) -> list[Frozen]:
    """What is kept of a circuit, the youngest first."""
    return [Frozen(at=at, energy_wh=wh, rates_wh=rates, read_at=read) for at, wh, rates, read in _rows(
        "SELECT at, energy_wh, rates_wh, read_at FROM metering_freeze"
        " WHERE site_id = %s AND circuit_id = %s AND kind = %s ORDER BY at DESC LIMIT %s",
        [site_id, circuit_id, kind.value, most],
    )]  # fmt: skip


def gaps_of(circuit_id: int, *, most: int = 20) -> list[Gap]:
    """The newest gaps of a circuit."""
    return list(Gap.objects.filter(circuit_id=circuit_id).order_by("-from_at")[:most])


def ask(circuit: Circuit, *, request_key: str, at: datetime, actor: str) -> list[int]:
    """Ask for the last days and months a meter froze; the ids of the jobs. Raises Refused `freezes_not_supported`,
    `meter_without_line`."""
    profile, zone = all_profiles().get(circuit.meter.profile), ZoneInfo(circuit.site.timezone)
    if profile is None or profile.freezes is None:
        raise Refused("freezes_not_supported")
    today = at.astimezone(zone).date()
    first = {FreezeKind.DAY: timedelta(days=DAYS_OF_JOB - 1), FreezeKind.MONTH: timedelta(days=31 * MONTHS_OF_JOB)}
    with transaction.atomic():
        return [
            enqueue(
                key=f"freezes:{request_key}:{circuit.pk}:{kind.value}", circuit_id=circuit.pk, at=at, actor=actor,
                expires_at=at + LIFE,
                job=Job(
                    intent=Intent.READ_FREEZES, circuit_index=circuit.index,
                    freezes=span_of(profile, kind, today - first[kind], today, zone),
                ),
            )
            for kind in profile.freezes.kept
        ]  # fmt: skip


def span_of(profile: Profile, kind: FreezeKind, first: date, last: date, zone: ZoneInfo) -> FreezeSpan:
    """What to ask for so that the freezes of these local days come, whatever the hour the meter makes them at."""
    assert profile.freezes is not None
    local = profile.freezes.local
    edges = [datetime.combine(day, time(), UTC if local else zone) for day in (first, last + timedelta(days=1))]
    since, until = (int(each.timestamp()) for each in edges)
    return FreezeSpan(kind=kind, since=since, until=until - 1, local=local)


# --- gaps ------------------------------------------------------------------------------------


def sweep(*, at: datetime) -> int:
    """Go on with the gaps that are open: ask, ask again, fill, give up; how many ended. Two at once share them."""
    ended, profiles = 0, all_profiles()
    due = list(Gap.objects.filter(ended_at=None, due_at__lte=at).order_by("due_at").values_list("pk", flat=True)[:MOST])
    for gap_id in due:
        with transaction.atomic():
            gap = Gap.objects.select_for_update(skip_locked=True).filter(pk=gap_id, ended_at=None).first()
            if gap is not None:
                circuit = Circuit.objects.select_related("meter", "site").get(pk=gap.circuit_id)
                ended += _go_on(gap, circuit, profiles.get(circuit.meter.profile), at)
    return ended


def _go_on(gap: Gap, circuit: Circuit, profile: Profile | None, at: datetime) -> bool:
    """The next step of one gap; True when it ended."""
    meter = circuit.meter
    freezes = None if profile is None else profile.freezes
    if profile is None or freezes is None or FreezeKind.DAY not in freezes.kept:
        return _end(gap, 0, 0, at)
    if meter.line_id is None or meter.removed_at is not None:
        return _end(gap, 0, 0, at)
    after = _first_after(gap)
    if after is None:  # the purse of a meter is read more often than its counter
        if at > gap.to_at + PATIENCE:
            return _end(gap, 0, 0, at)
        return _later(gap, at + AGAIN)
    zone = ZoneInfo(circuit.site.timezone)
    first, last = gap.from_at.astimezone(zone).date() + timedelta(days=1), gap.to_at.astimezone(zone).date()
    job = JobRow.objects.filter(pk=gap.job_id).first() if gap.job_id is not None else None
    if job is not None and job.state in (JobState.QUEUED, JobState.CLAIMED):
        return _later(gap, at + timedelta(seconds=5))
    next_day = gap.next_day or max(first, last - timedelta(days=freezes.kept[FreezeKind.DAY]))
    if job is not None and job.verdict == Verdict.DONE:
        next_day, gap.tries = next_day + timedelta(days=DAYS_OF_JOB), 0
    elif job is not None:
        gap.tries += 1
        if job.verdict == Verdict.REFUSED or gap.tries >= MOST_TRIES:
            return _fill(gap, circuit, after, zone, at)
    if next_day > last:
        return _fill(gap, circuit, after, zone, at)
    until = min(last, next_day + timedelta(days=DAYS_OF_JOB - 1))
    gap.job_id = enqueue(
        key=f"gap:{gap.pk}:{next_day}:{gap.tries}", circuit_id=circuit.pk, at=at, actor="system", expires_at=at + LIFE,
        job=Job(
            intent=Intent.READ_FREEZES, circuit_index=circuit.index,
            freezes=span_of(profile, FreezeKind.DAY, next_day, until, zone),
        ),
    )  # fmt: skip
    gap.next_day, gap.due_at = next_day, at + (AGAIN * gap.tries or timedelta(seconds=5))
    gap.save(update_fields=["job_id", "next_day", "due_at", "tries"])
    return False


def _later(gap: Gap, due_at: datetime) -> bool:
    gap.due_at = due_at
    gap.save(update_fields=["due_at"])
    return False


def _end(gap: Gap, filled: int, wanted: int, at: datetime) -> bool:
    complete = Gap.State.FILLED if filled >= wanted else Gap.State.PARTLY
    gap.state, gap.freezes, gap.ended_at = complete if filled else Gap.State.EMPTY, filled, at
    gap.save(update_fields=["state", "freezes", "ended_at"])
    return True


def _first_after(gap: Gap) -> tuple[Point, int] | None:
    """The first reading with an energy after the gap, and its quality."""
    rows = _rows(
        "SELECT at, energy_wh, quality FROM metering_reading WHERE site_id = %s AND circuit_id = %s AND at >= %s"
        " AND source <> %s AND energy_wh IS NOT NULL ORDER BY at LIMIT 1",
        [gap.site_id, gap.circuit_id, gap.to_at, SOURCE_FREEZE],
    )
    return (Point(at=rows[0][0], wh=rows[0][1]), rows[0][2]) if rows else None


def _fill(gap: Gap, circuit: Circuit, after: tuple[Point, int], zone: ZoneInfo, at: datetime) -> bool:
    """What came becomes readings of their own kind, and the use of the gap goes to its days; the gap ends here."""
    rows = _rows(
        "SELECT at, energy_wh FROM metering_reading WHERE site_id = %s AND circuit_id = %s AND at <= %s"
        " AND quality = 0 AND energy_wh IS NOT NULL ORDER BY at DESC LIMIT 1",
        [gap.site_id, gap.circuit_id, gap.from_at],
    )
    if not rows:
        return _end(gap, 0, 0, at)
    before = Point(at=rows[0][0], wh=rows[0][1])
    kept = _rows(
        "SELECT at, energy_wh, rates_wh FROM metering_freeze WHERE site_id = %s AND circuit_id = %s AND kind = 'day'"
        " AND at > %s AND at < %s ORDER BY at",
        [gap.site_id, gap.circuit_id, gap.from_at, gap.to_at],
    )
    clock = MeterClock.objects.filter(meter_id=circuit.meter_id).first()
    clock_off = clock is not None and abs(clock.ahead_s) > CLOCK_OFF_S
    found = judged([Point(at=row[0], wh=row[1]) for row in kept], before, after[0], clock_off=clock_off)
    rates = {row[0]: row[2] for row in kept}
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO metering_reading (site_id, circuit_id, at, full_read, source, quality, mark, energy_wh,"
            " rates_wh) VALUES (%s, %s, %s, true, %s, %s, nullif(%s, 0), %s, %s) ON CONFLICT DO NOTHING",
            [(gap.site_id, gap.circuit_id, point.at, SOURCE_FREEZE, int(quality), int(quality), point.wh,
              rates[point.at])
             for point, quality in found],
        )  # fmt: skip
    good = [point for point, quality in found if quality is Quality.GOOD]
    # what the intake added to the day of the return is moved only where it is known to have been exactly this
    if good and before.wh == gap.before_wh <= after[0].wh and after[1] == Quality.GOOD:
        _move_use(gap, [before, *good, after[0]], rates, zone)
    midnights = (gap.to_at.astimezone(zone).date() - gap.from_at.astimezone(zone).date()).days
    if len(good) >= midnights:
        _say_filled(gap, after[0].at)
    return _end(gap, len(good), midnights, at)


def _say_filled(gap: Gap, returned_at: datetime) -> None:
    """The mark of the reading that ended the gap says that it is closed."""
    marks = CODES[Mark.GAP_FILLED], gap.site_id, gap.circuit_id, returned_at, CODES[Mark.GAP]
    with connection.cursor() as cursor:
        for table, moment in (("metering_reading", "at"), ("metering_latest", "energy_at")):
            cursor.execute(
                f"UPDATE {table} SET mark = %s WHERE site_id = %s AND circuit_id = %s AND {moment} = %s AND mark = %s",
                marks,
            )


def _move_use(
    gap: Gap, points: Sequence[Point], rates: dict[datetime, list[int] | None], zone: ZoneInfo
) -> None:
    """From the day on which the line came back to the days on which it was used."""
    closing = {(point.at - timedelta(seconds=1)).astimezone(zone).date(): point for point in points[1:-1]}
    returned = points[-1].at.astimezone(zone).date()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE metering_daily SET used_wh = greatest(0, used_wh - %s)"
            " WHERE site_id = %s AND circuit_id = %s AND day = %s",
            [points[-1].wh - points[0].wh, gap.site_id, gap.circuit_id, returned],
        )
        used, last = by_day(points, zone), points[0].wh
        for day in sorted(used):
            point = closing.get(day)
            last = last + used[day]
            cursor.execute(
                "INSERT INTO metering_daily AS d (site_id, circuit_id, day, used_wh, rates_wh, last_energy_wh)"
                " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (site_id, circuit_id, day) DO UPDATE SET"
                " used_wh = d.used_wh + excluded.used_wh, rates_wh = coalesce(excluded.rates_wh, d.rates_wh),"
                " last_energy_wh = greatest(d.last_energy_wh, excluded.last_energy_wh)",
                [gap.site_id, gap.circuit_id, day, used[day], rates.get(point.at) if point else None, last],
            )


def _rows(query: str, values: Sequence[str | int | datetime]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())
