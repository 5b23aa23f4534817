"""Settings written by hand: only what differs is sent, and only what the meter then shows is agreed."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from prewatt.core.meters.jobs import Intent
from prewatt.core.meters.quantities import Quantity
from prewatt.core.refusals import Refused
from prewatt.office.estate.models import SupplyPoint
from prewatt.office.metering import settings
from prewatt.office.metering.jobs import decode
from prewatt.office.metering.models import JobRow
from prewatt.office.staff.actors import Actor, of_operator
from prewatt.office.staff.models import AuditRow
from tests.cast import NOON, Cast, assemble

pytestmark = pytest.mark.django_db
LEVEL_1, LEVEL_2, OVERDRAFT = Quantity.ALARM_LEVEL_1, Quantity.ALARM_LEVEL_2, Quantity.OVERDRAFT_LIMIT


@pytest.fixture
def cast() -> Cast:
    return assemble()


def write(cast: Cast, wanted: dict[Quantity, int], *, key: str = "a", actor: Actor | None = None) -> int:
    by = actor or of_operator(cast.bob)
    return settings.write(cast.shop_101, wanted, reason="a larger shop", actor=by, request_key=key, at=NOON)


def code_of(act: Callable[[], object]) -> str:
    jobs, rows = JobRow.objects.count(), AuditRow.objects.count()
    with pytest.raises(Refused) as caught:
        act()
    assert (JobRow.objects.count(), AuditRow.objects.count()) == (jobs, rows), "refused before the first write"
    return caught.value.code


def ended(verdict: str, **values: int) -> None:
    JobRow.objects.update(state="done", verdict=verdict, values=values, finished_at=NOON)


def agreed(cast: Cast) -> SupplyPoint:
    return SupplyPoint.objects.get(pk=cast.supply_101.pk)


def test_only_what_differs_is_written_and_the_trail_says_from_what_to_what(cast: Cast) -> None:
    write(cast, {LEVEL_1: 80_000, LEVEL_2: 10_000})
    job = JobRow.objects.get()
    assert decode(job.payload).settings == {LEVEL_1: 80_000} and job.intent == Intent.WRITE_SETTINGS
    assert job.expires_at == NOON + settings.LIFE and job.then_task == settings.TASK
    row = AuditRow.objects.get(action="metering.settings")
    assert (row.before, row.after, row.reason) == ({"alarm_1": 50_000}, {"alarm_1": 80_000}, "a larger shop")
    assert agreed(cast).alarm_1 == 50_000, "not before the meter has shown it"


def test_what_was_read_back_is_agreed_and_settling_twice_changes_nothing(cast: Cast) -> None:
    write(cast, {LEVEL_1: 80_000, OVERDRAFT: 5_000})
    ended("done", alarm_level_1=80_000, overdraft_limit=5_000, alarm_level_2=10_000)
    assert settings.settle(cast.shop_101.pk)
    assert (agreed(cast).alarm_1, agreed(cast).alarm_2, agreed(cast).overdraft) == (80_000, 10_000, 5_000)
    assert not settings.settle(cast.shop_101.pk)


@pytest.mark.parametrize("verdict", ["refused", "silent", "unknown", "disputed"])
def test_a_write_that_did_not_succeed_leaves_what_was_agreed(cast: Cast, verdict: str) -> None:
    write(cast, {LEVEL_1: 80_000})
    ended(verdict, alarm_level_1=50_000)
    assert not settings.settle(cast.shop_101.pk) and agreed(cast).alarm_1 == 50_000


def test_a_later_supply_point_does_not_inherit_what_was_written_before_it(cast: Cast) -> None:
    write(cast, {LEVEL_1: 80_000})
    ended("done", alarm_level_1=80_000)
    SupplyPoint.objects.filter(pk=cast.supply_101.pk).update(valid_from=NOON + timedelta(days=1))
    assert not settings.settle(cast.shop_101.pk) and agreed(cast).alarm_1 == 50_000


def test_the_same_key_writes_once_and_a_second_write_waits_for_the_first(cast: Cast) -> None:
    assert write(cast, {LEVEL_1: 80_000}) == write(cast, {LEVEL_1: 80_000})
    assert code_of(lambda: write(cast, {LEVEL_1: 90_000}, key="b")) == "settings_running"
    ended("done", alarm_level_1=80_000)
    settings.settle(cast.shop_101.pk)
    write(cast, {LEVEL_1: 90_000}, key="b")
    assert JobRow.objects.count() == 2


def test_what_cannot_be_meant_is_refused_before_anything_is_written(cast: Cast) -> None:
    alice = of_operator(cast.alice)
    other = replace(cast, shop_101=cast.shop_102)  # server-held
    closed = replace(cast, shop_101=cast.shop_103)  # not opened
    table: list[tuple[Callable[[], object], str]] = [
        (lambda: write(cast, {LEVEL_1: 50_000}), "settings_unchanged"),
        (lambda: write(cast, {LEVEL_1: 5_000}), "settings_alarm_order"),
        (lambda: write(cast, {LEVEL_1: -1, LEVEL_2: -1}), "value_out_of_range"),
        (lambda: write(cast, {LEVEL_1: 80_001}), "value_too_fine"),
        (lambda: write(cast, {LEVEL_1: 10**15}), "value_out_of_range"),
        (lambda: write(cast, {Quantity.BALANCE: 1_000_000}), "setting_not_supported"),
        (lambda: write(cast, {LEVEL_1: 80_000}, actor=alice), "not_permitted"),
        (lambda: write(other, {LEVEL_1: 80_000}), "settings_not_open"),
        (lambda: write(closed, {LEVEL_1: 80_000}), "settings_not_open"),
    ]
    for act, code in table:
        assert code_of(act) == code
