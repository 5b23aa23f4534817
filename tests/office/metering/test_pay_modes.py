"""A loop that is paid afterwards: its purse counts on below zero, and that is no alarm and no arrears."""

from datetime import timedelta

import pytest
from django.db import connection

from prewatt.core.meters import catalogue
from prewatt.core.meters.jobs import Intent, Job, Verdict
from prewatt.core.meters.quantities import Quantity
from prewatt.office.alarms.models import Alarm
from prewatt.office.alarms.rules import evaluate, shipped
from prewatt.office.estate.models import Meter
from prewatt.office.ledger.models import RunningBalance
from prewatt.office.metering import pay_modes
from prewatt.office.metering.jobs import enqueue
from prewatt.office.metering.models import JobRow, LineState
from prewatt.office.metering.states import CircuitState
from prewatt.office.reports import circuits
from prewatt.office.reports.board import board_rows, runs_out
from tests.cast import NOON, Cast, assemble, lately_read

pytestmark = pytest.mark.django_db
STALE = timedelta(hours=1)


@pytest.fixture
def cast() -> Cast:
    made = assemble()
    LineState.objects.create(line=made.line, up=True, since=NOON - STALE, at=NOON)
    RunningBalance.objects.update(balance_minor=1_000_000)  # shop 102 has paid
    Meter.objects.filter(pk=made.shop_101.meter_id).update(profile="pilot-spm2506-6")
    return made


def showed(cast: Cast, mode: int, *, key: str, verdict: Verdict = Verdict.DONE) -> None:
    """A read of its settings, ended."""
    job = Job(intent=Intent.READ_PURSE, circuit_index=1)
    pk = enqueue(key=key, circuit_id=cast.shop_101.pk, at=NOON, actor="system", expires_at=NOON + STALE, job=job)
    JobRow.objects.filter(pk=pk).update(
        state="done", verdict=verdict.value, values={Quantity.PAY_MODE.value: mode}, finished_at=NOON
    )


def alarms(cast: Cast, balance: int) -> list[str]:
    lately_read(cast.shop_101, at=NOON, balance=balance)
    evaluate(at=NOON, status_poll_s=60, rules=shipped())
    return sorted(Alarm.objects.filter(cleared_at=None).values_list("kind", flat=True))


def states(cast: Cast) -> set[CircuitState]:
    """On the board and in the API."""
    seen = board_rows(cast.alice.pk, cast.site.pk, at=NOON, stale=STALE, ids=[cast.shop_101.pk])
    view = circuits.one(cast.alice, cast.shop_101.pk, at=NOON, stale=STALE)
    assert view is not None
    return {*(row.state for row in seen), view.state}


def test_every_size_of_the_spm2506_has_the_mode_and_no_other_model() -> None:
    assert pay_modes.with_modes() == [code for code in catalogue() if code.startswith("pilot-spm2506")]


@pytest.mark.parametrize(
    ("balance", "kind", "state"),
    [
        (40_000, "low_credit_1", CircuitState.ALARM_1),
        (9_000, "low_credit_2", CircuitState.ALARM_2),
        (-12_350, "arrears", CircuitState.ARREARS),
    ],
)
def test_what_is_short_in_advance_is_not_afterwards(
    cast: Cast, balance: int, kind: str, state: CircuitState
) -> None:
    assert alarms(cast, balance) == [kind]
    assert states(cast) == {state}
    showed(cast, 1, key="a")
    assert alarms(cast, balance) == [], "an alarm that stood clears"
    assert states(cast) == {CircuitState.NORMAL}
    showed(cast, 0, key="b", verdict=Verdict.UNKNOWN)
    assert alarms(cast, balance) == [], "what was not read back says nothing"
    showed(cast, 0, key="c")
    assert alarms(cast, balance) == [kind] and states(cast) == {state}


def test_everything_else_of_such_a_loop_is_still_told(cast: Cast) -> None:
    showed(cast, 1, key="a")
    assert alarms(cast, -5_000) == []
    with connection.cursor() as cursor:
        cursor.execute("UPDATE metering_latest SET status = 4 WHERE circuit_id = %s", [cast.shop_101.pk])
    evaluate(at=NOON, status_poll_s=60, rules=shipped())
    assert list(Alarm.objects.filter(cleared_at=None).values_list("kind", flat=True)) == ["overload"]


def test_its_board_row_says_so_and_foretells_no_end(cast: Cast) -> None:
    lately_read(cast.shop_101, at=NOON, balance=-5_000)
    said = []
    for mode in (0, 1):
        showed(cast, mode, key=f"m{mode}")
        (row,) = board_rows(cast.alice.pk, cast.site.pk, at=NOON, stale=STALE, ids=[cast.shop_101.pk])
        said.append((row.balance, row.postpaid, row.spent, runs_out(row)))
    assert said == [(-5_000, False, True, None), (-5_000, True, False, None)]


@pytest.mark.parametrize("profile", ["pilot-spm9511", "ours@1"])
def test_the_mode_counts_of_models_that_have_it_alone_and_of_ones_own(cast: Cast, profile: str) -> None:
    Meter.objects.filter(pk=cast.shop_101.meter_id).update(profile=profile)
    showed(cast, 1, key="a")
    assert alarms(cast, -1) == ([] if profile == "ours@1" else ["arrears"])
