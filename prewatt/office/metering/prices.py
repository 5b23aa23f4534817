"""Price sets of a meter (电价套): what it was read to drain by, what it was told to hold in readiness, and how the two
stand.

Only the standby set is written, then the time at which the sets swap; each set that was wanted stays as a version
(`WantedPrices`). What a write came to is said by what was read, never by what was answered. Which prices are wanted is
not decided here: they are those of a plan (`vending.price_sets`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction

from prewatt.core.meters.jobs import Intent, Job
from prewatt.core.meters.prices import PriceRead, PriceSet, PriceTable, check_prices
from prewatt.core.meters.wallet import price_of
from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Meter
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.metering import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.metering.jobs import READ_NOW_LIFE, enqueue, prices_json, prices_of, prices_read_of
from prewatt.office.metering.models import JobRow, JobState, WantedPrices
from prewatt.office.metering.parameters import ParameterState, state_of
from prewatt.office.metering.times import (
    AHEAD,
    LIFE,
    MOST_AHEAD,
    MOST_VERSIONS,
    TOLD,
    circuit_of,
    wall_of,
    write_of,
)
from prewatt.office.staff.audit import audit


@dataclass(frozen=True, kw_only=True, slots=True)
class Prices:
    """What is known of a meter's prices. `read` None: never read; `wanted` None: nobody told it any."""

    read: PriceRead | None
    read_at: datetime | None
    wanted: WantedPrices | None
    state: ParameterState


def table_of(meter: Meter) -> PriceTable | None:
    """What its model can be told; None where it knows no prices."""
    profile = all_profiles().get(meter.profile)
    return None if profile is None else profile.prices


def of_meter(meter: Meter) -> Prices:
    """What was read last, what is wanted, and how the two stand."""
    circuit = circuit_of(meter)
    newest = (
        JobRow.objects.filter(
            circuit_id=circuit.pk, intent__in=(Intent.READ_PRICES.value, Intent.WRITE_PRICES.value),
            state=JobState.DONE, verdict__in=TOLD, prices__isnull=False,
        ).order_by("-pk").first()
    )  # fmt: skip
    wanted = WantedPrices.objects.filter(meter=meter).select_related("job").order_by("-pk").first()
    read = None if newest is None or newest.prices is None else prices_read_of(newest.prices)
    read_at = None if newest is None else newest.finished_at
    if wanted is None:
        state = ParameterState.UNREAD if read is None else ParameterState.READ_ONLY
        return Prices(read=read, read_at=read_at, wanted=None, state=state)
    agrees = read is not None and read_at is not None and _agrees(wanted, read, read_at, ZoneInfo(meter.site.timezone))
    # as numbers: 1 is wanted, and what was read is that or is not
    state = state_of(wanted=1, read=None if read is None else int(agrees), read_at=read_at, write=write_of(wanted.job))
    return Prices(read=read, read_at=read_at, wanted=wanted, state=state)


def _agrees(wanted: WantedPrices, read: PriceRead, read_at: datetime, zone: ZoneInfo) -> bool:
    """Until the swap the standby set must be the wanted one and its time set; afterwards the set in force."""
    prices = prices_of(wanted.prices)
    if read_at >= wanted.swap_at:
        return read.in_force == prices
    return read.standby == prices and not read.swaps_differ and read.swap_at == wall_of(wanted.swap_at, zone)


def versions(meter: Meter) -> Sequence[WantedPrices]:
    """What this meter was told, newest first, with the job that carried it."""
    return list(WantedPrices.objects.filter(meter=meter).select_related("job").order_by("-pk")[:MOST_VERSIONS])


def read(
    meter: Meter, *, key: str, at: datetime, actor: str, then_task: str = "", then_args: Mapping[str, Any] | None = None
) -> int:
    """Ask the meter what it drains by: what resolves an unknown; the id of the job. The same key asks once.

    Raises Refused `prices_not_supported`, `meter_without_line`.
    """
    if table_of(meter) is None:
        raise Refused("prices_not_supported")
    circuit = circuit_of(meter)
    return enqueue(
        key=key, circuit_id=circuit.pk, at=at, actor=actor, expires_at=at + READ_NOW_LIFE, then_task=then_task,
        then_args=then_args, job=Job(intent=Intent.READ_PRICES, circuit_index=circuit.index),
    )  # fmt: skip


def running(meter: Meter) -> bool:
    """Whether prices are on their way to this meter."""
    return JobRow.objects.filter(
        circuit=circuit_of(meter), state__in=(JobState.QUEUED, JobState.CLAIMED), intent=Intent.WRITE_PRICES.value
    ).exists()


def write(
    meter: Meter, prices: PriceSet, *, swap_at: datetime, reason: str, actor: str, key: str, at: datetime,
    then_task: str = "", then_args: Mapping[str, Any] | None = None,
) -> int:  # fmt: skip
    """Ask the head-end to write the standby set and then the swap time, a whole minute; the id of the job. The same
    key asks once. Who may, the caller has asked.

    Raises Refused `prices_not_supported`, `prices_no_standby`, `prices_rates`, `prices_ladder`, `value_too_fine`,
    `value_out_of_range`, `schedule_swap_past`, `schedule_swap_far`, `settings_running` (retry), `meter_without_line`.
    """
    table, zone = table_of(meter), ZoneInfo(meter.site.timezone)
    if table is None or meter.removed_at is not None:
        raise Refused("prices_not_supported")
    if not table.writable:
        raise Refused("prices_no_standby")
    check_prices(prices, table)
    swap_at = swap_at.replace(second=0, microsecond=0)
    with transaction.atomic():
        Meter.objects.select_for_update(no_key=True).get(pk=meter.pk)
        circuit = circuit_of(meter)
        known = JobRow.objects.filter(key=key).first()
        if known is not None:
            return int(known.pk)
        if swap_at < at + AHEAD:
            raise Refused("schedule_swap_past", minutes=int(AHEAD.total_seconds()) // 60)
        if swap_at > at + MOST_AHEAD:
            raise Refused("schedule_swap_far")
        if running(meter):
            raise Refused("settings_running", retry=True)
        offset = at.astimezone(zone).utcoffset()
        assert offset is not None, zone
        job = Job(
            intent=Intent.WRITE_PRICES, circuit_index=circuit.index, prices=prices, swap_at=wall_of(swap_at, zone),
            zone_s=int(offset.total_seconds()),
        )  # fmt: skip
        job_id = enqueue(
            key=key, circuit_id=circuit.pk, job=job, at=at, actor=actor, expires_at=at + LIFE, then_task=then_task,
            then_args=then_args,
        )  # fmt: skip
        held = prices_json(prices)
        WantedPrices.objects.create(
            meter=meter, prices=held, swap_at=swap_at, reason=reason, actor=actor, set_at=at, job_id=job_id
        )
        audit(
            at=at, actor=actor, action="metering.prices", site_id=meter.site_id, object_type="meter",
            object_id=str(meter.pk), reason=reason,
            after={"prices": [str(price_of(each)) for each in prices.rates], "swap_at": swap_at.isoformat()},
        )  # fmt: skip
    return job_id
