"""The settings page of a meter: typed in kWh and kW, written once, refused in words."""

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.utils import timezone, translation

from prewatt.core.meters.quantities import Quantity
from prewatt.office.metering import clocks
from prewatt.office.metering.jobs import decode
from prewatt.office.metering.models import JobRow, MeterClock
from prewatt.office.staff.models import Operator
from prewatt.web.console.meters_words import came_of
from tests.cast import NOON, Cast, assemble

pytestmark = pytest.mark.django_db
TYPED = {"alarm_level_1": "80", "alarm_level_2": "10", "overdraft_limit": "0", "hoarding_limit": "2000",
         "load_limit": "2.5", "reason": "a larger shop", "request_key": "k"}  # fmt: skip


@pytest.fixture
def cast() -> Cast:
    return assemble()


def as_(operator: Operator) -> Client:
    client = Client()
    client.force_login(operator)
    client.cookies["django_language"] = "en"
    return client


def test_what_is_agreed_stands_in_the_form_and_what_differs_is_sent(cast: Cast) -> None:
    client, address = as_(cast.bob), f"/console/circuits/{cast.shop_101.pk}/settings"
    form = client.get(address).content.decode()
    assert 'name="alarm_level_1" type="text" inputmode="decimal" value="50"' in form and 'value="2000"' in form
    assert client.post(address, TYPED)["Location"].startswith(f"/console/meters/{cast.shop_101.meter_id}")
    assert decode(JobRow.objects.get().payload).settings == {
        Quantity.ALARM_LEVEL_1: 80_000, Quantity.LOAD_LIMIT: 2_500,
    }  # fmt: skip
    assert address in client.get(f"/console/meters/{cast.shop_101.meter_id}").content.decode()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"alarm_level_1": "5"}, "settings_alarm_order"),
        ({"alarm_level_1": "a lot"}, "energy_malformed"),
        ({"reason": " "}, "reason_needed"),
        ({"load_limit": " "}, "setting_blank"),
        ({"alarm_level_1": "60.005"}, "value_too_fine"),
        ({"load_limit": "-2"}, "value_out_of_range"),
        ({"alarm_level_1": "50", "load_limit": "0"}, "settings_unchanged"),
    ],
)
def test_a_refusal_takes_nothing_away(cast: Cast, changes: dict[str, str], code: str) -> None:
    answer = as_(cast.bob).post(f"/console/circuits/{cast.shop_101.pk}/settings", {**TYPED, **changes})
    assert answer.status_code == 422 and f'data-code="{code}"' in answer.content.decode()
    assert 'value="2000"' in answer.content.decode() and not JobRow.objects.exists()


def test_a_blank_is_no_zero_and_what_is_refused_is_named_as_the_form_names_it(cast: Cast) -> None:
    """A load limit of zero is none at all: nobody means that by leaving a field empty."""
    client, address = as_(cast.bob), f"/console/circuits/{cast.shop_101.pk}/settings?only=load_limit"
    for typed in ({"load_limit": ""}, {}):
        said = client.post(address, {**typed, "reason": "r", "request_key": "k"}).content.decode()
        assert "Load limit (kW): a value is needed" in said
    said = client.post(address, {"load_limit": "-2", "reason": "r", "request_key": "k"}).content.decode()
    assert "Load limit (kW) = -2 does not fit" in said and not JobRow.objects.exists()


def test_a_switch_that_was_never_read_is_chosen_by_itself(cast: Cast) -> None:
    client, address = as_(cast.bob), f"/console/circuits/{cast.shop_101.pk}/settings"
    assert 'name="alarm_trips_1"' not in client.get(address).content.decode(), "nobody knows how it stands"
    only = f"{address}?only=alarm_trips_1"
    form = client.get(only).content.decode()
    assert '<option value=""' in form and "trips as a warning" in form
    answer = client.post(only, {"alarm_trips_1": "", "reason": "r", "request_key": "k"})
    assert answer.status_code == 422 and not JobRow.objects.exists()
    client.post(only, {"alarm_trips_1": "1", "reason": "r", "request_key": "k"})
    assert decode(JobRow.objects.get().payload).settings == {Quantity.ALARM_TRIPS_1: 1}
    JobRow.objects.update(state="done", verdict="done", values={"alarm_trips_1": 1}, finished_at=NOON)
    assert '<option value="1" selected>' in client.get(address).content.decode()
    page = client.get(f"/console/meters/{cast.shop_101.meter_id}").content.decode()
    assert "trips as a warning" in parameter(page, "alarm_trips_1")


def test_who_may_not_and_where_nothing_is_agreed(cast: Cast) -> None:
    assert as_(cast.alice).get(f"/console/circuits/{cast.shop_101.pk}/settings").status_code == 403
    assert as_(cast.charlie).get(f"/console/circuits/{cast.shop_101.pk}/settings").status_code == 403
    answer = as_(cast.bob).get(f"/console/circuits/{cast.shop_103.pk}/settings")
    assert answer.status_code == 409 and b'data-code="settings_not_open"' in answer.content


def test_the_clock_is_shown_with_its_deviation_and_set_with_a_reason(cast: Cast) -> None:
    client, meter = as_(cast.bob), f"/console/meters/{cast.shop_101.meter_id}"
    assert "not read yet" in client.get(meter).content.decode().split('data-test="clock"')[1][:200]
    MeterClock.objects.create(meter=cast.shop_101.meter, ahead_s=-75, read_at=NOON)
    row = client.get(meter).content.decode().split('data-test="clock"')[1][:600]
    assert "75 s behind" in row and "clock off" in row
    assert as_(cast.alice).get(f"{meter}/clock").status_code == 403
    answer = client.post(f"{meter}/clock", {"reason": "after the power cut", "request_key": "k"})
    if clocks.near_midnight(timezone.now(), ZoneInfo("Asia/Shanghai")):
        assert b'data-code="clock_near_midnight"' in answer.content
    else:
        assert JobRow.objects.get().intent == "set_clock"


def parameter(page: str, quantity: str) -> str:
    """The table's row of one parameter."""
    return page.split(f'data-parameter="{quantity}"')[1].split("</tr>")[0]


def test_the_meter_page_says_of_each_parameter_what_is_wanted_and_what_was_read(cast: Cast) -> None:
    client, meter = as_(cast.bob), f"/console/meters/{cast.shop_101.meter_id}"
    assert 'data-state="unread"' in parameter(client.get(meter).content.decode(), "alarm_level_1")
    single = f"/console/circuits/{cast.shop_101.pk}/settings?only=alarm_level_1"
    form = client.get(single).content.decode()
    assert 'name="alarm_level_1"' in form and 'name="load_limit"' not in form
    client.post(single, {"alarm_level_1": "80", "reason": "a larger shop", "request_key": "k"})
    row = parameter(client.get(meter).content.decode(), "alarm_level_1")
    assert 'data-state="writing"' in row and "80.00" in row and "a larger shop" in row
    JobRow.objects.update(state="done", verdict="unknown", ever_sent=True, finished_at=NOON, code="write_unanswered")
    page = client.get(meter).content.decode()
    assert 'data-state="unknown"' in parameter(page, "alarm_level_1") and "50.00 → 80.00 kWh" in page
    client.post(f"/console/circuits/{cast.shop_101.pk}/settings/read")
    assert JobRow.objects.latest("pk").intent == "read_purse"
    JobRow.objects.filter(intent="read_purse").update(
        state="done", verdict="done", values={"alarm_level_1": 80_000}, finished_at=NOON + timedelta(hours=1)
    )
    row = parameter(client.get(meter).content.decode(), "alarm_level_1")
    assert 'data-state="agrees"' in row and "assumed" in row
    assert client.get(single.replace("alarm_level_1", "balance")).status_code == 404


def test_what_moved_beside_a_written_value_is_said_though_the_value_agrees(cast: Cast) -> None:
    client, meter = as_(cast.bob), f"/console/meters/{cast.shop_101.meter_id}"
    client.post(f"/console/circuits/{cast.shop_101.pk}/settings?only=load_limit",
                {"load_limit": "3", "reason": "r", "request_key": "k"})  # fmt: skip
    assert 'hx-select="#parameters"' in client.get(meter).content.decode(), "it follows what is on its way"
    JobRow.objects.update(
        state="done", verdict="disputed", code="settings_moved_another", finished_at=NOON, ever_sent=True,
        values={"load_limit": 3_000, "alarm_level_1": 1_000},
    )  # fmt: skip
    page = client.get(meter).content.decode()
    assert 'hx-select="#parameters"' not in page, "nothing is on its way"
    limit, level = parameter(page, "load_limit"), parameter(page, "alarm_level_1")
    assert 'data-state="agrees"' in limit and "Something else in the meter changed" in limit
    assert 'data-state="differs"' in level
    assert "Something else in the meter changed" in page.split('data-test="parameter-versions"')[1]


@pytest.mark.parametrize(
    ("intent", "state", "verdict", "sent", "said"),
    [
        ("write_settings", "queued", "", False, "at work"),
        ("write_settings", "dropped", "", False, "dropped, never sent"),
        ("write_settings", "dropped", "", True, "unknown"),
        ("write_settings", "done", "silent", True, "unknown"),
        ("read_purse", "done", "silent", True, "no answer"),
        ("read_purse", "dropped", "", True, "dropped, never sent"),
        ("relay", "done", "refused", True, "refused"),
    ],
)
def test_what_came_of_a_command_claims_no_more_than_is_known(
    intent: str, state: str, verdict: str, sent: bool, said: str
) -> None:
    job = JobRow(intent=intent, state=state, verdict=verdict, ever_sent=sent)
    with translation.override("en"):
        assert came_of(job)[0] == said
