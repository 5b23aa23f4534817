"""The live board as a person at the counter uses it: look, filter, walk with the arrows, watch a change arrive."""

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from tests.browser.conftest import Axe, Login
from tests.browser.scene import Scene, now_reads

pytestmark = pytest.mark.browser
LATE_CLOCK = "() => { const real = Date.now; Date.now = () => real() + 130000; }"  # as if 130 s had passed


def test_all_six_states_are_there_with_colour_word_and_count(mall: Scene, page: Page, login: Login) -> None:
    login("cashier")
    page.goto("/console/live")
    counts = {"normal": "95", "alarm1": "9", "alarm2": "5", "arrears": "3", "unopened": "6", "lost": "2"}
    for state, count in counts.items():
        expect(page.locator(f'[data-count="s:{state}"]')).to_have_text(count)
        expect(page.locator(f".pw-tile.t-{state}")).to_have_count(int(count))
    expect(page.locator(".pw-wing")).to_have_count(3)
    expect(page.locator(".pw-bld .s-lost")).to_contain_text("G4 失联 9时32分")


def test_a_filter_leaves_the_tiles_it_names_and_escape_clears_it(mall: Scene, page: Page, login: Login) -> None:
    login("cashier")
    page.goto("/console/live")
    page.locator('[data-filter="s:arrears"]').click()
    expect(page.locator(".pw-tile:visible .r")).to_have_text(["A-305", "B-207", "D-11"])
    page.locator('[data-filter="b:keep"]').click()
    expect(page.locator(".pw-tile:visible .r")).to_have_text(["D-11"])
    page.keyboard.press("Escape")
    expect(page.locator(".pw-tile:visible")).to_have_count(120)
    page.locator(".pw-chip", has_text="全部楼栋").click()
    page.locator("button[data-building]", has_text="地下室").click()
    expect(page.locator(".pw-tile:visible")).to_have_count(20)


def test_arrows_walk_between_tiles_and_the_panel_follows(mall: Scene, page: Page, login: Login) -> None:
    login("cashier")
    page.goto("/console/live")
    page.locator(".pw-tile", has_text="A-112").click()
    panel = page.locator("#pw-panel")
    expect(panel.locator("h2")).to_contain_text("A-112")
    expect(panel).to_contain_text("正在供电。余额低于 100.00 kWh。")
    page.keyboard.press("ArrowLeft")
    expect(panel.locator("h2")).to_contain_text("A-109")
    page.keyboard.press("ArrowUp")
    expect(panel.locator("h2")).to_contain_text("A-2")
    assert "circuit=" in page.url
    page.reload()
    expect(panel.locator("h2")).to_contain_text("A-2")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()


def test_a_change_in_the_database_shows_within_a_second_without_a_reload(
    mall: Scene, page: Page, login: Login, stream: str
) -> None:
    login("cashier")
    page.goto("/console/live")
    expect(page.locator("#pw-live")).to_contain_text("实时")
    now_reads(mall, "A-101", at=timezone.now(), balance=15_500)
    tile = page.locator(f"#c{mall.circuits['A-101'].pk}")
    expect(tile.locator(".v")).to_have_text("15.50", timeout=1000)
    assert "t-alarm2" in (tile.get_attribute("class") or "")
    expect(page.locator('[data-count="s:alarm2"]')).to_have_text("6")


def test_without_the_stream_the_page_asks_for_itself(mall: Scene, page: Page, login: Login) -> None:
    login("cashier")
    page.goto("/console/live")  # nobody listens on the stream's port
    expect(page.locator("#pw-live")).to_contain_text("轮询", timeout=8000)
    now_reads(mall, "A-101", at=timezone.now(), balance=15_500)
    expect(page.locator(f"#c{mall.circuits['A-101'].pk} .v")).to_have_text("15.50", timeout=8000)


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_cut_off_the_board_withdraws_its_colours_and_says_since_when(
    mall: Scene, page: Page, login: Login, axe: Axe, language: str, console: str
) -> None:
    page.context.add_cookies([{"name": "django_language", "value": language, "url": console}])
    login("cashier")
    page.goto("/console/live")
    page.route("**/live**", lambda route: route.abort())
    page.evaluate(LATE_CLOCK)
    bar = page.locator("#pw-lost")
    expect(bar).to_be_visible(timeout=4000)
    words = {"zh-hans": "这台电脑与服务器断开了", "en": "This computer has been cut off"}
    expect(bar).to_contain_text(words[language])
    assert page.locator(".pw-floor").first.evaluate("el => getComputedStyle(el).filter") == "grayscale(1)"
    expect(page.locator("#pw-live.stale")).to_be_visible()
    assert axe(page) == []
    page.unroute("**/live**")
    bar.get_by_role("button").click()
    expect(bar).to_be_hidden(timeout=8000)
    assert page.locator(".pw-floor").first.evaluate("el => getComputedStyle(el).filter") == "none"


def test_a_session_that_ends_is_said_and_nothing_more_is_shown(
    mall: Scene, page: Page, login: Login, stream: str
) -> None:
    login("cashier")
    page.goto("/console/live")
    expect(page.locator("#pw-live")).to_contain_text("实时")
    type(mall.operators["cashier"]).objects.filter(username="cashier").update(is_active=False)
    expect(page.locator("#pw-live")).to_have_text("登录已失效，请重新登录。", timeout=8000)


def test_the_find_box_opens_with_a_slash_and_leads_to_the_circuit(mall: Scene, page: Page, login: Login) -> None:
    login("cashier")
    page.goto("/console/")
    page.keyboard.press("/")
    page.keyboard.type("a112")
    found = page.locator("#pw-found li")
    expect(found).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.locator("#pw-panel h2")).to_contain_text("A-112")
    page.keyboard.press("/")
    page.keyboard.type("no such room")
    expect(page.locator("#pw-found")).to_contain_text("没有找到")
