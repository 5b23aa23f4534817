"""The pages as hidden programs and people use them: their names, typing alone, both languages, wrong input."""

import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.acceptance.caller import Answer, ask, crowded, eventually
from tests.acceptance.conftest import Site
from tests.system import need

pytestmark = [pytest.mark.processes, pytest.mark.browser]
SALE_PAGE = re.compile(r"/console/sales/(\d+)$")
CONFIRMED_MS = 60_000  # what a slow machine may take; how fast a sale is, the benchmarks say
Open = Callable[..., Page]


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_recovering(site: Site) -> None:
    """Processes were killed and lines cut in the files before: what follows is about a site that is well."""

    def well(answer: Answer) -> bool:
        lines = answer.json["lines"] if answer.status == 200 else {"up": 0, "total": 1}
        return bool(lines["up"] == lines["total"])

    eventually(lambda: ask("GET", site.url + "/healthz"), well, 60)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = need("chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=str(chromium), args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield started
        started.close()


@pytest.fixture
def opened(browser: Browser, site: Site) -> Iterator[Open]:
    """Log in through the form; at the end nothing was asked elsewhere and no script complained."""
    faults: list[str] = []
    contexts = []

    def open_(role: str, language: str = "zh") -> Page:
        login = next(each for each in site.ready["logins"] if each["role"] == role)
        context = browser.new_context(base_url=site.url, viewport={"width": 1366, "height": 850}, locale="zh-CN")
        contexts.append(context)
        context.set_default_timeout(15_000 * crowded())
        page = context.new_page()
        # Chromium calls a refusal of ours (4xx) an error; what a script says or breaks is one
        refusal = "the server responded with a status of 4"
        page.on("console", lambda said: faults.append(f"{page.url}: {said.text}")
                if said.type == "error" and refusal not in said.text else None)  # fmt: skip
        page.on("pageerror", lambda error: faults.append(f"{page.url}: {error}"))
        page.on("request", lambda asked: faults.append(asked.url)
                if urlsplit(asked.url).hostname not in ("127.0.0.1", None) else None)  # fmt: skip
        if language == "en":
            context.add_cookies([{"name": "django_language", "value": "en", "url": site.url}])
        page.goto("/console/login")
        page.fill("[name=username]", login["username"])
        page.fill("[name=password]", login["password"])
        page.click("[data-test=login-submit]")
        page.wait_for_url(re.compile(r"/console/(?!login)"))
        return page

    yield open_
    for context in contexts:
        context.close()
    assert faults == []


def type_and_press(page: Page, find: str, amount: str) -> None:
    page.goto("/console/sell")
    page.fill("[data-test=sell-find]", find)
    page.fill("[data-test=sell-amount]", amount)
    page.click("[data-test=sell-submit]")


def confirmed(site: Site, page: Page, circuit: dict[str, Any], amount_minor: int) -> None:
    page.wait_for_url(SALE_PAGE)
    state = page.locator("[data-test=delivery-state]")
    expect(state).to_have_attribute("data-state", "confirmed", timeout=CONFIRMED_MS)
    found = SALE_PAGE.search(page.url)
    assert found is not None
    site.sold.append(found[1])
    sale = site.api.get(f"/sales/{found[1]}")
    assert (sale["circuit_id"], sale["amount_minor"]) == (circuit["id"], amount_minor)
    assert sale["delivery"]["state"] == "confirmed"


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("by", ["room", "contract_number", "meter_number"])
def test_a_cashier_who_types_and_presses_sells(site: Site, opened: Open, language: str, by: str) -> None:
    shop = site.shop()
    page = opened("cashier", language)
    type_and_press(page, shop[by], "50")
    confirmed(site, page, shop, 5_000)
    shown = page.locator("html").get_attribute("lang")
    assert shown == ("en" if language == "en" else "zh-Hans")


def test_a_manager_sells_too(site: Site, opened: Open) -> None:
    shop = site.shop()
    page = opened("manager")
    page.goto("/console/sell")
    if page.locator("[data-test=shift-open]").count():
        page.click("[data-test=shift-open]")
        page.wait_for_load_state()
    type_and_press(page, shop["room"], "20.50")
    confirmed(site, page, shop, 2_050)


def test_slow_typing_and_enter_sells(site: Site, opened: Open) -> None:
    shop = site.shop()
    page = opened("cashier")
    page.goto("/console/sell")
    page.locator("[data-test=sell-find]").press_sequentially(shop["room"], delay=60)
    page.keyboard.press("Enter")
    page.locator("[data-test=sell-amount]").press_sequentially("30", delay=60)
    page.keyboard.press("Enter")
    confirmed(site, page, shop, 3_000)


def test_a_double_click_sells_once(site: Site, opened: Open) -> None:
    shop = site.shop()
    page = opened("cashier")
    page.goto("/console/sell")
    page.fill("[data-test=sell-find]", shop["room"])
    page.fill("[data-test=sell-amount]", "10")
    page.dblclick("[data-test=sell-submit]")
    confirmed(site, page, shop, 1_000)
    assert len(site.in_meter(shop)["accepted"]) == 1


@pytest.mark.parametrize(
    "amount", ["", "0", "-5", "abc", "0.001", "1e3", "99999999999999999999", "\u0665\u0660", "50.5.5"]
)
def test_a_wrong_amount_is_refused_on_the_page_and_nothing_is_sold(site: Site, opened: Open, amount: str) -> None:
    shop = next(each for each in site.first_circuits if each["contract_number"] and each["state"] == "normal")
    before = site.api.get("/books")["cash_minor"]
    page = opened("cashier")
    type_and_press(page, shop["room"], amount)
    page.wait_for_timeout(1_200)
    assert not SALE_PAGE.search(page.url), page.url
    assert site.api.get("/books")["cash_minor"] == before


@pytest.mark.parametrize("find", ["", "no such room", "'; DROP TABLE", "<script>alert(1)</script>", "x" * 64])
def test_an_unknown_room_is_refused_on_the_page_and_nothing_is_sold(site: Site, opened: Open, find: str) -> None:
    before = site.api.get("/books")["cash_minor"]
    page = opened("cashier")
    type_and_press(page, find, "50")
    page.wait_for_timeout(1_200)
    assert not SALE_PAGE.search(page.url), page.url
    assert site.api.get("/books")["cash_minor"] == before


def test_the_wrong_password_is_refused(site: Site, browser: Browser) -> None:
    page = browser.new_page(base_url=site.url)
    page.goto("/console/login")
    page.fill("[name=username]", "cashier")
    page.fill("[name=password]", "wrong")
    page.click("[data-test=login-submit]")
    page.wait_for_load_state()
    assert "/console/login" in page.url
    page.goto("/console/sell")
    assert "/console/login" in page.url
    page.close()


@pytest.mark.parametrize("role", ["cashier", "manager", "finance", "electrician", "administrator"])
def test_every_entry_of_the_menu_opens_for_its_role(site: Site, opened: Open, role: str) -> None:
    page = opened(role, "en")
    hrefs = page.eval_on_selector_all("nav a[href^='/console']", "all => all.map(a => a.getAttribute('href'))")
    assert hrefs
    told = []
    for href in sorted(set(hrefs)):
        answer = page.goto(href)
        assert answer is not None
        if answer.status != 200:
            told.append((href, answer.status))
    assert told == []


@pytest.mark.parametrize("query", ["q=%00", "class=%00", "page=" + "9" * 40, "q=%ff", "q=" + "x" * 3000])
def test_rubbish_in_an_address_of_the_console_breaks_no_page(site: Site, opened: Open, query: str) -> None:
    page = opened("manager")
    for path in ("customers", "meters", "alarms", "sales", "sell", "live"):
        answer = page.goto(f"/console/{path}?{query}")
        assert answer is not None, path
        assert answer.status < 500, (path, answer.status)


def test_the_live_board_shows_all_states(site: Site, opened: Open) -> None:
    page = opened("manager")
    page.goto("/console/live")
    page.wait_for_timeout(1_500)
    assert page.locator("body").inner_text().count("A-") > 20
