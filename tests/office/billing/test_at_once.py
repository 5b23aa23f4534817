"""Charging from several sessions at once, and sessions that die: everything is charged once."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction

from prewatt.office.billing import charges, settlements
from prewatt.office.vending.audits import audit_books
from tests.cast import NOON
from tests.office.billing.scene import HOUR, MINUTE, OPENING_WH, Shop, another, opened, query

pytestmark = pytest.mark.django_db(transaction=True)
WAIT_S = 60
LATER = NOON + timedelta(days=1)


@pytest.fixture
def shop() -> Iterator[Shop]:
    made = opened()
    yield made
    assert [finding for finding in audit_books() if finding.check != "money"] == []


def at_once(*acts: Callable[[], int]) -> list[int]:
    """Run them in threads that start together; what each gave."""
    barrier = threading.Barrier(len(acts))

    def one(act: Callable[[], int]) -> int:
        try:
            barrier.wait(WAIT_S)
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        return [future.result(WAIT_S) for future in [pool.submit(one, act) for act in acts]]


def test_sweeps_at_once_charge_once(shop: Shop) -> None:
    another(shop, shop.cast.lift)
    made = 0
    for n in range(1, 6):
        shop.read(n * MINUTE, OPENING_WH + 100 * n)
        made += sum(at_once(*[lambda: charges.sweep(at=LATER)] * 4))

    assert made == 5
    assert [charge.wh for charge in shop.charges] == [100] * 5
    assert shop.balance == -46


def test_a_settlement_waits_for_the_sweep_and_tells_what_is_left_after_it(shop: Shop) -> None:
    shop.pay(1000)
    for n in range(1, 6):
        shop.read(n * MINUTE, OPENING_WH + 1000 * n)
        left = at_once(
            lambda: settlements.settle(shop.supply, at=LATER), lambda: charges.sweep(at=LATER),
            lambda: settlements.settle(shop.supply, at=LATER),
        )  # fmt: skip
        assert left[0] == left[2] == shop.balance == 1000 - 92 * n


def test_payments_and_charges_at_once_lose_nothing(shop: Shop) -> None:
    def pay(key: str) -> int:
        shop.pay(500, key=key)
        return 0

    for n in range(1, 6):
        shop.read(n * MINUTE, OPENING_WH + 1000 * n)
        at_once(lambda: charges.sweep(at=LATER), *[lambda key=f"{n}:{k}": pay(key) for k in range(3)])
    charges.sweep(at=LATER)
    assert shop.balance == 5 * 3 * 500 - 5 * 92


def test_a_sweep_that_dies_before_its_commit_has_charged_nothing(shop: Shop) -> None:
    shop.read(HOUR, OPENING_WH + 1000)
    with pytest.raises(ConnectionError), transaction.atomic():
        assert charges.sweep(at=LATER) == 1
        raise ConnectionError

    assert (shop.charges, shop.balance) == ([], 0)
    assert [charges.sweep(at=LATER), charges.sweep(at=LATER)] == [1, 0]
    assert (len(shop.charges), shop.balance) == (1, -92)


def test_what_was_charged_cannot_be_charged_again_and_keeps_no_other_waiting(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    other = another(shop, shop.cast.lift, shared=False)
    shop.read_and_sweep(HOUR, OPENING_WH + 1000)
    forget = (
        "UPDATE billing_progress SET charged_at = charged_at + %s * interval '10 minutes',"
        " charged_wh = charged_wh + %s * 500 WHERE circuit_id = %s RETURNING 1"
    )
    query(forget, [-1, -1, shop.circuit.pk])
    other.read(HOUR, OPENING_WH + 1000)
    charges.sweep(at=LATER)

    assert (shop.balance, other.balance) == (-92, -92)
    assert f"supply point {shop.supply.pk} could not be charged" in caplog.text
    query(forget, [1, 1, shop.circuit.pk])
