"""A sale that is half done when a meter is exchanged: either the credit goes along, or the exchange waits."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from prewatt.core.refusals import Refused
from prewatt.office.changes.models import Swap
from prewatt.office.changes.swaps import swap
from prewatt.office.estate.models import Meter, SupplyPoint
from prewatt.office.vending.models import Delivery
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
