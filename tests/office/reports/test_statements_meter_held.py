"""Statements of contracts whose credit the meter holds: the same sums, use as released for the days that are over."""

from datetime import timedelta

import pytest

from prewatt.office.billing import releases
from prewatt.office.estate.models import SupplyPoint
from prewatt.office.ledger import books
from prewatt.office.ledger.models import AccountKind
from prewatt.office.reports.statements import Statement, statement
from prewatt.office.vending import deliveries, returns
from prewatt.office.vending.models import Delivery, Opening
from prewatt.office.vending.reversals import reverse
from tests.office.billing.scene import query
from tests.office.billing.test_releases import HOUR, NOON, bought, read, scene
from tests.office.vending.scene import Scene, meter_says, read_latest

__all__ = ["scene"]
pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def stated(scene: Scene, begins: timedelta | None = None, ends: timedelta = 30 * DAY) -> Statement:
    at = NOON + ends
    return statement(scene.contracts[0], begins=None if begins is None else NOON + begins, ends=at, at=at)


def sums(made: Statement) -> tuple[int, int, int, int, int]:
    return made.opening_minor, made.paid_minor, made.returned_minor, made.used_minor, made.closing_minor


def test_what_was_paid_less_what_was_used_is_what_the_credit_is_worth(scene: Scene) -> None:
    bought(scene, 4600, NOON + HOUR)
    read(scene, NOON + 2 * HOUR, 1_010_000)
    read(scene, NOON + DAY, 1_015_000)
    releases.sweep(at=NOON + 3 * DAY)

    made = stated(scene)
    assert sums(made) == (0, 4600, 0, 1380, 3220)
    assert [(line.energy_wh, f"{line.price:f}", line.amount_minor) for line in made.lines] == [
        (10_000, "0.920000", 920), (5_000, "0.920000", 460),
    ]  # fmt: skip
    assert sums(stated(scene, DAY - HOUR)) == (4600 - 920, 0, 0, 460, 3220)


def test_a_reversal_lowers_what_was_paid_before_and_after_a_return(scene: Scene) -> None:
    sale = scene.sell(key="k0", amount_minor=920, at=NOON + HOUR).sale
    assert sums(stated(scene)) == (0, 920, 0, 0, 920)
    reverse(sale, reason="x", actor=scene.alice, key="r0", at=NOON + HOUR)
    assert sums(stated(scene)) == (0, 0, 0, 0, 0)

    bought(scene, 920, NOON + HOUR, key="k1")
    read_latest(scene, 0, balance=200_000)
    whole = Delivery.objects.get(state="confirmed").sale
    assert whole is not None
    back = returns.give_back_sale(whole, reason="x", actor=scene.bob, key="t1", at=NOON + 2 * HOUR).act.delivery
    assert back is not None
    meter_says(back.pk, "done", values=f'{{"purchase_count": {back.expected_count}, "balance": 0}}')
    deliveries.settle(back.pk, at=NOON + 2 * HOUR)
    far = 9_000 * DAY  # the meter's answer has the time of this machine
    assert sums(stated(scene, None, far)) == (0, 920, 920, 0, 0)
    reverse(whole, reason="x", actor=scene.alice, key="r1", at=NOON + 3 * HOUR)
    assert sums(stated(scene, None, far)) == (0, 0, 0, 0, 0)


def test_credit_taken_over_at_the_opening_was_there_before_all_else(scene: Scene) -> None:
    opening = Opening.objects.create(
        site_id=scene.site.pk, kind="open", state="done", act="take_over", contract=scene.contracts[0], actor="x",
        supply_point=SupplyPoint.objects.get(), request_key="o1", actor_name="x", till=scene.w1, at=NOON, done_at=NOON,
    )  # fmt: skip
    known, deferred = (
        books.account(company_id=scene.company.pk, site_id=scene.site.pk, kind=kind, key=kind.value)
        for kind in (AccountKind.OPENING, AccountKind.DEFERRED_INCOME)
    )
    books.book(
        books.NewEntry(
            company_id=scene.company.pk, site_id=scene.site.pk, timezone=scene.site.timezone, actor="x", at=NOON,
            key=f"opening:{opening.pk}", kind="opening",
            transfers=[books.Transfer(debit_account_id=known, credit_account_id=deferred, amount_minor=1840)],
        )
    )  # fmt: skip
    query("UPDATE metering_reading SET balance = 20000 RETURNING 1", [])
    read(scene, NOON + HOUR, 1_005_000)
    releases.sweep(at=NOON + DAY)

    assert sums(stated(scene)) == (1840, 0, 0, 460, 1380)
