"""Reversal (冲正): cancel the last sale of a circuit, in its shift, while its credit is not in the meter."""

import json
from datetime import datetime

from prewatt.office.staff.actors import Actor
from prewatt.office.staff.roles import Act, may
from prewatt.office.vending.acts import ActResult, check_reason, keyed, run
from prewatt.office.vending.models import Receipt, Sale


def reverse(sale: Sale, *, reason: str, actor: Actor, key: str, at: datetime) -> ActResult:
    """Take the sale back: the command is withdrawn under the lock, the money leaves the drawer.

    Raises Refused `not_permitted`, `reason_needed`, `key_required`, `key_reused`, `key_busy`,
    `sale_reversed`, `sale_refunded`, `credit_in_meter`, `delivery_unknown` (it may have been sent),
    `reversal_not_last`, `reversal_other_shift`, `shift_not_yours`, `day_closed`.
    """
    actor.require(Act.REVERSE)
    kept = check_reason(reason)
    first = Receipt.objects.filter(sale=sale, kind="sale").values_list("data", flat=True).first() or {}
    data = {**first, "kind": "reversal", "reason": kept, "cashier": actor.name, "at": at.isoformat()}
    data["reverses_receipt"] = data.pop("receipt_number", None)
    return run(
        "vending_reverse",
        [*keyed(actor, key, ["reversal", sale.pk, kept]), sale.pk, kept, actor.key, actor.operator_id,
         may(actor.role, Act.SETTLE), at, json.dumps(data, ensure_ascii=False)],
        casts=["jsonb"],
    )  # fmt: skip
