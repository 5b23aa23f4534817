"""Selling as a person at the counter does it: type, Enter, type, Enter; and what happens when the line breaks."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route, expect

from prewatt.office.estate.models import Circuit
from prewatt.office.vending.models import CircuitCredit, Sale, Shift, Till
from tests.browser.conftest import Axe, Login
from tests.browser.scene import Scene

pytestmark = pytest.mark.browser


@pytest.fixture
def counter(mall: Scene) -> Scene:
    """The mall with window 1 open and every supplied circuit ready to be sold to."""
    till = Till.objects.create(site_id=mall.site.pk, code="W1", name="窗口 1")
    Shift.objects.create(till=till, operator_id=mall.operators["cashier"].pk, opened_at=mall.at)
    for circuit in Circuit.objects.filter(supplypoint__state="open"):
        CircuitCredit.objects.create(circuit=circuit, site_id=mall.site.pk, purchase_count=23, updated_at=mall.at)
    return mall


@pytest.fixture
def scriptless(page: Page, console: str) -> Iterator[Page]:
    """A page in which no script runs, with the same session."""
    browser = page.context.browser
    assert browser is not None
    context = browser.new_context(base_url=console, java_script_enabled=False, viewport={"width": 1366, "height": 768})
    context.add_cookies([
        {"name": each["name"], "value": each["value"], "url": console} for each in page.context.cookies()
    ])  # fmt: skip
    yield context.new_page()
    context.close()


def hook(page: Page, name: str):  # type: ignore[no-untyped-def]
    return page.locator(f'[data-test="{name}"]')


def on_sale_page(page: Page) -> Sale:
    page.wait_for_url(re.compile(r"/console/sales/\d+$"))
    return Sale.objects.get(pk=int(page.url.rsplit("/", 1)[1]))


def test_typing_both_and_pressing_the_button_sells(counter: Scene, page: Page, login: Login) -> None:
    login("cashier")
    page.goto("/console/sell")
    hook(page, "sell-find").fill("A-112")
    hook(page, "sell-amount").fill("500")
    hook(page, "sell-submit").click()
    sale = on_sale_page(page)
    assert (sale.circuit_id, sale.amount_minor) == (counter.circuits["A-112"].pk, 50_000)
    expect(hook(page, "delivery-state")).to_have_attribute("data-state", "waiting")


def test_the_keyboard_alone_is_enough(counter: Scene, page: Page, login: Login) -> None:
    login("cashier")
    page.goto("/console/sell")
    page.keyboard.type("b207", delay=10)
    page.keyboard.press("Enter")
    expect(page.locator("#sell-who")).to_contain_text("B-207")
    expect(hook(page, "sell-amount")).to_be_focused()
    page.keyboard.type("500", delay=10)
    expect(page.locator("#sell-quote .pw-quote .v")).to_have_text(["¥500.00", "12.35kWh", "531.13kWh"])
    expect(hook(page, "sell-submit")).to_contain_text("确认已收 ¥500.00，下发")
    tenders = page.locator('[name="tender"]')
    page.keyboard.press("Alt+Digit3")
    expect(tenders.nth(2)).to_be_checked()
    page.keyboard.press("Alt+Digit1")
    expect(tenders.nth(0)).to_be_checked()
    hook(page, "sell-amount").focus()
    page.keyboard.press("Enter")
    assert on_sale_page(page).amount_minor == 50_000


def test_a_typist_faster_than_the_answers_sells_to_whom_he_typed(counter: Scene, page: Page, login: Login) -> None:
    login("cashier")
    page.goto("/console/sell")
    page.keyboard.type("A-101\n200\n")
    assert on_sale_page(page).circuit_id == counter.circuits["A-101"].pk


def test_without_scripts_it_sells_as_well(counter: Scene, page: Page, login: Login, scriptless_login: Page) -> None:
    scriptless_login.goto("/console/sell")
    hook(scriptless_login, "sell-find").fill("A-112")
    hook(scriptless_login, "sell-amount").fill("20")
    hook(scriptless_login, "sell-submit").click()
    assert on_sale_page(scriptless_login).amount_minor == 2_000


@pytest.fixture
def scriptless_login(counter: Scene, login: Login, request: pytest.FixtureRequest) -> Page:
    login("cashier")
    found: Page = request.getfixturevalue("scriptless")
    return found


def test_over_the_hoarding_limit_the_page_refuses_before_paying_and_offers_what_fits(
    counter: Scene, page: Page, login: Login, axe: Axe
) -> None:
    counter.circuits["A-112"].supplypoint_set.update(hoarding_limit=1_500_000)
    login("cashier")
    page.goto(f"/console/sell?circuit={counter.circuits['A-112'].pk}")
    hook(page, "sell-amount").fill("2000")
    refused = page.locator('[data-code="hoarding_limit"]')
    expect(refused).to_contain_text("超过囤积限额，这笔不能卖")
    expect(refused).to_contain_text("没有收款，没有下发。")
    assert axe(page) == []
    page.get_by_role("button", name="改为 ¥1,300.00").click()
    expect(page.locator("#sell-quote")).to_have_attribute("data-kind", "quote")
    assert not Sale.objects.exists()


def test_escape_goes_back_to_another_customer(counter: Scene, page: Page, login: Login) -> None:
    login("cashier")
    page.goto(f"/console/sell?circuit={counter.circuits['A-112'].pk}")
    page.keyboard.press("Escape")
    expect(hook(page, "sell-find")).to_be_focused()
    expect(page.locator("#sell-who")).to_be_empty()


def test_two_presses_sell_once(counter: Scene, page: Page, login: Login) -> None:
    login("cashier")
    page.goto("/console/sell")
    hook(page, "sell-find").fill("A-112")
    hook(page, "sell-amount").fill("50")
    hook(page, "sell-submit").dblclick()
    on_sale_page(page)
    assert Sale.objects.count() == 1


def test_after_a_lost_answer_the_page_asks_by_its_key_and_shows_that_sale(
    counter: Scene, page: Page, login: Login
) -> None:
    def lose(route: Route) -> None:
        if route.request.method == "POST":
            route.fetch(max_redirects=0)  # the server sells
            route.abort()  # and the answer is lost
        else:
            route.continue_()

    login("cashier")
    page.goto("/console/sell")
    page.route("**/console/sell", lose)
    hook(page, "sell-find").fill("A-112")
    hook(page, "sell-amount").fill("50")
    hook(page, "sell-submit").click()
    assert on_sale_page(page).amount_minor == 5_000
    assert Sale.objects.count() == 1


def test_when_nothing_was_booked_the_page_says_so_and_what_was_typed_stays(
    counter: Scene, page: Page, login: Login, axe: Axe
) -> None:
    login("cashier")
    page.goto("/console/sell")
    page.route("**/console/sell", lambda route: route.abort() if route.request.method == "POST" else route.continue_())
    hook(page, "sell-find").fill("A-112")
    hook(page, "sell-amount").fill("50")
    hook(page, "sell-submit").click()
    expect(page.locator("#sell-quote")).to_contain_text("应答丢了")
    expect(page.locator("#sell-quote")).to_contain_text("服务器上没有这一笔", timeout=8000)
    expect(hook(page, "sell-amount")).to_have_value("50")
    assert axe(page) == []
    page.unroute("**/console/sell")
    hook(page, "sell-submit").click()
    on_sale_page(page)
    assert Sale.objects.count() == 1


def test_cut_off_nothing_is_sold_and_nobody_takes_money(counter: Scene, page: Page, login: Login, axe: Axe) -> None:
    login("cashier")
    page.goto(f"/console/sell?circuit={counter.circuits['A-112'].pk}&amount=300")
    page.route("**/ping", lambda route: route.abort())
    page.evaluate("() => { const real = Date.now; Date.now = () => real() + 130000; }")
    expect(page.locator(".sell-off").first).to_contain_text("请先不要收款", timeout=6000)
    expect(hook(page, "sell-submit")).to_be_disabled()
    expect(hook(page, "sell-submit")).to_contain_text("等待重连")
    expect(hook(page, "sell-amount")).to_have_value("300")
    assert axe(page) == []


@pytest.mark.parametrize("chosen", [False, True])
@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_the_page_is_open_to_everybody(
    counter: Scene, page: Page, login: Login, axe: Axe, console: str, language: str, chosen: bool
) -> None:
    page.context.add_cookies([{"name": "django_language", "value": language, "url": console}])
    login("cashier")
    page.goto(f"/console/sell?circuit={counter.circuits['B-207'].pk}&amount=500" if chosen else "/console/sell")
    if not chosen:
        page.keyboard.type("xy")
        page.wait_for_timeout(500)
    assert axe(page) == []


def test_a_cashier_without_a_shift_opens_one_in_place(counter: Scene, page: Page, login: Login, axe: Axe) -> None:
    Shift.objects.all().delete()
    login("cashier")
    page.goto("/console/sell")
    assert axe(page) == []
    page.get_by_label("钱箱底金").fill("500")
    hook(page, "shift-open").click()
    expect(page.locator(".pw-side-foot")).to_contain_text("¥500.00")
    expect(hook(page, "sell-find")).to_be_focused()
