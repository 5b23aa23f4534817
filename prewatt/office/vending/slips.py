"""Opening and closing slips: numbered like receipts, frozen like receipts."""

import json
from datetime import datetime
from typing import Any

from prewatt.office.ledger.call import call
from prewatt.office.vending.models import Opening, Receipt


def issue_slip(row: Opening, *, kind: Receipt.Kind, data: dict[str, Any], at: datetime) -> None:
    """Take the till's next number and freeze what the slip prints, in the caller's transaction, as its last act."""
    contract, circuit = row.contract, row.supply_point.circuit
    printed = {
        "kind": kind.value,
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
    }
    call(
        "SELECT vending_receipt_add(%s, %s, %s, NULL, NULL, %s, %s::jsonb, %s)",
        [row.site_id, row.till_id, kind.value, contract.pk, json.dumps(printed, ensure_ascii=False), at],
    )
