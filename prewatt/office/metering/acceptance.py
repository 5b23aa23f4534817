"""The record of an acceptance on site (现场验收): what is known of each meter at that moment, and who took it over.

Nothing is asked or switched for it: a relay stands in it only where a person tried it before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection, transaction

from prewatt.core.meters import Profile
from prewatt.core.meters.jobs import Intent, Verdict
from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Circuit, Line, Site
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.metering import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.metering.models import Acceptance, JobRow, JobState, MeterClock
from prewatt.office.staff.audit import audit

MOST: Final = 400  # circuits of one record: a printed list of some pages
WINDOW: Final = timedelta(hours=1)  # over which replies are counted
PERSON: Final = "operator:"  # how the actor of a person's act begins


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """One circuit as it was found. Moments are ISO 8601; 0 or "" where nothing is known."""

    number: str
    index: int
    circuits: int  # of its meter
    building: str
    room: str
    gateway: str
    line: str
    unit: int
    ct_ratio: int
    profile: str
    model: str
    registers: int
    assumed: int  # of them from no public document
    first_at: str
    first_wh: int | None
    last_at: str
    last_wh: int | None
    clock_ahead_s: int | None
    clock_read_at: str
    relay_at: str  # last switched by a person, and the meter agreed
    relay_wish: str
    relay_by: str
    replies: int
    asked: int  # status polls that were due in WINDOW


def accept(
    site: Site, line: Line | None, *, accepted_by: str, remark: str, poll_s: int, actor: str, at: datetime
) -> Acceptance:
    """Write the record of a line, or of all lines of a site. Refuses acceptance_needs_name, acceptance_empty,
    acceptance_too_many."""
    if not accepted_by.strip():
        raise Refused("acceptance_needs_name")
    circuits = Circuit.objects.filter(site=site, meter__removed_at=None, meter__line__isnull=False)
    if line is not None:
        circuits = circuits.filter(meter__line=line)
    held = list(
        circuits.select_related("meter__line__gateway", "room__building").order_by(
            "meter__line__gateway__code", "meter__line__code", "meter__unit", "index"
        )[: MOST + 1]
    )
    if not held:
        raise Refused("acceptance_empty")
    if len(held) > MOST:
        raise Refused("acceptance_too_many", most=MOST)
    rows = _rows(site, held, poll_s=poll_s, at=at)
    with transaction.atomic():
        made = Acceptance.objects.create(
            site=site, line=line, accepted_by=accepted_by.strip()[:80], remark=remark.strip()[:500],
            data=[asdict(each) for each in rows], actor=actor, at=at,
        )  # fmt: skip
        audit(
            at=at, actor=actor, action="metering.accept", site_id=site.pk, object_type="acceptance",
            object_id=str(made.pk), after={"meters": len({each.number for each in rows}), "name": made.accepted_by},
        )  # fmt: skip
    return made


def accepted_of(stored: Sequence[Mapping[str, Any]]) -> list[Accepted]:
    """The rows of a record as they were written."""
    return [Accepted(**each) for each in stored]


def _rows(site: Site, held: Sequence[Circuit], *, poll_s: int, at: datetime) -> list[Accepted]:
    read = _readings(site, [each.pk for each in held], at)
    clocks = {each.meter_id: each for each in MeterClock.objects.filter(meter__in={each.meter_id for each in held})}
    relays = _relays([each.pk for each in held])
    many: dict[int, int] = {}
    for each in held:
        many[each.meter_id] = many.get(each.meter_id, 0) + 1
    return [
        _row(each, many[each.meter_id], read[each.pk], clocks.get(each.meter_id), relays.get(each.pk), poll_s, at)
        for each in held
    ]


_READ: Final = """
SELECT c.id, (SELECT count(*) FROM metering_reading r WHERE r.site_id = %s AND r.circuit_id = c.id AND r.source = 0
              AND r.at > %s AND r.at <= %s),
    f.at, f.energy_wh, l.at, l.energy_wh
FROM unnest(%s::bigint[]) AS c(id)
LEFT JOIN LATERAL (SELECT min(day) AS day FROM metering_daily d WHERE d.site_id = %s AND d.circuit_id = c.id) d ON true
LEFT JOIN LATERAL (
    SELECT r.at, r.energy_wh FROM metering_reading r
    WHERE r.site_id = %s AND r.circuit_id = c.id AND r.energy_wh IS NOT NULL AND r.source <> 4
      AND r.at >= coalesce(d.day::timestamptz, %s::timestamptz) - interval '1 day'
      AND r.at < coalesce(d.day::timestamptz, %s::timestamptz) + interval '2 days'
    ORDER BY r.at LIMIT 1) f ON true
LEFT JOIN metering_latest l ON l.site_id = %s AND l.circuit_id = c.id
"""

_Read = tuple[int, datetime | None, int | None, datetime | None, int | None]


def _readings(site: Site, circuit_ids: list[int], at: datetime) -> dict[int, _Read]:
    """Circuit -> replies within WINDOW, first reading and its moment, newest reading and its moment."""
    with connection.cursor() as cursor:
        cursor.execute(_READ, [site.pk, at - WINDOW, at, circuit_ids, site.pk, site.pk, at, at, site.pk])
        return {int(row[0]): (int(row[1]), row[2], row[3], row[4], row[5]) for row in cursor.fetchall()}


def _relays(circuit_ids: list[int]) -> dict[int, JobRow]:
    """The last command of a person that the meter was read to follow."""
    found = JobRow.objects.filter(
        circuit_id__in=circuit_ids, intent=Intent.RELAY.value, state=JobState.DONE, verdict=Verdict.DONE.value,
        actor__startswith=PERSON,
    )  # fmt: skip
    return {each.circuit_id: each for each in found.order_by("pk")}


def _row(
    circuit: Circuit, many: int, read: _Read, clock: MeterClock | None, relay: JobRow | None, poll_s: int, at: datetime
) -> Accepted:
    meter, room = circuit.meter, circuit.room
    line = meter.line
    assert line is not None, meter.pk
    profile: Profile | None = all_profiles().get(meter.profile)
    replies, first_at, first_wh, last_at, last_wh = read
    since = WINDOW if first_at is None else min(WINDOW, max(at - first_at, timedelta()))
    return Accepted(
        number=meter.number, index=circuit.index, circuits=many,
        building=room.building.name if room is not None else "", room=room.code if room is not None else "",
        gateway=line.gateway.code, line=line.code, unit=meter.unit, ct_ratio=meter.ct_ratio, profile=meter.profile,
        model=f"{profile.maker} {profile.name}" if profile is not None else meter.profile,
        registers=len(profile.registers) if profile is not None else 0,
        assumed=sum(each.assumed for each in profile.registers.values()) if profile is not None else 0,
        first_at=_iso(first_at), first_wh=first_wh, last_at=_iso(last_at), last_wh=last_wh,
        clock_ahead_s=clock.ahead_s if clock is not None else None,
        clock_read_at=_iso(clock.read_at if clock is not None else None),
        relay_at=_iso(relay.finished_at if relay is not None else None),
        relay_wish=str(relay.payload.get("wish", "")) if relay is not None else "",
        relay_by=relay.actor if relay is not None else "",
        replies=replies, asked=max(replies, int(since.total_seconds()) // max(poll_s, 1)),
    )  # fmt: skip


def _iso(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat()
