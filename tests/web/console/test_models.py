"""Meters of every model have a page that says what they hold, where that is from, and what cannot be cut."""

import pytest
from django.test import Client

from prewatt.core.meters import catalogue
from prewatt.core.meters.jobs import Intent, Job
from prewatt.core.meters.model import Switch
from prewatt.core.meters.quantities import Quantity
from prewatt.office.estate.models import Meter
from prewatt.office.metering.models import JobRow
from tests.cast import NOON, Cast, assemble
from tests.core.meters.bench645 import DataLine, DataMeter
from tests.web.console.test_tries import as_, tried, vars_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return assemble()


def page_of(cast: Cast, client: Client, code: str) -> str:
    Meter.objects.filter(pk=cast.shop_101.meter_id).update(profile=code)
    answer = client.get(f"/console/meters/{cast.shop_101.meter_id}")
    assert answer.status_code == 200, code
    return answer.content.decode()


def test_every_model_of_the_catalogue_has_a_page(cast: Cast) -> None:
    client = as_(cast.alice)
    for code, profile in catalogue().items():
        page = page_of(cast, client, code)
        assert ("none: cannot be cut" in page) == (profile.switch is Switch.NONE), code
        assert (profile.relay is None) == (profile.switch is Switch.NONE) or not profile.wired, code
        assert all(register.place(0) in page for register in profile.registers.values()), code


def test_a_plain_meter_cannot_be_cut_and_its_page_says_so_in_chinese_too(cast: Cast) -> None:
    assert "无开关，不能切断供电" in page_of(cast, as_(cast.alice, "zh-hans"), "eastron-sdm630")


def test_a_data_item_meter_is_tried_item_by_item(cast: Cast) -> None:
    client = as_(cast.alice)
    Meter.objects.filter(pk=cast.shop_101.meter_id).update(profile="ningju-ddzy1218")
    address, number = tried(cast, client), cast.shop_101.meter.number
    values = {Quantity.VOLTAGE_A: 230_400, Quantity.ENERGY_IMPORT_TOTAL: 12_345_670}
    meter = DataMeter(catalogue()["ningju-ddzy1218"], number=number, values=values)
    outcome = DataLine(meter).run(Job(intent=Intent.TRY), number=number)
    told = [
        {name: value.hex() if isinstance(value, bytes) else value for name, value in vars_of(frame).items()}
        for frame in outcome.frames
    ]
    JobRow.objects.update(
        state="done", verdict="done", finished_at=NOON, frames=told, values={"meter_number": int(number)}
    )
    part = client.get(address, headers={"HX-Request": "true"}).content.decode()
    assert 'data-verdict="done"' in part
    assert "02010100" in part and "0423" in part and "230.4" in part, "identifier, bytes as they came, and volts"
    assert "12,345.67" in part or "12345.67" in part
