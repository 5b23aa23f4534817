"""Corrections from the desk's pages: each asks for a reason, does one thing once, and says when it cannot."""

import pytest

from prewatt.office.vending import deliveries
from prewatt.office.vending.models import Act, Delivery, Sale
from tests.cast import lately_read
from tests.office.vending.scene import meter_says
from tests.web.console import sell_desk
from tests.web.console.sell_desk import READ, Desk, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    return sell_desk.make(monkeypatch)


WHY = {"reason": "wrong shop", "request_key": "r1"}


def test_a_sale_is_reversed_once_with_a_reason(desk: Desk) -> None:
    sale = desk.sell()
    asks = text_of(desk.alice.get(f"/console/sales/{sale.pk}/reverse"))
    assert "Reverse and pay back ¥50.00" in asks and "What will change" in asks
    refused = desk.alice.post(f"/console/sales/{sale.pk}/reverse", {**WHY, "reason": " "})
    assert refused.status_code == 422 and 'data-code="reason_needed"' in text_of(refused)
    for _twice in range(2):
        done = desk.alice.post(f"/console/sales/{sale.pk}/reverse", WHY)
        assert (done.status_code, done["Location"]) == (302, f"/console/sales/{sale.pk}")
    sale.refresh_from_db()
    assert sale.state == "reversed" and Act.objects.count() == 1
    assert "This sale was reversed" in text_of(desk.alice.get(f"/console/sales/{sale.pk}"))


def test_what_the_state_forbids_is_said_before_and_refused_after(desk: Desk) -> None:
    sale = desk.sell()
    desk.said(sale, "done")
    page = text_of(desk.bob.get(f"/console/sales/{sale.pk}/reverse"))
    assert "not possible in the state" in page and 'data-test="act-submit"' not in page
    refused = desk.bob.post(f"/console/sales/{sale.pk}/reverse", WHY)
    assert refused.status_code == 422 and 'data-code="credit_in_meter"' in text_of(refused)


def test_a_cashier_asks_and_only_another_person_agrees(desk: Desk) -> None:
    asked = desk.alice.post("/console/acts/make-up", {**WHY, "find": "A-101", "credit": "12.5"})
    act = Act.objects.get()
    assert asked["Location"] == f"/console/acts/{act.pk}"
    assert (act.credit, act.state, Delivery.objects.count()) == (12_500, "asked", 0)
    assert "another person must agree" in text_of(desk.alice.get(f"/console/acts/{act.pk}"))
    assert desk.alice.post(f"/console/acts/{act.pk}/answer", {"answer": "agree"}).status_code == 422
    assert "Look and decide" in text_of(desk.bob.get("/console/acts"))
    assert "Agree and send" in text_of(desk.bob.get(f"/console/acts/{act.pk}"))
    assert desk.bob.post(f"/console/acts/{act.pk}/answer", {"answer": "agree"}).status_code == 302
    act.refresh_from_db()
    assert act.state == "running" and Delivery.objects.get().origin == "make_up"


def test_a_declined_make_up_needs_a_reason_and_sends_nothing(desk: Desk) -> None:
    desk.alice.post("/console/acts/make-up", {**WHY, "find": "A-101", "credit": "12.5"})
    act = Act.objects.get()
    assert desk.bob.post(f"/console/acts/{act.pk}/answer", {"answer": "decline"}).status_code == 422
    assert desk.bob.post(f"/console/acts/{act.pk}/answer", {"answer": "decline", "reason": "no"}).status_code == 302
    act.refresh_from_db()
    assert act.state == "refused" and not Delivery.objects.exists()


def test_the_one_who_asked_does_not_agree_even_if_his_role_may(desk: Desk) -> None:
    desk.bob.post("/console/acts/make-up", {**WHY, "find": "A-101", "credit": "1"})
    act = Act.objects.get()
    answer = desk.bob.post(f"/console/acts/{act.pk}/answer", {"answer": "agree"})
    assert answer.status_code == 422 and 'data-code="second_person_needed"' in text_of(answer)


def test_a_return_takes_the_credit_out_first_and_the_money_is_paid_after_the_meter_confirmed(desk: Desk) -> None:
    sale = desk.sell()
    desk.said(sale, "done")
    lately_read(desk.cast.shop_101, at=READ, balance=154_350, count=6)
    assert desk.alice.post(f"/console/sales/{sale.pk}/return", WHY).status_code == 422  # a manager's act
    assert desk.bob.post(f"/console/sales/{sale.pk}/return", WHY).status_code == 302
    returned = Act.objects.get(kind="return")
    early = desk.bob.post(f"/console/acts/{returned.pk}/refund", {**WHY, "request_key": "r2", "tender": "cash"})
    assert early.status_code == 422 and 'data-code="delivery_unknown"' in text_of(early)
    assert returned.delivery_id is not None
    confirm(returned.delivery_id)
    assert 'data-test="act-refund"' in text_of(desk.bob.get(f"/console/acts/{returned.pk}"))
    desk.bob.post("/console/shift/open", {"till": str(second_till(desk)), "float": "100"})
    paid = desk.bob.post(f"/console/acts/{returned.pk}/refund", {**WHY, "request_key": "r3", "tender": "cash"})
    assert paid.status_code == 302
    assert Act.objects.get(kind="refund").amount_minor == 5_000
    assert "This sale was refunded" in text_of(desk.bob.get(f"/console/sales/{sale.pk}"))


def second_till(desk: Desk) -> int:
    return int(type(desk.cast.window).objects.create(site_id=desk.cast.site.pk, code="W2", name="Window 2").pk)


def confirm(delivery_id: int) -> None:
    meter_says(delivery_id, "done", values='{"purchase_count": 7, "balance": 100000, "relay": 1}')
    deliveries.settle(delivery_id, at=READ)


def test_a_refused_sale_is_written_again_or_refunded(desk: Desk) -> None:
    sale = desk.sell()
    desk.said(sale, "refused", count=5, code="meter_03")
    assert desk.alice.post(f"/console/sales/{sale.pk}/rewrite", WHY).status_code == 302
    assert Delivery.objects.get(sale=sale).state == "waiting"


@pytest.mark.parametrize(("delivered", "count", "state"), [("yes", "6", "confirmed"), ("no", "5", "refused")])
def test_a_manager_settles_by_what_he_read(desk: Desk, delivered: str, count: str, state: str) -> None:
    sale = desk.sell()
    desk.said(sale, "disputed", count=8)
    typed = {**WHY, "delivered": delivered, "count": count, "balance": "154.35"}
    assert desk.alice.post(f"/console/sales/{sale.pk}/settle", typed).status_code == 422
    assert desk.bob.post(f"/console/sales/{sale.pk}/settle", {**typed, "count": "x"}).status_code == 422
    assert desk.bob.post(f"/console/sales/{sale.pk}/settle", {**typed, "delivered": ""}).status_code == 422
    assert desk.bob.post(f"/console/sales/{sale.pk}/settle", typed).status_code == 302
    assert Delivery.objects.get(sale=sale).state == state


def test_some_credit_is_returned_by_contract(desk: Desk) -> None:
    sale = desk.sell()
    desk.said(sale, "done")
    lately_read(desk.cast.shop_101, at=READ, balance=154_350, count=6)
    answer = desk.bob.post("/console/acts/return", {**WHY, "find": "30010101", "credit": "10"})
    assert answer.status_code == 302
    assert (Act.objects.get().credit, Act.objects.get().amount_minor) == (10_000, 920)


def test_who_has_no_scope_finds_no_act(desk: Desk) -> None:
    desk.alice.post("/console/acts/make-up", {**WHY, "find": "A-101", "credit": "1"})
    act = Act.objects.get()
    elsewhere = type(desk.cast.site).objects.create(company=desk.cast.company, code="dorm", name="Dormitory")
    desk.cast.charlie.scopes.create(site_id=elsewhere.pk)
    for address in (f"/console/acts/{act.pk}", f"/console/acts/{act.pk}/refund"):
        assert desk.charlie.get(address).status_code == 404
    assert desk.charlie.post(f"/console/acts/{act.pk}/answer", {"answer": "agree"}).status_code == 404
    assert "A-101" not in text_of(desk.charlie.get("/console/acts"))
    made = desk.charlie.post("/console/acts/make-up", {**WHY, "request_key": "c", "find": "A-101", "credit": "1"})
    assert made.status_code == 422 and not Sale.objects.exists()
