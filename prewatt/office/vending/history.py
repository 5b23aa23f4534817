"""The past in bulk: many sales and returns with their times, through the SQL functions that sell.

For the demo site, and for a site that changes over to us with its books. Loading the same rows again
changes nothing: each has its key.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from django.db import connection, transaction

from prewatt.core.refusals import Refused, Text, register
from prewatt.core.units import Rounding
from prewatt.office.ledger.call import call
from prewatt.office.payments.tenders import check_tender
from prewatt.office.staff.actors import Actor
from prewatt.office.vending import by_token
from prewatt.office.vending.deliveries import settle
from prewatt.office.vending.limits import DEFAULT_LARGEST_MINOR, DEFAULT_SMALLEST_MINOR
from prewatt.office.vending.models import Delivery
from prewatt.office.vending.quotes import Facts, priced
from prewatt.office.vending.receipts import money, party, sale_data
from prewatt.office.vending.returns import worth
from prewatt.office.vending.sales import request_hash

if TYPE_CHECKING:
    from prewatt.office.tokens.rack import Rack

BATCH: Final = 500  # rows per SQL call: a megabyte of JSON

register(
    {
        "history_refused": Text(
            en="The past could not be loaded: {key} was refused ({why}). Nothing was loaded.",
            zh="历史数据无法导入：{key} 被拒绝（{why}）。什么都没有导入。",
        ),
        "history_not_in_order": Text(
            en="The past must be loaded in the order of time, and a delivery ends after its sale. Nothing was loaded.",
            zh="历史数据必须按时间先后导入，且下发完成不早于售电。什么都没有导入。",
        ),
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PastSale:
    """A sale of the past whose credit arrived. `balance` is what the meter held before it; None: by token, nobody
    knew."""

    key: str
    contract_number: str
    circuit_id: int
    till_id: int
    shift_id: int | None
    actor: Actor
    at: datetime
    amount_minor: int
    balance: int | None
    confirmed_at: datetime
    tender: str = "cash"
    reference: str = ""
    unknown_at: datetime | None = None  # the reply was lost; the witness resolved it later


@dataclass(frozen=True, kw_only=True, slots=True)
class PastReturn:
    """A return of the past: credit taken out of the meter, then paid back in cash."""

    key: str
    contract_number: str
    circuit_id: int
    till_id: int
    shift_id: int | None
    actor: Actor
    at: datetime
    credit: int
    balance: int
    confirmed_at: datetime
    refunded_at: datetime
    reason: str


def load(rows: Sequence[PastSale | PastReturn], *, rack: "Rack | None" = None) -> int:
    """Load them all, or none; how many were new. Rows stand in the order of time; `rack` makes the tokens of those by
    token.

    Raises Refused `history_not_in_order`, and `history_refused` with the key and why; by token as
    `by_token.ask_for_sale` and the vault.
    """
    _check_order(rows)
    carried: dict[int, Decimal] = {}
    with transaction.atomic():
        return sum(_load_batch(batch, carried, rack) for batch in _batches(rows))


def _check_order(rows: Sequence[PastSale | PastReturn]) -> None:
    before: datetime | None = None
    for row in rows:
        if row.confirmed_at < row.at or (before is not None and row.at < before):
            raise Refused("history_not_in_order")
        before = row.at


def _batches(rows: Sequence[PastSale | PastReturn]) -> Iterator[list[PastSale | PastReturn]]:
    """Runs of one kind, at most BATCH long, so that the order of time is kept. A sale by token stands alone: its digits
    confirm it before the next."""
    batch: list[PastSale | PastReturn] = []
    for row in rows:
        alone = batch and (row.balance is None or batch[-1].balance is None)
        if batch and (alone or len(batch) == BATCH or type(batch[-1]) is not type(row)):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _load_batch(batch: list[PastSale | PastReturn], carried: dict[int, Decimal], rack: "Rack | None") -> int:
    facts = _facts_of(batch)
    sales = [_sale(row, each, carried) for row, each in zip(batch, facts, strict=True) if isinstance(row, PastSale)]
    if sales:
        row = call(
            "SELECT vending_load_sales(%s::jsonb, %s, %s)",
            [json.dumps(sales, ensure_ascii=False), DEFAULT_SMALLEST_MINOR, DEFAULT_LARGEST_MINOR],
        )
    else:
        returns = [_return(row, each) for row, each in zip(batch, facts, strict=True) if isinstance(row, PastReturn)]
        row = call("SELECT vending_load_returns(%s::jsonb)", [json.dumps(returns, ensure_ascii=False)])
    assert row is not None
    first = batch[0]
    if row[0] and isinstance(first, PastSale) and facts[0].carrier == by_token.TOKEN:
        _hand_out(first, sales[0], facts[0].meter_id, rack)
    return int(row[0])


def _hand_out(row: PastSale, loaded: dict[str, Any], meter_id: int, rack: "Rack | None") -> None:
    """The token of a sale of the past, and its delivery confirmed by the digits."""
    from prewatt.office.tokens.history import make

    if rack is None:
        raise Refused("history_refused", key=loaded["key"], why="vault_closed")
    delivery_id, sale_id = Delivery.objects.values_list("pk", "sale_id").get(sale__request_key=loaded["key"])
    assert sale_id is not None, "it was asked for by its sale"
    request_id = by_token.ask_for_sale(sale_id, meter_id, loaded["credit"], actor=row.actor.key, at=row.at)
    make(request_id, rack=rack, at=row.confirmed_at)
    settle(delivery_id, at=row.confirmed_at)


def _facts_of(batch: Sequence[PastSale | PastReturn]) -> list[Facts]:
    """What `quotes.facts_of` says of each row, by one statement. Raises Refused `circuit_not_of_contract`."""
    wanted = [
        {"n": n, "contract": row.contract_number, "circuit": row.circuit_id, "at": row.at.isoformat()}
        for n, row in enumerate(batch)
    ]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT f.* FROM jsonb_to_recordset(%s::jsonb) AS r (n int, contract text, circuit bigint, at timestamptz)"
            " CROSS JOIN LATERAL vending_facts(r.contract, r.circuit, r.at) f ORDER BY r.n",
            [json.dumps(wanted)],
        )
        found = [Facts._make(row) for row in cursor.fetchall()]
    if len(found) != len(batch):
        raise Refused("circuit_not_of_contract")
    return found


def _sale(row: PastSale, facts: Facts, carried: dict[int, Decimal]) -> dict[str, Any]:
    tender, reference = check_tender(row.tender, row.reference)
    before = carried.get(row.circuit_id, facts.carried_minor or Decimal(0))
    # the contract as it stood then: open, and within whatever limit it had
    then = facts._replace(
        balance=row.balance, balance_at=row.at, use_past_zero=None, carried_minor=before, contract_state="open",
        supply_state="open", hoarding_limit=0, open_delivery_id=None,
    )  # fmt: skip
    key = f"{row.actor.key}:{row.key}"
    try:
        quoted = priced(then, row.amount_minor)
    except Refused as refused:
        raise Refused("history_refused", key=key, why=refused.code) from refused
    carried[row.circuit_id] = quoted.carried_after
    receipt = sale_data(
        quoted,
        contract_number=row.contract_number,
        tender=tender.value,
        reference=reference,
        actor_name=row.actor.name,
        at=row.at,
    )
    return {
        "key": key,
        "hash": request_hash([row.contract_number, row.circuit_id, row.amount_minor, tender.value, reference]),
        "contract": row.contract_number, "circuit": row.circuit_id, "index": facts.circuit_index,
        "currency": facts.currency, "till": row.till_id, "shift": row.shift_id,
        "actor": row.actor.key, "actor_name": row.actor.name, "at": row.at.isoformat(), "tender": tender.value,
        "reference": reference, "amount": row.amount_minor, "plan_version": quoted.plan_version_id,
        "price": str(quoted.price), "credit": quoted.credit, "carried_before": str(quoted.carried_before),
        "carried_after": str(quoted.carried_after), "balance": row.balance,
        "repaid_overdraft": quoted.repaid_overdraft, "repaid_past_zero": quoted.repaid_past_zero,
        "account": facts.credit_account_id, "receipt": receipt, "carrier": facts.carrier,
        "unknown_at": row.unknown_at.isoformat() if row.unknown_at else None,
        "confirmed_at": row.confirmed_at.isoformat(),
    }  # fmt: skip


def _return(row: PastReturn, facts: Facts) -> dict[str, Any]:
    value = worth(facts, row.credit, Rounding.DOWN)
    receipt = {
        **party(facts, row.contract_number), **money(facts, value), "kind": "refund", "tender": "cash", "reference": "",
        "credit": row.credit, "credit_unit": facts.credit_unit, "price": str(facts.price),
        "balance_before": row.balance, "reason": row.reason, "cashier": row.actor.name,
        "at": row.refunded_at.isoformat(),
    }  # fmt: skip
    return {
        "key": f"{row.actor.key}:{row.key}",
        "hash": request_hash([row.contract_number, row.circuit_id, row.credit]),
        "contract": row.contract_number, "circuit": row.circuit_id, "till": row.till_id, "shift": row.shift_id,
        "actor": row.actor.key, "at": row.at.isoformat(), "credit": row.credit, "value": value,
        "balance": row.balance, "reason": row.reason, "confirmed_at": row.confirmed_at.isoformat(),
        "refunded_at": row.refunded_at.isoformat(), "receipt": receipt,
    }  # fmt: skip
