"""A modem that answers a write with its serial alone: a word that says go and look, and never that it was done."""

import random

import pytest

from prewatt.core.meters import catalogue
from prewatt.core.meters.drivers import receipt
from prewatt.core.meters.jobs import Intent, Job, Order, OrderKind, Outcome, Verdict, Wish
from prewatt.core.meters.quantities import Quantity
from tests.core.meters.bench import FakeMeter, Fault, Line
from tests.core.meters.test_schedule import WRITE as WHOLE_SET
from tests.core.meters.test_schedule import BlockMeter

SERIAL = "26112000000001"
PURSE = catalogue()["acrel-dtsy1352-4g-purse"]
PURCHASE = Order(count=24, kind=OrderKind.PURCHASE, amount=5_000)
CREDIT = Job(intent=Intent.CREDIT, order=PURCHASE)
PRICES = Job(intent=Intent.WRITE_SETTINGS, settings={Quantity.ALARM_LEVEL_1: 8_000})
TRIP = Job(intent=Intent.RELAY, wish=Wish.TRIP)
WRITE = 2  # the third exchange of a credit: who are you, the purse, the order, the witness
ORDERS = 300
CLAIMS = 40
ODDS = {
    Fault.NONE: 50, Fault.REQUEST_LOST: 10, Fault.REPLY_LOST: 15, Fault.REPLY_LATE: 8, Fault.REPLY_VERY_LATE: 8,
    Fault.REPLY_TWICE: 8, Fault.REPLY_CORRUPT: 3, Fault.REPLY_IN_PIECES: 3,
}  # fmt: skip


def modem(**values: int) -> Line:
    return Line(FakeMeter(PURSE, values={Quantity(name): value for name, value in values.items()}), modem=SERIAL)


@pytest.mark.parametrize("job", [CREDIT, PRICES, TRIP], ids=["credit", "settings", "relay"])
def test_what_was_written_is_read_at_once(job: Job) -> None:
    line = modem()
    assert line.run(job).verdict is Verdict.DONE
    assert line.meter.writes == 1 and not line.time_outs


def test_the_serial_of_another_modem_is_noise() -> None:
    line = modem()
    line.faults = {WRITE: Fault.REPLY_LOST}
    line.before = {WRITE: lambda meter: setattr(line, "stale", receipt("26112000000002"))}
    assert line.run(CREDIT).verdict is Verdict.DONE
    assert line.time_outs, "its own modem said nothing, so its time was waited for"


# What the line did to the write -> what is told, and whether the meter was credited.
@pytest.mark.parametrize(
    ("fault", "verdict", "credited"),
    [
        (Fault.REQUEST_LOST, Verdict.UNKNOWN, False),
        (Fault.REPLY_LOST, Verdict.DONE, True),
        (Fault.REPLY_LATE, Verdict.DONE, True),
        (Fault.REPLY_VERY_LATE, Verdict.DONE, True),
        (Fault.REPLY_TWICE, Verdict.DONE, True),
        (Fault.REPLY_CORRUPT, Verdict.DONE, True),
    ],
)
def test_what_the_purse_shows_decides(fault: Fault, verdict: Verdict, credited: bool) -> None:
    line = modem()
    line.faults = {WRITE: fault}
    assert line.run(CREDIT).verdict is verdict
    assert len(line.meter.orders) == credited


def test_the_serial_for_an_earlier_write_confirms_nothing() -> None:
    """It comes while a write waits that never reached the meter: looked at once, not believed, written again."""
    line = modem()
    line.faults = {WRITE: Fault.REQUEST_LOST}
    line.before = {WRITE: lambda meter: setattr(line, "stale", receipt(SERIAL))}
    told = line.run(CREDIT)
    assert (told.verdict, told.code, told.sent) == (Verdict.UNKNOWN, "write_unanswered", True)
    assert not line.time_outs and not line.meter.orders
    assert line.run(CREDIT).verdict is Verdict.DONE
    assert len(line.meter.orders) == 1


def test_the_serial_never_answers_a_read() -> None:
    line = modem()
    for number in range(WRITE):
        line.before[number] = lambda meter: setattr(line, "stale", receipt(SERIAL))
    assert line.run(CREDIT).verdict is Verdict.DONE
    line.faults = {line.sends + number: Fault.REPLY_LOST for number in range(4)}
    line.before = {line.sends: lambda meter: setattr(line, "stale", receipt(SERIAL))}
    silent: Outcome = line.run(Job(intent=Intent.READ_STATUS))
    assert silent.verdict is Verdict.SILENT


@pytest.mark.parametrize("seed", [1, 20261121])
def test_every_order_is_credited_once_over_a_modem(seed: int) -> None:
    chance = random.Random(seed)
    line = modem(hoarding_limit=10**9)
    sold = unsure = 0
    for number in range(ORDERS):
        kind = OrderKind.RETURN if number % 7 == 6 else OrderKind.PURCHASE
        order = Order(count=24 + number, kind=kind, amount=chance.randrange(1, 5_000))
        for _ in range(CLAIMS):
            line.faults = {line.sends + n: chance.choices(list(ODDS), list(ODDS.values()))[0] for n in range(12)}
            outcome = line.run(Job(intent=Intent.CREDIT, order=order))
            assert outcome.verdict in (Verdict.DONE, Verdict.SILENT, Verdict.UNKNOWN), (seed, number, outcome)
            assert outcome.verdict is not Verdict.DONE or len(line.meter.orders) == number + 1, (seed, number)
            unsure += outcome.verdict is Verdict.UNKNOWN
            if outcome.verdict is Verdict.DONE:
                break
            # what came too late stays on its way into the next conversation only if it is the modem's word
            line.stale = receipt(SERIAL) if chance.random() < 0.3 else b""
        else:
            pytest.fail(f"seed {seed}: order {number} was never done")
        sold += -order.amount if kind is OrderKind.RETURN else order.amount
    assert [order.count for order in line.meter.orders] == list(range(24, 24 + ORDERS))
    assert line.meter.values[Quantity.BALANCE] == -12_350 + sold
    assert unsure > 10, "the line was too good to prove anything"


@pytest.mark.parametrize("fault", [Fault.NONE, Fault.REQUEST_LOST, Fault.REPLY_LOST, Fault.REPLY_TWICE])
def test_a_row_of_writes_goes_on_after_the_first_serial(fault: Fault) -> None:
    """Times of use are several blocks. A serial too many hides a lost write, and what is read back tells."""
    profile = catalogue()["acrel-dtsy1352-nk-purse"]
    for place in range(12):
        meter = BlockMeter(profile)
        told = Line(meter, modem=SERIAL, faults={place: fault}).run(WHOLE_SET)
        assert told.verdict is Verdict.DONE or (fault is not Fault.NONE and told.verdict is not Verdict.REFUSED)
        if told.verdict is Verdict.DONE:
            assert meter.writes >= 4, "two day tables, the zones, the swap time"
        assert Line(meter, modem=SERIAL).run(WHOLE_SET).verdict is Verdict.DONE, (fault, place)
