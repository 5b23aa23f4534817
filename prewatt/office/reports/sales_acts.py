"""Corrections of a site as lists show them: make-ups, returns, refunds, reversals, rewrites, settlements."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection

from prewatt.office.estate.models import Circuit
from prewatt.office.estate.scope import visible_to
from prewatt.office.staff.models import Operator
from prewatt.office.vending.models import Act, Delivery

LIST_MOST: Final = 50  # a page; the next one goes on by key
_SQL: Final = """
SELECT a.id, a.kind, a.state, a.at, coalesce(r.code, m.number), coalesce(r.name, ''), a.credit, a.amount_minor,
       coalesce(CASE WHEN d.credit_account_id IS NOT NULL THEN co.currency END,
           a.evidence->>'unit', s.credit_unit, sp.credit_unit, 'Wh'), a.reason, coalesce(o.name, a.actor),
       coalesce(p.name, a.second_person),
       coalesce(s.number, ''), s.id
FROM vending_act a
JOIN estate_circuit c ON c.id = a.circuit_id
JOIN estate_meter m ON m.id = c.meter_id
JOIN estate_site si ON si.id = a.site_id
JOIN estate_company co ON co.id = si.company_id
LEFT JOIN vending_delivery d ON d.id = a.delivery_id
LEFT JOIN estate_room r ON r.id = c.room_id
LEFT JOIN vending_sale s ON s.id = a.sale_id
LEFT JOIN estate_supplypoint sp ON sp.circuit_id = c.id AND sp.valid_from <= a.at
     AND (sp.valid_to IS NULL OR sp.valid_to > a.at)
LEFT JOIN staff_operator o ON a.actor = 'operator:' || o.id
LEFT JOIN staff_operator p ON a.second_person = 'operator:' || p.id
WHERE a.site_id = %(site)s
  AND EXISTS (SELECT 1 FROM staff_scope sc WHERE sc.operator_id = %(operator)s
      AND (sc.company_id = si.company_id OR sc.site_id = si.id OR sc.building_id = r.building_id))
  AND (%(kind)s = '' OR a.kind = %(kind)s) AND (%(state)s = '' OR a.state = %(state)s)
  AND (%(id)s::bigint IS NULL OR a.id = %(id)s)
  AND (%(before)s::bigint IS NULL OR a.id < %(before)s)
ORDER BY a.id DESC LIMIT %(most)s
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class ActRow:
    """One correction. Credit in `credit_unit`, money in minor units."""

    id: int
    kind: str
    state: str
    at: datetime
    room: str
    room_name: str
    credit: int
    amount_minor: int
    credit_unit: str
    reason: str
    actor: str
    second_person: str
    sale_number: str
    sale_id: int | None


def act_rows(
    operator_id: int, site_id: int, *, kind: str = "", state: str = "", act_id: int | None = None,
    before_id: int | None = None, most: int = LIST_MOST,
) -> list[ActRow]:  # fmt: skip
    """Newest first, those of circuits that the operator may see."""
    with connection.cursor() as cursor:
        cursor.execute(
            _SQL,
            {"operator": operator_id, "site": site_id, "kind": kind, "state": state, "id": act_id, "before": before_id,
             "most": most},
        )  # fmt: skip
        names = ActRow.__slots__
        return [ActRow(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def act_of(operator: Operator, act_id: int) -> Act | None:
    """The act if the operator may see its circuit."""
    act = Act.objects.select_related("delivery", "sale", "circuit").filter(pk=act_id).first()
    if act is None or not visible_to(operator, Circuit).filter(pk=act.circuit_id).exists():
        return None
    return act


def payable(act: Act) -> Delivery | None:
    """The delivery whose money is due after a confirmed return; None: nothing is due, or it was paid."""
    if act.kind != Act.Kind.RETURN or act.state != Act.State.DONE or act.delivery is None:
        return None
    paid = Act.objects.filter(delivery=act.delivery, kind=Act.Kind.REFUND, state=Act.State.DONE).exists()
    return None if paid else act.delivery
