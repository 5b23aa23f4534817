"""Selling: quote in Python, then one SQL call that locks, checks again and writes everything."""

import hashlib
import json
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db import DatabaseError, transaction
from django.db.models import Q

from prewatt.core.refusals import Refused
from prewatt.core.units import MAX_AMOUNT_MINOR
from prewatt.office.ledger.call import call
from prewatt.office.payments.models import Tender
from prewatt.office.payments.tenders import check_tender
from prewatt.office.staff.actors import Actor
from prewatt.office.staff.roles import Act
from prewatt.office.vending import by_token
from prewatt.office.vending import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.vending.limits import DEFAULT_LARGEST_MINOR, DEFAULT_SMALLEST_MINOR, check_key
from prewatt.office.vending.models import Sale
from prewatt.office.vending.quotes import Quote, facts_of, judged, priced
from prewatt.office.vending.receipts import sale_data

logger = logging.getLogger(__name__)

# a quote grows stale when a price begins, the meter is read, or a shared balance moves: of twenty who sell to one
# balance at once each round lets one through
QUOTE_ATTEMPTS: Final = 20
RETRY_HELPS: Final = frozenset({"key_busy", "delivery_open", "quote_stale", "balance_unknown", "sts_meter_changed"})
# what changed between quote and lock: quoted anew, a refusal then has its numbers from the new quote
_LOOK_AGAIN: Final = frozenset({"quote_stale", "hoarding_limit", "sts_meter_changed"})
# made once: json.dumps makes an encoder for each call that is not plain
_canonical: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_RING: Final = "SELECT pg_notify('prewatt_jobs', %s), pg_notify('prewatt_live', %s)"
_SELL: Final = (
    "SELECT outcome, sale_id, params, ring_live FROM vending_sell(%s, %s, %s, %s, %s::smallint, "
    + ", ".join(["%s"] * 22)
    + ", %s::jsonb, false, %s)"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class SellCommand:
    """One sale as asked for. `key` was made by the caller before the first attempt."""

    key: str  # 1-64 printable ASCII characters
    contract_number: str
    circuit_id: int
    till_id: int
    amount_minor: int
    actor: Actor
    at: datetime
    tender: str = "cash"
    reference: str = ""  # of the POS slip, the merchant order, the bank transfer

    @property
    def request_key(self) -> str:
        return f"{self.actor.key}:{self.key}"

    @property
    def request_hash(self) -> str:
        """What makes two requests the same: everything but the time and the till."""
        return request_hash(
            [self.contract_number, self.circuit_id, self.amount_minor, self.tender, self.reference.strip()]
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Sold:
    """The id of the sale, and whether it stood already."""

    sale_id: int
    replayed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class SaleResult:
    sale: Sale
    replayed: bool


def request_hash(body: list[object]) -> str:
    """sha256 of the canonical body of a request."""
    return hashlib.sha256(_canonical(body).encode()).hexdigest()


def sell(command: SellCommand) -> SaleResult:
    """Sell once. The same key and body gives the first sale again.

    Raises Refused: `key_required`, `key_reused`, `key_busy`, `not_permitted`, `tender_unknown`,
    `reference_needed`, `amount_malformed_minor`, `amount_too_small`, `amount_above_limit`,
    `circuit_not_of_contract`, `contract_not_open`, `plan_missing`, `delivery_open`,
    `hoarding_limit`, `balance_unknown`, `till_unknown`, `shift_not_open`,
    `shift_not_yours`, `day_closed`, `storage_full`; by token also as `by_token.warnings` and `by_token.ask_for_sale`.
    """
    sold = sell_once(command)
    return SaleResult(sale=Sale.objects.get(pk=sold.sale_id), replayed=sold.replayed)


def sell_once(command: SellCommand) -> Sold:
    """`sell` without reading the row back: three statements in all, no ORM."""
    command.actor.require(Act.SELL)
    check_key(command.key)
    if not 0 < command.amount_minor <= MAX_AMOUNT_MINOR:
        raise Refused("amount_malformed_minor")
    paid_by = check_tender(command.tender, command.reference)
    for _ in range(QUOTE_ATTEMPTS):
        try:
            facts = facts_of(command.contract_number, command.circuit_id, command.at)
            if facts is None:
                raise Refused("circuit_not_of_contract")
            quoted = judged(priced(facts, command.amount_minor), command.at)
        except Refused:
            # what was sold once stays sold, whatever became of contract or plan since
            first = _replayed(command)
            if first is not None:
                by_token.go_on(Q(sale_id=first.sale_id), at=command.at)
                return first
            raise
        by_hand = facts.carrier == by_token.TOKEN
        outcome, sale_id, params = (_write_by_token if by_hand else _write)(command, quoted, *paid_by)
        if outcome in ("sold", "replayed"):
            return Sold(sale_id=sale_id, replayed=outcome == "replayed")
        if outcome not in _LOOK_AGAIN:
            break
    raise Refused(outcome, retry=outcome in RETRY_HELPS, **params)


def _write(command: SellCommand, quoted: Quote, tender: Tender, reference: str) -> tuple[str, int, dict[str, Any]]:
    receipt = sale_data(
        quoted,
        contract_number=command.contract_number,
        tender=tender.value,
        reference=reference,
        actor_name=command.actor.name,
        at=command.at,
    )
    parameters: list[object] = [
        command.request_key, command.request_hash, command.contract_number, command.circuit_id,
        quoted.facts.circuit_index, quoted.facts.currency, command.till_id, None, command.actor.operator_id,
        command.actor.key, command.actor.name, command.at, tender.value, reference, command.amount_minor,
        quoted.plan_version_id, quoted.price, quoted.credit, quoted.carried_before, quoted.carried_after,
        quoted.balance, quoted.balance_at, quoted.repaid_overdraft, quoted.repaid_past_zero, DEFAULT_SMALLEST_MINOR,
        DEFAULT_LARGEST_MINOR, quoted.facts.credit_account_id, _canonical(receipt), quoted.facts.carrier,
    ]  # fmt: skip
    row = call(_SELL, parameters)
    assert row is not None
    outcome, sale_id, params, live = row
    if outcome == "sold":
        if quoted.facts.carrier != by_token.TOKEN:
            _ring(str(quoted.facts.gateway_id), live)
        return outcome, sale_id, {}
    return outcome, sale_id, json.loads(params) if isinstance(params, str) else params


def _write_by_token(
    command: SellCommand, quoted: Quote, tender: Tender, reference: str
) -> tuple[str, int, dict[str, Any]]:
    """[T1] the sale and the request for its token, then the digits, [T2]; pages hear of it when it is confirmed."""
    meter_id = quoted.facts.meter_id
    by_token.ready(meter_id, at=command.at)
    try:
        with transaction.atomic():
            outcome, sale_id, params = _write(command, quoted, tender, reference)
            if outcome == "sold":
                by_token.ask_for_sale(sale_id, meter_id, quoted.credit, actor=command.actor.key, at=command.at)
    except Refused as refused:
        if refused.code not in _LOOK_AGAIN:
            raise
        return refused.code, 0, dict(refused.params)
    if outcome in ("sold", "replayed"):
        by_token.go_on(Q(sale_id=sale_id), at=command.at)
    return outcome, sale_id, params


def _ring(gateway: str, live: str) -> None:
    """Call head-end and pages. Lost, they look by themselves: what is sold must not be told as refused."""
    try:
        call(_RING, [gateway, live])
    except (DatabaseError, Refused):
        logger.warning("a sale is committed, its ring was lost", exc_info=True)


def _replayed(command: SellCommand) -> Sold | None:
    """The sale that this key made already. Raises Refused `key_reused`."""
    row = call("SELECT id, request_hash FROM vending_sale WHERE request_key = %s", [command.request_key])
    if row is None:
        return None
    if row[1] != command.request_hash:
        raise Refused("key_reused")
    return Sold(sale_id=row[0], replayed=True)
