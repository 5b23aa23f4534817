"""The statement on the contract page: opening + paid - used = remaining, whoever holds the credit."""

import re

import pytest
from django.test import Client
from django.utils import timezone

from tests.cast import lately_read
from tests.office.billing.scene import HOUR, OPENING_WH, Shop, opened

pytestmark = pytest.mark.django_db


def card(shop: Shop, number: str, circuit: int) -> str:
    client = Client()
    client.cookies["django_language"] = "en"
    client.force_login(shop.cast.bob)
    page = client.get(f"/console/contracts/{number}?circuit={circuit}")
    assert page.status_code == 200
    found = re.search(r'data-test="statement".*?</section>', page.content.decode(), re.S)
    assert found is not None
    return found[0]


def amounts(text: str) -> list[str]:
    return re.findall(r"<dd[^>]*>(.*?)</dd>", text)


def test_the_books_hold_the_credit() -> None:
    shop = opened()
    shop.pay(5000, after=HOUR)
    shop.read_and_sweep(HOUR, OPENING_WH + 1000)
    with pytest.MonkeyPatch.context() as patch:  # the month of the story
        patch.setattr(timezone, "now", lambda: shop.supply.valid_from + 5 * HOUR)
        told = card(shop, shop.contract.number, shop.circuit.pk)

    assert amounts(told) == ["¥0.00", "¥50.00", "¥0.00", "¥0.92", "¥49.08"]
    assert f'<td class="code">{shop.circuit.meter.number}</td><td class="num">1.00</td>' in told


def test_the_meter_holds_the_credit() -> None:
    shop = opened()
    lately_read(shop.cast.shop_101, at=timezone.now())
    told = card(shop, "30010101", shop.cast.shop_101.pk)
    assert amounts(told) == ["¥0.00"] * 5
    assert "The meter holds the credit" in told
