"""The pages of an exchanged meter: what would change is shown before it does, and the slip says how far it is."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from prewatt.core.meters.jobs import Wish
from prewatt.core.meters.schedule import Period, Schedule, Zone
from prewatt.office.changes import swap_wants
from prewatt.office.changes.models import Swap, SwapPart
from prewatt.office.estate.models import Meter
from prewatt.office.metering import wishes
from prewatt.office.metering.models import JobRow
from prewatt.office.metering.times import TIMES
from prewatt.office.staff.models import AuditRow, Operator
from prewatt.web.console.meters_words import names_of
from tests.cast import Cast, assemble
from tests.office.billing.scene import query

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    """Shop 101 held 50 kWh a minute ago."""
    made = assemble()
    query(
        "INSERT INTO metering_reading (site_id, circuit_id, at, full_read, source, quality, energy_wh, balance,"
        " purchase_count) VALUES (%s, %s, %s, true, 0, 0, 1234560, 50000, 5) RETURNING 1",
        [made.site.pk, made.shop_101.pk, timezone.now() - timedelta(minutes=1)],
    )
    return made


def as_(operator: Operator) -> Client:
    client = Client()
    client.force_login(operator)
    client.cookies["django_language"] = "en"
    return client


def typed(cast: Cast, **changes: str) -> dict[str, str]:
    return {
        "number": "260311990001", "profile": "pilot-spm9511", "line": str(cast.line.pk), "unit": "1", "ratio": "1",
        "source": "read", "found": "clear", "till": str(cast.window.pk), "reason": "the display is dead",
        "request_key": "k", **changes,
    }  # fmt: skip


def test_nothing_changes_before_the_figures_were_seen(cast: Cast) -> None:
    client, address = as_(cast.bob), f"/console/meters/{cast.shop_101.meter_id}/swap"
    assert address in client.get(f"/console/meters/{cast.shop_101.meter_id}").content.decode()
    one, at, actor = cast.shop_101, timezone.now(), "operator:7"
    later = at + timedelta(hours=1)
    wishes.hang_tag(one, name="Wu Lei", reason="new cable", until=later, actor=actor, at=at)
    wishes.load_wish(one, Wish.KEEP_ON, reason="a sick child", until=later, actor=actor, at=at)
    form = client.get(address).content.decode()
    assert 'name="final_1"' in form and 'name="credit_1"' in form and 'name="first_1"' not in form
    sure = client.post(address, typed(cast)).content.decode()
    assert "1,234.56" in sure and "50.00" in sure and 'data-test="swap-sure"' in sure
    assert all(words in sure for words in ("maintenance tag of Wu Lei, until", "kept on until", "(a sick child)"))
    assert not Swap.objects.exists() and not JobRow.objects.exists()
    assert Meter.objects.filter(removed_at=None).count() == 4
    back = client.post(address, typed(cast, edit="1")).content.decode()
    assert 'value="260311990001"' in back and not Swap.objects.exists()

    answer = client.post(address, typed(cast, sure="1"))
    made = Swap.objects.get()
    assert answer["Location"] == f"/console/swaps/{made.pk}"
    for gone in (address, f"/console/meters/{cast.shop_101.meter_id}"):
        assert client.get(gone)["Location"] == f"/console/swaps/{made.pk}"
    assert client.post(address, typed(cast, sure="1"))["Location"] == f"/console/swaps/{made.pk}", "pressed twice"
    slip = client.get(f"/console/swaps/{made.pk}").content.decode()
    assert 'data-state="opening"' in slip and "260311990001" in slip and cast.shop_101.meter.number in slip
    page = client.get(f"/console/meters/{made.new_meter_id}").content.decode()
    assert f"/console/swaps/{made.pk}" in page and cast.shop_101.meter.number in page
    assert AuditRow.objects.get(action="changes.swap").reason == "the display is dead"


def test_what_was_wanted_of_the_old_meter_is_said_before_and_after(cast: Cast) -> None:
    client, at = as_(cast.bob), timezone.now()
    alone = Meter.objects.exclude(circuit__supplypoint__state="open").order_by("pk")[0]  # supplies nobody
    night = Schedule(zones=(Zone(month=1, day=1, table=1),), tables=((Period(minute=0, rate=4),),))
    Meter.objects.filter(pk=alone.pk).update(profile="pilot-spm9511")
    alone.refresh_from_db()
    TIMES.write(alone, night, swap_at=at + timedelta(days=1), reason="x", actor="operator:7", key="t", at=at)
    JobRow.objects.update(state="done", verdict="done", finished_at=at)
    address, unit = f"/console/meters/{alone.pk}/swap", str(alone.unit)
    sure = client.post(address, typed(cast, unit=unit)).content.decode()
    assert "Times of use, as it was wanted of the old meter" in sure and 'data-test="swap-left"' not in sure
    other = client.post(address, typed(cast, unit=unit, profile="acrel-ddsy1352")).content.decode()
    assert 'data-test="swap-left"' in other and "Times of use: No standby set is known of this model" in other
    client.post(address, typed(cast, unit=unit, profile="acrel-ddsy1352", sure="1"))
    made = Swap.objects.get()
    assert swap_wants.sweep(at=at) == 1
    slip = client.get(f"/console/swaps/{made.pk}").content.decode()
    assert "Not handed over:" in slip and "No standby set is known" in slip and 'data-test="swap-over"' not in slip
    assert list(names_of([swap_wants.actor_of(made)])) == [f"swap:{made.pk}"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"number": "12"}, "meter_number_malformed"),
        ({"reason": ""}, "reason_needed"),
        ({"source": "stated", "final_1": "1300", "credit_1": "40"}, "swap_needs_evidence"),
        ({"source": "stated", "final_1": "1300", "credit_1": "60", "evidence": "Wu Lei"}, "swap_credit_above_read"),
        ({"source": "stated", "final_1": "1,2.3.4", "credit_1": "4", "evidence": "Wu Lei"}, "energy_malformed"),
    ],
)
def test_a_refusal_takes_nothing_away(cast: Cast, changes: dict[str, str], code: str) -> None:
    answer = as_(cast.bob).post(f"/console/meters/{cast.shop_101.meter_id}/swap", typed(cast, **changes))
    assert answer.status_code == 422 and f'data-code="{code}"' in answer.content.decode()
    assert not Swap.objects.exists()


def test_who_may_not_and_what_can_be_done_again(cast: Cast) -> None:
    address = f"/console/meters/{cast.shop_101.meter_id}/swap"
    assert as_(cast.alice).get(address).status_code == 403
    client = as_(cast.bob)
    client.post(address, typed(cast, sure="1"))
    made = Swap.objects.get()
    assert as_(cast.charlie).get(f"/console/swaps/{made.pk}").status_code == 403
    SwapPart.objects.update(state="not_carried")
    slip = client.get(f"/console/swaps/{made.pk}").content.decode()
    [again] = re.findall(r'action="(/console/swaps/\d+/parts/\d+/again)"', slip)
    assert as_(cast.alice).post(again).status_code == 403
    client.post(again)
    assert SwapPart.objects.get().state == "opening"
