"""Credit that travels as a token: judged with the quote, asked for in the transaction that books it, made after it.

The digits in hand are the delivery. Whatever fails after the commit is made up for by the sweeps: `tokens.sweep` makes
the digits, `vending.sweep` confirms the delivery. What encodes tokens is imported where one is sold: every process
reads this file.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from django.db import DatabaseError
from django.db.models import Q

from prewatt.core.refusals import Refused
from prewatt.core.tariffs.quote import TENTH_WH
from prewatt.office.estate.models import Carrier
from prewatt.office.staff.actors import Actor, of_operator
from prewatt.office.staff.models import Operator
from prewatt.office.tokens.models import TokenRequest
from prewatt.office.vending.deliveries import settle
from prewatt.office.vending.models import Act, Delivery, DeliveryState

if TYPE_CHECKING:
    from prewatt.office.tokens.sale import Slip

logger = logging.getLogger(__name__)
TOKEN: Final = Carrier.TOKEN.value


class Warn(StrEnum):
    """What a customer should hear before he pays. The value is the code of its text."""

    NOT_ENTERED = "tokens_not_entered"  # he holds nearly as many tokens as his meter remembers
    LIMIT_NOT_JUDGED = "limit_not_judged"  # nobody has read the register lately
    LIMIT_ESTIMATED = "limit_estimated"  # by what was read, and what was given out since


@dataclass(frozen=True, kw_only=True, slots=True)
class SaleWarning:
    """A warning with what its text needs."""

    code: Warn
    params: dict[str, object]


def warnings(meter_id: int, credit: int, *, limit: int, balance: int | None, at: datetime) -> tuple[SaleWarning, ...]:
    """What to say before this credit (Wh) is sold by token; writes nothing.

    Raises Refused as `tokens.sale.quote`: `sts_meter_unknown`, `token_credit_kind`, `vending_key_default`, ...
    """
    from prewatt.core.sts import CreditKind
    from prewatt.office.tokens import sale

    quoted = sale.quote(meter_id, credit // TENTH_WH, at=at, kind=CreditKind.ELECTRICITY)
    found = []
    if quoted.held.warns():
        counted: dict[str, object] = {"held": quoted.held.unconfirmed, "remembered": quoted.held.remembered}
        found.append(SaleWarning(code=Warn.NOT_ENTERED, params=counted))
    if limit > 0:
        found.append(SaleWarning(code=Warn.LIMIT_NOT_JUDGED if balance is None else Warn.LIMIT_ESTIMATED, params={}))
    return tuple(found)


def ready(meter_id: int, *, at: datetime) -> None:
    """Before T1: make the key-change set that goes with this purchase. A vault that is away does not hold up a sale."""
    from prewatt.office.tokens import opened, sale

    try:
        sale.ready(meter_id, rack=opened.rack(at=at), at=at)
    except Refused as refused:
        if not refused.retry:
            raise
        logger.warning("meter %s: its key-change set waits: %s", meter_id, refused.code)


def ask_for_sale(sale_id: int, meter_id: int, credit: int, *, actor: str, at: datetime) -> int:
    """[T1] The token of a sale, last of what its transaction locks; the id of its request.

    Raises Refused as `tokens.sale.ask_sale`.
    """
    from prewatt.core.sts import CreditKind
    from prewatt.office.tokens import sale

    tenths, name = credit // TENTH_WH, f"sale:{sale_id}"
    asked = sale.ask_sale(
        meter_id, tenths, message_id=name, reference=name, actor=actor, at=at, booked=tenths,
        kind=CreditKind.ELECTRICITY,
    )  # fmt: skip
    named = Delivery.objects.filter(sale_id=sale_id, job=None).update(token_request=asked.credit.request_id)
    assert named == 1, sale_id
    return asked.credit.request_id


def ask_for_make_up(act: Act, *, agreed_by: Actor, at: datetime) -> None:
    """[T1] The token of a make-up: the person who asked for it proposes, the one who agrees to it agrees.

    Raises Refused as `tokens.proposals.propose` and `agree`.
    """
    from prewatt.core.sts import CreditKind
    from prewatt.office.tokens import proposals, requests
    from prewatt.office.tokens.asks import CreditAsk, carried

    assert act.delivery is not None, "agreed to"
    what = CreditAsk(kind=CreditKind.ELECTRICITY, amount=act.credit // TENTH_WH, free=True)
    if carried(what) != what.amount:
        raise Refused("credit_malformed", resolution=TENTH_WH)
    sts = requests.of_meter(act.circuit.meter_id)
    if sts.credit_kind != CreditKind.ELECTRICITY:
        raise Refused("token_credit_kind")
    asker = of_operator(Operator.objects.get(pk=int(act.actor.removeprefix("operator:"))))
    key = f"make_up:{act.pk}"
    proposal = proposals.propose(sts, what, request_key=key, reason=act.reason, actor=asker, at=at)
    asked = proposals.agree(proposal, actor=agreed_by, at=at)
    named = Delivery.objects.filter(pk=act.delivery.pk, job=None).update(token_request=asked.request_id)
    assert named == 1, act.pk


def hand_out(delivery_id: int, *, at: datetime) -> None:
    """After the commit: the digits, and the delivery confirmed by them. Never raises: what stands is sold, and whatever
    is lost here the sweeps find. Any number of times, also at once."""
    from prewatt.office.tokens import issuing, opened
    from prewatt.office.vending import token_wire

    try:
        request_id = Delivery.objects.values_list("token_request_id", flat=True).get(pk=delivery_id)
        assert request_id is not None, delivery_id
        try:
            issuing.issue(request_id, rack=opened.rack(at=at), at=at)
        except Refused as refused:
            logger.warning("delivery %s: its token waits or was refused: %s", delivery_id, refused.code)
        settle(delivery_id, at=at)
        token_wire.after_sale(delivery_id, at=at)
    except (DatabaseError, Refused):
        logger.warning("delivery %s: its token follows", delivery_id, exc_info=True)


def go_on(which: Q, *, at: datetime) -> None:
    """The digits of a delivery that still waits for them; of any other nothing."""
    waits = Delivery.objects.filter(which, state=DeliveryState.WAITING, token_request__isnull=False)
    for delivery_id in waits.values_list("pk", flat=True):
        hand_out(delivery_id, at=at)


def withdraw(request_id: int, *, reason: str, actor: str, at: datetime) -> None:
    """In the transaction that takes a sale back: there are no digits and will be none. Raises Refused `token_made`."""
    from prewatt.office.tokens import issuing

    issuing.withdraw(request_id, reason=reason, actor=actor, at=at)


def shown_again(request_id: int, *, actor: Actor, at: datetime) -> None:
    """The stored digits are shown again: leave the trail of it. Raises Refused `not_permitted`, `token_not_made`."""
    from prewatt.office.tokens import issuing

    issuing.reprint(request_id, actor=actor, at=at)


def slips_of(deliveries: Iterable[Delivery]) -> "dict[int, Slip]":
    """What customers enter, by delivery id; deliveries without digits, and those over the network, are left out."""
    requests = {row.token_request_id: row.pk for row in deliveries if row.token_request_id and row.kind == "purchase"}
    if not requests:
        return {}
    from prewatt.office.tokens import sale

    return {requests[pk]: slip for pk, slip in sale.slips(TokenRequest.objects.filter(pk__in=requests)).items()}

