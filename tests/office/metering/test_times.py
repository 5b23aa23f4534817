"""Times of use wanted of a meter: refused before anything is written, kept as versions, judged by reads."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client

from prewatt.core.meters.jobs import Intent, Job, Outcome, Verdict
from prewatt.core.meters.mailbox import JobReport
from prewatt.core.meters.schedule import Period, Schedule, ScheduleRead, Zone
from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Meter
from prewatt.office.metering import times
from prewatt.office.metering.jobs import decode, encode
from prewatt.office.metering.mailbox import PostgresMailbox
from prewatt.office.metering.models import JobRow, WantedSchedule
from prewatt.office.metering.parameters import ParameterState
from prewatt.office.metering.times import TIMES
from prewatt.office.staff.actors import of_operator
from tests.cast import Cast
from tests.office.metering.test_mailbox import cast, mailboxes  # noqa: F401  fixtures

pytestmark = pytest.mark.django_db(transaction=True)
NEW = Schedule(
    zones=(Zone(month=1, day=1, table=1),), tables=((Period(minute=0, rate=4), Period(minute=480, rate=2)),)
)
OLD = Schedule(zones=(Zone(month=1, day=1, table=1),), tables=((Period(minute=0, rate=3),),))


def the_meter(cast: Cast) -> Meter:  # noqa: F811
    meter = cast.shop_101.meter
    meter.profile = "pilot-spm9513"
    meter.save(update_fields=["profile"])
    return meter


def wall(at: datetime) -> int:
    return int(at.timestamp()) + 8 * 3_600


def told(one: PostgresMailbox, read: ScheduleRead | None, verdict: Verdict, *, sent: bool) -> None:
    [claimed] = one.claim(headend="one", leases=one.tick(headend="one"), limit=1)
    outcome = Outcome(verdict=verdict, schedule=read, sent=sent)
    at = datetime.now(UTC)
    one.report([JobReport(claimed=claimed, outcome=outcome, started_at=at, finished_at=at)])


def test_a_job_with_times_survives_its_encoding() -> None:
    job = Job(intent=Intent.WRITE_SCHEDULE, schedule=NEW, swap_at=1_800_000_000, zone_s=28_800)
    assert decode(encode(job)) == job


def test_what_was_wanted_is_unknown_until_a_read_shows_it(
    cast: Cast,  # noqa: F811
    mailboxes: list[PostgresMailbox],  # noqa: F811
) -> None:
    meter, one, at = the_meter(cast), mailboxes[0], datetime.now(UTC)
    swap = (at + timedelta(days=3)).replace(second=0, microsecond=0)
    times.read(meter, request_key="r", at=at, actor="system")
    told(one, ScheduleRead(in_force=OLD, standby=OLD, swap_at=None), Verdict.DONE, sent=False)
    assert TIMES.of_meter(meter).state is ParameterState.READ_ONLY
    bob = of_operator(cast.bob)
    for _ in range(2):  # the same key asks once
        times.write(meter, NEW, swap_at=swap, reason="winter", actor=bob, request_key="w", at=at)
    assert WantedSchedule.objects.count() == 1 and TIMES.of_meter(meter).state is ParameterState.WRITING
    with pytest.raises(Refused) as refused:
        times.write(meter, NEW, swap_at=swap, reason="", actor=bob, request_key="x", at=at)
    assert refused.value.code == "settings_running"
    told(one, None, Verdict.UNKNOWN, sent=True)
    assert TIMES.of_meter(meter).state is ParameterState.UNKNOWN
    times.read(meter, request_key="s", at=at, actor="system")
    told(one, ScheduleRead(in_force=OLD, standby=NEW, swap_at=wall(swap)), Verdict.DONE, sent=False)
    now = TIMES.of_meter(meter)
    assert now.state is ParameterState.AGREES and now.wanted is not None and now.wanted.actor == bob.key
    times.read(meter, request_key="t", at=at, actor="system")
    told(one, ScheduleRead(in_force=OLD, standby=OLD, swap_at=wall(swap)), Verdict.DONE, sent=False)
    assert TIMES.of_meter(meter).state is ParameterState.DIFFERS


def test_refusals_come_before_anything_is_written(cast: Cast) -> None:  # noqa: F811
    meter, at, bob = the_meter(cast), datetime.now(UTC), of_operator(cast.bob)
    soon, far = at + timedelta(minutes=5), at + timedelta(days=3)
    wrong = Schedule(zones=NEW.zones, tables=())
    cases = [(NEW, soon, "schedule_swap_past"), (NEW, at + timedelta(days=999), "schedule_swap_far"),
             (wrong, far, "schedule_tables")]  # fmt: skip
    for schedule, swap, code in cases:
        with pytest.raises(Refused) as refused:
            times.write(meter, schedule, swap_at=swap, reason="r", actor=bob, request_key=code, at=at)
        assert refused.value.code == code
    meter.profile = "acrel-dtsy1352"
    meter.save(update_fields=["profile"])
    with pytest.raises(Refused, match="schedule_no_standby"):
        times.write(meter, NEW, swap_at=far, reason="r", actor=bob, request_key="k", at=at)
    assert not JobRow.objects.exists() and not WantedSchedule.objects.exists()


def test_the_page_shows_both_sets_and_what_is_wanted_and_the_form_writes(
    cast: Cast,  # noqa: F811
    mailboxes: list[PostgresMailbox],  # noqa: F811
) -> None:
    meter, one, at = the_meter(cast), mailboxes[0], datetime.now(UTC)
    client = Client()
    client.force_login(cast.bob)
    client.cookies["django_language"] = "en"
    address = f"/console/meters/{meter.pk}/times"
    assert address in client.get(f"/console/meters/{meter.pk}").content.decode()
    assert client.post(f"{address}/read")["Location"] == address
    told(one, ScheduleRead(in_force=OLD, standby=NEW, swap_at=wall(at)), Verdict.DONE, sent=False)
    form = {
        "month_1": "7", "day_1": "1", "table_1": "2", "month_2": "1", "day_2": "1", "table_2": "1", "reason": "summer",
        "rate_1_1": "4", "from_1_3": "08:00", "rate_1_3": "2", "rate_2_1": "1",
        "swap_at": f"{at + timedelta(days=9):%Y-%m-%dT%H:%M}",
    }  # fmt: skip
    opened = client.get(f"{address}/write").content.decode()
    assert '<option value="3" selected>flat</option>' in opened and 'type="time"' in opened
    missing = [
        ({"swap_at": ""}, "“Swap at” is still empty"), ({"rate_1_3": ""}, "“Day table 1, period 3: rate” is still"),
        ({"from_1_3": ""}, "“Day table 1, period 3: from” is"), ({"day_2": ""}, "“Zone 2: day” is still empty"),
        ({"from_1_3": "8 am"}, "8 am"), ({"rate_1_1": ""}, "Day table 1: 1 to"),
    ]  # fmt: skip
    for change, said in missing:
        refused = client.post(f"{address}/write", {**form, **change})
        assert refused.status_code == 422 and said in refused.content.decode(), said
        assert 'value="summer"' in refused.content.decode()  # a refusal takes nothing away
    assert not WantedSchedule.objects.exists()
    assert client.post(f"{address}/write", form)["Location"] == address
    assert TIMES.held(WantedSchedule.objects.get()) == Schedule(
        zones=(Zone(month=1, day=1, table=1), Zone(month=7, day=1, table=2)),
        tables=(NEW.tables[0], (Period(minute=0, rate=1),)),
    )
    page = client.get(address).content.decode()
    assert all(each in page for each in ("valley", "flat", "sharp", "summer", 'data-state="writing"'))
    client.cookies["django_language"] = "zh-hans"
    chinese = client.get(address).content.decode()
    assert "谷" in chinese and "备用套" in chinese and "Standby" not in chinese
    client.force_login(cast.charlie)
    assert client.get(address).status_code in (403, 404)
    assert client.post(f"{address}/write", form).status_code in (403, 404)
