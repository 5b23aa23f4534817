"""What is known of tokens after they were made: entered or not, and how many the customer may still hold."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from prewatt.core.refusals import Refused
from prewatt.core.sts import TID_STORE
from prewatt.office.staff.audit import audit
from prewatt.office.tokens.models import CampaignMeter, StsMeter, TokenRequest

State = TokenRequest.State
HELD_FOR: Final = timedelta(days=31)  # a token older than this is taken as entered: who buys has little left
MARGIN: Final = 10  # tokens before the store is full at which we warn: some may be on their way from another seller


@dataclass(frozen=True, kw_only=True)
class Outstanding:
    """Tokens with a token identifier that nobody is known to have entered, and how many the meter remembers.

    A meter drops its lowest identifiers when its store is full; a token below them is old and lost for ever. So whoever
    holds more tokens than the store has room for can lose some by entering the newest first.
    """

    unconfirmed: int
    remembered: int = TID_STORE

    def warns(self, more: int = 1) -> bool:
        """Whether to warn before `more` tokens are sold."""
        return self.unconfirmed + more > self.remembered - MARGIN

    @property
    def room(self) -> int:
        """How many more can be held and entered in any order."""
        return max(0, self.remembered - self.unconfirmed)


def outstanding(sts: StsMeter, *, at: datetime) -> Outstanding:
    """How many tokens of a meter are out. Those that wait for digits count: they will be out."""
    count = TokenRequest.objects.filter(
        sts_meter=sts, tid__isnull=False, entered_at=None, asked_at__gt=at - HELD_FOR,
        state__in=[State.WAITING, State.MADE],
    ).count()  # fmt: skip
    return Outstanding(unconfirmed=count)


def entered(request_id: int, *, how: str, actor: str, at: datetime) -> None:
    """The meter is known to have accepted this token (`how`: "keypad", "wire", "reading", "customer", ...).

    A key-change set moves the meter's record to the new key where it had not moved; a credit token of the new key
    confirms the campaign. Told twice changes nothing. Raises Refused `token_request_unknown`, `token_not_made`.
    """
    with transaction.atomic():
        request = TokenRequest.objects.select_for_update(no_key=True).filter(pk=request_id).first()
        if request is None:
            raise Refused("token_request_unknown")
        if request.state != State.MADE:
            raise Refused("token_not_made")
        if request.entered_at is not None:
            return
        request.entered_at, request.entered_how = at, how[:32]
        request.save(update_fields=["entered_at", "entered_how"])
        if request.kind == TokenRequest.Kind.KEY_CHANGE:
            _set_entered(request, actor, at)
        elif request.kind in (TokenRequest.Kind.CREDIT, TokenRequest.Kind.FREE_CREDIT):
            _confirm(request, at)
        audit(
            at=at, actor=actor, action="tokens.entered", site_id=request.site_id, object_type="token",
            object_id=str(request.pk), after={"how": how[:32]},
        )  # fmt: skip


def handed_over(request_id: int, *, actor: str, at: datetime) -> bool:
    """A key-change set that belongs to no campaign was given to somebody: later tokens are made under the new key.

    True when the meter's record moved. Raises Refused `token_request_unknown`, `token_not_made`.
    """
    with transaction.atomic():
        request = TokenRequest.objects.filter(pk=request_id, kind=TokenRequest.Kind.KEY_CHANGE).first()
        if request is None:
            raise Refused("token_request_unknown")
        if request.state != State.MADE:
            raise Refused("token_not_made")
        return adopt(request, actor=actor, at=at)


def _set_entered(request: TokenRequest, actor: str, at: datetime) -> None:
    # the campaign's row before the meter's, as a sale locks them
    CampaignMeter.objects.filter(
        request=request, state__in=[CampaignMeter.State.ISSUED, CampaignMeter.State.DELIVERED]
    ).update(state=CampaignMeter.State.ENTERED, changed_at=at)
    adopt(request, actor=actor, at=at)


def _confirm(request: TokenRequest, at: datetime) -> None:
    """Credit that decrypted under the new key: the set before it was taken, whatever we had been told."""
    CampaignMeter.objects.filter(
        sts_meter_id=request.sts_meter_id, campaign__new_key_id=request.key_id,
        state__in=[CampaignMeter.State.DELIVERED, CampaignMeter.State.ENTERED],
    ).update(state=CampaignMeter.State.CONFIRMED, changed_at=at)  # fmt: skip


def adopt(request: TokenRequest, *, actor: str, at: datetime) -> bool:
    """From now on the meter's tokens are made under the new key of this set: it is in somebody's hand. True when it
    moved.

    In the caller's transaction. A meter whose record moved on meanwhile stays as it is.
    """
    assert request.kind == TokenRequest.Kind.KEY_CHANGE and request.new_key is not None and request.key is not None
    sts = StsMeter.objects.select_for_update(no_key=True).get(pk=request.sts_meter_id)
    old, new = request.key, request.new_key
    named = ("sgc", "krn", "kt", "ken", "dkga", "base_date")
    if any(getattr(sts, name) != getattr(old, name) for name in named) or sts.ti != request.ti:
        return False
    for name in named:
        setattr(sts, name, getattr(new, name))
    sts.ti = request.content["new_ti"]
    sts.revision += 1
    sts.changed_at = at
    sts.save(update_fields=[*named, "ti", "revision", "changed_at"])
    audit(
        at=at, actor=actor, action="tokens.adopt", site_id=sts.site_id, object_type="meter",
        object_id=str(sts.meter_id), before={**{name: getattr(old, name) for name in named}, "ti": request.ti},
        after={**{name: getattr(new, name) for name in named}, "ti": sts.ti, "request": request.pk},
    )  # fmt: skip
    return True
