"""The estate in a browser: accessible in both languages, plots drawn, lists narrowed, acts that say what follows."""

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from prewatt.office.estate.models import Contract
from prewatt.office.metering.models import JobRow, RelayWish
from prewatt.office.vending.models import Till
from tests.browser.conftest import Axe, Login
from tests.browser.scene import Scene, now_reads

pytestmark = pytest.mark.browser


def contract_of(mall: Scene, room: str) -> str:
    return str(Contract.objects.get(supplypoint__circuit=mall.circuits[room]).number)


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_every_page_is_accessible_and_clean(
    mall: Scene, page: Page, login: Login, axe: Axe, language: str, console: str
) -> None:
    page.context.add_cookies([{"name": settings.LANGUAGE_COOKIE_NAME, "value": language, "url": console}])
    Till.objects.create(site_id=mall.site.pk, code="W1", name="W1")
    shop, lost, dark = (mall.circuits[room] for room in ("A-112", "D-19", "B-402"))
    login("manager")
    for address in (
        "/console/customers", "/console/meters", "/console/lines", "/console/alarms", "/console/openings/new",
        f"/console/contracts/{contract_of(mall, 'A-112')}", f"/console/contracts/{contract_of(mall, 'D-19')}?span=7",
        f"/console/contracts/{contract_of(mall, 'A-112')}?span=load", f"/console/meters/{shop.meter_id}",
        f"/console/meters/{lost.meter_id}", f"/console/meters/{dark.meter_id}",
        f"/console/circuits/{shop.pk}/relay?wish=trip", f"/console/circuits/{shop.pk}/relay?wish=keep_on",
        "/console/settings/plans", "/console/settings/trail", "/console/settings/sales", "/console/customers?q=nothing",
        f"/console/meters/{shop.meter_id}/try", f"/console/circuits/{shop.pk}/settings",
        "/console/settings/second-factor", "/console/settings/sessions", "/console/meters/models",
        "/console/meters/models/pilot-spm9511",
    ):  # fmt: skip
        answer = page.goto(address)
        assert answer is not None and answer.status == 200, address
        assert axe(page) == [], address


def test_the_plot_of_a_contract_is_drawn_and_its_table_stands_behind_it(
    mall: Scene, page: Page, login: Login
) -> None:
    login("cashier")
    page.goto(f"/console/contracts/{contract_of(mall, 'A-112')}")
    expect(page.locator(".plot-m canvas")).to_be_visible()
    page.locator(".pw-behind summary").click()
    expect(page.locator(".pw-behind tbody tr")).to_have_count(15)


def test_read_now_on_the_board_is_asked_and_told_in_place(mall: Scene, page: Page, login: Login) -> None:
    login("cashier")
    page.goto(f"/console/live?circuit={mall.circuits['A-112'].pk}")
    expect(page.locator("#pw-panel h2")).to_contain_text("A-112")  # the panel comes after the page
    with page.expect_response("**/read"):
        page.keyboard.press("r")
    result = page.locator('#pw-told [data-test="read-result"]')
    expect(result).to_have_attribute("data-verdict", "running")
    JobRow.objects.update(
        state="done", verdict="done", values={"balance": 86_400, "power_active": 3_420, "relay": 1}
    )
    expect(result).to_have_attribute("data-verdict", "done")
    expect(result).to_contain_text("86.40 kWh")


def test_a_trip_says_what_follows_and_the_meter_page_follows_it(mall: Scene, page: Page, login: Login) -> None:
    login("manager")
    circuit = mall.circuits["A-112"]
    page.goto(f"/console/circuits/{circuit.pk}/relay?wish=trip")
    expect(page.locator('[data-test="effect"]')).to_contain_text("会立即断电")
    page.locator('[data-test="relay-submit"]').click()
    assert not RelayWish.objects.filter(circuit=circuit).exists()  # the browser asks for the reason first
    page.get_by_label("原因").fill("消防演练")
    page.locator('[data-test="relay-submit"]').click()
    state = page.locator('[data-test="relay-state"]')
    expect(state).to_have_attribute("data-wish", "trip")
    expect(state).to_contain_text("下发中")
    now_reads(mall, "A-112", at=mall.at, balance=86_400, power_w=0, relay=0)
    expect(state).not_to_contain_text("下发中")


def test_an_alarm_is_seen_in_its_row(mall: Scene, page: Page, login: Login) -> None:
    login("cashier")
    page.goto("/console/alarms")
    first = page.locator("tr[data-alarm]").first
    first.locator('[data-test="alarm-seen"]').click()
    expect(first).to_contain_text("陈晓梅")


def test_a_filter_is_carried_out_at_once_and_can_be_cleared(mall: Scene, page: Page, login: Login) -> None:
    login("cashier")
    page.goto("/console/customers")
    page.get_by_label("楼栋", exact=True).select_option(label="地下室")
    page.wait_for_url("**building=**")
    expect(page.locator("tbody tr").first).to_contain_text("D-")
    page.get_by_role("link", name="清除筛选").first.click()
    expect(page.locator("tbody tr").first).to_contain_text("A-")
