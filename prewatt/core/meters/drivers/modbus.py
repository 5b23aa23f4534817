"""Modbus meters: every intent as a script of requests.

No script ever writes a balance, sends a write twice, or believes a write that was not read back.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from prewatt.core.meters.codes import BLOCKS_CLOSING, exception_code, signed_amount
from prewatt.core.meters.drivers.conversation import Bus, Conversation, MeterAddress
from prewatt.core.meters.drivers.exchange import Ask, Exchange, Pause, Script
from prewatt.core.meters.drivers.looks import (
    LOOK_AGAIN_MS,
    LOOK_HARD_MS,
    PURSE,
    READ_GROUPS,
    RELAY_READS,
    RELAY_SETTLE_MS,
    SUPPLY,
    TRY_MISSES,
)
from prewatt.core.meters.drivers.modbus_address import readdress
from prewatt.core.meters.drivers.modbus_freezes import read_freezes
from prewatt.core.meters.drivers.modbus_schedule import talk_of_prices, talk_of_schedule
from prewatt.core.meters.drivers.modbus_settings import set_clock, write_settings
from prewatt.core.meters.drivers.modbus_talk import Talk, Values, read_request, rejection
from prewatt.core.meters.drivers.modbus_token import enter_token
from prewatt.core.meters.jobs import Intent, Job, Order, OrderKind, Outcome, Verdict, Wish
from prewatt.core.meters.model import Custody, Group, Profile, Switch
from prewatt.core.meters.quantities import Quantity, StatusBit
from prewatt.core.meters.registers import (
    RegisterImage,
    encode_value,
    layouts,
    order_write,
    put_in,
    relay_parts,
    relay_write,
    without,
)
from prewatt.core.refusals import Refused
from prewatt.core.wire.modbus import ExceptionReply, ReadReply, Reply, WriteReply


def _refusing(talk: Talk, code: str) -> Script:
    """Say no before a byte leaves."""
    yield from ()
    return talk.end(Verdict.REFUSED, code)


def _reading(talk: Talk, job: Job) -> Script:
    for group in READ_GROUPS[job.intent]:
        ended = yield from talk.read(group)
        if ended is not None:
            return ended
    if job.with_energy and Quantity.ENERGY_IMPORT_TOTAL not in talk.values:
        ended = yield from talk.read(Group.REGISTERS, holding=Quantity.ENERGY_IMPORT_TOTAL)
        if ended is not None:
            return ended
    clock = talk.profile.registers.get(Quantity.CLOCK)
    if job.with_clock and clock is not None:
        # a meter that keeps its clock to itself is read all the same
        yield from talk.read(clock.group, holding=Quantity.CLOCK)
    if job.with_balance and Quantity.BALANCE not in talk.values:
        # last: power comes along, and is of now; what was read stands without it
        yield from talk.read(Group.STATUS, holding=Quantity.BALANCE)
    return talk.end(Verdict.DONE)


def _trying(talk: Talk, _: Job) -> Script:
    """Ask every block once, also after one that was refused: each refusal says something about the profile."""
    missed, refused = 0, None
    for group in Group:
        for layout in layouts(talk.profile, group, talk.circuit_index):
            reply = yield Ask(read_request(layout, 0))
            if isinstance(reply, ReadReply):
                talk.values.update(layout.decode(reply.data))
            elif isinstance(reply, ExceptionReply) and not layout.block.optional:
                refused = refused or exception_code(reply.code)
            missed = missed + 1 if reply is None else 0
            if missed == TRY_MISSES:
                return talk.end(Verdict.SILENT, "no_reply")
    if talk.profile.relay is not None and talk.profile.relay.derived:
        talk.derive_relay()
    if missed:
        return talk.end(Verdict.SILENT, "no_reply")
    return talk.end(Verdict.REFUSED, refused) if refused else talk.end(Verdict.DONE)


# --- credit ----------------------------------------------------------------------------------


def _same_order(profile: Profile, order: Order, values: Values) -> bool:
    """Does the meter's last order agree with ours in kind and amount?"""
    assert profile.order is not None
    if values.get(Quantity.LAST_ORDER_KIND) != profile.order.kinds[order.kind]:
        return False
    return order.kind is OrderKind.CLEAR or values.get(Quantity.LAST_ORDER_AMOUNT) == signed_amount(order)


def _holds(talk: Talk, order: Order) -> bool:
    """Does the purse show our order as its last one?"""
    return talk.values.get(Quantity.PURCHASE_COUNT) == order.count and _same_order(talk.profile, order, talk.values)


def _total_grew(order: Order, before: int | None, values: Values) -> bool:
    after = values.get(Quantity.PURCHASED_TOTAL)
    if before is None or after is None or order.kind is OrderKind.CLEAR:
        return False
    return after - before == signed_amount(order)


def _credit(talk: Talk, job: Job) -> Script:
    profile, order = talk.profile, job.order
    if order is None:
        return talk.end(Verdict.REFUSED, "order_missing")
    if profile.order is None or Custody.METER not in profile.custody:
        return talk.end(Verdict.REFUSED, "custody_not_supported")
    try:
        address, data = order_write(profile, order, talk.circuit_index)
    except Refused as refused:
        return talk.end(Verdict.REFUSED, refused.code)
    ended = (yield from talk.identify()) or (yield from talk.read(Group.STATUS))
    if ended is not None:
        return ended
    # done before or disputed: either is said of the meter only after a second look
    if _holds(talk, order):
        ended = yield from talk.look_again(Group.STATUS, PURSE, LOOK_AGAIN_MS)
        if ended is not None or _holds(talk, order):
            return ended or talk.end(Verdict.DONE)
    if talk.values.get(Quantity.PURCHASE_COUNT) != order.count - 1:
        ended = yield from talk.look_again(Group.STATUS, PURSE, LOOK_HARD_MS)
        if ended is not None or _holds(talk, order):
            return ended or talk.end(Verdict.DONE)
    count, total = talk.values.get(Quantity.PURCHASE_COUNT), talk.values.get(Quantity.PURCHASED_TOTAL)
    if count is None:
        return talk.end(Verdict.DISPUTED, "purse_unreadable")
    if count == order.count:
        return talk.end(Verdict.DISPUTED, "meter_count_taken")
    if count != order.count - 1:
        return talk.end(Verdict.DISPUTED, "meter_count_differs")
    reply = yield from talk.write(address, data)
    return (yield from _credit_witness(talk, order, reply, total))


def _credit_witness(talk: Talk, order: Order, reply: Reply | None, total: int | None) -> Script:
    """After the one write: what the meter shows decides, not what it answered."""
    rejected = rejection(reply)
    ended = yield from talk.read(Group.STATUS, vary=True)
    if ended is None:
        verdict, code = _credit_shown(talk, order, reply, total)
        # A stale reply shows the past, so it never shows an order that was not applied: DONE stands at once.
        # That it was not applied could be the past, and only "no answer came either" leaves it open.
        if verdict is Verdict.DONE or code == "write_unanswered":
            return talk.end(verdict, code)
        ended = yield from talk.look_again(Group.STATUS, PURSE, LOOK_HARD_MS)
    if ended is not None:
        return talk.end(Verdict.UNKNOWN, rejected or "write_unanswered")
    verdict, code = _credit_shown(talk, order, reply, total)
    return talk.end(verdict, code)


def _credit_shown(talk: Talk, order: Order, reply: Reply | None, total: int | None) -> tuple[Verdict, str | None]:
    """What the last read of the purse says about the order that was written, with what was answered to it."""
    count = talk.values.get(Quantity.PURCHASE_COUNT)
    if count == order.count:
        if _same_order(talk.profile, order, talk.values) or _total_grew(order, total, talk.values):
            return Verdict.DONE, None
        return Verdict.DISPUTED, "meter_count_taken"
    if count != order.count - 1:
        return Verdict.DISPUTED, "meter_count_differs"
    assert talk.profile.order is not None
    result, rejected = talk.values.get(Quantity.ORDER_RESULT, 0), rejection(reply)
    if rejected is not None:
        return Verdict.REFUSED, talk.profile.order.results.get(result, rejected)
    if isinstance(reply, WriteReply):
        if result:
            return Verdict.REFUSED, talk.profile.order.results.get(result, "meter_refused")
        return Verdict.UNKNOWN, "write_not_applied"
    return Verdict.UNKNOWN, "write_unanswered"


# --- relay -----------------------------------------------------------------------------------


def _blocked(talk: Talk, wish: Wish) -> str | None:
    """Closing again is allowed only while the cause of the opening was credit or our own command."""
    if wish is Wish.TRIP or talk.values.get(Quantity.RELAY) == 1:
        return None
    bits = talk.profile.bits(talk.values.get(Quantity.STATUS, 0))
    for bit in BLOCKS_CLOSING:
        if bit in bits:
            return f"closing_blocked_{bit.value}"
    return None


def _taken(target: Mapping[Quantity, int], values: Values) -> bool:
    """Do the command registers show the wish? Without force control the forced state means nothing."""
    if target.get(Quantity.FORCE_CONTROL) == 0:
        return values.get(Quantity.FORCE_CONTROL) == 0
    return all(values.get(quantity) == value for quantity, value in target.items())


def _moved(talk: Talk, target: Mapping[Quantity, int]) -> bool:
    """Does the relay stand as forced? Left to the meter, any position is right. What a shunt trip has opened only a
    hand can close: the wire has done its part when the trip is taken back."""
    if target.get(Quantity.FORCE_CONTROL) == 0 or Quantity.RELAY in target:
        return True
    opens = bool(target.get(Quantity.FORCED_STATE))
    if not opens and talk.profile.switch is Switch.SHUNT_TRIP:
        return True
    return talk.values.get(Quantity.RELAY) == (0 if opens else 1)


def _followed(talk: Talk, target: Mapping[Quantity, int]) -> bool:
    return _taken(target, talk.values) and _moved(talk, target)


def _done(talk: Talk, target: Mapping[Quantity, int]) -> Outcome:
    """The wire's part is done; a breaker that still stands open awaits a hand."""
    by_hand = talk.profile.switch is Switch.SHUNT_TRIP and not target.get(Quantity.FORCED_STATE)
    waits = by_hand and talk.values.get(Quantity.RELAY) == 0
    return talk.end(Verdict.DONE, "await_hand_reclose" if waits else None)


def _relay(talk: Talk, job: Job) -> Script:
    wish = job.wish
    command = relay_write(talk.profile, wish, talk.circuit_index) if wish is not None else None
    if wish is None or command is None:
        return talk.end(Verdict.REFUSED, "wish_not_supported")
    ended = (yield from talk.identify(mute=talk.profile.order is None)) or (yield from talk.read(Group.STATUS))
    if ended is not None:
        return ended
    address, words = command
    if relay_parts(talk.profile):
        return (yield from _relay_bits(talk, wish, address, words))
    data = b"".join(word.to_bytes(2, "big") for word in words)
    written = RegisterImage(talk.profile).values(address, data)
    assert written is not None and len(written) == 1, talk.profile.code
    (target,) = written.values()
    if _followed(talk, target) or _blocked(talk, wish) is not None:
        # nothing would be written: that is said of the meter only after a second look
        ended = yield from talk.look_again(Group.STATUS, SUPPLY, LOOK_AGAIN_MS)
        if ended is not None:
            return ended
    if _followed(talk, target):
        return _done(talk, target)
    blocked = _blocked(talk, wish)
    if blocked is not None:
        return talk.end(Verdict.REFUSED, blocked)
    locked, reply = yield from talk.told(address, data)
    if locked is not None:
        return locked
    return (yield from _relay_witness(talk, target, reply))


def _beside(talk: Talk) -> bytes | None:
    """The relay's word as it was last read, without what a command sets and what follows from it."""
    assert talk.profile.relay is not None
    address = talk.profile.relay.address
    word = talk.word(Group.STATUS, address)
    moving = [talk.profile.registers.get(each) for each in (Quantity.RELAY, Quantity.STATUS)]
    for each in (*relay_parts(talk.profile), *moving):
        if word is not None and each is not None and each.mask and each.address == address:
            word = without(each, word)
    return word


def _relay_bits(talk: Talk, wish: Wish, address: int, values: Sequence[int]) -> Script:
    """Bits of a word that holds other things too: two looks that agree on all of it, one write that keeps the others,
    and a look at whether they stand."""
    parts = relay_parts(talk.profile)
    target = {each.quantity: value for each, value in zip(parts, values, strict=True)}
    ended = yield from talk.look_again(Group.STATUS, SUPPLY, LOOK_AGAIN_MS, lambda: _beside(talk))
    word, others = talk.word(Group.STATUS, parts[0].address), _beside(talk)
    if ended is not None:
        return ended
    if word is None or not target.keys() <= talk.values.keys():  # an optional block that this meter has not
        return talk.end(Verdict.REFUSED, "wish_not_supported")
    if _followed(talk, target):
        return _done(talk, target)
    blocked = _blocked(talk, wish)
    if blocked is not None:
        return talk.end(Verdict.REFUSED, blocked)
    for each in parts:
        word = put_in(each, word, encode_value(each, target[each.quantity]))
    locked, reply = yield from talk.told(address, word)
    if locked is not None:
        return locked
    outcome = yield from _relay_witness(talk, target, reply)
    if outcome.verdict is Verdict.DONE and _beside(talk) != others:
        ended = yield from talk.look_again(Group.STATUS, SUPPLY, LOOK_AGAIN_MS, lambda: _beside(talk))
        if ended is not None:
            return talk.end(Verdict.UNKNOWN, "write_unanswered")
        if _beside(talk) != others:
            return talk.end(Verdict.DISPUTED, "settings_moved_another")
    return outcome


def _relay_witness(talk: Talk, target: Mapping[Quantity, int], reply: Reply | None) -> Script:
    for attempt in range(RELAY_READS):
        if attempt:
            yield Pause(RELAY_SETTLE_MS)
        ended = yield from talk.read(Group.STATUS, vary=attempt % 2 == 0)
        if ended is not None:
            return talk.end(Verdict.UNKNOWN, rejection(reply) or "write_unanswered")
        if not _taken(target, talk.values):
            if not attempt:
                continue  # a stale reply would show this too
            rejected = rejection(reply)
            if rejected is not None:
                return talk.end(Verdict.REFUSED, rejected)
            answered = isinstance(reply, WriteReply)
            return talk.end(Verdict.UNKNOWN, "write_not_applied" if answered else "write_unanswered")
        if _moved(talk, target):
            return _done(talk, target)
        if StatusBit.AWAIT_KEY in talk.profile.bits(talk.values.get(Quantity.STATUS, 0)):
            return talk.end(Verdict.DONE, "await_key")
    return talk.end(Verdict.UNKNOWN, "relay_not_moved")


SCRIPTS: Final[Mapping[Intent, Callable[[Talk, Job], Script]]] = {
    Intent.READ_STATUS: _reading,
    Intent.READ_REGISTERS: _reading,
    Intent.READ_PURSE: _reading,
    Intent.CREDIT: _credit,
    Intent.RELAY: _relay,
    Intent.WRITE_SETTINGS: write_settings,
    Intent.SET_CLOCK: set_clock,
    Intent.READDRESS: readdress,
    Intent.CHANGE_BAUD: lambda talk, _: _refusing(talk, "baud_not_changeable"),
    Intent.ENTER_TOKEN: enter_token,
    Intent.READ_FREEZES: read_freezes,
    Intent.READ_SCHEDULE: talk_of_schedule,
    Intent.WRITE_SCHEDULE: talk_of_schedule,
    Intent.READ_PRICES: talk_of_prices,
    Intent.WRITE_PRICES: talk_of_prices,
    Intent.TRY: _trying,
}


def modbus(profile: Profile, meter: MeterAddress, job: Job, bus: Bus) -> Conversation:
    """The driver of Protocol.MODBUS."""
    talk = Talk(profile, meter, job.circuit_index)
    known = 1 <= job.circuit_index <= profile.circuits
    script = SCRIPTS[job.intent](talk, job) if known else _refusing(talk, "circuit_not_in_profile")
    return Exchange(script, profile, meter, bus, keep_frames=job.intent is Intent.TRY)
