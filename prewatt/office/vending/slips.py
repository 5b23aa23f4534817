"""Opening and closing slips: numbered like receipts, frozen like receipts."""

from datetime import datetime
from typing import Any

from prewatt.office.vending.models import Opening, Receipt, Till


def issue_slip(row: Opening, *, kind: Receipt.Kind, data: dict[str, Any], at: datetime) -> Receipt:
    """Take the till's next number and freeze what the slip prints, in the caller's transaction."""
    till = Till.objects.select_for_update().get(pk=row.till_id)
    number = till.next_receipt
    Till.objects.filter(pk=till.pk).update(next_receipt=number + 1)
    contract, circuit = row.contract, row.supply_point.circuit
    return Receipt.objects.create(
        site_id=row.site_id, till=till, number=number, kind=kind, contract=contract, at=at,
        data={
            "kind": kind.value,
            "receipt_number": f"{till.code}-{number:06d}",
            "contract_number": contract.number,
            "customer": contract.customer.name,
            "room": circuit.room.code if circuit.room else "",
            "meter_number": circuit.meter.number,
            "circuit_index": circuit.index,
            "site": contract.site.name,
            "timezone": contract.site.timezone,
            "credit_unit": row.supply_point.credit_unit,
            "currency": contract.site.company.currency,
            "cashier": row.actor_name,
            "at": at.isoformat(),
            **data,
        },
    )  # fmt: skip
