"""The price by which a purse in money drains: that of the plan, written into the meter and read back.

A money purse is sold to in money, so a price on its way holds up no sale; it is the meter that goes on draining by the
old one. `PursePrice` is what the meter was read back with last; where the plan's price in force is another one, it is
written, again and again until the meter shows it: into the one set of a meter that has one, at once, as a parameter;
into the standby set of one that has two (`price_sets`). docs/algorithms/credit.md.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Final

from django.db import DatabaseError, OperationalError, connection, transaction

from prewatt.core.meters.jobs import Intent, Job, Verdict
from prewatt.core.meters.prices import one_price as one_price_of
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.wallet import PRICES, price_of, prices_for
from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Circuit, SupplyPoint
from prewatt.office.estate.plans import version_in_force
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.metering import settings
from prewatt.office.metering.jobs import decode, enqueue, prices_read_of
from prewatt.office.metering.models import JobRow, JobState, WantedSetting
from prewatt.office.metering.prices import PRICE_SETS
from prewatt.office.metering.standby import SETTLED
from prewatt.office.vending import price_sets
from prewatt.office.vending.models import PursePrice
from prewatt.office.vending.price_sets import PREFIX, TASK, jobs_of, waiting

logger = logging.getLogger(__name__)

ACTOR: Final = "system"
RETRY_AFTER: Final = timedelta(seconds=60)  # silent, or unknown: the next conversation reads before it writes
REFUSED_AFTER: Final = timedelta(minutes=15)  # a meter that says no is asked more seldom
SWEEP_BATCH: Final = 200
# of open purses in money: the price in force where the meter was last read back with another one, or never. Those that
# a person decides about, and those that hold it in readiness, take nobody else's place; nor do, by chance, the silent
_DUE: Final = """
SELECT sp.id, v.price FROM estate_supplypoint sp
JOIN LATERAL (SELECT a.plan_id FROM estate_planassignment a WHERE a.supply_point_id = sp.id AND a.valid_from <= %(at)s
    ORDER BY a.valid_from DESC LIMIT 1) a ON true
JOIN LATERAL (SELECT v.price FROM estate_planversion v WHERE v.plan_id = a.plan_id AND v.valid_from <= %(at)s
    ORDER BY v.valid_from DESC LIMIT 1) v ON true
LEFT JOIN vending_purseprice p ON p.supply_point_id = sp.id
WHERE sp.custody = 'meter' AND sp.credit_unit <> 'Wh' AND sp.state IN ('open', 'closing')
    AND p.price IS DISTINCT FROM v.price AND (%(supply)s::bigint IS NULL OR sp.id = %(supply)s)
    AND (%(supply)s::bigint IS NOT NULL OR NOT EXISTS (
        SELECT 1 FROM metering_wantedprices w JOIN metering_job j ON j.id = w.job_id JOIN estate_circuit k ON
            k.id = sp.circuit_id AND k.meter_id = w.meter_id
        WHERE w.id = (SELECT max(n.id) FROM metering_wantedprices n WHERE n.meter_id = w.meter_id)
            AND (j.verdict = 'disputed' OR (j.verdict = 'done' AND w.swap_at > %(settled)s
                AND (w.prices->'rates'->>0)::numeric = v.price * 1000000))))
ORDER BY random() LIMIT %(most)s
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceState:
    """What a purse in money drains by, and what it should: per kWh. `shown` None: never read back. `wanted` None: no
    price is in force. `running`: a write of it is at work, or waits for its line. `ready`: the price that
    the meter holds in readiness, and `swap_at` when it comes into force, where that is still to be."""

    shown: Decimal | None
    shown_at: datetime | None
    wanted: Decimal | None
    running: bool
    ready: Decimal | None = None
    swap_at: datetime | None = None

    @property
    def agrees(self) -> bool:
        return self.shown == self.wanted


def state_of(supply: SupplyPoint, *, at: datetime) -> PriceState | None:
    """None: its credit is energy, or the books hold it."""
    if not holds_money(supply):
        return None
    row = PursePrice.objects.filter(supply_point=supply).first()
    due = _due(at, supply_id=supply.pk)
    shown = None if row is None else row.price
    ready, swap_at = _ready_in(supply, at)
    return PriceState(
        shown=shown, shown_at=None if row is None else row.read_at, wanted=due[0][1] if due else shown,
        running=waiting(supply), ready=ready, swap_at=swap_at,
    )  # fmt: skip


def _ready_in(supply: SupplyPoint, at: datetime) -> tuple[Decimal | None, datetime | None]:
    """The price that its meter holds in readiness, and when it swaps; two None where it holds none."""
    told = PRICE_SETS.newest(supply.circuit.meter)
    if told is None or told.job.verdict != Verdict.DONE or told.swap_at <= at:
        return None, None
    steps = one_price_of(PRICE_SETS.held(told))
    return (None, None) if steps is None else (price_of(steps), told.swap_at)


def agreed_with(supply: SupplyPoint, *, at: datetime) -> Mapping[Quantity, int]:
    """What a purse in money is to drain by, rate by rate, as its meter counts it; empty for any other."""
    profile = all_profiles().get(supply.circuit.meter.profile)
    told = state_of(supply, at=at)
    if profile is None or told is None or told.wanted is None:
        return {}
    return prices_for(told.wanted, profile.settings)


def holds_money(supply: SupplyPoint) -> bool:
    """Whether the meter holds the credit of a supply point, in money."""
    return supply.custody == "meter" and supply.credit_unit != "Wh"


def read_back(supply: SupplyPoint, price: Decimal, *, at: datetime) -> None:
    """The meter showed that it drains by this price, whatever the rate."""
    PursePrice.objects.update_or_create(supply_point=supply, defaults={"price": price, "read_at": at})


def opened(supply: SupplyPoint, *, at: datetime) -> None:
    """A purse in money was opened whose price no setting holds: the standby set is asked for at once, in the caller's
    transaction. What is refused hinders no opening: the sweep tries again and the contract's page says so."""
    if not price_sets.has_standby(supply.circuit.meter):
        return
    try:
        with transaction.atomic():
            price_sets.renew(supply, version_in_force(supply, at=at).price, actor=ACTOR, at=at)
    except Refused as refused:
        logger.warning("the price of supply point %s could not be written: %s", supply.pk, refused.code)


def sweep(*, at: datetime) -> int:
    """Write the price in force into every purse that drains by another one; how many jobs were made. Runs twice, late
    or never without harm."""
    made = 0
    acts = [partial(_write, supply_id, price, at=at) for supply_id, price in _due(at)]
    to_come = price_sets.coming(actor=ACTOR, at=at, most=SWEEP_BATCH)
    acts += [partial(_prepare, supply_id, moment, at=at) for supply_id, moment in to_come]
    for act in acts:
        try:
            made += act()
        except OperationalError:  # not this one's fault: the database is away
            raise
        except (DatabaseError, Refused) as fault:
            if isinstance(fault, Refused) and fault.retry:
                raise
            logger.exception("the price of supply point %s could not be written", act.args[0])
    return made


def settle(supply_id: int, *, at: datetime) -> bool:
    """A write or a read of a price has an outcome: what the meter was read back with; True when it shows one price."""
    with transaction.atomic():
        supply = SupplyPoint.objects.select_for_update(no_key=True).filter(pk=supply_id).first()
        job = jobs_of(supply).first() if supply is not None else None
        if supply is None or job is None or job.state != JobState.DONE:
            return False
        if job.prices is not None and job.verdict in (Verdict.DONE, Verdict.REFUSED, Verdict.DISPUTED):
            in_force = one_price_of(prices_read_of(job.prices).in_force)
            shown = None if in_force is None else price_of(in_force)
            if shown is None:  # by the rate or the use: by no one price that could be said
                PursePrice.objects.filter(supply_point=supply).delete()
        else:
            shown = one_price(job) if job.verdict == Verdict.DONE else None
        if shown is None:
            return False
        read_back(supply, shown, at=job.finished_at or at)
    return True


def one_price(job: JobRow) -> Decimal | None:
    """The price that a done settings write left in the meter; None where it wrote none, or several."""
    written = {value for each, value in decode(job.payload).settings.items() if each in PRICES}
    return price_of(written.pop()) if len(written) == 1 else None


def _due(at: datetime, *, supply_id: int | None = None) -> list[tuple[int, Decimal]]:
    with connection.cursor() as cursor:
        settled = at - SETTLED
        cursor.execute(_DUE, {"at": at, "supply": supply_id, "most": SWEEP_BATCH, "settled": settled})
        return [(int(row[0]), Decimal(row[1])) for row in cursor.fetchall()]


def _write(supply_id: int, price: Decimal, *, at: datetime) -> bool:
    """Make the job, unless one is at work or ended a moment ago."""
    with transaction.atomic():
        supply = _locked(supply_id, at)
        if supply is None:
            return False
        if price_sets.has_standby(supply.circuit.meter):
            return price_sets.renew(supply, price, actor=ACTOR, at=at)
        profile = all_profiles().get(supply.circuit.meter.profile)
        if profile is None or settings.running(supply.circuit):
            return False
        wanted = prices_for(price, profile.settings)
        job_id = enqueue(
            key=f"{PREFIX}{supply.pk}:{jobs_of(supply).count() + 1}", circuit_id=supply.circuit_id, at=at, actor=ACTOR,
            job=Job(intent=Intent.WRITE_SETTINGS, circuit_index=supply.circuit.index, settings=wanted), then_task=TASK,
            then_args={"supply_id": supply.pk},
        )  # fmt: skip
        WantedSetting.objects.bulk_create(
            [
                WantedSetting(
                    circuit=supply.circuit, quantity=quantity.value, value=value, before=_before(supply), reason="",
                    actor=ACTOR, set_at=at, job_id=job_id,
                )
                for quantity, value in wanted.items()
            ]
        )  # fmt: skip
    return True


def _prepare(supply_id: int, moment: datetime, *, at: datetime) -> bool:
    """Tell a meter with a standby set of a price to come, likewise."""
    with transaction.atomic():
        supply = _locked(supply_id, at)
        return supply is not None and price_sets.prepare(supply, moment, actor=ACTOR, at=at)


def _locked(supply_id: int, at: datetime) -> SupplyPoint | None:
    """The supply point whose meter may be told something now, its circuit locked."""
    supply = SupplyPoint.objects.select_related("circuit__meter__site").get(pk=supply_id)
    Circuit.objects.select_for_update(no_key=True).get(pk=supply.circuit_id)
    return None if waiting(supply) or _too_soon(jobs_of(supply).first(), at) else supply


def _too_soon(last: JobRow | None, at: datetime) -> bool:
    if last is None or last.state in (JobState.QUEUED, JobState.CLAIMED):
        return last is not None
    wait = REFUSED_AFTER if last.verdict in (Verdict.REFUSED, Verdict.DISPUTED) else RETRY_AFTER
    # what is due although it was done is a newer price: at once
    return last.verdict != Verdict.DONE and last.finished_at is not None and at - last.finished_at < wait


def _before(supply: SupplyPoint) -> int:
    row = PursePrice.objects.filter(supply_point=supply).first()
    return 0 if row is None else prices_for(row.price, frozenset({Quantity.PRICE_FLAT}))[Quantity.PRICE_FLAT]
