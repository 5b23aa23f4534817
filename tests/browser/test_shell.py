"""What holds for every page: accessible in both languages, nothing from elsewhere, the policy kept, keys that work."""

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from tests.browser.conftest import Axe, Login
from tests.browser.scene import Scene

pytestmark = pytest.mark.browser
PAGES = {"overview": "/console/", "board": "/console/live", "missing": "/console/no-such-page"}


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_the_pages_are_accessible_and_clean(
    mall: Scene, page: Page, login: Login, axe: Axe, language: str, console: str
) -> None:
    """`page` itself fails on foreign requests, on breaks of the policy and on script errors."""
    page.context.add_cookies([{"name": settings.LANGUAGE_COOKIE_NAME, "value": language, "url": console}])
    page.goto("/console/login")
    assert axe(page) == []
    login("cashier")
    for name, address in PAGES.items():
        page.goto(address)
        expect(page.locator("html")).to_have_attribute("lang", "en" if language == "en" else "zh-Hans")
        assert axe(page) == [], name
    page.goto(f"/console/live?circuit={mall.circuits['A-112'].pk}")
    expect(page.locator("#pw-panel h2")).to_be_visible()
    assert axe(page) == []
    page.keyboard.press("?")
    expect(page.locator("#pw-keys")).to_be_visible()
    assert axe(page) == []


def test_logging_in_by_hand_and_out_again(mall: Scene, page: Page) -> None:
    operator = mall.operators["cashier"]
    operator.set_password("a good pass phrase")
    operator.save(update_fields=["password"])
    page.goto("/console/live")
    page.get_by_label("用户名").fill("cashier")
    page.get_by_label("密码").fill("wrong")
    page.locator('[data-test="login-submit"]').click()
    expect(page.locator('[data-code="login_refused"]')).to_be_visible()
    page.get_by_label("密码").fill("a good pass phrase")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("实时监控")
    page.locator("summary", has_text="陈晓梅").click()
    page.locator('[data-test="logout"]').click()
    expect(page.get_by_label("用户名")).to_be_visible()


def test_the_language_switches_in_place_on_every_page(mall: Scene, page: Page, login: Login) -> None:
    login("cashier")
    page.goto("/console/live")
    page.locator('[data-test="language-en"]').click()
    expect(page.locator("h1")).to_have_text("Live board")
    page.goto("/console/")
    expect(page.locator("h1")).to_have_text("Overview")
    page.locator('[data-test="language-zh"]').click()
    expect(page.locator("h1")).to_have_text("总览")


def test_htmx_sends_the_csrf_token_from_any_element_below_the_body(
    mall: Scene, page: Page, login: Login, axe: Axe
) -> None:
    login("cashier")
    page.goto("/console/")
    assert page.evaluate("typeof window.htmx") == "object", "scripts with defer have run when a page is loaded"
    with page.expect_response("**/console/language") as answered:
        page.evaluate(
            """() => {
              const button = document.createElement("button");
              button.setAttribute("hx-post", "/console/language");
              button.setAttribute("hx-vals", '{"language": "en", "next": "/console/ping"}');
              button.setAttribute("hx-swap", "none");
              document.querySelector("#main").append(button);
              window.htmx.process(button);
              button.click();
            }"""
        )
    assert answered.value.status == 302  # 403 would be a missing token


def test_keys_go_to_pages_but_not_while_somebody_types(mall: Scene, page: Page, login: Login) -> None:
    login("cashier")
    page.goto("/console/")
    page.keyboard.press("g")
    page.keyboard.press("l")
    expect(page.locator("h1")).to_have_text("实时监控")
    page.keyboard.press("/")
    page.keyboard.type("go")
    expect(page.locator("#pw-find")).to_have_value("go")
    expect(page.locator("h1")).to_have_text("实时监控")


def test_the_overview_says_who_is_dark_who_runs_out_and_what_is_unconfirmed(
    mall: Scene, page: Page, login: Login
) -> None:
    login("cashier")
    page.goto("/console/")
    says = page.locator(".pw-says")
    for words in ("现在停电 4 户", "B-402 预跳闸（还有余额）", "B-118 检修挂牌", "3 笔下发未确认", "网关 G4 失联"):
        expect(says).to_contain_text(words)
    expect(page.locator("[data-delivery]")).to_have_count(3)
    expect(page.locator(".pw-fig").nth(4)).to_have_text("¥1,000.00")
    expect(page.locator(".pw-plot canvas")).to_have_count(1)


def test_a_printed_page_has_no_menu_and_no_buttons(mall: Scene, page: Page, login: Login) -> None:
    login("cashier")
    page.goto("/console/")
    page.emulate_media(media="print")
    for part in (".navbar-vertical", ".pw-topbar", ".actions"):
        expect(page.locator(part)).to_be_hidden()
    expect(page.locator(".pw-says")).to_be_visible()
