"""A sale that is half done when a meter is exchanged or an opening given up: either the credit goes along, or the act
waits."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from prewatt.core.refusals import Refused
from prewatt.office.changes.models import Swap
from prewatt.office.changes.openings import give_up, open_held
from prewatt.office.changes.swaps import swap
from prewatt.office.estate.models import Meter, SupplyPoint
from prewatt.office.staff.actors import of_operator
from prewatt.office.vending.models import Delivery
from prewatt.office.vending.sales import SellCommand, sell
from tests.cast import NOON
from tests.office.billing.scene import HOUR, MINUTE, waiting
from tests.office.changes.test_openings import command
from tests.office.changes.test_swaps import NOW, polled, purse
from tests.office.vending.scene import AT, build

WAIT_S = 60


@pytest.mark.django_db(transaction=True)
def test_a_sale_that_is_not_committed_yet_holds_the_exchange_up_and_then_refuses_it() -> None:
    scene = build(1)
    SupplyPoint.objects.update(valid_from=AT)
    polled(scene, NOW, 1_000_000, 5_000)
    sold, asked = threading.Event(), threading.Event()

    def sells() -> None:
        try:
            with transaction.atomic():
                scene.sell(amount_minor=920, at=NOW)
                sold.set()
                assert asked.wait(WAIT_S)
        finally:
            connection.close()

    def exchanges() -> str:
        try:
            assert sold.wait(WAIT_S)
            threading.Timer(0.5, asked.set).start()  # by then it stands before the purse's lock
            swap(purse(scene))
            return "done"
        except Refused as refused:
            return refused.code
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        selling, exchanging = pool.submit(sells), pool.submit(exchanges)
        selling.result(WAIT_S)
        assert exchanging.result(WAIT_S) == "delivery_unsettled"
    assert Delivery.objects.get().state == "waiting"
    assert not Swap.objects.exists() and Meter.objects.get().removed_at is None


@pytest.mark.django_db(transaction=True)
def test_an_opening_is_not_given_up_beside_a_sale_that_is_not_committed_yet() -> None:
    shop = waiting()
    SupplyPoint.objects.filter(pk=shop.supply.pk).update(state="closed", valid_to=NOON + MINUTE)
    row = open_held(command(shop))
    sold, asked = threading.Event(), threading.Event()
    sale = SellCommand(
        key="k1", contract_number=row.contract.number, circuit_id=row.supply_point.circuit_id,
        till_id=shop.cast.till.pk, amount_minor=5000, actor=of_operator(shop.cast.bob), at=NOON + HOUR,
    )  # fmt: skip

    def sells() -> None:
        try:
            with transaction.atomic():
                sell(sale)
                sold.set()
                assert asked.wait(WAIT_S)
        finally:
            connection.close()

    def gives_up() -> str:
        try:
            assert sold.wait(WAIT_S)
            threading.Timer(0.5, asked.set).start()  # by then it stands before the account's lock
            give_up(row, actor=of_operator(shop.cast.bob), at=NOON + HOUR)
            return "done"
        except Refused as refused:
            return refused.code
        finally:
            asked.set()
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        selling, giving_up = pool.submit(sells), pool.submit(gives_up)
        selling.result(WAIT_S)
        assert giving_up.result(WAIT_S) == "balance_not_settled"
    assert SupplyPoint.objects.get(pk=row.supply_point_id).state == "opening"
