"""Orders that a person must look at: rewrite (补写) after a refusal, settlement of a dispute."""

import json
from collections.abc import Mapping
from datetime import datetime

from django.db import transaction

from prewatt.core.refusals import Refused
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.roles import Act
from prewatt.office.vending import by_token
from prewatt.office.vending.acts import ActResult, check_reason, keyed, run
from prewatt.office.vending.credits import MAX_COUNT
from prewatt.office.vending.models import Delivery


def rewrite(delivery: Delivery, *, reason: str, actor: Actor, key: str, at: datetime) -> ActResult:
    """The same order with the same count again: it can be applied once, however often it is sent.

    By token the same digits are shown again, and the trail says so: there are no others.
    Raises Refused `not_permitted`, `delivery_not_refused`, `sale_reversed`, `sale_refunded`,
    `delivery_open`, `count_moved` (another order took the count: refund this one); by token `token_not_made`.
    """
    actor.require(Act.REWRITE)
    kept = check_reason(reason)
    parameters = [*keyed(actor, key, ["rewrite", delivery.pk, kept]), delivery.pk, kept, actor.key, at]
    if delivery.token_request_id is None:
        return run("vending_rewrite", parameters)
    with transaction.atomic():
        result = run("vending_reprint", parameters)
        if not result.replayed:
            by_token.shown_again(delivery.token_request_id, actor=actor, at=at)
    return result


def settle_by_hand(
    delivery: Delivery,
    *,
    delivered: bool,
    purchase_count: int,
    evidence: Mapping[str, int],
    reason: str,
    actor: Actor,
    key: str,
    at: datetime,
) -> ActResult:
    """A manager decides a disputed delivery by what he read at the meter.

    `purchase_count` is what stands on the meter now, and what we go on from; `evidence` the other
    registers (balance, purchased_total, last_order_amount). Delivered: the money becomes deferred income.
    Not delivered: it stays in one account, to be refunded.
    Raises Refused `not_permitted`, `delivery_not_disputed`, `evidence_malformed`, `evidence_contradicts`.
    """
    actor.require(Act.SETTLE)
    kept = check_reason(reason)
    if not 0 <= purchase_count <= MAX_COUNT:
        raise Refused("evidence_malformed")
    body: list[object] = ["settle", delivery.pk, delivered, purchase_count, sorted(evidence.items())]
    head = keyed(actor, key, body)
    return run(
        "vending_settle_by_hand",
        [*head, delivery.pk, delivered, purchase_count, json.dumps(dict(evidence)), kept, actor.key, at],
    )
