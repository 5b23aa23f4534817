"""The audit trail as the page lists it: who did what to which thing, before and after. Reads only."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection

LIST_MOST: Final = 50
EXPORT_MOST: Final = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class TrailRow:
    """One thing done."""

    id: int
    at: datetime
    actor: str
    actor_name: str  # of the operator or the key; the actor itself when there is none
    action: str
    object_type: str
    object_id: str
    object_name: str  # a room, a number; empty when nothing better than the id is known
    credit_unit: str  # what its credit counts then, "Wh" or a currency; empty where it has none
    reason: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class TrailFilters:
    """`area` is the first word of an action (vending, estate, metering, staff, alarms); empty: not narrowed."""

    since: datetime | None = None
    until: datetime | None = None
    actor: str = ""
    area: str = ""
    object_type: str = ""
    object_id: str = ""


# Who may see a row: rows of his sites; rows of no site (customers, plans) by company; of staff only administrators.
_FROM: Final = """
FROM staff_auditrow a
LEFT JOIN staff_operator o ON a.actor = 'operator:' || o.id
LEFT JOIN staff_apikey ak ON a.actor = 'key:' || ak.id
WHERE (a.site_id = ANY(%(sites)s)
       OR (a.site_id IS NULL AND a.object_type IN ('customer', 'plan', 'company') AND (
           (a.object_type = 'company' AND a.object_id = ANY(%(companies)s))
           OR (a.object_type = 'plan' AND a.object_id IN (SELECT p.id::text FROM estate_plan p
               WHERE p.company_id::text = ANY(%(companies)s)))
           OR (a.object_type = 'customer' AND a.object_id IN (SELECT u.id::text FROM estate_customer u
               WHERE u.company_id::text = ANY(%(companies)s)))))
       OR (%(staff)s AND a.site_id IS NULL AND a.object_type IN ('operator', 'api_key', 'vending_key')))
  AND (%(since)s::timestamptz IS NULL OR a.at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR a.at < %(until)s)
  AND (%(actor)s = '' OR a.actor = %(actor)s)
  AND (%(area)s = '' OR a.action LIKE %(area)s || '.%%')
  AND (%(object_type)s = '' OR a.object_type = %(object_type)s)
  AND (%(object_id)s = '' OR a.object_id = %(object_id)s)
"""
_NAME: Final = """
CASE a.object_type
  WHEN 'circuit' THEN (SELECT coalesce(r.code || ' ' || r.name, m.number) FROM estate_circuit c
     JOIN estate_meter m ON m.id = c.meter_id LEFT JOIN estate_room r ON r.id = c.room_id
     WHERE c.id::text = a.object_id)
  WHEN 'customer' THEN (SELECT name FROM estate_customer u WHERE u.id::text = a.object_id)
  WHEN 'plan' THEN (SELECT name FROM estate_plan p WHERE p.id::text = a.object_id)
  WHEN 'meter' THEN (SELECT number FROM estate_meter m WHERE m.id::text = a.object_id)
  WHEN 'gateway' THEN (SELECT code FROM estate_gateway g WHERE g.id::text = a.object_id)
  WHEN 'operator' THEN (SELECT name FROM staff_operator x WHERE x.id::text = a.object_id)
  WHEN 'room' THEN (SELECT code FROM estate_room r WHERE r.id::text = a.object_id)
  WHEN 'sale' THEN (SELECT number FROM vending_sale v WHERE v.id::text = a.object_id)
  WHEN 'contract' THEN a.object_id
  WHEN 'campaign' THEN (SELECT name FROM tokens_campaign k WHERE k.id::text = a.object_id)
  WHEN 'vending_key' THEN (SELECT 'SGC ' || sgc || ' KRN ' || krn FROM tokens_storedkey k
     WHERE k.id::text = a.object_id)
  WHEN 'token' THEN (SELECT m.number FROM tokens_tokenrequest r JOIN tokens_stsmeter s ON s.id = r.sts_meter_id
     JOIN estate_meter m ON m.id = s.meter_id WHERE r.id::text = a.object_id)
  WHEN 'token_reader' THEN (SELECT name FROM staff_operator x WHERE x.id::text = a.object_id)
  WHEN 'supply_point' THEN (SELECT k.number FROM estate_supplypoint q JOIN estate_contract k ON k.id = q.contract_id
     WHERE q.id::text = a.object_id)
END
"""
# What the credit in a row counts: that of the supply point it was about, as it then was.
_UNIT: Final = """
CASE WHEN a.object_type = 'contract' THEN (
     SELECT q.credit_unit FROM estate_supplypoint q JOIN estate_contract k ON k.id = q.contract_id
     WHERE k.site_id = a.site_id AND k.number = a.object_id
     ORDER BY coalesce(q.id::text = a.after->>'supply_point', false) DESC,
              coalesce(q.circuit_id::text = a.after->>'circuit', false) DESC, q.id DESC LIMIT 1)
  WHEN a.object_id !~ '^[0-9]{1,18}$' THEN NULL
  WHEN a.object_type = 'circuit' THEN (
     SELECT q.credit_unit FROM estate_supplypoint q WHERE q.circuit_id = a.object_id::bigint
     ORDER BY (q.valid_from <= a.at) DESC, q.valid_from DESC LIMIT 1)
  WHEN a.object_type = 'meter' THEN (
     SELECT q.credit_unit FROM estate_supplypoint q JOIN estate_circuit c ON c.id = q.circuit_id
     WHERE c.meter_id = a.object_id::bigint ORDER BY (q.valid_from <= a.at) DESC, q.valid_from DESC LIMIT 1)
  WHEN a.object_type = 'supply_point' THEN (
     SELECT q.credit_unit FROM estate_supplypoint q WHERE q.id = a.object_id::bigint)
  WHEN a.object_type = 'sale' THEN (SELECT v.credit_unit FROM vending_sale v WHERE v.id = a.object_id::bigint)
  WHEN a.object_type = 'act' THEN (
     SELECT q.credit_unit FROM vending_act v JOIN estate_supplypoint q ON q.circuit_id = v.circuit_id
     WHERE v.id = a.object_id::bigint ORDER BY (q.valid_from <= a.at) DESC, q.valid_from DESC LIMIT 1)
END
"""


def trail(
    site_ids: list[int],
    company_ids: list[int],
    filters: TrailFilters,
    *,
    staff: bool,
    before_id: int | None = None,
    most: int = LIST_MOST,
) -> list[TrailRow]:
    """Newest first. `staff`: also what was done to operators and keys."""
    arguments: dict[str, Any] = {
        "sites": site_ids,
        "companies": [str(each) for each in company_ids],
        "staff": staff,
        "since": filters.since,
        "until": filters.until,
        "actor": filters.actor,
        "area": filters.area,
        "object_type": filters.object_type,
        "object_id": filters.object_id,
        "before": before_id,
        "most": most,
    }
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT a.id, a.at, a.actor, coalesce(o.name, ak.name, a.actor), a.action, a.object_type, a.object_id,"
            f" coalesce({_NAME}, ''), coalesce({_UNIT}, ''), a.reason, a.before::text, a.after::text {_FROM}"
            " AND (%(before)s::bigint IS NULL OR a.id < %(before)s) ORDER BY a.id DESC LIMIT %(most)s",
            arguments,
        )
        names = TrailRow.__slots__
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    return [TrailRow(**{**row, "before": _cells(row["before"]), "after": _cells(row["after"])}) for row in rows]


def _cells(text: str | None) -> dict[str, Any] | None:
    found = json.loads(text) if text else None
    return found if isinstance(found, dict) else None


def actors(site_ids: list[int]) -> list[tuple[str, str]]:
    """(actor, name) of who may stand in the trail of these sites, for the filter."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT 'operator:' || o.id, o.name FROM staff_operator o JOIN staff_scope sc ON "
            "sc.operator_id = o.id"
            " WHERE sc.site_id = ANY(%(sites)s)"
            " OR sc.company_id IN (SELECT company_id FROM estate_site WHERE id = ANY(%(sites)s))"
            " OR sc.building_id IN (SELECT id FROM estate_building WHERE site_id = ANY(%(sites)s))"
            " ORDER BY 2 LIMIT 200",
            {"sites": site_ids},
        )
        return [(actor, name) for actor, name in cursor.fetchall()]
