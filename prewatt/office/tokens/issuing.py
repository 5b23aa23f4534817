"""From request to digits: the vault encodes outside any transaction, [T2] stores what came. Any crash repeats the
same request.

`issue` may be called any number of times, from several processes at once: the digits are written once and every caller
gets what stands. `sweep` finds requests whose process died between T1 and T2.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction
from django.db.models import F

from prewatt.core.refusals import Refused
from prewatt.core.sts import Ea, encode
from prewatt.office.ledger.call import call
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act
from prewatt.office.tokens.asks import KeyChangeAsk, MeterTestAsk, from_json, token
from prewatt.office.tokens.keys import name_of
from prewatt.office.tokens.models import SWEEP_AFTER, TokenRequest
from prewatt.office.tokens.rack import Rack
from prewatt.office.tokens.vault import Holder, KeyChangeOrder, Order, TokenOrder

State = TokenRequest.State
SWEEP_MOST: Final = 200  # requests of one sweep: the next one follows in seconds
log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Printed:
    """What is shown to a person. `again` says that it was shown before: a reprint says so."""

    request_id: int
    kind: str
    digits: tuple[str, ...]
    carried: int | None
    tid: int | None
    made_at: datetime
    again: bool


def digits_of(request_id: int) -> tuple[str, ...] | None:
    """The stored digits; None while there are none."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT digits FROM tokens_token WHERE request_id = %s", [request_id])
        row = cursor.fetchone()
    return tuple(row[0]) if row else None


def order_of(request: TokenRequest) -> Order | None:
    """What the vault is asked; None for class 1, which needs no key. The same row gives the same order."""
    what = from_json(request.content)
    if isinstance(what, MeterTestAsk):
        return None
    assert request.key is not None, "classes 0 and 2 have a key"
    holder = Holder(meter_pan=request.meter_pan, ti=request.ti, ea=Ea(request.ea))
    if isinstance(what, KeyChangeAsk):
        assert request.new_key is not None, "a key change has a new key"
        return KeyChangeOrder(
            message_id=request.message_id, key=name_of(request.key), holder=holder, new_key=name_of(request.new_key),
            new_ti=what.new_ti, rollover=what.rollover, three_tokens=what.three_tokens,
        )  # fmt: skip
    assert request.tid is not None and request.rnd is not None, "timed tokens have both"
    return TokenOrder(
        message_id=request.message_id, key=name_of(request.key), holder=holder,
        token=token(what, tid=request.tid, rnd=request.rnd),
    )  # fmt: skip


def issue(request_id: int, *, rack: Rack, at: datetime) -> tuple[str, ...]:
    """The digits of a request: those that stand, or new ones from the vault. Not within a transaction.

    Raises Refused: `token_request_unknown`, `token_withdrawn`, `token_refused` (for good), and with `retry` True
    `vault_closed`, `vault_unavailable` (the request is kept; call again, or let the sweep).
    """
    with transaction.atomic(durable=True):
        request = TokenRequest.objects.select_related("key", "new_key").filter(pk=request_id).first()
        stands = digits_of(request_id)
    if request is None:
        raise Refused("token_request_unknown")
    if stands is not None:
        return stands
    if request.state == State.WITHDRAWN:
        raise Refused("token_withdrawn")
    if request.state == State.REFUSED:
        raise Refused("token_refused", why=request.code)
    try:
        digits = _encoded(request, rack)
    except Refused as refused:
        _note(request, refused, at)
        if refused.retry:
            raise
        raise Refused("token_refused", why=refused.code) from refused
    return _store(request_id, digits, at)


def _encoded(request: TokenRequest, rack: Rack) -> tuple[str, ...]:
    order = order_of(request)
    if order is not None:
        return rack.vault(order.key.provider).issue(order)
    what = from_json(request.content)
    assert isinstance(what, MeterTestAsk), "only class 1 has no order"
    return (encode(token(what, tid=0, rnd=0)).digits,)


def _store(request_id: int, digits: tuple[str, ...], at: datetime) -> tuple[str, ...]:
    """[T2] The digits that stand from now on."""
    with transaction.atomic(durable=True):
        row = call("SELECT tokens_made(%s, %s, %s)", [request_id, list(digits), at])
    assert row is not None
    return tuple(row[0])


def _note(request: TokenRequest, refused: Refused, at: datetime) -> None:
    """Away: count the try. Refused for good: say so once, as long as nobody made it meanwhile."""
    with transaction.atomic(durable=True):
        waiting = TokenRequest.objects.filter(pk=request.pk, state=State.WAITING)
        if refused.retry:
            waiting.update(tries=F("tries") + 1, code=refused.code)
        elif waiting.update(state=State.REFUSED, tries=F("tries") + 1, code=refused.code):
            audit(
                at=at, actor=request.actor, action="tokens.refused", site_id=request.site_id, object_type="token",
                object_id=str(request.pk), after={"code": refused.code},
            )  # fmt: skip


def withdraw(request_id: int, *, reason: str, actor: str, at: datetime) -> None:
    """Take a request back before there are digits, in the caller's transaction: a sale behind it may then be reversed.

    Raises Refused `token_request_unknown`, `token_made`. A request the vault refused needs no withdrawing; withdrawing
    twice changes nothing.
    """
    with transaction.atomic():
        request = TokenRequest.objects.select_for_update(no_key=True).filter(pk=request_id).first()
        if request is None:
            raise Refused("token_request_unknown")
        if request.state == State.MADE:
            raise Refused("token_made")
        if request.state != State.WAITING:
            return
        request.state = State.WITHDRAWN
        request.save(update_fields=["state"])
        audit(
            at=at, actor=actor, action="tokens.withdraw", site_id=request.site_id, object_type="token",
            object_id=str(request.pk), reason=reason,
        )  # fmt: skip


def reprint(request_id: int, *, actor: Actor, at: datetime) -> Printed:
    """Show the stored digits again; the trail says who did. Raises Refused `not_permitted`, `token_not_made`."""
    actor.require(Act.REPRINT)
    request = TokenRequest.objects.filter(pk=request_id).first()
    digits = digits_of(request_id)
    if request is None:
        raise Refused("token_request_unknown")
    if digits is None or request.made_at is None:
        raise Refused("token_not_made")
    audit(
        at=at, actor=actor.key, action="tokens.reprint", site_id=request.site_id, object_type="token",
        object_id=str(request_id),
    )  # fmt: skip
    return Printed(
        request_id=request_id, kind=request.kind, digits=digits, carried=request.carried, tid=request.tid,
        made_at=request.made_at, again=True,
    )  # fmt: skip


def sweep(*, rack: Rack, at: datetime, after: timedelta = SWEEP_AFTER) -> int:
    """Issue what waits since `after`; how many got digits. Not within a transaction. A vault that is away ends the
    sweep."""
    waiting = list(
        TokenRequest.objects.filter(state=State.WAITING, asked_at__lte=at - after)
        .order_by("id").values_list("pk", flat=True)[:SWEEP_MOST]
    )  # fmt: skip
    made = 0
    for request_id in waiting:
        try:
            issue(request_id, rack=rack, at=at)
            made += 1
        except Refused as refused:
            if refused.retry:
                return made  # logged by the rack when it began
            log.warning("token request %d: %s", request_id, refused.code)
    return made
