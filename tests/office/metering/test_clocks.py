"""Clocks of meters: read with the registers, marked when off, set once a day and never when a price may switch."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from prewatt.core.meters.jobs import Intent
from prewatt.core.meters.mailbox import PollResult, PollSettings
from prewatt.core.meters.quantities import Quantity
from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Meter
from prewatt.office.metering import clocks
from prewatt.office.metering.jobs import decode
from prewatt.office.metering.mailbox import PostgresMailbox
from prewatt.office.metering.models import JobRow, MeterClock
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.models import AuditRow
from tests.cast import NOON, Cast, assemble
from tests.office.metering.test_mailbox import conninfo

AT = NOON + timedelta(minutes=12)  # no price switches near
SHANGHAI_S = 8 * 3600


@pytest.fixture
def cast(db: None) -> Cast:
    return assemble()


def shown(cast: Cast, ahead_s: int, *, at: datetime = AT) -> MeterClock:
    made, _new = MeterClock.objects.update_or_create(
        meter=cast.shop_101.meter, defaults={"ahead_s": ahead_s, "read_at": at}
    )
    return made


def ask(cast: Cast, *, at: datetime = AT, key: str = "a", **changes: Any) -> int:
    given: dict[str, Any] = {"reason": "after the power cut", "actor": of_operator(cast.bob), **changes}
    return clocks.set_clock(cast.shop_101.meter, request_key=key, at=at, **given)


def code_of(cast: Cast, **changes: Any) -> str:
    with pytest.raises(Refused) as caught:
        ask(cast, **changes)
    return caught.value.code


def test_by_hand_a_clock_is_set_with_the_sites_offset_and_a_reason(cast: Cast) -> None:
    assert ask(cast) == ask(cast), "the same key asks once"
    job = JobRow.objects.get()
    assert (job.intent, decode(job.payload).zone_s, job.expires_at) == ("set_clock", SHANGHAI_S, AT + clocks.LIFE)
    assert AuditRow.objects.get(action="metering.clock").reason == "after the power cut"
    assert code_of(cast, key="b") == "clock_running"


def test_what_cannot_be_meant_is_refused_before_anything_is_written(cast: Cast) -> None:
    assert code_of(cast, actor=of_operator(cast.alice)) == "not_permitted"
    midnight = NOON + timedelta(hours=12)
    for at in (midnight - timedelta(minutes=9), midnight, midnight + timedelta(minutes=5)):
        assert code_of(cast, at=at) == "clock_near_midnight"
    Meter.objects.filter(pk=cast.shop_101.meter_id).update(profile="acrel-ddsy1352")
    cast.shop_101.meter.refresh_from_db()
    assert code_of(cast) == "clock_not_settable"
    assert not JobRow.objects.exists() and not AuditRow.objects.exists()
    assert ask_ok(cast, midnight + timedelta(minutes=6))


def ask_ok(cast: Cast, at: datetime) -> bool:
    Meter.objects.filter(pk=cast.shop_101.meter_id).update(profile="pilot-spm9511")
    cast.shop_101.meter.refresh_from_db()
    return ask(cast, at=at, key="late") > 0


def test_by_itself_only_a_clock_that_is_off_is_set_and_once_a_day(cast: Cast) -> None:
    assert not clocks.is_off(shown(cast, -60)) and clocks.sweep(at=AT) == 0
    assert clocks.is_off(shown(cast, -61))
    assert clocks.sweep(at=AT + clocks.FRESH) == 0, "that reading is old"
    for minute in (0, 3, 25, 30, 35, 59):
        assert clocks.sweep(at=NOON + timedelta(minutes=minute)) == 0, minute
    assert clocks.sweep(at=AT) == 1
    assert (JobRow.objects.get().intent, MeterClock.objects.get().actor) == (Intent.SET_CLOCK.value, "system")
    JobRow.objects.update(state="done")
    shown(cast, -61, at=AT + timedelta(hours=23))
    assert clocks.sweep(at=AT + timedelta(hours=23)) == 0
    assert clocks.sweep(at=AT + timedelta(hours=24)) == 1


def test_what_no_broadcast_sets_right_waits_for_a_person(cast: Cast) -> None:
    """It is written to with a password, and moves the meter over freezes and rates: somebody says so, with a reason."""
    Meter.objects.filter(pk=cast.shop_101.meter_id).update(profile="ningju-ddzy1218")
    shown(cast, -301)
    assert clocks.sweep(at=AT) == 0
    cast.shop_101.meter.refresh_from_db()
    assert ask(cast, key="by hand") > 0


def test_what_a_register_read_brought_is_kept_with_its_deviation(transactional_db: None) -> None:
    cast = assemble()
    Meter.objects.filter(pk=cast.shop_102.meter_id).update(profile="ningju-ddzy1218")  # shows local time
    mailbox = PostgresMailbox(conninfo(), settings=PollSettings())
    try:
        mailbox.join(headend="h1")
        [lease] = mailbox.tick(headend="h1")

        def poll(circuit_id: int, clock: int, epoch: int) -> PollResult:
            values = {Quantity.ENERGY_IMPORT_TOTAL: 1000, Quantity.CLOCK: clock}
            return PollResult(
                gateway_id=lease.gateway_id, epoch=epoch, site_id=cast.site.pk, circuit_id=circuit_id, at=AT, full=True,
                values=values,
            )  # fmt: skip

        now = int(AT.timestamp())
        local = poll(cast.shop_102.pk, now + SHANGHAI_S + 3, lease.epoch)
        mailbox.store(polls=[poll(cast.shop_101.pk, now - 75, lease.epoch), local], silences=[], lines=[])
        told = dict(MeterClock.objects.values_list("meter_id", "ahead_s"))
        assert told == {cast.shop_101.meter_id: -75, cast.shop_102.meter_id: 3}
        mailbox.store(polls=[poll(cast.shop_101.pk, now, lease.epoch - 1)], silences=[], lines=[])
        assert MeterClock.objects.get(meter=cast.shop_101.meter).ahead_s == -75, "an old lease says nothing"
    finally:
        mailbox.close()
