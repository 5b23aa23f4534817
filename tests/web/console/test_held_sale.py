"""The counter where the books hold the credit: the quote in money, the sale's supply steps, its corrections."""

from datetime import timedelta

import pytest
from django.db import connection

from prewatt.office.ledger import books
from prewatt.office.metering.models import RelayWish, SupplyEvent
from prewatt.office.vending import deliveries
from prewatt.office.vending.models import Act, Delivery, Sale
from tests.cast import NOON, lately_read
from tests.web.console import sell_desk
from tests.web.console.sell_desk import READ, Desk, text_of
from tests.web.console.test_sales import page, stages, state_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = sell_desk.make(monkeypatch)
    lately_read(made.cast.shop_102, at=READ, balance=0, relay=0)
    SupplyEvent.objects.create(
        site_id=made.cast.site.pk, circuit_id=made.cast.shop_102.pk, kind="opened", cause="command_trip", at=READ
    )
    return made


def sold(desk: Desk) -> Sale:
    return desk.sell(find="A-102")


def test_the_quote_is_in_money(desk: Desk) -> None:
    text = text_of(desk.alice.get("/console/sell/quote", {"find": "A-102", "amount": "50"}))
    assert "¥50.00" in text and "balance then ¥50.00" in text and "kWh ×" not in text


def test_a_sale_is_confirmed_and_its_supply_is_followed_until_power_is_drawn(desk: Desk) -> None:
    sale = sold(desk)
    text = page(desk, sale)
    assert (state_of(text), stages(text)) == ("confirmed", ["done", "done", "now", "now", "todo"])
    assert "Purchase 1, balance ¥0.00 → ¥50.00" in text
    assert "The power comes back by itself" in text
    RelayWish.objects.create(
        circuit=desk.cast.shop_102, wish="automatic", reason="", actor="system", set_at=NOON, decided="closed",
        decided_cause="credit", decided_at=NOON,
    )  # fmt: skip
    assert stages(page(desk, sale)) == ["done", "done", "done", "now", "todo"]
    later = NOON + timedelta(seconds=5)
    SupplyEvent.objects.create(
        site_id=desk.cast.site.pk, circuit_id=desk.cast.shop_102.pk, kind="closed", at=later
    )
    lately_read(desk.cast.shop_102, at=later, relay=1)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE metering_latest SET power_w = 850 WHERE circuit_id = %s", [desk.cast.shop_102.pk])
    deliveries.watch_load(at=later)
    text = page(desk, sale)
    assert stages(text) == ["done"] * 5
    assert "Power is drawn" in text and "The relay was read as closed" in text


def test_a_tripped_circuit_says_that_payment_does_not_close_it(desk: Desk) -> None:
    sale = sold(desk)
    RelayWish.objects.create(circuit=desk.cast.shop_102, wish="trip", reason="fire", actor="system", set_at=NOON)
    text = page(desk, sale)
    assert "payment does not undo that" in text and "please ask there" in text
    assert stages(text)[2] == "refused"


def test_what_was_decided_before_it_was_paid_is_no_answer_and_too_little_money_promises_no_power(desk: Desk) -> None:
    RelayWish.objects.create(
        circuit=desk.cast.shop_102, wish="automatic", reason="", actor="system", set_at=READ, decided="open",
        decided_cause="credit", decided_at=READ,
    )  # fmt: skip
    text = page(desk, sold(desk))
    assert "Being decided" in text and "The power comes back by itself" in text
    assert stages(text) == ["done", "done", "now", "todo", "todo"]
    delivery = Delivery.objects.latest("pk")
    Delivery.objects.filter(pk=delivery.pk).update(confirmed_values={**delivery.confirmed_values, "balance": -2_000})
    text = page(desk, Sale.objects.latest("pk"))
    assert "Supply off: the balance is still below what is permitted" in text
    assert "not enough yet" in text and "comes back by itself" not in text


def test_the_cashier_reverses_it_at_once(desk: Desk) -> None:
    sale = sold(desk)
    assert f'href="/console/sales/{sale.pk}/reverse"' in page(desk, sale)
    form = text_of(desk.alice.get(f"/console/sales/{sale.pk}/reverse"))
    assert "The balance falls by ¥50.00" in form
    answer = desk.alice.post(f"/console/sales/{sale.pk}/reverse", {"reason": "wrong shop", "request_key": "r1"})
    assert answer.status_code == 302
    account = desk.cast.supply_102.credit_account_id
    assert account is not None and books.running(account) == 0
    text = page(desk, sale)
    assert state_of(text) == "refused" and "Its credit left the balance." in text


def test_a_return_is_done_at_once_and_a_manager_can_take_it_back(desk: Desk) -> None:
    sold(desk)
    answer = desk.bob.post(
        "/console/acts/return", {"find": "A-102", "credit": "20", "reason": "moves out", "request_key": "t1"}
    )
    act = Act.objects.get(kind="return")
    assert (answer["Location"], act.state, act.amount_minor) == (f"/console/acts/{act.pk}", "done", 2000)
    account = desk.cast.supply_102.credit_account_id
    assert account is not None and books.running(account) == 3000
    assert f'href="/console/acts/{act.pk}/take-back"' in text_of(desk.bob.get(f"/console/acts/{act.pk}"))
    answer = desk.bob.post(f"/console/acts/{act.pk}/take-back", {"reason": "typed wrong", "request_key": "b1"})
    assert answer.status_code == 302 and books.running(account) == 5000
    assert desk.alice.post(
        f"/console/acts/{act.pk}/take-back", {"reason": "typed wrong", "request_key": "b2"}
    ).status_code == 422
