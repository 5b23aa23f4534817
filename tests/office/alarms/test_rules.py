"""When an alarm is raised and when it clears."""

from datetime import timedelta

import pytest
from django.db import connection

from prewatt.core.meters.quantities import StatusBit
from prewatt.core.refusals import Refused
from prewatt.office.alarms.models import Alarm
from prewatt.office.alarms.rules import evaluate, shipped
from prewatt.office.alarms.seen import mark_seen
from prewatt.office.ledger.models import RunningBalance
from prewatt.office.metering.models import LineState, RelayWish
from prewatt.office.staff.actors import of_operator
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
