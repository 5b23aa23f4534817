"""A line that was dead for days: what its meter froze meanwhile is fetched, and each day is charged for its own use."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from prewatt.core.meters.freezes import FreezeKind
from prewatt.core.meters.jobs import Intent
from prewatt.office.billing import charges
from prewatt.office.metering import freezes
from prewatt.office.metering.clock import database_now
from prewatt.office.metering.jobs import decode
from prewatt.office.metering.models import Gap, JobRow, JobState, MeterClock
from tests.office.billing.scene import query, waiting
from tests.office.billing.test_intake import told

pytestmark = pytest.mark.django_db
SHANGHAI = ZoneInfo("Asia/Shanghai")
WITH_FREEZES, WITHOUT = "ningju-dtzy1218", "acrel-dtsy1352"
MINUTE = timedelta(minutes=1)


class Story:
    """A shop whose line dies at noon and comes back at noon `days` later; 24 kWh were used on the way on each day, but
    all of it in the first night."""

    def __init__(self, *, days: int = 3, profile: str = WITH_FREEZES, after_wh: int = 1_100_000) -> None:
        now = database_now().astimezone(SHANGHAI)
        self.noon = datetime.combine(now.date() - timedelta(days=days + 1), time(12), SHANGHAI)
        self.back = self.noon + timedelta(days=days)
        self.shop = waiting(valid_from=self.noon - timedelta(hours=1))
        self.shop.circuit.meter.profile = profile
        self.shop.circuit.meter.save(update_fields=["profile"])
        told(self.shop, self.noon - MINUTE, 1_000_000)
        told(self.shop, self.noon, 1_010_000)
        self.returned = told(self.shop, self.back, after_wh)

    def sweep(self, after: timedelta) -> int:
        return freezes.sweep(at=self.back + after)

    @property
    def ids(self) -> list[int]:
        return [self.shop.circuit.pk]

    @property
    def marks(self) -> list[int | None]:
        told = query("SELECT mark FROM metering_reading WHERE circuit_id = %s ORDER BY at", self.ids)
        return [mark for (mark,) in told]

    @property
    def gap(self) -> Gap:
        return Gap.objects.get(circuit_id=self.shop.circuit.pk)

    @property
    def jobs(self) -> list[JobRow]:
        return list(JobRow.objects.filter(circuit=self.shop.circuit, intent=Intent.READ_FREEZES.value).order_by("pk"))

    def answer(self, counters: Sequence[int | None], *, verdict: str = "done") -> None:
        """The meter's answer to the open job: its counter at each midnight after the line died."""
        job = self.jobs[-1]
        span = decode(job.payload).freezes
        assert span is not None and span.kind is FreezeKind.DAY and span.local
        first = self.noon.date() + timedelta(days=1)
        shown = [
            (int(datetime.combine(first + timedelta(days=place), time(), UTC).timestamp()), wh)
            for place, wh in enumerate(counters) if wh is not None
        ]  # fmt: skip
        shown = [(at, wh) for at, wh in shown if span.since <= at <= span.until]
        if verdict == "done" and shown:
            query(
                "SELECT metering_keep_freezes(%s, 'day', true, %s::bigint[], %s::bigint[], %s::jsonb, %s)",
                [self.shop.circuit.pk, [at for at, _ in shown], [wh for _, wh in shown], "[]", self.back],
            )
        JobRow.objects.filter(pk=job.pk).update(
            state=JobState.DONE, verdict=verdict, finished_at=self.back, claim=1
        )

    def daily(self) -> dict[date, int]:
        rows = query("SELECT day, used_wh FROM metering_daily WHERE circuit_id = %s", [self.shop.circuit.pk])
        return {day: int(wh) for day, wh in rows}

    def day(self, number: int) -> date:
        return self.noon.date() + timedelta(days=number)

    def charged(self) -> list[int]:
        return [each.wh for each in self.shop.charges]


def test_the_gap_is_charged_by_day_with_what_was_frozen_and_the_days_say_so_too() -> None:
    story = Story()
    assert story.returned == 0 and story.charged() == [10_000]  # it waits for the meter's word
    assert story.daily()[story.day(3)] == 90_000  # the whole gap, as the intake saw it
    story.sweep(MINUTE)
    assert [each.state for each in story.jobs] == [JobState.QUEUED]
    story.answer([1_080_000, 1_082_000, 1_084_000])
    assert story.sweep(2 * MINUTE) == 1
    assert (story.gap.state, story.gap.freezes) == (Gap.State.FILLED, 3)
    charges.sweep(at=story.back + 2 * MINUTE)
    assert story.charged() == [10_000, 70_000, 2_000, 2_000, 16_000]
    assert story.daily() == {story.day(0): 80_000, story.day(1): 2_000, story.day(2): 2_000, story.day(3): 16_000}
    marks = query("SELECT source, quality FROM metering_reading WHERE circuit_id = %s ORDER BY at", story.ids)
    assert marks == [(0, 0), (0, 0), (3, 0), (3, 0), (3, 0), (0, 0)]
    assert story.marks == [None, None, None, None, None, 8], "after a gap that is closed"


def test_nothing_is_charged_twice_however_often_it_is_swept_and_a_late_freeze_changes_no_charge() -> None:
    story = Story()
    story.sweep(MINUTE)
    assert story.marks[-1] == 7, "after a gap"
    charges.sweep(at=story.back + timedelta(minutes=11))  # the meter took too long: linear time, as ever
    before = story.charged()
    assert sum(before) == 100_000 and before[1:] == [15_000, 30_000, 30_000, 15_000]
    story.answer([1_080_000, 1_082_000, 1_084_000])
    for _ in range(3):
        story.sweep(timedelta(minutes=12))
        charges.sweep(at=story.back + timedelta(minutes=12))
    assert story.charged() == before
    assert story.daily()[story.day(0)] == 80_000  # people see what was used all the same
    told(story.shop, story.back + timedelta(hours=1), 1_101_000)
    assert sum(story.charged()) == 101_000


@pytest.mark.parametrize(
    ("counters", "state", "qualities"),
    [
        ([1_080_000, None, 1_084_000], "partly", [0, 0]),
        ([900_000, 1_082_000, 1_084_000], "partly", [1, 0, 0]),
        ([1_080_000, 9_000_000, 1_084_000], "partly", [0, 2, 0]),
        ([1_200_000, 1_200_000, 1_200_000], "empty", [2, 2, 2]),
        ([None, None, None], "empty", []),
    ],
)
def test_a_freeze_that_cannot_be_true_is_kept_and_not_billed(
    counters: list[int | None], state: str, qualities: list[int]
) -> None:
    story = Story()
    story.sweep(MINUTE)
    story.answer(counters)
    story.sweep(2 * MINUTE)
    charges.sweep(at=story.back + 2 * MINUTE)
    assert story.gap.state == state
    rows = query("SELECT quality FROM metering_reading WHERE circuit_id = %s AND source = 3 ORDER BY at", story.ids)
    assert [quality for (quality,) in rows] == qualities
    assert sum(story.charged()) == 100_000 and min(story.charged()) >= 0
    assert sum(story.daily().values()) == 100_000


def test_freezes_of_a_clock_that_is_off_are_kept_and_marked_but_not_used() -> None:
    story = Story()
    MeterClock.objects.create(meter=story.shop.circuit.meter, ahead_s=-4_000, read_at=story.back)
    story.sweep(MINUTE)
    story.answer([1_080_000, 1_082_000, 1_084_000])
    story.sweep(2 * MINUTE)
    rows = query("SELECT DISTINCT quality FROM metering_reading WHERE circuit_id = %s AND source = 3", story.ids)
    assert rows == [(4,)] and story.gap.state == Gap.State.EMPTY


def test_a_meter_that_keeps_none_is_charged_within_seconds_and_one_that_stays_silent_after_a_few_tries() -> None:
    story = Story(profile=WITHOUT)
    assert story.sweep(timedelta(seconds=5)) == 1 and story.gap.state == Gap.State.EMPTY and not story.jobs
    assert charges.sweep(at=story.back + timedelta(seconds=6)) == 4


def test_a_silent_meter_is_asked_again_and_given_up() -> None:
    story = Story()
    for tries in range(1, freezes.MOST_TRIES + 1):
        story.sweep(timedelta(minutes=20 * tries))
        assert len(story.jobs) == tries
        story.answer([], verdict="silent")
    assert story.sweep(timedelta(hours=3)) == 1 and story.gap.state == Gap.State.EMPTY
    assert len(story.jobs) == freezes.MOST_TRIES


def test_a_long_gap_is_asked_for_in_parts_and_each_day_has_its_use() -> None:
    story = Story(days=20)
    for step in range(1, 4):
        story.sweep(timedelta(minutes=step))
        assert len(story.jobs) == step
        story.answer([1_020_000 + 4_000 * place for place in range(20)])
    assert story.sweep(timedelta(minutes=5)) == 1 and (story.gap.state, story.gap.freezes) == (Gap.State.FILLED, 20)
    charges.sweep(at=story.back + timedelta(minutes=5))
    assert story.charged() == [10_000, 10_000, *[4_000] * 19, 4_000]


def test_a_pause_within_a_day_is_no_gap() -> None:
    story = Story(after_wh=1_100_000)
    assert story.gap.before_wh == 1_010_000
    short = timedelta(minutes=90)
    told(story.shop, story.back + short, 1_100_500)  # a pause within a day is no gap
    assert Gap.objects.filter(circuit_id=story.shop.circuit.pk).count() == 1


def test_a_click_asks_for_days_and_months_and_a_model_without_refuses() -> None:
    story = Story()
    ids = freezes.ask(story.shop.circuit, request_key="a", at=story.back, actor="operator:1")
    kinds = [decode(row.payload).freezes for row in JobRow.objects.filter(pk__in=ids).order_by("pk")]
    assert [each.kind for each in kinds if each is not None] == [FreezeKind.DAY, FreezeKind.MONTH]
    assert freezes.ask(story.shop.circuit, request_key="a", at=story.back, actor="operator:1") == ids
