"""Return (退电) takes credit out of the meter, confirmed; refund (退费) pays the money, afterwards."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from prewatt.core.meters.jobs import OrderKind
from prewatt.core.refusals import Refused
from prewatt.core.tariffs.quote import TENTH_WH
from prewatt.core.units import Rounding, amount_for_energy
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.payments.tenders import check_tender
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.roles import Act
from prewatt.office.vending.acts import ActResult, check_reason, keyed, run
from prewatt.office.vending.by_token import TOKEN
from prewatt.office.vending.models import Act as ActRow
from prewatt.office.vending.models import Delivery, Sale
from prewatt.office.vending.quotes import Facts, facts_of
from prewatt.office.vending.receipts import money, party


def worth(facts: Facts, credit: int, rounding: Rounding) -> int:
    """What a credit is worth at the price in force, minor units. Raises Refused `plan_missing`, `credit_malformed`."""
    if facts.price is None:
        raise Refused("plan_missing")
    profile = all_profiles().get(facts.profile)
    resolution = profile.resolution if profile is not None and facts.credit_account_id is None else 1
    if facts.carrier == TOKEN:
        resolution = TENTH_WH
    if credit <= 0 or credit % resolution:
        raise Refused("credit_malformed", resolution=resolution)
    if facts.credit_unit != "Wh":
        return credit
    return amount_for_energy(credit, price=Decimal(facts.price), exponent=facts.exponent, rounding=rounding)


def check_returnable(facts: Facts) -> None:
    """Whether credit can be taken out again over the line; not all meters do that. Raises Refused
    `return_not_supported`."""
    profile = all_profiles().get(facts.profile)
    wired = facts.credit_account_id is None and facts.carrier != TOKEN
    if wired and profile is not None and profile.has_purse and not profile.carries(OrderKind.RETURN):
        raise Refused("return_not_supported")


def give_back(
    *, contract_number: str, circuit_id: int, credit: int, reason: str, actor: Actor, key: str, at: datetime
) -> ActResult:
    """Return some credit (退电): worth the price in force, rounded down. The money is payable once confirmed.

    Server-held, minor units off the balance in the books, at once. By token, what a clear-credit token took out of the
    meter: it has been entered, and the register showed so much; else `clear_credit_needed`.
    Raises Refused `not_permitted`, `circuit_not_of_contract`, `contract_not_open`, `delivery_open`,
    `credit_malformed`, `balance_unknown`, `return_above_balance`, `return_above_books`, `return_not_supported`.
    """
    actor.require(Act.RETURN_CREDIT)
    kept = check_reason(reason)
    facts = facts_of(contract_number, circuit_id, at)
    if facts is None:
        raise Refused("circuit_not_of_contract")
    check_returnable(facts)
    value = worth(facts, credit, Rounding.DOWN)
    head = keyed(actor, key, ["return", contract_number, circuit_id, credit, kept])
    return run("vending_return", [*head, contract_number, circuit_id, credit, value, None, kept, actor.key, at])


def give_back_sale(sale: Sale, *, reason: str, actor: Actor, key: str, at: datetime) -> ActResult:
    """Return the whole credit of a sale, for what was paid; then it can be refunded, or reversed in its shift.

    Raises Refused as `give_back`, and `sale_reversed`, `credit_not_in_meter`, `sale_returned`.
    """
    actor.require(Act.RETURN_CREDIT)
    kept = check_reason(reason)
    facts = facts_of(sale.contract.number, sale.circuit_id, at)
    if facts is not None:
        check_returnable(facts)
    head = keyed(actor, key, ["return_sale", sale.pk, kept])
    return run(
        "vending_return",
        [*head, sale.contract.number, sale.circuit_id, sale.credit, sale.amount_minor, sale.pk, kept, actor.key, at],
    )


def refund(
    delivery: Delivery,
    *,
    till_id: int,
    reason: str,
    actor: Actor,
    key: str,
    at: datetime,
    tender: str = "cash",
    reference: str = "",
) -> ActResult:
    """Pay back (退费) what a confirmed return made payable, or a sale that the meter refused. Never from unknown.

    Raises Refused `not_permitted`, `delivery_unknown`, `credit_in_meter`, `refund_not_due`, `sale_reversed`,
    `till_unknown`, `shift_not_open`, `shift_not_yours`, `drawer_short`, `day_closed`.
    """
    actor.require(Act.REFUND)
    kept = check_reason(reason)
    known, kept_reference = check_tender(tender, reference)
    data = _refund_data(delivery, known.value, kept_reference, kept, actor, at)
    return run(
        "vending_refund",
        [*keyed(actor, key, ["refund", delivery.pk, known.value, kept_reference]), delivery.pk, till_id,
         actor.operator_id, known.value, kept_reference, kept, actor.key, at, json.dumps(data, ensure_ascii=False)],
        casts=["jsonb"],
    )  # fmt: skip


def _refund_data(
    delivery: Delivery, tender: str, reference: str, reason: str, actor: Actor, at: datetime
) -> dict[str, Any]:
    number, facts = _facts_then(delivery, at)
    return {
        **(party(facts, number) if facts else {"contract_number": number}),
        **(money(facts, delivery.value_minor) if facts else {"amount_minor": delivery.value_minor}),
        "kind": "refund",
        "tender": tender,
        "reference": reference,
        "credit": delivery.amount,
        "credit_unit": facts.credit_unit if facts else "Wh",
        "price": str(facts.price) if facts else None,
        "balance_before": delivery.confirmed_values.get("balance"),
        "purchase_count": delivery.expected_count,
        "reason": reason,
        "cashier": actor.name,
        "at": at.isoformat(),
    }


def _facts_then(delivery: Delivery, at: datetime) -> tuple[str, Facts | None]:
    """Contract number and facts of the supply point as they were when the order was made."""
    if delivery.sale is not None:
        number = delivery.sale.contract.number
    else:
        act = ActRow.objects.filter(delivery=delivery, kind=ActRow.Kind.RETURN).first()
        number = str(act.evidence.get("contract", "")) if act is not None else ""
    return number, facts_of(number, delivery.circuit_id, at) or facts_of(
        number, delivery.circuit_id, delivery.created_at
    )
