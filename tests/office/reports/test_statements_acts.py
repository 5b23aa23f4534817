"""The statement after real acts at the desk: a sale, its return, what is taken back, a make-up, a reversal."""

import pytest

from prewatt.office.reports.statements import statement
from prewatt.office.vending import make_ups, returns
from prewatt.office.vending.audits import audit_books
from prewatt.office.vending.models import Act, Sale
from prewatt.office.vending.reversals import reverse, take_back
from prewatt.office.vending.sales import SellCommand, sell
from tests.cast import NOON
from tests.office.billing.scene import HOUR, OPENING_WH, Shop, opened
from tests.office.vending.scene import actor_of

pytestmark = pytest.mark.django_db


def sold(shop: Shop, amount_minor: int, key: str) -> Sale:
    return sell(
        SellCommand(
            key=key, contract_number=shop.contract.number, circuit_id=shop.circuit.pk, till_id=shop.cast.till.pk,
            amount_minor=amount_minor, actor=actor_of(shop.cast.bob), at=NOON + HOUR,
        )
    ).sale  # fmt: skip


def sums(shop: Shop) -> tuple[int, int, int]:
    """Paid, returned, used; the rest must add up to what the books have."""
    made = statement(shop.contract, begins=None, ends=None, at=NOON + 9 * HOUR)
    assert (made.opening_minor, made.closing_minor) == (0, shop.balance)
    assert audit_books() == []
    return made.paid_minor, made.returned_minor, made.used_minor


def test_every_act_at_the_desk_is_told_where_it_belongs() -> None:
    shop = opened()
    alice, bob = actor_of(shop.cast.alice), actor_of(shop.cast.bob)
    first = sold(shop, 5000, "k1")
    shop.read_and_sweep(2 * HOUR, OPENING_WH + 1000)
    assert sums(shop) == (5000, 0, 92)

    part = returns.give_back(
        contract_number=shop.contract.number, circuit_id=shop.circuit.pk, credit=1000, reason="x", actor=bob, key="t1",
        at=NOON + 3 * HOUR,
    ).act  # fmt: skip
    assert sums(shop) == (5000, 1000, 92)
    take_back(part, reason="x", actor=bob, key="b1", at=NOON + 3 * HOUR)
    assert sums(shop) == (5000, 0, 92)

    asked = make_ups.ask(
        contract_number=shop.contract.number, circuit_id=shop.circuit.pk, credit=300, reason="x", actor=alice, key="m1",
        at=NOON + 4 * HOUR,
    ).act  # fmt: skip
    make_ups.agree(asked, actor=bob, at=NOON + 4 * HOUR)
    assert sums(shop) == (5300, 0, 92)
    take_back(Act.objects.get(pk=asked.pk), reason="x", actor=bob, key="b2", at=NOON + 4 * HOUR)
    assert sums(shop) == (5000, 0, 92)

    last = sold(shop, 700, "k2")
    reverse(last, reason="x", actor=bob, key="r1", at=NOON + 5 * HOUR)
    assert sums(shop) == (5000, 0, 92)

    whole = sold(shop, 400, "k3")
    returns.give_back_sale(whole, reason="x", actor=bob, key="t2", at=NOON + 6 * HOUR)
    assert sums(shop) == (5400, 400, 92)
    reverse(whole, reason="x", actor=bob, key="r2", at=NOON + 6 * HOUR)
    assert sums(shop) == (5000, 0, 92)
    assert first.state == "sold"
