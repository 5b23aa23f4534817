"""When an alarm is raised and when it clears."""

from datetime import timedelta

import pytest
from django.db import connection

from prewatt.core.meters.jobs import Intent, Job
from prewatt.core.meters.prices import PriceSet
from prewatt.core.meters.quantities import StatusBit
from prewatt.core.refusals import Refused
from prewatt.office.alarms import readings
from prewatt.office.alarms.models import Alarm
from prewatt.office.alarms.rules import evaluate, shipped
from prewatt.office.alarms.seen import mark_seen
from prewatt.office.estate.models import Circuit, Line, Meter
from prewatt.office.ledger.models import RunningBalance
from prewatt.office.metering.jobs import enqueue
from prewatt.office.metering.models import Heartbeat, JobRow, LineState, MeterClock, RelayWish, WantedPrices
from prewatt.office.staff.actors import of_operator
from prewatt.office.vending import recounts
from tests.cast import NOON, Cast, assemble, lately_read

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def cast() -> Cast:
    made = assemble()
    LineState.objects.create(line=made.line, up=True, since=NOON - MINUTE * 60, at=NOON)
    RunningBalance.objects.update(balance_minor=1_000_000)  # shop 102 has paid
    return made


def run(at_minutes: float = 0) -> tuple[int, int]:
    changes = evaluate(at=NOON + MINUTE * at_minutes, status_poll_s=60, rules=shipped())
    return changes.raised, changes.cleared


def open_kinds() -> list[str]:
    return sorted(Alarm.objects.filter(cleared_at=None).values_list("kind", flat=True))


def set_status(cast: Cast, bit: StatusBit, *, relay: int = 0) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE metering_latest SET status = %s, relay = %s WHERE circuit_id = %s",
            [1 << list(StatusBit).index(bit), relay, cast.shop_101.pk],
        )


@pytest.mark.parametrize(
    ("balance", "kinds"),
    [
        (100_000, []),
        (50_001, []),
        (50_000, ["low_credit_1"]),
        (10_000, ["low_credit_2"]),
        (1, ["low_credit_2"]),
        (0, ["arrears"]),
        (-12_350, ["arrears"]),
    ],
)
def test_credit_levels_exclude_each_other(cast: Cast, balance: int, kinds: list[str]) -> None:
    lately_read(cast.shop_101, at=NOON, balance=balance)
    run()
    assert open_kinds() == kinds


def test_an_alarm_clears_only_above_its_level_plus_hysteresis_and_is_raised_once(cast: Cast) -> None:
    lately_read(cast.shop_101, at=NOON, balance=50_000)
    assert run() == (1, 0)
    assert run() == (0, 0), "running twice raises nothing twice"
    lately_read(cast.shop_101, at=NOON, balance=51_000)  # exactly 2 % above
    assert run() == (0, 0)
    lately_read(cast.shop_101, at=NOON, balance=51_001)
    assert run() == (0, 1)
    lately_read(cast.shop_101, at=NOON, balance=50_500)
    assert run() == (0, 0), "inside the band nothing is raised anew"


def test_a_worse_level_takes_the_place_of_the_milder_one(cast: Cast) -> None:
    lately_read(cast.shop_101, at=NOON, balance=20_000)
    run()
    lately_read(cast.shop_101, at=NOON, balance=-5)
    assert run(1) == (1, 1)
    assert open_kinds() == ["arrears"]


@pytest.mark.parametrize(
    ("bit", "kind"),
    [
        (StatusBit.OVERLOAD_TRIP, "overload"),
        (StatusBit.MALICIOUS_LOAD_TRIP, "malicious_load"),
        (StatusBit.WARNING_TRIP, "warning_trip"),
        (StatusBit.TAMPER, "tamper"),
        (StatusBit.REVERSE_POWER, "reverse_power"),
        (StatusBit.VOLTAGE_LIMITS, "voltage_limits"),
    ],
)
def test_what_the_meter_reports_becomes_an_alarm(cast: Cast, bit: StatusBit, kind: str) -> None:
    lately_read(cast.shop_101, at=NOON)
    set_status(cast, bit)
    run()
    assert open_kinds() == [kind]


def test_a_meter_that_is_silent_is_lost_but_not_when_its_line_is_down(cast: Cast) -> None:
    lately_read(cast.shop_101, at=NOON - MINUTE * 4)
    run()
    assert open_kinds() == ["meter_lost"]
    LineState.objects.filter(line=cast.line).update(up=False, since=NOON - MINUTE)
    assert run() == (1, 1), "one alarm of the line instead of one per meter"
    assert open_kinds() == ["line_lost"]


def test_a_circuit_without_a_contract_raises_no_credit_alarm(cast: Cast) -> None:
    lately_read(cast.shop_103, at=NOON, balance=0)
    assert run() == (0, 0)


def test_telemetry_that_does_not_follow_a_wish_needs_a_person(cast: Cast) -> None:
    lately_read(cast.shop_101, at=NOON, relay=1)
    RelayWish.objects.create(
        circuit=cast.shop_101, wish="trip", reason="moving out", actor="x", set_at=NOON - MINUTE * 3
    )
    run()
    assert open_kinds() == ["wish_unmet"]


def test_a_set_that_was_read_back_otherwise_needs_a_person_until_another_one_is_told(cast: Cast) -> None:
    for number, verdict in enumerate(("disputed", "done")):
        job = Job(intent=Intent.WRITE_PRICES, prices=PriceSet(rates=(920_000,) * 4))
        job_id = enqueue(key=f"price:{number}", circuit_id=cast.shop_101.pk, job=job, at=NOON, actor="x")
        JobRow.objects.filter(pk=job_id).update(state="done", verdict=verdict)
        WantedPrices.objects.create(
            meter=cast.shop_101.meter, prices={}, swap_at=NOON, reason="", actor="x", set_at=NOON, job_id=job_id
        )
        run()
        assert open_kinds() == (["set_disputed"] if verdict == "disputed" else [])


def test_seeing_an_alarm_leaves_it_open_and_a_cleared_one_cannot_be_seen(cast: Cast) -> None:
    lately_read(cast.shop_101, at=NOON, balance=0)
    run()
    alarm = Alarm.objects.get()
    mark_seen(alarm, actor=of_operator(cast.alice), at=NOON)
    alarm.refresh_from_db()
    assert (alarm.seen_by, alarm.cleared_at) == ("Alice", None)
    lately_read(cast.shop_101, at=NOON, balance=500_000)
    run()
    with pytest.raises(Refused, match="alarm_unknown"):
        mark_seen(alarm, actor=of_operator(cast.alice), at=NOON)


def dark_site(cast: Cast, circuits: int = 20) -> list[Circuit]:
    """Two lines with common-area meters of a tower, all heard of until noon."""
    second = Line.objects.create(gateway=cast.gateway, code="2", transport="rtu-over-tcp", port=4002)
    LineState.objects.create(line=second, up=True, since=NOON - MINUTE * 60, at=NOON)
    room = cast.shop_101.room
    made = []
    for n in range(circuits):
        line = (cast.line, second)[n % 2]
        meter = Meter.objects.create(
            site=cast.site, number=f"90{n:010d}", profile="pilot-spm9511", line=line, unit=50 + n
        )
        made.append(Circuit.objects.create(site=cast.site, meter=meter, index=1, room=room, use="common"))
    for n, circuit in enumerate(made):
        lately_read(circuit, at=NOON - timedelta(seconds=60 * n // circuits))
    return made


@pytest.mark.parametrize("seconds", (0, 60, 90, 130, 180, 190, 240, 420))
def test_a_blackout_is_one_alarm_however_the_polls_were_spread(cast: Cast, seconds: int) -> None:
    """Power of all meters goes at noon; the serial servers stand on a UPS and stay up."""
    dark_site(cast)
    for at in range(0, seconds + 1, 10):
        run(at / 60)
    assert open_kinds() == (["blackout"] if seconds >= 120 else [])
    assert set(Alarm.objects.values_list("kind", flat=True)) <= {"blackout"}


def test_a_blackout_that_takes_the_serial_servers_too_is_one_alarm(cast: Cast) -> None:
    dark_site(cast)
    LineState.objects.update(up=False, since=NOON)
    for at in range(0, 600, 10):
        run(at / 60)
    assert list(Alarm.objects.values_list("kind", flat=True)) == ["blackout"]


def test_one_line_that_is_lost_is_still_told_as_that_line(cast: Cast) -> None:
    dark_site(cast)
    LineState.objects.filter(line=cast.line).update(up=False, since=NOON)
    for circuit in Circuit.objects.exclude(meter__line=cast.line):
        lately_read(circuit, at=NOON + MINUTE * 5)
    run(5)
    assert open_kinds() == ["line_lost"]


def test_when_the_supply_is_back_only_who_stays_silent_is_told(cast: Cast) -> None:
    circuits = dark_site(cast)
    run(5)
    assert open_kinds() == ["blackout"]
    for minute, heard in ((6, 8), (7, 18)):  # they come back one by one
        for circuit in circuits[:heard]:
            lately_read(circuit, at=NOON + MINUTE * minute)
        run(minute)
        assert open_kinds() in ([], ["blackout"]), open_kinds()
    for circuit in circuits[:18]:
        lately_read(circuit, at=NOON + MINUTE * 12)
    run(12)
    assert open_kinds() == ["meter_lost", "meter_lost"]


def test_a_failed_backup_and_a_meter_that_counted_on_since_a_restore_are_told(cast: Cast) -> None:
    Heartbeat.objects.create(part="backup", at=NOON, detail={"failed": "backup_disk_full"})
    recounts.begin(at=NOON)
    lately_read(cast.shop_101, at=NOON + MINUTE, count=9)
    recounts.look(at=NOON + MINUTE)
    run(1)
    assert open_kinds() == ["backup_failed", "disputed"]
    Heartbeat.objects.filter(part="backup").update(detail={"failed": ""})
    run(2)
    assert open_kinds() == ["disputed"]


def test_a_counter_that_stands_still_under_load_is_told_until_it_moves(cast: Cast) -> None:
    lately_read(cast.shop_101, at=NOON)
    still = "UPDATE metering_latest SET still_ws = %s WHERE circuit_id = %s"
    for watt_seconds, kinds in ((17_999_999, []), (18_000_000, ["reading_frozen"]), (0, [])):
        with connection.cursor() as cursor:
            cursor.execute(still, [watt_seconds, cast.shop_101.pk])
        run()
        assert open_kinds() == kinds
    Meter.objects.filter(pk=cast.shop_101.meter_id).update(ct_ratio=40)
    with connection.cursor() as cursor:
        cursor.execute(still, [18_000_000, cast.shop_101.pk])
    run()
    assert open_kinds() == [], "behind a transformer its steps are larger"


def test_a_counter_that_fell_is_told_where_no_bill_tells_it(cast: Cast) -> None:
    for circuit in (cast.shop_101, cast.shop_102, cast.lift):  # by the meter, by the books, by nobody
        lately_read(circuit, at=NOON)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE metering_latest SET sure_at = %s, sure_wh = 5", [NOON])
    run(4)
    assert "reading_doubted" not in open_kinds(), "it may come back by itself"
    run(6)
    told = Alarm.objects.filter(kind="reading_doubted", cleared_at=None).values_list("circuit_id", flat=True)
    assert set(told) == {cast.shop_101.pk, cast.lift.pk}


@pytest.mark.parametrize(
    ("relay", "power_w", "open_since", "ratio", "kinds"),
    [
        (0, 11, 3, 1, ["power_while_open"]),
        (0, -11, 3, 1, ["power_while_open"]),  # fed in by whoever bridged it
        (0, 10, 3, 1, []),  # the meter's own noise
        (0, 11, 2, 1, []),  # the power may be of before
        (0, 11, 3, 2, []),  # behind a transformer noise is larger
        (1, 850, 60, 1, []),
        (0, None, 60, 1, []),
    ],
)
def test_power_behind_an_open_relay_is_told(
    cast: Cast, relay: int, power_w: int | None, open_since: int, ratio: int, kinds: list[str]
) -> None:
    Meter.objects.filter(pk=cast.shop_101.meter_id).update(ct_ratio=ratio)
    lately_read(cast.shop_101, at=NOON, relay=relay)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE metering_latest SET power_w = %s, relay_at = %s WHERE circuit_id = %s",
            [power_w, NOON - MINUTE * open_since, cast.shop_101.pk],
        )
    run()
    assert open_kinds() == kinds


def test_power_that_is_read_with_the_registers_counts_since_they_were_read(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readings, "slow_power", lambda: [cast.shop_101.meter.profile])
    lately_read(cast.shop_101, at=NOON, relay=0)
    for full_at, kinds in ((None, []), (NOON - MINUTE * 20, []), (NOON, ["power_while_open"])):
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE metering_latest SET relay_at = %s, full_at = %s WHERE circuit_id = %s",
                [NOON - MINUTE * 10, full_at, cast.shop_101.pk],
            )
        run()
        assert open_kinds() == kinds


def test_a_clock_that_stays_far_off_is_told(cast: Cast) -> None:
    clock = MeterClock.objects.create(meter=cast.shop_101.meter, ahead_s=-301, read_at=NOON)
    run()
    assert open_kinds() == ["clock_off"]
    clock.asked_at = NOON
    clock.save(update_fields=["asked_at"])
    run()
    assert open_kinds() == [], "it was told the time just now"
    clock.read_at = NOON + 11 * MINUTE
    clock.save(update_fields=["read_at"])
    run()
    assert open_kinds() == ["clock_off"], "and did not take it"


def test_a_host_that_dates_its_readings_in_the_future_is_one_alarm(cast: Cast) -> None:
    lately_read(cast.shop_101, at=NOON + 6 * MINUTE)
    lately_read(cast.shop_102, at=NOON + 6 * MINUTE)
    run()
    assert [(each.kind, each.circuit_id) for each in Alarm.objects.filter(cleared_at=None)] == [("clock_off", None)]
