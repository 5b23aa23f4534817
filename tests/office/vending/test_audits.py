"""The audit of the books: silent when all agrees, and one finding for each way in which it can not."""

import pytest
from django.db import connection

from prewatt.office.vending import deliveries, returns, shifts
from prewatt.office.vending.audits import CHECKS, audit_books
from prewatt.office.vending.models import Delivery
from prewatt.office.vending.reversals import reverse
from tests.office.vending.scene import AT, Scene, build, hold, meter_says, read_latest

pytestmark = pytest.mark.django_db


def confirmed(delivery: Delivery) -> None:
    meter_says(delivery.pk, "done", values=f'{{"purchase_count": {delivery.expected_count}, "balance": 200000}}')
    deliveries.settle(delivery.pk, at=AT)


@pytest.fixture
def scene() -> Scene:
    """A day at the counter with something of everything: open, confirmed, refused, reversed, returned, refunded."""
    made = build(7)
    shifts.open_shift(till_id=made.w2.pk, float_minor=20_000, actor=made.bob, at=AT)
    made.sell(0)
    hold(made, 6)
    made.sell(6, key="k7")
    confirmed(Delivery.objects.get(sale=made.sell(1, key="k2", tender="pos_card", reference="A1").sale))
    refused = Delivery.objects.get(sale=made.sell(2, key="k3").sale)
    meter_says(refused.pk, "refused", code="meter_refused")
    deliveries.settle(refused.pk, at=AT)
    reverse(made.sell(3, key="k4").sale, reason="x", actor=made.alice, key="r1", at=AT)
    whole = made.sell(4, key="k5").sale
    confirmed(Delivery.objects.get(sale=whole))
    read_latest(made, 4, balance=200_000)
    back = returns.give_back_sale(whole, reason="x", actor=made.bob, key="t1", at=AT).act.delivery
    assert back is not None
    confirmed(back)
    reverse(whole, reason="x", actor=made.alice, key="r2", at=AT)
    other = made.sell(5, key="k6").sale
    confirmed(Delivery.objects.get(sale=other))
    read_latest(made, 5, balance=200_000)
    part = returns.give_back(
        contract_number=made.contracts[5].number, circuit_id=made.circuits[5].pk, credit=20_000, reason="x",
        actor=made.bob, key="t2", at=AT,
    ).act.delivery  # fmt: skip
    assert part is not None
    confirmed(part)
    returns.refund(part, till_id=made.w2.pk, reason="x", actor=made.bob, key="f1", at=AT)
    returns.refund(refused, till_id=made.w2.pk, reason="x", actor=made.bob, key="f2", at=AT)
    return made


def test_a_day_with_something_of_everything_agrees(scene: Scene) -> None:
    assert audit_books() == []
    expected = shifts.drawer(scene.shift).expected_minor
    shifts.hand_over(scene.shift, counted_minor=expected, actor=scene.alice, at=AT)
    assert audit_books([scene.site.pk]) == []


SALE = "(SELECT min(id) FROM vending_sale)"
ENTRY = "(SELECT min(entry_id) FROM ledger_transfer)"
# each fault is made below every verb and every trigger: what a restored backup or a careless hand may leave
FAULTS = {
    "sale_orphan": f"UPDATE vending_sale SET supply_point_id = 0 WHERE id = {SALE}",
    "receipt_orphan": "UPDATE vending_receipt SET contract_id = 0",
    "delivery_orphan": "UPDATE vending_delivery SET job_id = 0",
    "token_delivery": "UPDATE estate_supplypoint SET carrier = 'token' WHERE custody = 'meter'",
    "token_sale_twice": "UPDATE vending_delivery SET token_request_id = 1 WHERE kind = 'purchase'",
    "transfer_orphan": f"UPDATE ledger_transfer SET entry_id = entry_id + 1000000 WHERE entry_id = {ENTRY}",
    "entry_empty": f"DELETE FROM ledger_transfer WHERE entry_id = {ENTRY}",
    "sale_incomplete": f"DELETE FROM vending_receipt WHERE sale_id = {SALE}",
    "sale_reversal": f"UPDATE vending_sale SET state = 'reversed' WHERE id = {SALE}",
    "delivery_unbooked": f"UPDATE vending_delivery SET state = 'confirmed' WHERE sale_id = {SALE}",
    "held_unbooked": "UPDATE vending_delivery SET value_minor = value_minor + 1 WHERE credit_account_id IS NOT NULL",
    "delivery_steps": "DELETE FROM vending_deliverystep",
    "count_twice": "UPDATE vending_delivery SET expected_count = 4 WHERE state = 'confirmed'",
    "receipt_numbers": "UPDATE vending_till SET next_receipt = next_receipt + 1",
    "in_delivery": f"UPDATE vending_delivery SET value_minor = value_minor + 1 WHERE sale_id = {SALE}",
    "refund_payable": "UPDATE vending_act SET state = 'refused' WHERE kind = 'refund'",
    "running_balance": "INSERT INTO ledger_runningbalance SELECT id, site_id, 1, now() FROM ledger_account"
    " ON CONFLICT DO NOTHING",
    "charge_unbooked": "INSERT INTO billing_charge SELECT site_id, 1, 1, now() - interval '1 day', now(), 0, 9, 9, 1,"
    f" 1, 9, 0, {ENTRY} FROM vending_till LIMIT 1",
    "release_unbooked": "INSERT INTO billing_release SELECT site_id, 1, 1, now() - interval '1 day', now(), 9, 1, 1,"
    f" {ENTRY} FROM vending_till LIMIT 1",
    "money": "UPDATE payments_payment SET amount_minor = amount_minor + 1",
    "drawer_not_empty": "UPDATE vending_shift SET closed_at = now()",
}


def test_every_check_has_a_fault_that_shows_it() -> None:
    assert FAULTS.keys() == CHECKS.keys()


@pytest.mark.parametrize("check", FAULTS)
def test_a_fault_is_found(scene: Scene, check: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(FAULTS[check])
        cursor.execute("SET LOCAL session_replication_role = origin")
    found = audit_books()
    assert check in {finding.check for finding in found}
    assert {finding.site_id for finding in found} == {scene.site.pk}
    assert audit_books([scene.site.pk + 1]) == []
