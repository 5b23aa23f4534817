"""Sales: sell once, look, reverse."""

from typing import Annotated

from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_language_from_request
from ninja import Header, Query, Router, Status

from prewatt.core.refusals import Refused, message
from prewatt.core.units import format_price
from prewatt.office.estate.models import Circuit, Contract
from prewatt.office.estate.scope import visible_to
from prewatt.office.reports.supply_after import supply_after
from prewatt.office.staff.roles import Act
from prewatt.office.vending import quotes, read, reversals, sales
from prewatt.office.vending.models import Delivery, Sale
from prewatt.web.api import schemas
from prewatt.web.api.door import Caller, caller
from prewatt.web.api.paging import number

router = Router(tags=["sales"])
Number = Annotated[str, Query(max_length=20, pattern=schemas.NO_NUL)]
Amount = Annotated[int, Query(ge=-schemas.MAX_INT, le=schemas.MAX_INT)]
ERRORS = {
    400: schemas.Error, 401: schemas.Error, 404: schemas.Error, 409: schemas.Error,
    422: schemas.Error, 503: schemas.Error,
}  # fmt: skip


def _visible_sale(who: Caller, sale_id: str) -> Sale:
    wanted = number(sale_id)
    found = Sale.objects.filter(pk=wanted).first() if wanted is not None else None
    if found is None or not visible_to(who.operator, Circuit).filter(pk=found.circuit_id).exists():
        raise Refused("sale_unknown")
    return found


def _supplied(who: Caller, contract_number: str, circuit_id: str) -> int:
    """The circuit's id. Raises Refused `contract_unknown`, `circuit_unknown`."""
    wanted = number(circuit_id)
    if "\0" in contract_number or not visible_to(who.operator, Contract).filter(number=contract_number).exists():
        raise Refused("contract_unknown")
    if wanted is None or not visible_to(who.operator, Circuit).filter(pk=wanted).exists():
        raise Refused("circuit_unknown")
    return wanted


@router.get("/quote", response={200: schemas.QuoteOut, **ERRORS})
def get_quote(
    request: HttpRequest, contract_number: Number, circuit_id: Number, amount_minor: Amount
) -> schemas.QuoteOut:
    """What an amount buys, and what to say before it is paid; refused where the sale would be. Writes nothing."""
    who = caller(request)
    who.actor.require(Act.SELL)
    wanted = _supplied(who, contract_number, circuit_id)
    made = quotes.quote(contract_number, wanted, amount_minor, who.at)
    language = get_language_from_request(request)
    return schemas.QuoteOut(
        contract_number=contract_number,
        circuit_id=str(wanted),
        amount_minor=amount_minor,
        currency=made.facts.currency,
        price=format_price(made.price.normalize()),
        credit=made.credit,
        credit_unit=made.facts.credit_unit,
        repaid=made.repaid_past_zero + made.repaid_overdraft,
        balance=made.balance,
        balance_at=made.balance_at,
        carrier=made.facts.carrier,  # type: ignore[arg-type]
        warnings=[
            schemas.WarningOut(code=each.code.value, message=message(each.code.value, language, each.params))
            for each in made.warnings
        ],
    )


@router.post("/sales", response={201: schemas.AnySaleOut, **ERRORS})
def sell(
    request: HttpRequest,
    response: HttpResponse,
    body: schemas.SaleIn,
    idempotency_key: Annotated[str, Header(alias="Idempotency-Key")] = "",
) -> Status[schemas.AnySaleOut]:
    """Sell electricity for cash on the key's own till. The same key and body gives the same sale again.

    Where credit comes as tokens, `tokens` has what the customer types in, in this order; empty, they follow: ask again.
    """
    who = caller(request)
    if not idempotency_key:
        raise Refused("key_required")
    circuit_id = _supplied(who, body.contract_number, body.circuit_id)
    if who.key.till_id is None:
        raise Refused("till_unknown")
    result = sales.sell(
        sales.SellCommand(
            key=idempotency_key,
            contract_number=body.contract_number,
            circuit_id=circuit_id,
            till_id=who.key.till_id,
            amount_minor=body.amount_minor,
            actor=who.actor,
            at=who.at,
            tender=body.tender,
        )
    )
    if result.replayed:
        response["Idempotent-Replayed"] = "true"
    return Status(201, schemas.sale_out(read.sale_view(result.sale)))


@router.get("/sales/{sale_id}", response={200: schemas.AnySaleOut, **ERRORS})
def get_sale(request: HttpRequest, sale_id: str) -> schemas.AnySaleOut:
    """One sale and where its credit is."""
    found = _visible_sale(caller(request), sale_id)
    return schemas.sale_out(read.sale_view(found))


@router.get("/sales/{sale_id}/supply", response={200: schemas.SupplyOut, **ERRORS})
def get_supply(request: HttpRequest, sale_id: str) -> schemas.SupplyOut:
    """The supply after a server-held sale: wished, switched, load observed. 409 where the meter holds the credit."""
    who = caller(request)
    found = _visible_sale(who, sale_id)
    after = supply_after(Delivery.objects.get(sale=found), at=who.at)
    if after is None:
        raise Refused("supply_by_meter")
    return schemas.SupplyOut(
        wish=after.wish,  # type: ignore[arg-type]
        decided=after.decided,  # type: ignore[arg-type]
        wished_at=after.decided_at,
        switched_at=after.switched_at,
        load_observed_at=after.load_at,
        relay={0: "open", 1: "closed"}.get(after.relay, "unknown"),  # type: ignore[arg-type]
        read_at=after.read_at,
    )


@router.post("/sales/{sale_id}/reversal", response={201: schemas.AnySaleOut, **ERRORS})
def reverse(request: HttpRequest, sale_id: str, body: schemas.ReversalIn) -> Status[schemas.AnySaleOut]:
    """Cancel a sale whose credit is not in the meter (冲正)."""
    who = caller(request)
    found = _visible_sale(who, sale_id)
    try:
        reversals.reverse(found, reason=body.reason, actor=who.actor, key=f"reversal:{found.pk}", at=who.at)
    except Refused as refused:
        if refused.code == "key_reused":  # reversed before, for another reason
            raise Refused("sale_reversed") from None
        raise
    found.refresh_from_db()
    return Status(201, schemas.sale_out(read.sale_view(found)))
