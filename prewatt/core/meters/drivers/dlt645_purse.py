"""What a DL/T 645 meter shows of its purse, and what that says of an order: the witness of both families.

The rules are those of Modbus (`drivers.modbus`): one write, then reads; what is read decides, not what was answered.
"""

from prewatt.core.meters.codes import signed_amount
from prewatt.core.meters.credit import GRID_REFUSALS, Family
from prewatt.core.meters.drivers.dlt645_talk import Part, Script, Talk
from prewatt.core.meters.drivers.exchange import Asking
from prewatt.core.meters.drivers.looks import LOOK_HARD_MS
from prewatt.core.meters.jobs import Order, Verdict
from prewatt.core.meters.model import Block, Profile
from prewatt.core.meters.quantities import Quantity
from prewatt.core.wire.dlt645 import Frame, errors_of
from prewatt.core.wire.dlt645.charging import STATE, charge, purse_state

REPEATED = "meter_recharge_repeated"
# two looks must agree on these; the balance drains meanwhile
SHOWN = (Quantity.PURCHASE_COUNT, Quantity.LAST_ORDER_AMOUNT, Quantity.PURCHASED_TOTAL)
_READ = (Quantity.BALANCE, Quantity.OVERDRAWN, Quantity.LAST_ORDER_AMOUNT, Quantity.PURCHASED_TOTAL)


def purse_blocks(profile: Profile) -> tuple[Block, ...]:
    """The blocks that hold the purse, the count behind what it counts."""
    wanted = (*_READ, Quantity.PURCHASE_COUNT)
    held = [profile.registers[quantity] for quantity in wanted if quantity in profile.registers]
    blocks = {block.address: block for group in profile.blocks.values() for block in group}
    return tuple(blocks[address] for address in dict.fromkeys(register.address for register in held))


def read_purse(talk: Talk) -> Part:
    """The purse into `values`; of a State Grid meter with the count that its security module says."""
    for quantity in (*_READ, Quantity.PURCHASE_COUNT):
        talk.values.pop(quantity, None)
    for block in purse_blocks(talk.profile):
        ended = yield from talk.block(block)
        if ended is not None:
            return ended
    credit = talk.profile.credit
    if credit is None or credit.family is not Family.STATE_GRID:
        return None
    talk.state = None
    reply = yield Asking(charge(talk.address, STATE, talk.access.operator))
    if reply is None:
        return talk.end(Verdict.SILENT, "no_reply")
    if reply.refused:
        return talk.end(Verdict.REFUSED, charge_refusal(talk, reply))
    talk.state = purse_state(reply)
    if talk.state is None:
        return talk.end(Verdict.SILENT, "no_reply")
    talk.values[Quantity.PURCHASE_COUNT] = talk.state.count
    return None


def charge_refusal(talk: Talk, reply: Frame) -> str:
    """The stable code of a refused function 03."""
    credit = talk.profile.credit
    if credit is not None and credit.family is Family.ORDER_NUMBER:
        return credit.results.get(reply.data[0], "meter_refused") if len(reply.data) == 1 else "meter_refused"
    return next((GRID_REFUSALS[name] for name in errors_of(reply) if name in GRID_REFUSALS), "meter_refused")


def holds(talk: Talk, order: Order) -> bool:
    """Does the purse show our order as its last one?"""
    count, last = talk.values.get(Quantity.PURCHASE_COUNT), talk.values.get(Quantity.LAST_ORDER_AMOUNT)
    return count == order.count and last == signed_amount(order)


def _grew(talk: Talk, order: Order, before: int | None) -> bool:
    after = talk.values.get(Quantity.PURCHASED_TOTAL)
    return before is not None and after is not None and after - before == signed_amount(order)


def unlike(talk: Talk, order: Order) -> str | None:
    """Why the purse is not where our order would begin."""
    count = talk.values.get(Quantity.PURCHASE_COUNT)
    if count is None:
        return "purse_unreadable"
    if count == order.count:
        return "meter_count_taken"
    return None if count == order.count - 1 else "meter_count_differs"


def witness(talk: Talk, order: Order, reply: Frame | None, total: int | None) -> Script:
    """After the one write: what the meter shows decides. `total`: what had been purchased before it."""
    refused = charge_refusal(talk, reply) if reply is not None and reply.refused else None
    ended = yield from read_purse(talk)
    if ended is None:
        verdict, code = _shown(talk, order, reply, refused, total)
        # A late reply shows the past, so it never shows an order that was not applied: DONE stands at once.
        if verdict is Verdict.DONE or code == "write_unanswered":
            return talk.end(verdict, code)
        ended = yield from talk.agree(lambda: read_purse(talk), SHOWN, LOOK_HARD_MS)
    if ended is not None:
        return talk.end(Verdict.UNKNOWN, refused or "write_unanswered")
    return talk.end(*_shown(talk, order, reply, refused, total))


def _shown(
    talk: Talk, order: Order, reply: Frame | None, refused: str | None, total: int | None
) -> tuple[Verdict, str | None]:
    """What the last look says of the order that was sent, with what was answered to it."""
    if holds(talk, order) or (
        talk.values.get(Quantity.PURCHASE_COUNT) == order.count and _grew(talk, order, total)
    ):
        return Verdict.DONE, None
    odd = unlike(talk, order)
    if odd is not None:
        return Verdict.DISPUTED, odd
    if refused == REPEATED:
        return Verdict.DISPUTED, refused  # it says that it has the order, and its count says that it has not
    if refused is not None:
        return Verdict.REFUSED, refused
    return Verdict.UNKNOWN, "write_unanswered" if reply is None else "write_not_applied"
