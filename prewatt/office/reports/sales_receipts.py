"""Receipts as an operator may see them."""

from dataclasses import dataclass
from datetime import datetime

from prewatt.office.estate.models import Circuit, Contract, Site
from prewatt.office.estate.scope import visible_to
from prewatt.office.staff.models import Operator
from prewatt.office.vending.models import Delivery, DeliveryState, Receipt


@dataclass(frozen=True, kw_only=True)
class ReceiptFull:
    """A receipt with what stands beside its frozen data when it is printed."""

    receipt: Receipt
    company: str
    site: str
    timezone: str
    till: str
    delivery: DeliveryState | None  # of the sale, as it is now
    settled_at: datetime | None
    sale_number: str
    delivery_row: Delivery | None = None


def receipt_full(operator: Operator, receipt_id: int) -> ReceiptFull | None:
    """None: there is no such receipt for him."""
    receipt = Receipt.objects.select_related("till", "sale", "act").filter(pk=receipt_id).first()
    if receipt is None or not _visible(operator, receipt):
        return None
    site = Site.objects.select_related("company").get(pk=receipt.site_id)
    delivery = Delivery.objects.filter(sale_id=receipt.sale_id).first() if receipt.sale_id else None
    return ReceiptFull(
        receipt=receipt, company=site.company.name, site=site.name, timezone=site.timezone, till=receipt.till.name,
        delivery=DeliveryState(delivery.state) if delivery else None,
        settled_at=delivery.settled_at if delivery else None,
        sale_number=receipt.sale.number if receipt.sale else "", delivery_row=delivery,
    )  # fmt: skip


def _visible(operator: Operator, receipt: Receipt) -> bool:
    """By its circuit where it has one, else by its contract."""
    circuit_id = receipt.sale.circuit_id if receipt.sale else receipt.act.circuit_id if receipt.act else None
    if circuit_id is not None:
        return visible_to(operator, Circuit).filter(pk=circuit_id).exists()
    return receipt.contract_id is not None and visible_to(operator, Contract).filter(pk=receipt.contract_id).exists()
