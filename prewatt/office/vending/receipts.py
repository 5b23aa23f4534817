"""Receipts (收据, 非发票): what is printed is frozen when the act is done, and only the print counter grows."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F

from prewatt.core.units import currency
from prewatt.core.words import amount_in_words
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.audit import audit
from prewatt.office.staff.roles import Act
from prewatt.office.vending.models import Receipt
from prewatt.office.vending.quotes import Facts, Quote


def sale_data(
    quote: Quote, *, contract_number: str, tender: str, reference: str, actor_name: str, at: datetime
) -> dict[str, Any]:
    """What a sale's receipt prints. `vending_sell` adds receipt_number, sale_number and purchase_count."""
    return {
        **party(quote.facts, contract_number),
        **money(quote.facts, quote.amount_minor),
        "kind": "sale",
        "tender": tender,
        "reference": reference,
        "price": str(quote.price),
        "plan": quote.facts.plan_name,
        "credit": quote.credit,
        "credit_unit": quote.facts.credit_unit,
        "carrier": quote.facts.carrier,
        "balance_before": quote.balance,
        "balance_before_at": quote.balance_at.isoformat() if quote.balance_at else None,
        "repaid_past_zero": quote.repaid_past_zero,
        "repaid_overdraft": quote.repaid_overdraft,
        "added": quote.added,
        "cashier": actor_name,
        "at": at.isoformat(),
    }


def party(facts: Facts, contract_number: str) -> dict[str, Any]:
    """Who and where: 户号, 户名, 房间, 表号."""
    return {
        "contract_number": contract_number,
        "customer": facts.customer_name,
        "room": facts.room,
        "meter_number": facts.meter_number,
        "custody": facts.custody,
        "circuit_index": facts.circuit_index,
        "site": facts.site_name,
        "timezone": facts.timezone,
    }


def money(facts: Facts, amount_minor: int) -> dict[str, Any]:
    """The amount in figures and in words (大写金额), in both languages."""
    unit = currency(facts.currency)
    return {
        "amount_minor": amount_minor,
        "currency": facts.currency,
        "amount_words_zh": amount_in_words(amount_minor, unit, "zh-hans"),
        "amount_words_en": amount_in_words(amount_minor, unit, "en"),
    }


def printed(receipt: Receipt, *, actor: Actor, at: datetime) -> int:
    """Count a print and give its number: 1 is the first print, more are reprints (补打), which leave a trail."""
    actor.require(Act.REPRINT)
    with transaction.atomic():
        Receipt.objects.filter(pk=receipt.pk).update(prints=F("prints") + 1)
        prints: int = Receipt.objects.values_list("prints", flat=True).get(pk=receipt.pk)
        if prints > 1:
            audit(
                at=at,
                actor=actor.key,
                action="vending.reprint",
                site_id=receipt.site_id,
                object_type="receipt",
                object_id=str(receipt.pk),
                after={"prints": prints},
            )
    return prints


def number_of(data: Mapping[str, Any]) -> str:
    """ "W1-000482", as frozen."""
    return str(data["receipt_number"])
