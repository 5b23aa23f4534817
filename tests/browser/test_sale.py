"""The sale page in a browser: it follows its delivery without a reload, and every state is readable for everybody."""

import pytest
from playwright.sync_api import Page, expect

from prewatt.office.staff.actors import of_operator
from prewatt.office.vending import deliveries
from prewatt.office.vending.models import CircuitCredit, Delivery, Receipt, Sale, Shift, Till
from prewatt.office.vending.sales import SellCommand, sell
from tests.browser.conftest import Axe, Login
from tests.browser.scene import Scene
from tests.office.vending.scene import meter_says

pytestmark = pytest.mark.browser


@pytest.fixture
def sale(mall: Scene) -> Sale:
    """500.00 for shop B-207, which is dark and owes 12.35 kWh."""
    circuit = mall.circuits["B-207"]
    till = Till.objects.create(site_id=mall.site.pk, code="W1", name="窗口 1")
    Shift.objects.create(till=till, operator_id=mall.operators["cashier"].pk, opened_at=mall.at)
    CircuitCredit.objects.create(circuit=circuit, site_id=mall.site.pk, purchase_count=23, updated_at=mall.at)
    return sell(
        SellCommand(
            key="k1", contract_number=circuit.supplypoint_set.get().contract.number, circuit_id=circuit.pk,
            till_id=till.pk, amount_minor=50_000, actor=of_operator(mall.operators["cashier"]), at=mall.at,
        )
    ).sale  # fmt: skip


def said(sale: Sale, verdict: str, count: int = 24, code: str = "") -> None:
    delivery = Delivery.objects.get(sale=sale)
    meter_says(delivery.pk, verdict, code=code, values=f'{{"purchase_count": {count}, "balance": 531130, "relay": 1}}')
    deliveries.settle(delivery.pk, at=sale.at)


def test_the_confirmation_shows_within_a_second_by_the_stream(
    sale: Sale, page: Page, login: Login, stream: str
) -> None:
    login("cashier")
    page.goto(f"/console/sales/{sale.pk}")
    state = page.locator('[data-test="delivery-state"]')
    expect(state).to_have_attribute("data-state", "waiting")
    expect(page.locator("#pw-live")).to_contain_text("实时")
    said(sale, "done")
    expect(state).to_have_attribute("data-state", "confirmed", timeout=1500)
    expect(page.locator(".pw-steps li.done")).to_have_count(4)
    expect(page.locator("#sale-says")).to_contain_text("电已经到表了，531 度")


def test_without_the_stream_the_page_asks_each_second(sale: Sale, page: Page, login: Login) -> None:
    login("cashier")
    page.goto(f"/console/sales/{sale.pk}")
    said(sale, "unknown")
    state = page.locator('[data-test="delivery-state"]')
    expect(state).to_have_attribute("data-state", "unknown", timeout=4000)
    expect(page.locator("#sale-notice")).to_contain_text("请不要再收一次款，也先不要退费。")


@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize(
    ("verdict", "count", "state"),
    [("done", 24, "confirmed"), ("unknown", 23, "unknown"), ("refused", 23, "refused"), ("disputed", 26, "disputed")],
)
def test_every_state_is_readable_for_everybody(
    sale: Sale, page: Page, login: Login, axe: Axe, console: str, language: str, verdict: str, count: int, state: str
) -> None:
    said(sale, verdict, count, code="meter_03" if verdict == "refused" else "")
    page.context.add_cookies([{"name": "django_language", "value": language, "url": console}])
    login("manager")
    page.goto(f"/console/sales/{sale.pk}")
    expect(page.locator('[data-test="delivery-state"]')).to_have_attribute("data-state", state)
    assert axe(page) == []


@pytest.mark.parametrize(
    ("language", "copy", "words"),
    [("zh-hans", "首次打印", "人民币伍佰元整"), ("en", "First print", "five hundred yuan only")],
)
def test_a_receipt_fits_its_paper_in_black_and_counts_its_print(
    sale: Sale, page: Page, login: Login, axe: Axe, console: str, language: str, copy: str, words: str
) -> None:
    said(sale, "done")
    page.context.add_cookies([{"name": "django_language", "value": language, "url": console}])
    login("cashier")
    page.add_init_script(
        "window.print = () => { const seen = document.body.dataset; seen.printed = +(seen.printed || 0) + 1; }"
    )
    page.goto(f"/console/sales/{sale.pk}")
    page.locator('[data-test="print-receipt"]').click()
    paper = page.locator("#receipt")
    expect(paper).to_contain_text(copy)
    expect(paper).to_contain_text(words)
    expect(page.locator("body")).to_have_attribute("data-printed", "1")
    assert axe(page) == []
    page.emulate_media(media="print")
    fits = paper.evaluate(
        "el => { const paper = el.getBoundingClientRect();"
        " return [...el.querySelectorAll('.sheet *')].every(e => { const b = e.getBoundingClientRect();"
        " return b.right <= paper.right && b.bottom <= paper.bottom"
        " && getComputedStyle(e).color === 'rgb(0, 0, 0)'; }); }"
    )
    assert fits
    expect(page.locator(".pw-topbar")).to_be_hidden()
    assert Receipt.objects.get(sale=sale).prints == 1


@pytest.mark.parametrize("language", ["zh-hans", "en"])
@pytest.mark.parametrize(
    "address", ["/console/sales", "/console/acts", "/console/acts/make-up", "/console/acts/return", "reverse"]
)
def test_lists_and_forms_are_readable_for_everybody(
    sale: Sale, page: Page, login: Login, axe: Axe, console: str, language: str, address: str
) -> None:
    page.context.add_cookies([{"name": "django_language", "value": language, "url": console}])
    login("manager")
    page.goto(f"/console/sales/{sale.pk}/reverse" if address == "reverse" else address)
    assert axe(page) == []
