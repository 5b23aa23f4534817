"""Tokens that take two persons: one asks with a reason, another agrees, and only then a request is stored."""

from datetime import datetime

from django.db import transaction

from prewatt.core.refusals import Refused
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act
from prewatt.office.tokens.asks import Ask, Kind, digest, from_json, kind_of, takes_two, to_json
from prewatt.office.tokens.models import StsMeter, TokenProposal
from prewatt.office.tokens.requests import MESSAGE_MOST, Asked, ask, prepare

Decision = TokenProposal.Decision


def propose(
    sts: StsMeter, what: Ask, *, request_key: str, reason: str, register_tenths: int | None = None, actor: Actor,
    at: datetime,
) -> TokenProposal:  # fmt: skip
    """First person. Nothing is made before a second one agrees. The same key gives the proposal that stands.

    Raises Refused `not_permitted`, `token_takes_one`, `token_reason_needed`, `token_evidence_needed` (clear credit
    needs what the register showed, in tenths), `token_message_malformed`, `token_message_reused`, and what `prepare`
    raises.
    """
    actor.require(Act.TOKEN_ASK)
    if not takes_two(what):
        raise Refused("token_takes_one")
    if not reason.strip():
        raise Refused("token_reason_needed")
    if kind_of(what) is Kind.CLEAR_CREDIT and (register_tenths is None or not 0 <= register_tenths < 1 << 62):
        raise Refused("token_evidence_needed")
    if not 1 <= len(request_key) <= MESSAGE_MOST:
        raise Refused("token_message_malformed")
    prepare(sts, what, at=at)
    said = digest(sts.pk, to_json(what), reason.strip(), register_tenths, actor.operator_id)
    with transaction.atomic():
        row, made = TokenProposal.objects.get_or_create(
            request_key=request_key,
            defaults={
                "digest": said, "sts_meter": sts, "content": to_json(what), "reason": reason.strip()[:255],
                "register_tenths": register_tenths, "asked_by": actor.operator_id, "asked_at": at,
            },
        )  # fmt: skip
        if not made and row.digest != said:
            raise Refused("token_message_reused")
        if made:
            audit(
                at=at, actor=actor.key, action="tokens.propose", site_id=sts.site_id, object_type="meter",
                object_id=str(sts.meter_id), reason=reason,
                after={"proposal": row.pk, "register_tenths": register_tenths, **to_json(what)},
            )  # fmt: skip
    return row


def agree(proposal: TokenProposal, *, actor: Actor, at: datetime) -> Asked:
    """[T1] Second person: the request is stored now; make it with `issuing.issue`. Agreeing again gives the same
    request.

    Raises Refused `not_permitted`, `token_second_person` (also an API key of the first person), `proposal_decided`, and
    what `prepare` and `ask` raise.
    """
    actor.require(Act.TOKEN_AGREE)
    with transaction.atomic():
        row = _locked(proposal, actor)
        what = from_json(row.content)
        sts = StsMeter.objects.select_related("site").get(pk=row.sts_meter_id)
        message = f"proposal:{row.pk}"
        if row.decision == Decision.DECLINED:
            raise Refused("proposal_decided")
        if row.decision == Decision.AGREED:
            request = row.request
            return Asked(request_id=request.pk, tid=request.tid, carried=request.carried, fresh=False)
        prepared = prepare(sts, what, at=at)
        _decide(row, Decision.AGREED, actor, at)
        return ask(
            prepared, message_id=message, actor=actor.key, reason=row.reason, proposal_id=row.pk, reference=message
        )


def decline(proposal: TokenProposal, *, reason: str, actor: Actor, at: datetime) -> None:
    """Second person says no. Raises Refused `not_permitted`, `token_second_person`, `token_reason_needed`,
    `proposal_decided`."""
    actor.require(Act.TOKEN_AGREE)
    if not reason.strip():
        raise Refused("token_reason_needed")
    with transaction.atomic():
        row = _locked(proposal, actor)
        if row.decision != Decision.OPEN:
            raise Refused("proposal_decided")
        _decide(row, Decision.DECLINED, actor, at)
        audit(
            at=at, actor=actor.key, action="tokens.decline", site_id=row.sts_meter.site_id, object_type="meter",
            object_id=str(row.sts_meter.meter_id), reason=reason, after={"proposal": row.pk},
        )  # fmt: skip


def _locked(proposal: TokenProposal, actor: Actor) -> TokenProposal:
    row: TokenProposal | None = TokenProposal.objects.select_for_update(no_key=True).filter(pk=proposal.pk).first()
    if row is None:
        raise Refused("proposal_unknown")
    if row.asked_by == actor.operator_id:
        raise Refused("token_second_person")
    return row


def _decide(row: TokenProposal, decision: TokenProposal.Decision, actor: Actor, at: datetime) -> None:
    row.decision, row.decided_by, row.decided_at = decision, actor.operator_id, at
    row.save(update_fields=["decision", "decided_by", "decided_at"])
