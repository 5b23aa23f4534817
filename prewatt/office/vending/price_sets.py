"""Purses in money with a standby set of prices (备用套电价): the plan's price is held in readiness, and the meter swaps.

Whoever asks, a person or the sweep, it is the price of the plan at the moment of the swap that is written, so the two
cannot contradict each other; a person chooses when. The sweep writes a price that is to come some days ahead, so that
the meter has it at its minute also where its line is dead then; one that is in force already gets the nearest moment
there is. After the swap the meter is read, and only that says by what it drains. What ended disputed is a person's:
nothing is tried again by itself. docs/algorithms/schedules.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db import connection
from django.db.models import QuerySet

from prewatt.core.meters.jobs import Intent, Verdict
from prewatt.core.meters.prices import PriceSet, flat_set
from prewatt.core.refusals import Refused, Text, register
from prewatt.office.estate.models import Meter, SupplyPoint
from prewatt.office.estate.plans import version_in_force
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.metering.models import JobRow, JobState, WantedPrices
from prewatt.office.metering.prices import PRICE_SETS
from prewatt.office.metering.standby import MOST_AHEAD, SETTLED, earliest
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.roles import Act
from prewatt.office.vending.models import PursePrice

PREFIX: Final = "price:"  # of the keys of all jobs that bring a price into a purse or read it there
TASK: Final = "vending.price_done"
DAYS_AHEAD: Final = timedelta(days=3)  # a price to come is in the meter so long before
MOST_AT_ONCE: Final = 200  # meters of one batch

register(
    {
        "prices_too_many": Text(
            "At most {most} meters can be told their prices at once.", "一次最多可向 {most} 块表下发电价。"
        )
    }
)

# of open purses in money with such a meter that drain by the price in force: the first moment to come at which another
# version or plan begins to hold. Left out: those that were told so already, that are to swap before, that a person has
# decided about, and what ended disputed
_COMING: Final = """
SELECT sp.id, c.moment FROM estate_supplypoint sp
JOIN estate_circuit k ON k.id = sp.circuit_id
JOIN estate_meter m ON m.id = k.meter_id AND m.profile = ANY(%(profiles)s)
JOIN LATERAL (SELECT min(x.moment) AS moment FROM (
    SELECT a.valid_from AS moment FROM estate_planassignment a
        WHERE a.supply_point_id = sp.id AND a.valid_from > %(at)s AND a.valid_from <= %(until)s
    UNION ALL SELECT v.valid_from FROM estate_planversion v
        WHERE v.valid_from > %(at)s AND v.valid_from <= %(until)s AND v.plan_id = (
            SELECT a.plan_id FROM estate_planassignment a WHERE a.supply_point_id = sp.id
                AND a.valid_from <= v.valid_from ORDER BY a.valid_from DESC LIMIT 1)) x) c ON c.moment IS NOT NULL
JOIN LATERAL (SELECT a.plan_id FROM estate_planassignment a WHERE a.supply_point_id = sp.id AND a.valid_from <= %(at)s
    ORDER BY a.valid_from DESC LIMIT 1) a ON true
JOIN LATERAL (SELECT v.price FROM estate_planversion v WHERE v.plan_id = a.plan_id AND v.valid_from <= %(at)s
    ORDER BY v.valid_from DESC LIMIT 1) v ON true
JOIN vending_purseprice p ON p.supply_point_id = sp.id AND p.price = v.price
LEFT JOIN LATERAL (SELECT w.swap_at, w.actor, j.verdict FROM metering_wantedprices w
    JOIN metering_job j ON j.id = w.job_id WHERE w.meter_id = m.id ORDER BY w.id DESC LIMIT 1) w ON true
WHERE sp.custody = 'meter' AND sp.credit_unit <> 'Wh' AND sp.state = 'open' AND c.moment >= %(earliest)s
    AND coalesce(w.verdict, '') <> 'disputed'
    AND NOT coalesce(w.verdict = 'done' AND (w.swap_at = date_trunc('minute', c.moment)
        OR (w.swap_at > %(settled)s AND w.swap_at < c.moment)
        OR (w.actor <> %(system)s AND w.swap_at > c.moment)), false)
ORDER BY random() LIMIT %(most)s
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """What would be written now: the plan's price at the moment of the swap, in every rate, as a whole set."""

    price: Decimal
    prices: PriceSet
    swap_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """What came of one meter of a batch: its job, or why nothing was asked of it."""

    supply: SupplyPoint
    job_id: int | None = None
    refusal: Refused | None = None


def has_standby(meter: Meter) -> bool:
    """Whether prices of this meter are held in readiness before they hold."""
    table = PRICE_SETS.table_of(meter)
    return table is not None and table.writable


def supply_of(meter: Meter) -> SupplyPoint | None:
    """The open supply point whose credit in money this meter holds; None: nobody's plan says what it drains by."""
    found = SupplyPoint.objects.filter(circuit__meter=meter, custody="meter", state=SupplyPoint.State.OPEN)
    return found.exclude(credit_unit="Wh").select_related("circuit__meter", "contract").first()


def proposed(supply: SupplyPoint, *, swap_at: datetime) -> Proposal:
    """The set that a swap at this moment is to bring. Raises Refused `prices_not_supported`, `plan_without_price`."""
    table = PRICE_SETS.table_of(supply.circuit.meter)
    if table is None:
        raise Refused("prices_not_supported")
    price = version_in_force(supply, at=swap_at).price
    return Proposal(price=price, prices=flat_set(price, table), swap_at=swap_at)


def suggested(supply: SupplyPoint, *, at: datetime) -> datetime:
    """When a swap makes sense: with the next price to come, else as soon as can be."""
    assigned = list(supply.assignments.filter(valid_from__lte=at + MOST_AHEAD).order_by("valid_from"))
    later = [each for each in assigned if each.valid_from > at]
    moments = [later[0].valid_from] if later else []
    if len(later) < len(assigned):
        plan = assigned[len(assigned) - len(later) - 1].plan
        versions = plan.versions.filter(valid_from__gt=at, valid_from__lte=at + MOST_AHEAD)
        moments += list(versions.order_by("valid_from").values_list("valid_from", flat=True)[:1])
    return min([each for each in moments if each >= earliest(at)], default=earliest(at))


def read(meter: Meter, *, request_key: str, actor: Actor, at: datetime) -> int:
    """Ask a meter by what it drains; the id of the job. Raises Refused `not_permitted`, `prices_not_supported`,
    `meter_without_line`."""
    actor.require(Act.READ_NOW)
    supply = supply_of(meter)
    if supply is None:
        return PRICE_SETS.read(meter, key=f"read:prices:{request_key}:{meter.pk}", at=at, actor=actor.key)
    return _read(supply, request_key, actor=actor.key, at=at)


def write(supply: SupplyPoint, *, swap_at: datetime, reason: str, actor: Actor, request_key: str, at: datetime) -> int:
    """Have the plan's price held in readiness, to come into force at `swap_at`; the id of the job. The same key asks
    once. Raises Refused `not_permitted`, `plan_without_price` and as `metering.standby.Pair.write`."""
    actor.require(Act.METER_SETTINGS)
    return want(supply, swap_at, reason=reason, actor=actor.key, key=request_key, at=at)


def write_many(
    supplies: Sequence[SupplyPoint], *, swap_at: datetime | None, reason: str, actor: Actor, request_key: str,
    at: datetime,
) -> list[Asked]:  # fmt: skip
    """The same of many meters, each for itself: what one refuses does not keep the others. `swap_at` None: each at the
    moment `suggested`. Raises Refused `not_permitted`, `prices_too_many`."""
    actor.require(Act.METER_SETTINGS)
    if len(supplies) > MOST_AT_ONCE:
        raise Refused("prices_too_many", most=MOST_AT_ONCE)
    found = []
    for supply in supplies:
        try:
            when = swap_at or suggested(supply, at=at)
            job_id = want(supply, when, reason=reason, actor=actor.key, key=request_key, at=at)
            found.append(Asked(supply=supply, job_id=job_id))
        except Refused as refusal:
            found.append(Asked(supply=supply, refusal=refusal))
    return found


def candidates(site_id: int) -> "QuerySet[SupplyPoint]":
    """The open purses in money of a site whose meters keep a standby set."""
    return (
        SupplyPoint.objects.filter(
            circuit__site_id=site_id, custody="meter", state=SupplyPoint.State.OPEN,
            circuit__meter__profile__in=models(),
        )
        .exclude(credit_unit="Wh")
        .select_related("circuit__meter__site", "contract")
        .order_by("circuit__meter__number")
    )  # fmt: skip


def models() -> list[str]:
    """The profiles whose meters keep a standby set of prices."""
    return [code for code, each in all_profiles().items() if each.prices is not None and each.prices.writable]


# --- by itself -------------------------------------------------------------------------------


def renew(supply: SupplyPoint, price: Decimal, *, actor: str, at: datetime) -> bool:
    """The price in force is another one than the meter was read back with last: do what is next; whether anything was
    asked of it. Raises Refused as `metering.standby.Pair.write`."""
    table = PRICE_SETS.table_of(supply.circuit.meter)
    if table is None:
        return False
    told = PRICE_SETS.newest(supply.circuit.meter)
    number = f"{jobs_of(supply).count() + 1}"
    verdict = None if told is None else told.job.verdict
    if verdict == Verdict.DISPUTED:
        return False  # a person decides
    if told is not None and verdict == Verdict.DONE and PRICE_SETS.held(told) == flat_set(price, table):
        if at < told.swap_at + SETTLED:
            return False  # it is in readiness
        reads = jobs_of(supply).filter(intent=Intent.READ_PRICES.value, verdict=Verdict.DONE.value)
        if not reads.filter(created_at__gte=told.swap_at + SETTLED).exists():
            _read(supply, number, actor=actor, at=at)
            return True
    want(supply, earliest(at), reason="", actor=actor, key=number, at=at)
    return True


def coming(*, actor: str, at: datetime, most: int) -> list[tuple[int, datetime]]:
    """The purses that are to be told of a price to come, and when it begins to hold. `actor`: who tells them so by
    itself; what others decided stands."""
    arguments: dict[str, Any] = {
        "profiles": models(), "at": at, "until": at + DAYS_AHEAD, "earliest": earliest(at), "most": most,
        "settled": at - SETTLED, "system": actor,
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(_COMING, arguments)
        return [(int(row[0]), row[1]) for row in cursor.fetchall()]


def prepare(supply: SupplyPoint, moment: datetime, *, actor: str, at: datetime) -> bool:
    """Tell a meter of the price that begins to hold then."""
    want(supply, moment, reason="", actor=actor, key=f"{jobs_of(supply).count() + 1}", at=at)
    return True


def jobs_of(supply: SupplyPoint) -> "QuerySet[JobRow]":
    """What was asked to bring its price into its meter, or to read it there, newest first."""
    return JobRow.objects.filter(circuit_id=supply.circuit_id, key__startswith=f"{PREFIX}{supply.pk}:").order_by("-pk")


def waiting(supply: SupplyPoint) -> bool:
    """Whether its price is on its way, either way."""
    return jobs_of(supply).filter(state__in=(JobState.QUEUED, JobState.CLAIMED)).exists()


def want(supply: SupplyPoint, swap_at: datetime, *, reason: str, actor: str, key: str, at: datetime) -> int:
    """The same for whoever may, which the caller has asked. Raises Refused as `write`."""
    wanted = proposed(supply, swap_at=swap_at)
    return PRICE_SETS.write(
        supply.circuit.meter, wanted.prices, swap_at=swap_at, reason=reason, actor=actor, at=at,
        key=f"{PREFIX}{supply.pk}:{key}", then_task=TASK, then_args={"supply_id": supply.pk},
    )  # fmt: skip


def _read(supply: SupplyPoint, key: str, *, actor: str, at: datetime) -> int:
    return PRICE_SETS.read(
        supply.circuit.meter, key=f"{PREFIX}{supply.pk}:{key}:read", at=at, actor=actor, then_task=TASK,
        then_args={"supply_id": supply.pk},
    )  # fmt: skip


# --- what stands where -----------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """One open purse in money. `shown`: by what it drains, as it was read back, None: not by one known price;
    `planned`: the plan's price in force; `told` None: nothing was written into a standby set; `standby`: whether its
    meter has one."""

    supply: SupplyPoint
    shown: Decimal | None
    planned: Decimal | None
    told: WantedPrices | None
    standby: bool

    @property
    def disputed(self) -> bool:
        """What was read fitted neither what was nor what was to be: a person decides."""
        return self.told is not None and self.told.job.verdict == Verdict.DISPUTED


def standings(site_id: int, *, at: datetime, most: int = MOST_AT_ONCE) -> list[Standing]:
    """Every open purse in money of a site, those first that drain by another price than the plan's."""
    supplies = list(
        SupplyPoint.objects.filter(circuit__site_id=site_id, custody="meter", state=SupplyPoint.State.OPEN)
        .exclude(credit_unit="Wh").select_related("circuit__meter__site", "contract__customer").order_by("pk")
    )  # fmt: skip
    ids, meters = [each.pk for each in supplies], [each.circuit.meter_id for each in supplies]
    shown = dict(PursePrice.objects.filter(supply_point__in=ids).values_list("supply_point_id", "price"))
    newest = WantedPrices.objects.filter(meter__in=meters).order_by("meter", "-pk").distinct("meter")
    told = {each.meter_id: each for each in newest.select_related("job")}
    with connection.cursor() as cursor:
        cursor.execute(_PLANNED, {"ids": ids, "at": at})
        planned = dict(cursor.fetchall())
    with_standby = set(models())
    found = [
        Standing(
            supply=each, shown=shown.get(each.pk), planned=planned.get(each.pk), told=told.get(each.circuit.meter_id),
            standby=each.circuit.meter.profile in with_standby,
        )
        for each in supplies
    ]  # fmt: skip
    return sorted(found, key=lambda one: (one.shown == one.planned, one.supply.circuit.meter.number))[:most]


_PLANNED: Final = """
SELECT sp.id, v.price FROM estate_supplypoint sp
JOIN LATERAL (SELECT a.plan_id FROM estate_planassignment a WHERE a.supply_point_id = sp.id AND a.valid_from <= %(at)s
    ORDER BY a.valid_from DESC LIMIT 1) a ON true
JOIN LATERAL (SELECT v.price FROM estate_planversion v WHERE v.plan_id = a.plan_id AND v.valid_from <= %(at)s
    ORDER BY v.valid_from DESC LIMIT 1) v ON true
WHERE sp.id = ANY(%(ids)s)
"""
