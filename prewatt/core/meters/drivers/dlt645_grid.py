"""Credit in State Grid meters: authenticate, say how long the session holds, then the order with its check codes.

The cipher text and the check codes come from a security provider (`core.meters.security`), asked twice: once before the
authentication, once for all codes of the session. Nothing before the order itself moves credit.

A late answer to an earlier authentication would put another session's random number under the check codes, and a meter
counts wrong codes until it locks. So the session is tried out first, by the frame that says how long it holds: where
that is refused, the line falls quiet for longer than any reply is late, and the session is begun once more.
"""

from collections.abc import Generator
from typing import Final

from prewatt.core.meters.dataitems import WORD_3
from prewatt.core.meters.drivers.dlt645_purse import SHOWN, charge_refusal, holds, read_purse, unlike, witness
from prewatt.core.meters.drivers.dlt645_talk import Script, Step, Talk
from prewatt.core.meters.drivers.exchange import Asked, Asking, Pause
from prewatt.core.meters.drivers.looks import LOOK_HARD_MS
from prewatt.core.meters.jobs import Order, Outcome, Verdict
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.security import AskChallenge, AskSeals, Challenge, Declined, Part, Seals, Session
from prewatt.core.wire.dlt645 import Frame
from prewatt.core.wire.dlt645.charging import (
    AUTHENTICATE,
    OPEN_ACCOUNT,
    RECHARGE,
    VALIDITY,
    GridOrder,
    charge,
    digits,
    minutes_part,
    money_part,
    session_of,
)

NOT_OPENED: Final = 15  # bit of status word 3: no account was opened over the line
SESSIONS: Final = 2  # the second one where the first may have been built on a late answer
_FINAL: Final = frozenset(
    {"security_provider_missing", "security_provider_simulated", "security_provider_odd", "meter_suspended"}
)
_SPOILT: Final = frozenset({"meter_mac_wrong", "meter_authentication_failed"})


def order_by_session(talk: Talk, order: Order) -> Script:
    """The order, where the purse stands right before it. The first one of a meter opens its account."""
    assert talk.state is not None
    word = yield from talk.item(WORD_3)
    if isinstance(word, Outcome):
        return (yield from _kept_back(talk, order, word))
    opens = bool(int.from_bytes(word[:2], "little") >> NOT_OPENED & 1)
    # the customer's number ties the purse to nobody here: the meter was found by its own number, which it opens with
    customer = talk.address if opens else talk.state.customer
    di = OPEN_ACCOUNT if opens else RECHARGE
    money = money_part(order.amount, order.count)
    parts = (Part(di=di, data=money), Part(di=di, data=digits(customer, 6)))
    total = talk.values.get(Quantity.PURCHASED_TOTAL)
    for left in reversed(range(SESSIONS)):
        macs = yield from _session(talk, parts)
        if isinstance(macs, Outcome):
            if not left or macs.verdict is not Verdict.REFUSED or macs.code in _FINAL:
                return (yield from _kept_back(talk, order, macs))
            yield Pause(LOOK_HARD_MS[0])
            continue
        content = GridOrder(amount=order.amount, count=order.count, customer=customer, mac_1=macs[0], mac_2=macs[1])
        talk.sent = True
        reply = yield Asking(charge(talk.address, di, talk.access.operator, content.wire()), write=True)
        outcome = yield from witness(talk, order, reply, total)
        # refused for its codes and, looked at hard, not there: the same order with the same count may go once more
        if not left or outcome.verdict is not Verdict.REFUSED or outcome.code not in _SPOILT:
            return outcome
    raise AssertionError("the last session decides")


def _kept_back(talk: Talk, order: Order, ended: Outcome) -> Script:
    """The order did not leave now. An earlier try may have brought it, so a no is said after a hard look alone."""
    if ended.verdict is not Verdict.REFUSED:
        return ended
    unread = yield from talk.agree(lambda: read_purse(talk), SHOWN, LOOK_HARD_MS)
    if unread is not None:
        return talk.end(Verdict.SILENT, unread.code)
    if holds(talk, order):
        return talk.end(Verdict.DONE)
    odd = unlike(talk, order)
    return talk.end(Verdict.REFUSED, ended.code) if odd is None else talk.end(Verdict.DISPUTED, odd)


def _session(talk: Talk, parts: tuple[Part, ...]) -> Generator[Step, Frame | None, tuple[bytes, ...] | Outcome]:
    """Authenticated, and the session found good; the check codes of `parts`. An Outcome where it is not."""
    assert talk.profile.credit is not None
    asked = Asked(AskChallenge(meter=talk.address))
    yield asked
    if not isinstance(asked.answer, Challenge):
        return _declined(talk, asked)
    operator = talk.access.operator
    reply = yield Asking(charge(talk.address, AUTHENTICATE, operator, asked.answer.wire()), write=True)
    said = None if reply is None or reply.refused else session_of(reply)
    if said is None:
        return _no(talk, reply)
    minutes = minutes_part(talk.profile.credit.minutes)
    session = Session(random=said[0], module=said[1])
    asked = Asked(AskSeals(meter=talk.address, session=session, parts=(Part(di=VALIDITY, data=minutes), *parts)))
    yield asked
    if not isinstance(asked.answer, Seals):
        return _declined(talk, asked)
    first, *rest = asked.answer.macs
    reply = yield Asking(charge(talk.address, VALIDITY, operator, minutes + first), write=True)
    return _no(talk, reply) if reply is None or reply.refused else tuple(rest)


def _no(talk: Talk, reply: Frame | None) -> Outcome:
    """The meter did not answer, or said no, before anything moved."""
    if reply is None or not reply.refused:
        return talk.end(Verdict.SILENT, "no_reply")
    return talk.end(Verdict.REFUSED, charge_refusal(talk, reply))


def _declined(talk: Talk, asked: Asked) -> Outcome:
    """The provider did not say. One that is away may be back at the next try; what it will not do, it never will."""
    code = asked.answer.code if isinstance(asked.answer, Declined) else "security_provider_away"
    return talk.end(Verdict.SILENT if code == "security_provider_away" else Verdict.REFUSED, code)
