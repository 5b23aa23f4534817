"""Five hundred orders over a bad line: none lost, none doubled, whatever each conversation was told."""

import random

import pytest

from prewatt.core.meters import catalogue
from prewatt.core.meters.jobs import Intent, Job, Order, OrderKind, Verdict
from prewatt.core.meters.quantities import Quantity
from tests.core.meters.bench import FakeMeter, Fault, Line

ORDERS = 500
CLAIMS = 40  # conversations per order; at these odds far fewer are needed
ODDS = {
    Fault.NONE: 58,
    Fault.REQUEST_LOST: 10,
    Fault.REPLY_LOST: 10,
    Fault.REPLY_LATE: 5,
    Fault.REPLY_VERY_LATE: 5,
    Fault.REPLY_CORRUPT: 4,
    Fault.REPLY_TWICE: 4,
    Fault.NOISE_FIRST: 2,
    Fault.GATEWAY_EXCEPTION: 2,
}


@pytest.mark.parametrize("transport", ["rtu", "tcp"])
@pytest.mark.parametrize(("seed", "purse"), [(1, "pilot-spm9511"), (20261120, "acrel-dtsy1352-4g-purse")])
def test_every_order_is_credited_once(seed: int, purse: str, transport: str) -> None:
    chance = random.Random(seed)
    meter = FakeMeter(catalogue()[purse], values={Quantity.HOARDING_LIMIT: 10**9})
    line = Line(meter, transport)
    sold, unsure = 0, 0
    for number in range(ORDERS):
        kind = OrderKind.RETURN if number % 7 == 6 else OrderKind.PURCHASE
        order = Order(count=24 + number, kind=kind, amount=meter.profile.resolution * chance.randrange(1, 5_000))
        for _ in range(CLAIMS):
            line.faults = {line.sends + n: chance.choices(list(ODDS), list(ODDS.values()))[0] for n in range(12)}
            outcome = line.run(Job(intent=Intent.CREDIT, order=order))
            assert outcome.verdict in (Verdict.DONE, Verdict.SILENT, Verdict.UNKNOWN), (seed, number, outcome)
            unsure += outcome.verdict is Verdict.UNKNOWN
            if outcome.verdict is Verdict.DONE:
                break
            line.stale = b""  # the line drains between conversations
        else:
            pytest.fail(f"seed {seed}: order {number} was never done")
        sold += -order.amount if kind is OrderKind.RETURN else order.amount
        assert len(meter.orders) == number + 1, (seed, number)
    assert [order.count for order in meter.orders] == list(range(24, 24 + ORDERS))
    assert meter.values[Quantity.BALANCE] == -12_350 + sold
    assert unsure > 10, "the line was too good to prove anything"
