"""Tokens that somebody asks for at a meter's page: management, test and key change; and what is told of them later.

One form, one message id: sent twice it gives one token. Sales and campaigns have their own ways in.
"""

from datetime import datetime
from typing import Final

from django.db import transaction

from prewatt.core.refusals import Refused
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.roles import Act, may
from prewatt.office.tokens import course, requests
from prewatt.office.tokens.asks import Ask, KeyChangeAsk, Kind, from_json, kind_of, takes_two
from prewatt.office.tokens.models import StsMeter, TokenRequest

KEY_MOST: Final = 64  # of a form's own request key
HOW: Final = ("customer", "keypad", "reading")  # how a person knows that the meter took a token
_CREDIT: Final = (Kind.CREDIT, Kind.FREE_CREDIT)


def ask(
    sts: StsMeter, what: Ask, *, request_key: str, reason: str, actor: Actor, at: datetime
) -> TokenRequest:
    """[T1] of its own: the request is stored; make it with `issuing.issue`. The same key gives the request that stands.

    Raises Refused `not_permitted`, `token_second_person`, `token_reason_needed` (a test alone needs none),
    `token_message_malformed`, `token_message_reused`, and what `requests.prepare` and `requests.ask` raise.
    """
    requests.permit(actor, what)
    if takes_two(what):
        raise Refused("token_second_person")
    if kind_of(what) is not Kind.TEST and not reason.strip():
        raise Refused("token_reason_needed")
    if not 1 <= len(request_key) <= KEY_MOST:
        raise Refused("token_message_malformed")
    message_id = f"hand:{actor.operator_id}:{request_key}"
    stands = requests.standing(message_id)
    if stands is not None:
        if stands.sts_meter_id != sts.pk or not _same(stands, what):
            raise Refused("token_message_reused")
        return stands
    prepared = requests.prepare(sts, what, at=at)
    with transaction.atomic():
        asked = requests.ask(prepared, message_id=message_id, actor=actor.key, reason=reason.strip())
    return TokenRequest.objects.get(pk=asked.request_id)


def _same(stands: TokenRequest, what: Ask) -> bool:
    """A key change that was handed over meanwhile would be put otherwise now; where it leads is what was asked."""
    before = from_json(stands.content)
    if isinstance(before, KeyChangeAsk) and isinstance(what, KeyChangeAsk):
        return before.new_key_id == what.new_key_id
    return before == what


def may_say_entered(actor: Actor, request: TokenRequest) -> bool:
    """Who sells hears of credit from the customer; of all other tokens those know who ask for them."""
    return may(actor.role, Act.TOKENS) or (request.kind in _CREDIT and may(actor.role, Act.SELL))


def said_entered(request: TokenRequest, *, how: str, actor: Actor, at: datetime) -> None:
    """Somebody says that the meter took this token. Raises Refused `not_permitted`, `token_not_made`."""
    if not may_say_entered(actor, request) or how not in HOW:
        raise Refused("not_permitted", role=actor.role.value, act=Act.TOKENS.value)
    course.entered(request.pk, how=how, actor=actor.key, at=at)


def handed_over(request: TokenRequest, *, actor: Actor, at: datetime) -> bool:
    """A key-change set asked for by hand is in somebody's hand; True when the meter's record moved to the new key.

    Raises Refused `not_permitted`, `token_not_made`.
    """
    actor.require(Act.TOKENS)
    return course.handed_over(request.pk, actor=actor.key, at=at)


def withdrawable(request: TokenRequest) -> bool:
    """Waiting still, and nobody else's: what belongs to a sale, a proposal or a campaign is taken back there."""
    return request.state == TokenRequest.State.WAITING and not request.reference and request.proposal_id is None


def withdraw(request: TokenRequest, *, reason: str, actor: Actor, at: datetime) -> None:
    """Take a request of one's own page back before there are digits.

    Raises Refused `not_permitted`, `token_reason_needed`, `token_made`.
    """
    from prewatt.office.tokens import issuing

    actor.require(Act.TOKENS)
    if not reason.strip():
        raise Refused("token_reason_needed")
    if request.reference or request.proposal_id is not None:
        raise Refused("token_made")
    issuing.withdraw(request.pk, reason=reason.strip(), actor=actor.key, at=at)
