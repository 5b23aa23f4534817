"""Pages of meters that are credited over DL/T 645: who stands behind their check codes is said, in both languages."""

import pytest
from django.conf import LazySettings
from django.test import Client

from prewatt.office.estate.models import Meter
from prewatt.office.staff.models import Operator, Role, Scope
from tests.cast import NOON, Cast, assemble

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return assemble()


def pages(cast: Cast, language: str, *addresses: str) -> list[str]:
    who = Operator.objects.create(username="erin", name="erin", role=Role.ELECTRICIAN, created_at=NOON, password="!")
    Scope.objects.create(operator=who, site_id=cast.site.pk)
    client = Client()
    client.force_login(who)
    client.cookies["django_language"] = language
    return [client.get(address).content.decode() for address in addresses]


@pytest.mark.parametrize(
    ("language", "provider", "words"),
    [
        ("en", "simulated", "The simulated security provider holds no keys of any meter"),
        ("zh-hans", "simulated", "模拟安全模块不含任何电表的真实密钥"),
        ("en", "none", "none is connected"),
        ("zh-hans", "none", "未接入安全模块"),
    ],
)
def test_a_state_grid_meter_and_its_model_say_who_makes_their_check_codes(
    cast: Cast, settings: LazySettings, language: str, provider: str, words: str
) -> None:
    settings.PREWATT_SECURITY = provider
    meter_id = cast.shop_101.meter_id
    Meter.objects.filter(pk=meter_id).update(profile="generic-dlt645-grid")
    shown = pages(cast, language, "/console/meters/models/generic-dlt645-grid", f"/console/meters/{meter_id}")
    assert [words in each for each in shown] == [True, True]


def test_an_order_number_meter_needs_none(cast: Cast) -> None:
    (shown,) = pages(cast, "en", "/console/meters/models/generic-dlt645-order")
    assert "money by order number" in shown and 'data-test="security"' not in shown
