"""The settings page of a meter: typed in kWh and kW, written once, refused in words."""

import pytest
from django.test import Client

from prewatt.core.meters.quantities import Quantity
from prewatt.office.metering.jobs import decode
from prewatt.office.metering.models import JobRow
from prewatt.office.staff.models import Operator
from tests.cast import Cast, assemble

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
        ({"alarm_level_1": "50", "load_limit": "0"}, "settings_unchanged"),
    ],
)
def test_a_refusal_takes_nothing_away(cast: Cast, changes: dict[str, str], code: str) -> None:
    answer = as_(cast.bob).post(f"/console/circuits/{cast.shop_101.pk}/settings", {**TYPED, **changes})
    assert answer.status_code == 422 and f'data-code="{code}"' in answer.content.decode()
    assert 'value="2000"' in answer.content.decode() and not JobRow.objects.exists()


def test_who_may_not_and_where_nothing_is_agreed(cast: Cast) -> None:
    assert as_(cast.alice).get(f"/console/circuits/{cast.shop_101.pk}/settings").status_code == 403
    assert as_(cast.charlie).get(f"/console/circuits/{cast.shop_101.pk}/settings").status_code == 403
    answer = as_(cast.bob).get(f"/console/circuits/{cast.shop_103.pk}/settings")
    assert answer.status_code == 409 and b'data-code="settings_not_open"' in answer.content
