"""Credit in DL/T 645 meters: one order, applied once, whatever the line does to the frames that carry it.

An order of the order-number family carries no count. What makes it one of a kind is its number, built from the
meter's number and the count it will have; the meter takes no number twice. How the conversation goes for State Grid
meters is in `dlt645_grid`.
"""

from typing import Final

from prewatt.core.meters.credit import Family
from prewatt.core.meters.drivers.dlt645_grid import order_by_session
from prewatt.core.meters.drivers.dlt645_purse import SHOWN, holds, read_purse, unlike, witness
from prewatt.core.meters.drivers.dlt645_talk import Script, Talk
from prewatt.core.meters.drivers.exchange import Asking, Pause
from prewatt.core.meters.drivers.looks import LOOK_AGAIN_MS, LOOK_HARD_MS
from prewatt.core.meters.jobs import Order, OrderKind, Verdict
from prewatt.core.meters.quantities import Quantity
from prewatt.core.wire.dlt645.charging import MAX_WORD, RECHARGE, REFUND, NumberedOrder, charge

METER_DIGITS: Final = 10  # of the meter's number in an order's number: the last ones
COUNT_DIGITS: Final = 6


def order_number(meter: str, count: int) -> str:
    """16 digits, the same for the same order whenever it is sent again; none of another meter's are among them."""
    return meter[-METER_DIGITS:].zfill(METER_DIGITS) + f"{count:0{COUNT_DIGITS}d}"


def credit(talk: Talk, order: Order) -> Script:
    """Apply one order, exactly once."""
    family = talk.profile.credit
    assert family is not None
    unfit = family.unfit(order.kind) or (None if order.amount <= MAX_WORD else "value_out_of_range")
    if unfit is not None:
        return talk.end(Verdict.REFUSED, unfit)
    ended = yield from read_purse(talk)
    if ended is not None and ended.verdict is Verdict.REFUSED:
        # a refusal carries no identifier: a late one, to another question, looks the same
        yield Pause(LOOK_HARD_MS[0])
        ended = yield from read_purse(talk)
    if ended is not None:
        refused = ended.verdict is Verdict.REFUSED  # an earlier try may have brought the order: a person looks
        return talk.end(Verdict.DISPUTED, "purse_unreadable") if refused else ended
    # done before or disputed: either is said of the meter only after a second look
    if holds(talk, order):
        ended = yield from talk.agree(lambda: read_purse(talk), SHOWN, LOOK_AGAIN_MS)
        if ended is not None or holds(talk, order):
            return ended or talk.end(Verdict.DONE)
    if unlike(talk, order) is not None:
        ended = yield from talk.agree(lambda: read_purse(talk), SHOWN, LOOK_HARD_MS)
        if ended is not None or holds(talk, order):
            return ended or talk.end(Verdict.DONE)
    odd = unlike(talk, order)
    if odd is not None:
        return talk.end(Verdict.DISPUTED, odd)
    if family.family is Family.STATE_GRID:
        return (yield from order_by_session(talk, order))
    total = talk.values.get(Quantity.PURCHASED_TOTAL)
    content = NumberedOrder(amount=order.amount, order=order_number(talk.address, order.count), meter=talk.address)
    di = REFUND if order.kind is OrderKind.RETURN else RECHARGE
    talk.sent = True
    reply = yield Asking(charge(talk.address, di, talk.access.operator, content.wire()), write=True)
    return (yield from witness(talk, order, reply, total))
