"""The whole way of a token: sold at the counter, typed into the meter, used once, and no more after a key change."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from pytest_django import Settings

from prewatt.core.sts import Ea
from prewatt.office.estate import places, wires
from prewatt.office.estate.models import Building, Carrier, Circuit, Customer, Plan
from prewatt.office.staff.actors import of_operator
from prewatt.office.tokens import keys, meters, opened, rack
from prewatt.office.tokens.models import StoredKey, StsMeter
from prewatt.office.vending.models import Sale, Shift, Till
from prewatt.office.vending.opening_history import PastOpening, load_openings
from tests.browser.conftest import Login
from tests.browser.scene import Scene
from tests.field.simulator.running import Simulator
from tests.office.tokens.scene import NEW_VALUE, attributes, vending_key

pytestmark = pytest.mark.browser
NUMBER, ROOM = "260312500001", "A-601"


@dataclass(frozen=True, kw_only=True)
class Story:
    """Room A-601 with an STS meter, empty, and the same meter in the simulated site."""

    sts: StsMeter
    new_key: StoredKey
    simulator: Simulator


@pytest.fixture
def story(mall: Scene, settings: Settings, tmp_path: Path) -> Iterator[Story]:
    settings.PREWATT_VAULT = {
        "key_file": str(tmp_path / "vault.key"), "demo_key_file": True, "passphrase_file": "", "production": False,
        "software": False, "library": "", "token": "", "pin_file": "",
    }  # fmt: skip
    opened.forget()
    at, admin = mall.at - timedelta(days=2), of_operator(mall.operators["administrator"])
    vault = rack.open_software(opened.software_settings(settings.PREWATT_VAULT), at=at)
    assert vault is not None
    keys.seal_in(vault, vending_key(), company_id=None, actor=admin, at=at)
    new_key = keys.seal_in(vault, vending_key(NEW_VALUE, krn=2), company_id=None, actor=admin, at=at)
    building = Building.objects.get(site=mall.site, code="A")
    room = places.add_room(building, floor=6, code=ROOM, name="", area_dm2=None, actor="t", at=at)
    meter = wires.add_keypad_meter(mall.site, number=NUMBER, profile="pilot-spm9511", room=room, actor="t", at=at)
    sts = meters.register(meter, attributes(), actor=admin, at=at)
    opening = PastOpening(
        number="30410001", circuit=Circuit.objects.get(meter=meter), plan=Plan.objects.get(),
        customer=Customer.objects.create(company=mall.site.company, name="王小芸"), opened_at=at, alarm_1=0, alarm_2=0,
        overdraft=0, hoarding_limit=0, load_limit_w=0, purchase_count=0, carrier=Carrier.TOKEN,
    )  # fmt: skip
    load_openings([opening], actor="t", at=at)
    till = Till.objects.create(site_id=mall.site.pk, code="W1", name="窗口 1")
    Shift.objects.create(till=till, operator_id=mall.operators["cashier"].pk, opened_at=mall.at)
    held = vending_key().decoder_key(meter_pan=sts.meter_pan, ti=sts.ti, ea=Ea(sts.ea))
    site = {
        "number": NUMBER, "place": ROOM, "profile": "pilot-spm9511", "line": "a", "unit": 99, "made_tid": 6_000_000,
        "key": {"ea": sts.ea, "value": held.value.hex(), "meter_pan": sts.meter_pan, "sgc": sts.sgc, "ti": sts.ti,
                "krn": sts.krn, "kt": sts.kt, "ken": sts.ken, "base_date": sts.base_date},
    }  # fmt: skip
    simulator = Simulator(tmp_path, keypads=[site]).start()
    yield Story(sts=sts, new_key=new_key, simulator=simulator)
    simulator.stop()
    opened.forget()


def sold(page: Page, amount: str) -> str:
    """Sell at the counter; the digits as the sale page shows them."""
    page.goto("/console/sell")
    page.locator('[data-test="sell-find"]').fill(ROOM)
    page.locator('[data-test="sell-amount"]').fill(amount)
    page.locator('[data-test="sell-submit"]').click()
    page.wait_for_url(re.compile(r"/console/sales/\d+$"))
    digits = page.locator('[data-test="token-digits"]').last
    expect(digits).to_have_text(re.compile(r"^\s*(\d{4}\s*){5}$"))
    return " ".join(digits.inner_text().split())


def typed(page: Page, story: Story, digits: str) -> str:
    """Type a token into the meter's page; what it answers."""
    page.goto(f"{story.simulator.url}/sts/{NUMBER}?lang=en")
    page.get_by_label("Token, 20 digits").fill(digits)
    page.get_by_role("button", name="Enter").click()
    return page.get_by_role("status").inner_text()


def key_change(page: Page, story: Story) -> list[str]:
    """The set from the meter's tokens page, handed over: what is sold from now on has the new key."""
    page.goto(f"/console/meters/{story.sts.meter_id}/tokens/new/key-change")
    page.locator('[name="key"]').select_option(str(story.new_key.pk))
    page.locator('[name="reason"]').fill("例行换密")
    page.locator('[data-test="form-submit"]').click()
    page.wait_for_url(re.compile(r"/console/tokens/\d+$"))
    digits = page.locator('[data-test="token-digits"]')
    expect(digits).to_have_count(2)
    found = [" ".join(each.split()) for each in digits.all_inner_texts()]
    page.locator('[data-test="token-handed"]').click()
    expect(page.locator('[data-test="token-handed"]')).to_have_count(0)
    return found


def test_a_token_is_sold_typed_used_and_ended_by_a_key_change(story: Story, page: Page, login: Login) -> None:
    login("cashier")
    page.goto(f"{story.simulator.url}/sts/{NUMBER}?lang=en")
    display = page.frame_locator("iframe").locator("body")
    expect(display).to_contain_text("Switch open")
    first, second = sold(page, "50"), sold(page, "20")
    bought = list(Sale.objects.order_by("id").values_list("credit", flat=True))

    assert f"+{bought[0] // 1_000}.{bought[0] % 1_000 // 100} kWh" in typed(page, story, first)
    expect(display).to_contain_text("Switch closed")
    expect(display).to_contain_text(f"{bought[0] // 1_000}.{bought[0] % 1_000 // 10:02d} kWh")
    again = typed(page, story, first)
    assert again.startswith("Refused") and "used" in again

    login("manager")
    for digits in key_change(page, story):
        assert typed(page, story, digits).startswith("Accepted")
    refused = typed(page, story, second)
    assert refused.startswith("Refused") and "another key" in refused, "made under the old key"
    login("cashier")
    assert typed(page, story, sold(page, "10")).startswith("Accepted"), "what is sold now has the new key"
