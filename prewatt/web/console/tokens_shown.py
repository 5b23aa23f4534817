"""One token: what it carries, how far it is, its digits where they may be seen; and what is told of it.

Digits are shown to who asked for them, just made. Everybody else shows them again by an act that the trail keeps.
"""

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from prewatt.core.refusals import CHINESE, ENGLISH, Refused
from prewatt.core.sts import BaseDate, time_of
from prewatt.office.alarms import token_notices
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.roles import Act
from prewatt.office.tokens import by_hand, listings
from prewatt.office.tokens.campaigns import HELD
from prewatt.office.tokens.models import CampaignMeter, StoredKey, StsMeter, TokenRequest
from prewatt.office.vending import token_wire
from prewatt.web.console.settings import told
from prewatt.web.console.settings_fields import say, whole
from prewatt.web.console.tokens_meter import room_of
from prewatt.web.console.tokens_parts import (
    PATH,
    REASON_MOST,
    make_digits,
    may_,
    stored_digits,
    token_lines,
    token_or_404,
)
from prewatt.web.console.tokens_send import sending
from prewatt.web.console.tokens_slip import slip
from prewatt.web.console.tokens_wire import wiring
from prewatt.web.console.tokens_words import HOW, METER_STATES, key_words
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats

State = TokenRequest.State


def token_page(ask: Ask, row: TokenRequest, status: int = 200, **more: object) -> HttpResponse:
    digits: tuple[str, ...] = ()
    if more.get("again") or listings.fresh(row, actor=ask.actor, at=ask.at):
        digits = stored_digits(row.pk)
    actor = of_operator(ask.operator)
    made = row.state == State.MADE
    change = row.kind == TokenRequest.Kind.KEY_CHANGE
    member = CampaignMeter.objects.select_related("campaign").filter(request=row).first() if change else None
    context: dict[str, object] = {
        "row": row, "line": token_lines(ask, [row])[0], "meter": row.sts_meter.meter,
        "room": room_of(row.sts_meter.meter),
        "issued": time_of(row.tid, BaseDate(row.base_date)) if row.tid is not None and row.base_date else None,
        "slip": slip([(row.kind, digits)]) if digits else [],
        "old_key": key_words(row.key), "new_key": key_words(row.new_key), "how": HOW,
        "how_word": HOW.get(row.entered_how, row.entered_how),
        "can_show": made and not digits and may_(ask, Act.REPRINT),
        "can_enter": made and row.entered_at is None and by_hand.may_say_entered(actor, row),
        "can_hand": made and change and may_(ask, Act.TOKENS) and _to_hand_over(row, member),
        "handed": _handed(row, member) if change and made else "",
        "can_try": row.state == State.WAITING,
        "can_withdraw": by_hand.withdrawable(row) and may_(ask, Act.TOKENS),
        "sending": sending(ask, row), "wiring": wiring(ask, row),
        "member": member, "member_state": METER_STATES[member.state] if member else "",
        **more,
    }  # fmt: skip
    return ask.page("tokens/one.html", context, status=status)


def _to_hand_over(row: TokenRequest, member: CampaignMeter | None) -> bool:
    """Whether the meter's record still names the key that this set leads away from."""
    if member is not None:
        return member.state == CampaignMeter.State.ISSUED
    return _holds(row.sts_meter, row.key, row.ti)


def _holds(sts: StsMeter, key: StoredKey | None, ti: str) -> bool:
    return key is not None and sts.ti == ti and all(getattr(sts, each) == getattr(key, each) for each in HELD)


def _handed(row: TokenRequest, member: CampaignMeter | None) -> str:
    """What the record says of this set."""
    if _to_hand_over(row, member):
        return _("no")
    if member is not None or _holds(row.sts_meter, row.new_key, str(row.content["new_ti"])):
        return _("yes")
    return _("the meter's record has moved on since")


@require_safe
@console()
def one(ask: Ask, request_id: int) -> HttpResponse:
    return token_page(ask, token_or_404(ask, request_id))


@require_POST
@console()
def again(ask: Ask, request_id: int) -> HttpResponse:
    """Show the digits again; the page says so, and the trail keeps who did."""
    from prewatt.office.tokens import issuing

    row = token_or_404(ask, request_id)
    try:
        issuing.reprint(row.pk, actor=of_operator(ask.operator), at=ask.at)
    except Refused as refused:
        return token_page(ask, row, status=422, refused=refused, said=say(refused))
    return token_page(ask, row, again=True)


@require_POST
@console()
def make(ask: Ask, request_id: int) -> HttpResponse:
    """Ask the vault once more for a token that waits."""
    row = token_or_404(ask, request_id)
    refused = make_digits(row.pk, ask)
    if refused is not None:
        row.refresh_from_db()
        return token_page(ask, row, status=422, refused=refused, said=say(refused))
    return redirect(f"{PATH}/{row.pk}")


@require_POST
@console()
def act(ask: Ask, request_id: int) -> HttpResponse:
    """What is told of a token: the meter took it, it was handed over, it is withdrawn."""
    row, post, actor = token_or_404(ask, request_id), ask.request.POST, of_operator(ask.operator)
    try:
        match post.get("what", ""):
            case "entered":
                by_hand.said_entered(row, how=post.get("how", ""), actor=actor, at=ask.at)
                told(ask, _("Noted: the meter took it."))
            case "handed_over":
                _hand_over(ask, row)
            case "withdraw":
                by_hand.withdraw(row, reason=post.get("reason", "")[:REASON_MOST], actor=actor, at=ask.at)
                told(ask, _("Withdrawn: there are no digits and there will be none."))
            case _:
                raise Refused("choice_needed")
    except Refused as refused:
        return token_page(ask, row, status=422, refused=refused, said=say(refused))
    return redirect(f"{PATH}/{row.pk}")


def _hand_over(ask: Ask, row: TokenRequest) -> None:
    from prewatt.office.tokens import campaign_issue

    actor = of_operator(ask.operator)
    member = CampaignMeter.objects.filter(request=row).first()
    if member is not None:
        campaign_issue.deliver(member, actor=actor, at=ask.at)
    elif not by_hand.handed_over(row, actor=actor, at=ask.at):
        raise Refused("sts_meter_changed")
    told(ask, _("Noted: from now on tokens for this meter are made under the new key."))


@require_POST
@console()
def send(ask: Ask, request_id: int) -> HttpResponse:
    """Into the outbox. Pressed again it is the same notice with the same digits."""
    row, post = token_or_404(ask, request_id), ask.request.POST
    try:
        put = token_notices.send(
            row, customer_id=whole(post, "customer"), language=CHINESE if formats.chinese() else ENGLISH,
            actor=of_operator(ask.operator), at=ask.at,
        )  # fmt: skip
    except Refused as refused:
        return token_page(ask, row, status=422, refused=refused, said=say(refused))
    told(ask, _("The token is on its way.") if put.fresh else _("The same digits are sent once more."))
    return redirect(_back(row, post.get("from", "")))


def _back(row: TokenRequest, came_from: str) -> str:
    kind, _colon, number = row.reference.partition(":")
    if came_from == "sale" and kind == "sale":
        return f"/console/sales/{number}"
    return f"/console/meters/{row.sts_meter.meter_id}/tokens" if came_from == "meter" else f"{PATH}/{row.pk}"


@require_POST
@console()
def wire(ask: Ask, request_id: int) -> HttpResponse:
    """Send it to its meter over the line, or stop what was not sent yet. Pressed twice it goes once."""
    row, post, actor = token_or_404(ask, request_id), ask.request.POST, of_operator(ask.operator)
    try:
        match post.get("what", ""):
            case "send":
                token_wire.send(row, actor=actor, at=ask.at)
                told(ask, _("Sent to the meter. The digits stay good: whichever comes first counts, once."))
            case "stop":
                token_wire.stop(row, actor=actor, at=ask.at)
                told(ask, _("Stopped: the line will not enter this token."))
            case _:
                raise Refused("choice_needed")
    except Refused as refused:
        return token_page(ask, row, status=422, refused=refused, said=say(refused))
    return redirect(_back(row, post.get("from", "")))


urlpatterns = [
    path("tokens/<int:request_id>/send", send, name="tokens-send"),
    path("tokens/<int:request_id>/wire", wire, name="tokens-wire"),
    path("tokens/<int:request_id>", one, name="tokens-one"),
    path("tokens/<int:request_id>/again", again, name="tokens-again"),
    path("tokens/<int:request_id>/make", make, name="tokens-make-digits"),
    path("tokens/<int:request_id>/act", act, name="tokens-act"),
]
