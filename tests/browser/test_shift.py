"""Opening, handing over and printing the slip of a shift."""

import pytest
from playwright.sync_api import Page, expect

from prewatt.office.vending.models import Shift, Till
from tests.browser.conftest import Axe, Login
from tests.browser.scene import Scene

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_a_shift_from_float_to_slip(
    mall: Scene, page: Page, login: Login, axe: Axe, console: str, language: str
) -> None:
    Till.objects.create(site_id=mall.site.pk, code="W1", name="窗口 1")
    page.context.add_cookies([{"name": "django_language", "value": language, "url": console}])
    login("cashier")
    page.goto("/console/shift")
    assert axe(page) == []
    page.locator("#shift-float").fill("500")
    page.locator('[data-test="shift-open"]').click()
    page.goto("/console/shift")
    assert axe(page) == []
    page.locator("#counted").fill("499")
    page.locator('[data-test="hand-over"]').click()
    expect(page.locator('[data-code="drawer_differs"]')).to_be_visible()
    assert axe(page) == []
    page.locator("#counted").fill("500")
    page.locator('[data-test="hand-over"]').click()
    expect(page.locator(".pw-receipt")).to_contain_text("¥500.00")
    assert axe(page) == []
    assert Shift.objects.get().closed_at is not None
