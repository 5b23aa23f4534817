"""A counter that fell, leapt, began anew or was silent: what is billed of it, and what a person says (never negative,
never giant)."""

from datetime import UTC, datetime, timedelta

import pytest

from prewatt.core.refusals import Refused
from prewatt.office.billing import charges, doubts, releases
from prewatt.office.estate.models import SupplyPoint
from prewatt.office.metering import doubts as standing
from prewatt.office.metering.clock import database_now
from prewatt.office.staff.models import AuditRow
from tests.cast import Cast, assemble
from tests.office.billing.scene import Shop, query, waiting
from tests.office.billing.test_intake import END_WH, told
from tests.office.vending.scene import actor_of

pytestmark = pytest.mark.django_db
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
LEAP = 500_000  # Wh: 2 MW use it in a quarter of an hour, a shop never


class Story:
    """A shop that is charged from 1,000 kWh on, polled each minute since ten hours ago."""

    def __init__(self, wh: int = 1_000_000) -> None:
        self.begins = database_now() - 10 * HOUR
        self.shop: Shop = waiting(valid_from=self.begins)
        self.at = self.begins
        self.poll(wh)

    def poll(self, wh: int, *, after: timedelta = MINUTE) -> int:
        self.at += after
        return told(self.shop, self.at, wh)

    @property
    def billed(self) -> int:
        assert all(charge.wh > 0 and charge.minor >= 0 for charge in self.shop.charges)
        return sum(charge.wh for charge in self.shop.charges)

    @property
    def doubt(self) -> standing.Doubt | None:
        found = standing.of_circuits(self.shop.circuit.site_id, [self.shop.circuit.pk])
        return found[0] if found else None

    def say(self, verb: str, sure_at: datetime | None = None) -> None:
        assert sure_at is not None or self.doubt is not None
        getattr(doubts, verb)(
            self.shop.circuit, sure_at=sure_at or self.doubt.sure_at, reason="seen on site",  # type: ignore[union-attr]
            actor=actor_of(self.shop.cast.bob), at=self.at,
        )  # fmt: skip


def test_a_leap_is_never_billed_by_itself_however_long_it_stands() -> None:
    story = Story()
    story.poll(1_000_100)
    for step in range(120):  # hours later it looks as if it could be true
        story.poll(1_000_100 + LEAP + step * 10, after=4 * MINUTE)
    assert story.billed == 100
    assert story.shop.progress.held == "jump"


def test_a_leap_that_was_an_error_of_one_reading_is_forgotten() -> None:
    story = Story()
    for wh in (1_000_100, 1_000_100 + LEAP, 1_000_120, 1_000_200):
        story.poll(wh)
    assert story.billed == 200 and story.doubt is None


def test_a_person_accepts_a_leap_and_it_is_billed_once() -> None:
    story = Story()
    story.poll(1_000_100)
    story.poll(1_000_100 + LEAP)
    story.poll(1_000_150 + LEAP, after=HOUR)
    assert story.billed == 100
    story.say("accept")
    assert story.billed == 150 + LEAP and story.doubt is None
    story.poll(1_000_200 + LEAP)
    assert story.billed == 200 + LEAP
    day_use = query("SELECT sum(used_wh) FROM metering_daily WHERE circuit_id = %s", [story.shop.circuit.pk])
    assert day_use == [(200 + LEAP,)]
    assert AuditRow.objects.get(action="billing.reading_accepted").reason == "seen on site"
    marked = "SELECT mark FROM metering_reading WHERE circuit_id = %s AND mark IS NOT NULL"
    assert query(marked, [story.shop.circuit.pk]) == [(2,)], "the mark stays with its reading"


@pytest.mark.parametrize("level", [5_000, 1_000_100 + LEAP])
def test_a_person_says_that_the_meter_was_exchanged_or_reset(level: int) -> None:
    story = Story()
    story.poll(1_000_100)
    story.poll(level)
    story.poll(level + 20)
    story.say("go_on_from")
    story.poll(level + 70)
    assert story.billed == 150 and story.doubt is None
    assert AuditRow.objects.filter(action="billing.go_on_from_held").count() == 1


def test_what_cannot_have_been_used_cannot_be_accepted() -> None:
    story = Story()
    story.poll(5_000)
    story.poll(5_020)
    for _again in range(2):
        with pytest.raises(Refused) as refused:
            story.say("accept")
        assert refused.value.code == "doubt_fell"
    assert story.billed == 0
    leapt = Story.__new__(Story)
    leapt.shop, leapt.at = story.shop, story.at
    leapt.poll(90_000_000)
    sure_at = leapt.doubt.sure_at if leapt.doubt else None
    with pytest.raises(Refused) as refused:
        leapt.say("accept")
    assert refused.value.code == "doubt_impossible"
    leapt.say("go_on_from", sure_at)
    with pytest.raises(Refused) as refused:
        leapt.say("go_on_from", sure_at)
    assert refused.value.code == "doubt_over"
    assert leapt.billed == 0


def test_who_may_not_settle_decides_nothing() -> None:
    story = Story()
    story.poll(5_000)
    with pytest.raises(Refused) as refused:
        doubts.go_on_from(
            story.shop.circuit, sure_at=story.begins, reason="x", actor=actor_of(story.shop.cast.alice), at=story.at
        )
    assert refused.value.code == "not_permitted"


def test_a_reset_meter_that_climbs_past_its_old_reading_is_still_waited_with() -> None:
    story = Story()
    story.poll(1_000_100)
    story.poll(900_000)
    assert story.poll(950_000, after=HOUR) == 0
    assert story.shop.progress.held == "backward" and story.billed == 100


def test_a_display_that_begins_anew_is_billed_over_its_end_at_once() -> None:
    story = Story(END_WH - 300)
    story.poll(200)
    story.poll(900)
    assert story.billed == 1_200 and story.doubt is None


def test_a_gap_is_billed_by_what_the_counter_went_on_by() -> None:
    story = Story()
    story.poll(1_000_100)
    story.poll(1_020_100, after=3 * HOUR)
    assert story.billed == 20_100
    marks = query("SELECT mark FROM metering_reading WHERE circuit_id = %s ORDER BY at", [story.shop.circuit.pk])
    assert marks == [(None,), (None,), (7,)]


def test_a_purse_releases_nothing_behind_a_leap_before_a_person_has_said_what_it_was() -> None:
    cast: Cast = assemble()
    circuit = cast.shop_101
    noon = datetime.combine(database_now().date() - timedelta(days=5), datetime.min.time(), UTC) + 4 * HOUR
    SupplyPoint.objects.filter(pk=cast.supply_101.pk).update(state="open", valid_from=noon - HOUR)
    shop = Shop(cast, circuit, cast.contract_101, cast.supply_101)

    def read(after: timedelta, wh: int) -> None:
        told(shop, noon + after, wh)
        query("UPDATE metering_reading SET balance = 50000 WHERE circuit_id = %s RETURNING 1", [circuit.pk])

    read(timedelta(), 9_999_999_000)
    releases.sweep(at=noon + MINUTE)
    read(HOUR, 9_999_999_900)
    read(2 * HOUR, 100)  # the display of this model ends at 10,000,000 kWh
    read(26 * HOUR, 700)
    read(26 * HOUR + MINUTE, 700 + LEAP)
    read(50 * HOUR, 900 + LEAP)
    releases.sweep(at=noon + 90 * HOUR)

    def released() -> int:
        row = query("SELECT coalesce(sum(energy_wh), 0) FROM billing_release WHERE circuit_id = %s", [circuit.pk])
        return int(row[0][0])

    assert released() == 1_700
    found = standing.of_circuits(circuit.site_id, [circuit.pk])
    doubts.go_on_from(
        circuit, sure_at=found[0].sure_at, reason="reset", actor=actor_of(cast.bob), at=noon + 60 * HOUR
    )
    read(74 * HOUR, 1_000 + LEAP)
    releases.sweep(at=noon + 110 * HOUR)
    assert released() == 1_700 + 100, "from where a person said that it goes on"
    assert charges.sweep(at=noon + 110 * HOUR) == 0


@pytest.mark.parametrize("last_wh", [1_000_500, 1_003_000])
def test_a_purse_whose_meter_was_reset_on_the_day_itself_releases_what_was_used_before_and_after(last_wh: int) -> None:
    """What was read before the reset, and is not released yet, is not read again against where it goes on from."""
    cast: Cast = assemble()
    circuit = cast.shop_101
    noon = datetime.combine(database_now().date() - timedelta(days=5), datetime.min.time(), UTC) + 4 * HOUR
    SupplyPoint.objects.filter(pk=cast.supply_101.pk).update(state="open", valid_from=noon - HOUR)
    shop = Shop(cast, circuit, cast.contract_101, cast.supply_101)

    def read(after: timedelta, wh: int) -> None:
        told(shop, noon + after, wh)
        query("UPDATE metering_reading SET balance = 50000 WHERE circuit_id = %s RETURNING 1", [circuit.pk])

    read(timedelta(), 1_000_000)
    releases.sweep(at=noon + MINUTE)
    read(2 * HOUR, last_wh)
    read(2 * HOUR + MINUTE, 10)  # the display was exchanged, and the line falls dead
    found = standing.of_circuits(circuit.site_id, [circuit.pk])
    doubts.go_on_from(circuit, sure_at=found[0].sure_at, reason="reset", actor=actor_of(cast.bob), at=noon + 3 * HOUR)
    releases.sweep(at=noon + 13 * HOUR)
    read(26 * HOUR, 210)
    releases.sweep(at=noon + 90 * HOUR)
    found_wh = query("SELECT sum(energy_wh) FROM billing_release WHERE circuit_id = %s", [circuit.pk])
    assert found_wh == [(last_wh - 1_000_000 + 200,)]


def test_a_supply_is_not_opened_by_a_reading_that_is_in_doubt() -> None:
    """Twice the meter says 3 kWh where it stands at 1,000: opened by that, all it ever counted would be billed."""
    begins = database_now() - 10 * HOUR
    shop = waiting(valid_from=begins)
    told(shop, begins - MINUTE, 1_000_000)  # before anybody is supplied
    for n, wh in enumerate((3_000, 3_000, 3_010)):
        told(shop, begins + n * MINUTE, wh)
    assert shop.progress.charged_at is None
    told(shop, begins + HOUR, 1_000_100)
    assert shop.progress.charged_wh == 1_000_100
    told(shop, begins + 2 * HOUR, 1_000_300)
    assert [charge.wh for charge in shop.charges] == [200]


def test_a_supply_opens_by_the_next_reading_once_a_person_has_said_what_happened() -> None:
    begins = database_now() - 10 * HOUR
    shop = waiting(valid_from=begins)
    told(shop, begins - MINUTE, 1_000_000)
    for n, wh in enumerate((3_000, 3_000, 3_010)):
        told(shop, begins + n * MINUTE, wh)
    found = standing.of_circuits(shop.circuit.site_id, [shop.circuit.pk])
    doubts.go_on_from(
        shop.circuit, sure_at=found[0].sure_at, reason="new display", actor=actor_of(shop.cast.bob), at=begins + HOUR
    )
    told(shop, begins + 2 * HOUR, 3_040)
    assert shop.progress.charged_wh == 3_040
    told(shop, begins + 3 * HOUR, 3_140)
    assert [charge.wh for charge in shop.charges] == [100]


def test_a_leap_that_is_accepted_does_not_make_a_higher_error_before_it_good() -> None:
    story = Story()
    story.poll(1_000_100)
    story.poll(1_000_100 + 2 * LEAP)  # an error
    story.poll(1_000_100 + LEAP)
    story.poll(1_000_150 + LEAP, after=HOUR)
    story.say("accept")
    assert story.billed == 150 + LEAP and story.doubt is None
    good = query("SELECT max(energy_wh) FROM metering_reading WHERE circuit_id = %s AND quality = 0",
                 [story.shop.circuit.pk])  # fmt: skip
    assert good == [(1_000_150 + LEAP,)]


@pytest.mark.parametrize("error", [1_600_000, 3_000])
def test_an_error_that_was_told_twice_is_not_the_end_of_a_purses_day(error: int) -> None:
    """It looked good the second time, and the counter was back after midnight, before the day was released."""
    cast: Cast = assemble()
    circuit = cast.shop_101
    noon = datetime.combine(database_now().date() - timedelta(days=5), datetime.min.time(), UTC) + 4 * HOUR
    SupplyPoint.objects.filter(pk=cast.supply_101.pk).update(state="open", valid_from=noon - HOUR)
    shop = Shop(cast, circuit, cast.contract_101, cast.supply_101)

    def read(after: timedelta, wh: int) -> None:
        told(shop, noon + after, wh)
        query("UPDATE metering_reading SET balance = 50000 WHERE circuit_id = %s RETURNING 1", [circuit.pk])

    read(timedelta(), 1_000_000)
    releases.sweep(at=noon + MINUTE)
    for after, wh in ((11 * HOUR, 1_000_500), (11 * HOUR + MINUTE, error), (11 * HOUR + 2 * MINUTE, error)):
        read(after, wh)
    read(12.2 * HOUR, 1_000_600)
    assert standing.of_circuits(circuit.site_id, [circuit.pk]) == []
    releases.sweep(at=noon + 12.5 * HOUR)
    read(26 * HOUR, 1_000_900)
    releases.sweep(at=noon + 90 * HOUR)
    found = query("SELECT energy_wh FROM billing_release WHERE circuit_id = %s ORDER BY from_at", [circuit.pk])
    assert found == [(500,), (400,)]
