"""The console on a telephone: no page is wider than the screen, the menu lies under the thumb."""

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from prewatt.office.staff.models import Operator, Role, Scope
from prewatt.office.vending.models import Till
from tests.browser.conftest import Axe, Login
from tests.browser.scene import Scene

pytestmark = pytest.mark.browser
NARROW = {"width": 360, "height": 740}


def test_no_page_is_wider_than_360_px(mall: Scene, page: Page, login: Login, console: str) -> None:
    english = {"name": settings.LANGUAGE_COOKIE_NAME, "value": "en", "url": console}  # its words are the longer ones
    page.context.add_cookies([english])  # type: ignore[list-item]
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    Till.objects.create(site_id=mall.site.pk, code="W1", name="W1")
    shop = mall.circuits["A-112"]
    login("manager")
    for address in (
        "/console/", "/console/live", "/console/sell", "/console/sales", "/console/shift", "/console/acts",
        "/console/customers", "/console/meters", f"/console/meters/{shop.meter_id}",
        f"/console/meters/{shop.meter_id}/try", "/console/lines", "/console/alarms", "/console/settings/trail",
        "/console/settings/second-factor",
    ):  # fmt: skip
        answer = page.goto(address)
        assert answer is not None and answer.status == 200, address
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= NARROW["width"], (address, wide)
    expect(page.locator(".pw-nav a").first).to_be_in_viewport()


@pytest.mark.parametrize(("width", "language"), [(360, "en"), (1366, "zh-hans")])
def test_the_administrator_s_pages_are_accessible_at_both_widths(
    mall: Scene, page: Page, login: Login, axe: Axe, width: int, language: str, console: str
) -> None:
    page.context.add_cookies([{"name": settings.LANGUAGE_COOKIE_NAME, "value": language, "url": console}])
    operator: Operator = Operator.objects.create(
        username="ada", name="Ada", role=Role.ADMINISTRATOR, created_at=mall.at, password="!"
    )
    Scope.objects.create(operator=operator, company_id=mall.site.company_id)
    page.set_viewport_size({"width": width, "height": 800})
    login("ada")
    shop = mall.circuits["A-112"]
    line = shop.meter.line
    assert line is not None
    for address in (
        "settings/companies", "settings/import", "settings/operators", f"settings/operators/{operator.pk}",
        "settings/second-factor", "lines", "lines/gateways/new", f"lines/gateways/{line.gateway_id}/new",
        f"lines/{line.pk}", f"lines/{line.pk}/scan", "lines/stations/new", "acceptance",
        f"meters/{shop.meter_id}", f"meters/{shop.meter_id}/address", f"meters/{shop.meter_id}/clock",
        f"meters/{shop.meter_id}/times", f"circuits/{shop.pk}/days", f"circuits/{shop.pk}/settings",
        "meters/models", "meters/models/pilot-spm9511/edit", "meters/models/pilot-spm9511/use", "meters/new",
    ):  # fmt: skip
        answer = page.goto(f"/console/{address}")
        assert answer is not None and answer.status == 200, address
        assert axe(page) == [], address
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address
