"""The page of a meter's days: freezes beside use, gaps, marked readings, and who may ask the meter."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from prewatt.core.meters.jobs import Intent
from prewatt.core.meters.judging import CODES, Mark
from prewatt.office.metering.models import Gap, JobRow
from prewatt.office.staff.models import Operator
from tests.cast import Cast, assemble

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def cast() -> Cast:
    found = assemble()
    found.shop_102.meter.profile = "ningju-dtzy1218"
    found.shop_102.meter.save(update_fields=["profile"])
    return found


def as_(operator: Operator, language: str = "en") -> Client:
    client = Client()
    client.force_login(operator)
    client.cookies["django_language"] = language
    return client


def put(cast: Cast, *told: tuple[timedelta, int, Mark]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO metering_reading (site_id, circuit_id, at, full_read, source, quality, mark, energy_wh)"
            " VALUES (%s, %s, %s, true, 0, %s, %s, %s)",
            [
                (cast.site.pk, cast.shop_102.pk, timezone.now() - ago, int(mark is Mark.BACKWARD), CODES[mark], wh)
                for ago, wh, mark in told
            ],
        )


def test_marks_gaps_and_freezes_are_there_in_both_languages(cast: Cast) -> None:
    put(cast, (3 * HOUR, 900, Mark.GAP_FILLED), (HOUR, 900, Mark.FROZEN), (HOUR / 2, 100, Mark.BACKWARD))
    now = timezone.now()
    Gap.objects.create(
        site_id=cast.site.pk, circuit_id=cast.shop_102.pk, from_at=now - 90 * HOUR, to_at=now - 20 * HOUR, before_wh=1,
        state=Gap.State.PARTLY, due_at=now, waits_until=now, freezes=2, ended_at=now,
    )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO metering_freeze (site_id, circuit_id, kind, at, energy_wh, read_at) VALUES"
            " (%s, %s, 'day', date_trunc('day', now()) - interval '56 h', 12340, now()),"
            " (%s, %s, 'day', date_trunc('day', now()) - interval '32 h', 15340, now())",
            [cast.site.pk, cast.shop_102.pk] * 2,
        )
    address = f"/console/circuits/{cast.shop_102.pk}/days"
    page = as_(cast.bob).get(address).content.decode()
    assert "after a gap, filled" in page and "stands still under load" in page
    assert "backward" in page and "partly filled" in page and "2 freezes" in page
    assert "15.34" in page and ">3.00<" in page  # the counter, and the use between the two
    chinese = as_(cast.bob, "zh-hans").get(address).content.decode()
    assert "有负载而停走" in chinese and "部分补齐" in chinese
    assert address in as_(cast.bob).get(f"/console/meters/{cast.shop_102.meter_id}").content.decode()


def test_a_click_asks_the_meter_for_days_and_months(cast: Cast) -> None:
    address = f"/console/circuits/{cast.shop_102.pk}/days"
    assert as_(cast.bob).post(f"{address}/read")["Location"] == address
    assert [row.intent for row in JobRow.objects.all()] == [Intent.READ_FREEZES.value] * 2


def test_who_may_see_nothing_sees_nothing_and_a_model_without_freezes_says_so(cast: Cast) -> None:
    assert as_(cast.charlie).get(f"/console/circuits/{cast.shop_102.pk}/days").status_code in (403, 404)
    page = as_(cast.bob).get(f"/console/circuits/{cast.shop_103.pk}/days").content.decode()
    assert "no freezes are known" in page or "keeps its counter" in page


def test_the_meter_page_says_how_reverse_energy_counts_and_warns_of_rooftop_solar(cast: Cast) -> None:
    address = f"/console/meters/{cast.shop_102.meter_id}"
    assert "a counter of its own" in as_(cast.bob).get(address).content.decode()
    cast.shop_102.meter.profile = "ningju-ddzy1218"
    cast.shop_102.meter.save(update_fields=["profile"])
    assert "Not behind rooftop solar" in as_(cast.bob).get(address).content.decode()
