"""The price by which a purse in money drains: that of the plan, written into the meter and read back.

A money purse is sold to in money, so a price on its way holds up no sale; it is the meter that goes on draining by the
old one. `PursePrice` is what the meter was read back with last; where the plan's price in force is another one, a
settings write is made, again and again until the meter shows it. docs/algorithms/credit.md.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import QuerySet

from prewatt.core.meters.jobs import Intent, Job, Verdict
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.wallet import PRICES, price_of, prices_for
from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Circuit, SupplyPoint
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.metering import settings
from prewatt.office.metering.jobs import decode, enqueue
from prewatt.office.metering.models import JobRow, JobState, WantedSetting
from prewatt.office.vending.models import PursePrice

logger = logging.getLogger(__name__)

ACTOR: Final = "system"
PREFIX: Final = "price:"  # of the keys of these jobs
TASK: Final = "vending.price_done"
RETRY_AFTER: Final = timedelta(seconds=60)  # silent, or unknown: the next conversation reads before it writes
REFUSED_AFTER: Final = timedelta(minutes=15)  # a meter that says no is asked more seldom
SWEEP_BATCH: Final = 200
# of open purses in money: the price in force where the meter was last read back with another one, or never
_DUE: Final = """
SELECT sp.id, v.price FROM estate_supplypoint sp
JOIN LATERAL (SELECT a.plan_id FROM estate_planassignment a WHERE a.supply_point_id = sp.id AND a.valid_from <= %(at)s
    ORDER BY a.valid_from DESC LIMIT 1) a ON true
JOIN LATERAL (SELECT v.price FROM estate_planversion v WHERE v.plan_id = a.plan_id AND v.valid_from <= %(at)s
    ORDER BY v.valid_from DESC LIMIT 1) v ON true
LEFT JOIN vending_purseprice p ON p.supply_point_id = sp.id
WHERE sp.custody = 'meter' AND sp.credit_unit <> 'Wh' AND sp.state IN ('open', 'closing')
    AND p.price IS DISTINCT FROM v.price AND (%(supply)s::bigint IS NULL OR sp.id = %(supply)s)
ORDER BY sp.id LIMIT %(most)s
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class PriceState:
    """What a purse in money drains by, and what it should: per kWh. `shown` None: never read back. `wanted` None: no
    price is in force. `running`: a write of it is at work, or waits for its line."""

    shown: Decimal | None
    shown_at: datetime | None
    wanted: Decimal | None
    running: bool

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
    return PriceState(
        shown=shown, shown_at=None if row is None else row.read_at, wanted=due[0][1] if due else shown,
        running=_newest(supply).filter(state__in=(JobState.QUEUED, JobState.CLAIMED)).exists(),
    )  # fmt: skip


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


def sweep(*, at: datetime) -> int:
    """Write the price in force into every purse that drains by another one; how many jobs were made. Runs twice, late
    or never without harm."""
    made = 0
    for supply_id, price in _due(at):
        try:
            made += _write(supply_id, price, at=at)
        except OperationalError:  # not this one's fault: the database is away
            raise
        except (DatabaseError, Refused) as fault:
            if isinstance(fault, Refused) and fault.retry:
                raise
            logger.exception("the price of supply point %s could not be written", supply_id)
    return made


def settle(supply_id: int, *, at: datetime) -> bool:
    """A write of a price has an outcome: what the meter was read back with; True when it shows one price."""
    with transaction.atomic():
        supply = SupplyPoint.objects.select_for_update(no_key=True).filter(pk=supply_id).first()
        job = _newest(supply).first() if supply is not None else None
        if supply is None or job is None or job.state != JobState.DONE or job.verdict != Verdict.DONE:
            return False
        shown = one_price(job)
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
        cursor.execute(_DUE, {"at": at, "supply": supply_id, "most": SWEEP_BATCH})
        return [(int(row[0]), Decimal(row[1])) for row in cursor.fetchall()]


def _newest(supply: SupplyPoint) -> "QuerySet[JobRow]":
    """The writes of its price, newest first."""
    return JobRow.objects.filter(circuit_id=supply.circuit_id, key__startswith=f"{PREFIX}{supply.pk}:").order_by("-pk")


def _write(supply_id: int, price: Decimal, *, at: datetime) -> bool:
    """Make the job, unless one is at work or ended a moment ago."""
    with transaction.atomic():
        supply = SupplyPoint.objects.select_related("circuit__meter").get(pk=supply_id)
        Circuit.objects.select_for_update(no_key=True).get(pk=supply.circuit_id)
        profile = all_profiles().get(supply.circuit.meter.profile)
        last = _newest(supply).first()
        if profile is None or settings.running(supply.circuit) or _too_soon(last, at):
            return False
        wanted = prices_for(price, profile.settings)
        job_id = enqueue(
            key=f"{PREFIX}{supply.pk}:{_newest(supply).count() + 1}", circuit_id=supply.circuit_id, at=at, actor=ACTOR,
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


def _too_soon(last: JobRow | None, at: datetime) -> bool:
    if last is None or last.state in (JobState.QUEUED, JobState.CLAIMED):
        return last is not None
    wait = REFUSED_AFTER if last.verdict in (Verdict.REFUSED, Verdict.DISPUTED) else RETRY_AFTER
    # what is due although it was done is a newer price: at once
    return last.verdict != Verdict.DONE and last.finished_at is not None and at - last.finished_at < wait


def _before(supply: SupplyPoint) -> int:
    row = PursePrice.objects.filter(supply_point=supply).first()
    return 0 if row is None else prices_for(row.price, frozenset({Quantity.PRICE_FLAT}))[Quantity.PRICE_FLAT]
