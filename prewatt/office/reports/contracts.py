"""Contracts as lists show them, and what one contract page says beyond its circuits. Reads only.

A row of the list is one supply point: a contract with two circuits stands there twice, each with its own balance.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection

from prewatt.office.reports.keyset import BALANCE, RUNNING, find_text, keyset

LIST_MOST: Final = 50  # a page; the next one goes on by key
EXPORT_MOST: Final = 20_000  # rows of one sheet: more than any site has, and still opened by a spreadsheet at once
TEXT_MOST: Final = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class ContractRow:
    """One supply point of a contract. `balance`, `alarm_1`, `alarm_2` in `credit_unit`."""

    supply_point_id: int
    contract_id: int
    number: str
    state: str
    supply_state: str
    opened_at: datetime | None
    closed_at: datetime | None
    customer_id: int
    customer: str
    phone: str
    customer_class: str
    circuit_id: int
    building: str
    floor: int | None
    room: str
    room_name: str
    meter_number: str
    custody: str
    carrier: str
    credit_unit: str
    balance: int | None
    read_at: datetime | None
    alarm_1: int
    alarm_2: int
    plan: str
    key: str | int


@dataclass(frozen=True, kw_only=True)
class ContractFilters:
    """What the list is narrowed to, and how it stands. Empty: not narrowed."""

    text: str = ""  # room, sign, customer, pinyin initials, phone, contract or meter number
    state: str = ""  # of the contract; "live" is all but closed
    customer_class: str = ""
    building_id: int | None = None
    customer_id: int | None = None
    sort: str = "room"
    descending: bool = False


# how a list may stand: expression (never null) and its type; the supply point's id breaks ties
SORTS: Final = {
    "room": (
        "to_char(coalesce(b.sort, 32767), 'FM00000') || coalesce(b.code, '') || coalesce(r.code, m.number)",
        "text",
    ),
    "number": ("k.number", "text"),
    "customer": ("cu.name", "text"),
    "balance": (f"coalesce({BALANCE}, 9223372036854775807)", "bigint"),
    "opened": ("coalesce(extract(epoch FROM k.opened_at)::bigint, 0)", "bigint"),
}

_FROM: Final = f"""
FROM estate_supplypoint sp
JOIN estate_contract k ON k.id = sp.contract_id
JOIN estate_customer cu ON cu.id = k.customer_id
JOIN estate_circuit c ON c.id = sp.circuit_id
JOIN estate_site s ON s.id = c.site_id
JOIN estate_meter m ON m.id = c.meter_id
LEFT JOIN estate_room r ON r.id = c.room_id
LEFT JOIN estate_building b ON b.id = r.building_id
LEFT JOIN metering_latest la ON la.site_id = c.site_id AND la.circuit_id = c.id
{RUNNING}
WHERE c.site_id = %(site)s
  AND EXISTS (SELECT 1 FROM staff_scope sc WHERE sc.operator_id = %(operator)s
      AND (sc.company_id = s.company_id OR sc.site_id = s.id OR sc.building_id = r.building_id))
  AND (%(state)s = '' OR k.state = %(state)s OR (%(state)s = 'live' AND k.state <> 'closed'))
  AND (%(class)s = '' OR cu.customer_class = %(class)s)
  AND (%(building)s::bigint IS NULL OR b.id = %(building)s)
  AND (%(customer)s::bigint IS NULL OR cu.id = %(customer)s)
  AND (%(text)s = '' OR r.code ILIKE %(inside)s OR replace(r.code, '-', '') ILIKE %(start)s OR r.name ILIKE %(inside)s
       OR r.initials ILIKE %(start)s OR cu.name ILIKE %(inside)s OR cu.initials ILIKE %(start)s
       OR cu.phone LIKE %(inside)s OR m.number LIKE %(inside)s OR k.number LIKE %(inside)s)
"""
_COLUMNS: Final = f"""
sp.id, k.id, k.number, k.state, sp.state, k.opened_at, k.closed_at, cu.id, cu.name, cu.phone, cu.customer_class,
c.id, coalesce(b.name, ''), r.floor, coalesce(r.code, ''), coalesce(r.name, ''), m.number, sp.custody,
sp.carrier, sp.credit_unit, CASE WHEN sp.state <> 'closed' THEN {BALANCE} END, la.at, sp.alarm_1, sp.alarm_2,
coalesce((SELECT p.name FROM estate_planassignment a JOIN estate_plan p ON p.id = a.plan_id
          WHERE a.supply_point_id = sp.id AND a.valid_from <= %(at)s ORDER BY a.valid_from DESC LIMIT 1), '')
"""


def _arguments(operator_id: int, site_id: int, filters: ContractFilters, at: datetime) -> dict[str, Any]:
    return {
        **find_text(filters.text),
        "operator": operator_id,
        "site": site_id,
        "state": filters.state,
        "class": filters.customer_class,
        "building": filters.building_id,
        "customer": filters.customer_id,
        "at": at,
    }


def contracts(
    operator_id: int,
    site_id: int,
    filters: ContractFilters,
    *,
    at: datetime,
    after: tuple[str | int, int] | None = None,
    most: int = LIST_MOST,
) -> list[ContractRow]:
    """At most `most` rows behind the key `after` = (row.key, row.supply_point_id). KeyError: unknown sort."""
    return keyset(
        ContractRow, _COLUMNS, _FROM, _arguments(operator_id, site_id, filters, at), sort=SORTS[filters.sort],
        tie="sp.id", descending=filters.descending, after=after, most=most,
    )  # fmt: skip


def contracts_total(operator_id: int, site_id: int, filters: ContractFilters, *, at: datetime) -> int:
    """How many rows the filters leave."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) {_FROM}", _arguments(operator_id, site_id, filters, at))
        row = cursor.fetchone()
    assert row is not None
    return int(row[0])


def customer_classes(company_id: int) -> list[str]:
    """The classes (用户类型) that are in use, for the filter and for the form's suggestions."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT customer_class FROM estate_customer WHERE company_id = %s AND customer_class <> ''"
            " ORDER BY 1 LIMIT 50",
            [company_id],
        )
        return [row[0] for row in cursor.fetchall()]


@dataclass(frozen=True, kw_only=True, slots=True)
class CustomerRow:
    """A customer as the opening form finds him."""

    id: int
    name: str
    phone: str
    customer_class: str
    contracts: int


def customers_without_contract(
    operator_id: int, site_id: int, text: str, *, most: int = LIST_MOST
) -> list[CustomerRow]:
    """Customers of the site's company that no contract names yet: entered, not opened."""
    return _customers(
        operator_id, site_id, text, most, "AND NOT EXISTS (SELECT 1 FROM estate_contract x WHERE x.customer_id = cu.id)"
    )


def find_customers(operator_id: int, site_id: int, text: str, *, most: int = 8) -> list[CustomerRow]:
    """Customers by name, pinyin initials or phone: those with a contract at this site, and newcomers."""
    return _customers(operator_id, site_id, text, most, "")


def _customers(operator_id: int, site_id: int, text: str, most: int, more: str) -> list[CustomerRow]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
SELECT cu.id, cu.name, cu.phone, cu.customer_class,
       (SELECT count(*) FROM estate_contract x WHERE x.customer_id = cu.id AND x.state <> 'closed')
FROM estate_customer cu JOIN estate_site s ON s.company_id = cu.company_id
WHERE s.id = %(site)s {more}
  AND (%(text)s = '' OR cu.name ILIKE %(inside)s OR cu.initials ILIKE %(start)s OR cu.phone LIKE %(inside)s)
  AND EXISTS (SELECT 1 FROM staff_scope sc WHERE sc.operator_id = %(operator)s AND (sc.company_id = s.company_id
      OR (NOT EXISTS (SELECT 1 FROM estate_contract x WHERE x.customer_id = cu.id)
          AND (sc.site_id = s.id
               OR sc.building_id IN (SELECT id FROM estate_building WHERE site_id = s.id)))
      OR EXISTS (SELECT 1 FROM estate_contract x LEFT JOIN estate_supplypoint p ON p.contract_id = x.id
                 LEFT JOIN estate_circuit c ON c.id = p.circuit_id LEFT JOIN estate_room r ON r.id = c.room_id
                 WHERE x.customer_id = cu.id AND (sc.site_id = x.site_id OR sc.building_id = r.building_id))))
ORDER BY cu.name, cu.id LIMIT %(most)s""",
            {**find_text(text), "site": site_id, "operator": operator_id, "most": most},
        )
        names = CustomerRow.__slots__
        return [CustomerRow(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


@dataclass(frozen=True, kw_only=True, slots=True)
class ContractAct:
    """Something that happened to a contract's credit besides sales: an act, an opening or a closing."""

    at: datetime
    kind: str  # vending Act kind, "open" or "close"
    state: str
    credit: int
    credit_unit: str
    amount_minor: int
    reason: str
    actor: str
    opening_id: int | None


def acts_of(circuit_ids: list[int], contract_id: int, *, since: datetime | None, most: int = 8) -> list[ContractAct]:
    """Acts on the contract's circuits, its openings and closings; newest first. `since`: when it was opened."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
SELECT * FROM (
  SELECT a.at, a.kind, a.state, a.credit,
    CASE WHEN d.credit_account_id IS NOT NULL THEN co.currency
        ELSE coalesce(a.evidence->>'unit', (SELECT sp.credit_unit FROM estate_supplypoint sp
            WHERE sp.circuit_id = a.circuit_id AND sp.custody = 'meter' AND sp.valid_from <= a.at
              AND (sp.valid_to IS NULL OR sp.valid_to > a.at)), 'Wh') END
        AS credit_unit,
    a.amount_minor, a.reason, a.actor, NULL::bigint AS opening_id
  FROM vending_act a LEFT JOIN vending_delivery d ON d.id = a.delivery_id
  JOIN estate_site s ON s.id = a.site_id JOIN estate_company co ON co.id = s.company_id
  WHERE a.circuit_id = ANY(%(circuits)s) AND (%(since)s::timestamptz IS NULL OR a.at >= %(since)s)
  UNION ALL
  SELECT o.at, o.kind, o.state, 0, 'Wh', 0, o.code, o.actor, o.id FROM vending_opening o
  WHERE o.contract_id = %(contract)s
) x ORDER BY at DESC LIMIT %(most)s""",
            {"circuits": circuit_ids, "contract": contract_id, "since": since, "most": most},
        )
        names = ContractAct.__slots__
        return [ContractAct(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


@dataclass(frozen=True, kw_only=True, slots=True)
class ContractSale:
    """One sale on the contract page."""

    id: int
    number: str
    at: datetime
    amount_minor: int
    credit: int
    credit_unit: str
    repaid: int
    tender: str
    cashier: str
    state: str
    delivery: str
    by_token: bool
    in_books: bool  # no meter confirms it


def sales_of(contract_id: int, *, most: int = 6) -> tuple[list[ContractSale], int]:
    """The newest sales of a contract, and how many there are."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT s.id, s.number, s.at, s.amount_minor, s.credit, s.credit_unit,"
            " s.repaid_overdraft + s.repaid_past_zero, s.tender, s.actor_name, s.state, d.state,"
            " d.token_request_id IS NOT NULL, d.credit_account_id IS NOT NULL"
            " FROM vending_sale s JOIN vending_delivery d ON d.sale_id = s.id WHERE s.contract_id = %s"
            " ORDER BY s.at DESC, s.id DESC LIMIT %s",
            [contract_id, most],
        )
        names = ContractSale.__slots__
        rows = [ContractSale(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]
        cursor.execute("SELECT count(*) FROM vending_sale WHERE contract_id = %s", [contract_id])
        count = cursor.fetchone()
    assert count is not None
    return rows, int(count[0])
