"""Sales of a site as lists show them, with where their credit is. Reads only, one statement each."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import connection

from prewatt.office.estate.models import Circuit, Line
from prewatt.office.estate.scope import visible_to
from prewatt.office.metering.models import LineState
from prewatt.office.staff.models import Operator
from prewatt.office.vending.models import Act, Delivery, Receipt, Sale
from prewatt.office.vending.read import DeliveryNow, delivery_now

LIST_MOST: Final = 50  # a page; the next one goes on by key


@dataclass(frozen=True, kw_only=True, slots=True)
class SaleRow:
    """One sale. Amounts in minor units, credit in `credit_unit`."""

    id: int
    number: str
    at: datetime
    room: str
    room_name: str
    circuit_id: int
    contract_number: str
    customer: str
    amount_minor: int
    credit: int
    credit_unit: str
    tender: str
    state: str
    delivery: str
    cashier: str
    receipt: str
    by_token: bool
    in_books: bool  # no meter confirms it


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What a list is narrowed to; None or empty: not narrowed."""

    since: datetime | None = None
    until: datetime | None = None
    tender: str = ""
    delivery: str = ""
    text: str = ""  # room, contract or sale number


_FROM: Final = """
FROM vending_sale s
JOIN vending_delivery d ON d.sale_id = s.id
LEFT JOIN metering_job j ON j.id = d.job_id
JOIN estate_contract k ON k.id = s.contract_id
JOIN estate_customer cu ON cu.id = k.customer_id
JOIN estate_circuit c ON c.id = s.circuit_id
JOIN estate_site si ON si.id = s.site_id
LEFT JOIN estate_room r ON r.id = c.room_id
WHERE s.site_id = %(site)s
  AND EXISTS (SELECT 1 FROM staff_scope sc WHERE sc.operator_id = %(operator)s
      AND (sc.company_id = si.company_id OR sc.site_id = si.id OR sc.building_id = r.building_id))
  AND (%(since)s::timestamptz IS NULL OR s.at >= %(since)s)
  AND (%(until)s::timestamptz IS NULL OR s.at < %(until)s)
  AND (%(tender)s = '' OR s.tender = %(tender)s)
  AND (%(delivery)s = '' OR d.state = %(delivery)s)
  AND (%(text)s = '' OR upper(r.code) = upper(%(text)s) OR k.number = %(text)s OR s.number = upper(%(text)s))
"""
_STATE: Final = "CASE WHEN d.state = 'waiting' AND j.state = 'claimed' THEN 'sent' ELSE d.state END"


def _arguments(operator_id: int, site_id: int, filters: Filters) -> dict[str, Any]:
    return {
        "operator": operator_id, "site": site_id, "since": filters.since, "until": filters.until,
        "tender": filters.tender, "delivery": filters.delivery, "text": filters.text,
    }  # fmt: skip


def sales(
    operator_id: int, site_id: int, filters: Filters, *, before_id: int | None = None, most: int = LIST_MOST
) -> list[SaleRow]:
    """Newest first, at most `most`, older than `before_id`."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT s.id, s.number, s.at, coalesce(r.code, ''), coalesce(r.name, ''), c.id, k.number, cu.name,"
            f" s.amount_minor, s.credit, s.credit_unit, s.tender, s.state, {_STATE}, s.actor_name,"
            f" coalesce((SELECT p.data->>'receipt_number' FROM vending_receipt p WHERE p.sale_id = s.id"
            f" AND p.kind = 'sale'), ''), d.token_request_id IS NOT NULL, d.credit_account_id IS NOT NULL"
            f" {_FROM} AND (%(before)s::bigint IS NULL OR s.id < %(before)s) ORDER BY s.id DESC LIMIT %(most)s",
            {**_arguments(operator_id, site_id, filters), "before": before_id, "most": most},
        )
        names = SaleRow.__slots__
        return [SaleRow(**dict(zip(names, row, strict=True))) for row in cursor.fetchall()]


def total(operator_id: int, site_id: int, filters: Filters) -> tuple[int, int]:
    """(number, minor units) of the sales that stand; reversed ones are not counted."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*), coalesce(sum(s.amount_minor), 0) {_FROM} AND s.state = 'sold'",
            _arguments(operator_id, site_id, filters),
        )
        row = cursor.fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def sale_asked(actor_key: str, key: str) -> int | None:
    """The id of the sale that this actor's request key made; None: the books hold none."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM vending_sale WHERE request_key = %s", [f"{actor_key}:{key}"])
        row = cursor.fetchone()
    return None if row is None else int(row[0])


@dataclass(frozen=True, kw_only=True)
class SaleFull:
    """One sale with everything its page tells."""

    sale: Sale
    now: DeliveryNow
    receipt_id: int | None
    receipt_number: str
    room: str
    room_name: str
    contract_number: str
    customer: str
    phone: str
    meter_number: str
    gateway: str
    line: str
    line_up: bool
    returned: Delivery | None  # of the return of the whole sale, if one was asked
    refunded_at: datetime | None
    acts: tuple[Act, ...]  # corrections of this sale, oldest first


def sale_full(operator: Operator, sale_id: int) -> SaleFull | None:
    """The sale if the operator may see its circuit; None: there is no such sale for him."""
    sale = Sale.objects.select_related("contract__customer", "till", "shift").filter(pk=sale_id).first()
    if sale is None:
        return None
    circuit = (
        visible_to(operator, Circuit).select_related("room", "meter__line__gateway").filter(pk=sale.circuit_id).first()
    )
    if circuit is None:
        return None
    now = delivery_now(Delivery.objects.get(sale=sale))
    acts = tuple(Act.objects.select_related("delivery").filter(sale=sale).order_by("id"))
    receipt = Receipt.objects.filter(sale=sale, kind=Receipt.Kind.SALE).first()
    line = circuit.meter.line
    returned = next(
        (act.delivery for act in acts if act.kind == Act.Kind.RETURN and act.state != Act.State.REFUSED), None
    )
    refund = next((act for act in acts if act.kind == Act.Kind.REFUND and act.state == Act.State.DONE), None)
    return SaleFull(
        sale=sale, now=now, receipt_id=receipt.pk if receipt else None,
        receipt_number=str(receipt.data.get("receipt_number", "")) if receipt else "",
        room=circuit.room.code if circuit.room else circuit.meter.number,
        room_name=circuit.room.name if circuit.room else "", contract_number=sale.contract.number,
        customer=sale.contract.customer.name, phone=sale.contract.customer.phone, meter_number=circuit.meter.number,
        gateway=line.gateway.code if line else "", line=line.code if line else "", line_up=_line_up(line),
        returned=returned, refunded_at=(refund.done_at or refund.at) if refund else None, acts=acts,
    )  # fmt: skip


def _line_up(line: Line | None) -> bool:
    """A line of which nothing was ever heard is not called lost."""
    if line is None:
        return False
    return not LineState.objects.filter(line=line, up=False).exists()
