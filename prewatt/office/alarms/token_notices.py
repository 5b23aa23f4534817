"""Tokens sent to who is supplied by the meter: one notice for each token and recipient, always the stored digits.

A notice names the token. Its digits are read where the text is put together, at the moment it is sent; they are in no
row, job, trail or log of this app.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.conf import settings
from django.db import transaction

from prewatt.core.refusals import CHINESE, Refused
from prewatt.office.alarms import outbox
from prewatt.office.alarms.models import Notice, NoticeStep
from prewatt.office.alarms.notifiers import Notifier, configured, hidden
from prewatt.office.estate.models import SupplyPoint
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act, may
from prewatt.office.tokens.models import TokenRequest

KIND: Final = "token"
NUMBER_LEAST: Final = 5  # digits; fewer are no telephone number anywhere
RECIPIENTS_MOST: Final = 20  # customers of one meter's circuits


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """Somebody a token of this meter may be sent to, and what became of it. `hidden` is his number as pages show it."""

    customer_id: int
    name: str
    hidden: str
    usable: bool
    step: NoticeStep | None


def notifier() -> Notifier | None:
    """What this installation sends with; None where nothing is set up."""
    return configured(settings.PREWATT_NOTIFIER)


def may_send(actor: Actor, request: TokenRequest) -> bool:
    """Who may show these digits again, or makes such tokens."""
    from prewatt.office.tokens.asks import Kind
    from prewatt.office.tokens.requests import ACT_OF

    return may(actor.role, Act.REPRINT) or may(actor.role, ACT_OF[Kind(request.kind)])


def recipients(request: TokenRequest) -> list[Recipient]:
    """Who is supplied by the circuits of the token's meter now, by name."""
    points = SupplyPoint.objects.filter(
        circuit__meter_id=request.sts_meter.meter_id, state__in=[SupplyPoint.State.OPEN, SupplyPoint.State.CLOSING],
    ).select_related("contract__customer")  # fmt: skip
    people = {each.contract.customer_id: each.contract.customer for each in points}
    known = {
        (each.customer_id, each.recipient): each.pk
        for each in Notice.objects.filter(about=_about(request), kind=KIND).order_by("pk")
    }
    found = []
    for each in sorted(people.values(), key=lambda one: (one.name, one.pk))[:RECIPIENTS_MOST]:
        notice_id = known.get((each.pk, each.phone))
        found.append(
            Recipient(
                customer_id=each.pk, name=each.name, hidden=hidden(each.phone) if each.phone else "",
                usable=_usable(each.phone), step=outbox.last(notice_id) if notice_id is not None else None,
            )  # fmt: skip
        )
    return found


def send(request: TokenRequest, *, customer_id: int, language: str, actor: Actor, at: datetime) -> outbox.Put:
    """Put the token into the outbox for this customer; pressed again it is the same notice, sent once more.

    Raises Refused `not_permitted`, `token_not_made`, `notifier_none`, `notice_nobody`, `notice_no_number`,
    `notice_too_often`.
    """
    if not may_send(actor, request):
        raise Refused("not_permitted", role=actor.role.value, act=Act.REPRINT.value)
    if request.state != TokenRequest.State.MADE:
        raise Refused("token_not_made")
    if notifier() is None:
        raise Refused("notifier_none")
    point = SupplyPoint.objects.filter(
        circuit__meter_id=request.sts_meter.meter_id, contract__customer_id=customer_id,
        state__in=[SupplyPoint.State.OPEN, SupplyPoint.State.CLOSING],
    ).select_related("contract__customer").first()  # fmt: skip
    if point is None:
        raise Refused("notice_nobody")
    phone = point.contract.customer.phone
    if not _usable(phone):
        raise Refused("notice_no_number")
    with transaction.atomic():
        put = outbox.put(
            key=f"{_about(request)}:{customer_id}:{phone}", site_id=request.site_id, kind=KIND, about=_about(request),
            customer_id=customer_id, recipient=phone, language=language, actor=actor.key, at=at,
        )  # fmt: skip
        if not put.fresh:
            outbox.again(put.notice_id, actor=actor.key, at=at)
        audit(
            at=at, actor=actor.key, action="notices.token", site_id=request.site_id, object_type="token",
            object_id=str(request.pk), after={"notice": put.notice_id, "recipient": hidden(phone)},
        )  # fmt: skip
    return put


def text_of(notice: Notice) -> str | None:
    """What the message says, from the digits that stand; None where the token is no longer there to be sent."""
    request = TokenRequest.objects.select_related("sts_meter__meter").filter(pk=int(notice.about.split(":")[1])).first()
    if request is None or request.state != TokenRequest.State.MADE:
        return None
    return text(request.sts_meter.meter.number, _digits(request), language=notice.language)


def text(number: str, tokens: Sequence[str], *, language: str) -> str:
    """The message: digits in groups of four, in the order in which they are typed in."""
    spaced = [" ".join(each[at : at + 4] for at in range(0, len(each), 4)) for each in tokens]
    if len(spaced) > 1:
        spaced = [f"({place}) {each}" for place, each in enumerate(spaced, 1)]
    digits = "; ".join(spaced)
    if language == CHINESE:
        order = "请按顺序全部输入：" if len(spaced) > 1 else "请输入："
        return f"电表 {number} 的充值令牌。{order}{digits}。请勿转给他人。"
    order = "Type in all of these, in this order: " if len(spaced) > 1 else "Type in: "
    return f"Token for meter {number}. {order}{digits}. Keep it to yourself."


def _digits(request: TokenRequest) -> list[str]:
    """All that has to be typed in: with credit of a sale the key-change sets that went with it, first."""
    from prewatt.office.tokens import issuing, sale

    if request.kind == TokenRequest.Kind.CREDIT:
        slip = sale.slips([request])[request.pk]
        return [*(each for one in slip.sets for each in one), slip.credit]
    return list(issuing.digits_of(request.pk) or ())


def _about(request: TokenRequest) -> str:
    return f"{KIND}:{request.pk}"


def _usable(phone: str) -> bool:
    return sum(each.isdigit() for each in phone) >= NUMBER_LEAST
