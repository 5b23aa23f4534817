"""Reversal (冲正): cancel the last sale of a circuit, in its shift, while its credit is not in the meter.

Server-held, also a return before it is paid out, and a make-up before it is used.
"""

import json
from datetime import datetime

from django.db import transaction

from prewatt.office.staff.actors import Actor
from prewatt.office.staff.roles import Act, may
from prewatt.office.vending import by_token
from prewatt.office.vending.acts import ActResult, check_reason, keyed, run
from prewatt.office.vending.models import Act as ActRow
from prewatt.office.vending.models import Receipt, Sale


def reverse(sale: Sale, *, reason: str, actor: Actor, key: str, at: datetime) -> ActResult:
    """Take the sale back: the command is withdrawn under the lock, the money leaves the drawer.

    Raises Refused `not_permitted`, `reason_needed`, `key_required`, `key_reused`, `key_busy`,
    `sale_reversed`, `sale_refunded`, `credit_in_meter`, `delivery_unknown` (it may have been sent), `credit_used`
    (server-held: more of it than a tenth, or than the overdraft permits), `reversal_not_last`,
    `reversal_other_shift`, `shift_not_yours`, `day_closed`; by token `token_made` once there are digits, unless a
    clear-credit token took the credit out and all of it was returned.
    """
    actor.require(Act.REVERSE)
    kept = check_reason(reason)
    first = Receipt.objects.filter(sale=sale, kind="sale").values_list("data", flat=True).first() or {}
    data = {**first, "kind": "reversal", "reason": kept, "cashier": actor.name, "at": at.isoformat()}
    data["reverses_receipt"] = data.pop("receipt_number", None)
    parameters = [
        *keyed(actor, key, ["reversal", sale.pk, kept]), sale.pk, kept, actor.key, actor.operator_id,
        may(actor.role, Act.SETTLE), at, json.dumps(data, ensure_ascii=False),
    ]  # fmt: skip
    with transaction.atomic():
        result = run("vending_reverse", parameters, casts=["jsonb"])
        delivery = result.act.delivery
        if delivery is not None and delivery.token_request_id is not None and delivery.state == "refused":
            # the digits and this reversal: one of them wins, whoever is first at the request
            by_token.withdraw(delivery.token_request_id, reason=kept, actor=actor.key, at=at)
    return result


def take_back(act: ActRow, *, reason: str, actor: Actor, key: str, at: datetime) -> ActResult:
    """Take a done return or make-up of server-held credit back: its entry is reversed.

    Raises Refused `not_permitted`, `reason_needed`, `key_required`, `key_reused`, `key_busy`, `act_unknown`,
    `act_not_done`, `act_in_meter` (meter-held: sell or return instead), `sale_refunded` (paid out already),
    `sale_reversed`, `credit_used`, `contract_not_open`, `day_closed`.
    """
    actor.require(Act.SETTLE)
    kept = check_reason(reason)
    head = keyed(actor, key, ["take_back", act.pk, kept])
    return run("vending_take_back", [*head, act.pk, kept, actor.key, at])
