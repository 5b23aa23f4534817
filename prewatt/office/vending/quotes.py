"""What an amount buys at a circuit now: one read, then arithmetic.

Shown before paying and computed again by the sale, which sends the result to `vending_sell`; the
database re-checks under the lock what the quote was made from (price version, carried amount).
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from prewatt.core.meters import catalogue
from prewatt.core.refusals import Refused
from prewatt.core.units import MAX_AMOUNT_MINOR, energy_for_amount
from prewatt.office.ledger.call import call
from prewatt.office.vending import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.vending.limits import DEFAULT_LARGEST_MINOR, DEFAULT_SMALLEST_MINOR


class Facts(NamedTuple):
    """One row of the SQL function `vending_facts`, in its order."""

    site_id: int
    company_id: int
    site_code: str
    site_name: str
    timezone: str
    local_day: date
    currency: str
    exponent: int
    contract_id: int
    contract_state: str
    customer_name: str
    room: str
    meter_number: str
    profile: str
    circuit_index: int
    supply_point_id: int
    supply_state: str
    custody: str
    prepaid: bool
    credit_unit: str
    overdraft: int
    hoarding_limit: int
    plan_version_id: int | None
    price: Decimal | None
    plan_name: str | None
    purchase_count: int | None
    carried_minor: Decimal | None
    balance: int | None
    balance_at: datetime | None
    use_past_zero: int | None
    smallest_minor: int | None
    largest_minor: int | None
    open_delivery_id: int | None
    gateway_id: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Quote:
    """What is paid, what of it repays, what is added. Credit in `facts.credit_unit`."""

    facts: Facts
    amount_minor: int
    plan_version_id: int
    price: Decimal
    credit: int  # what the order will carry
    repaid_past_zero: int  # of the credit: use past zero (过零电量)
    repaid_overdraft: int  # of the credit: permitted overdraft
    carried_before: Decimal
    carried_after: Decimal
    balance: int | None  # as read
    balance_at: datetime | None

    @property
    def added(self) -> int:
        return self.credit - self.repaid_past_zero - self.repaid_overdraft

    @property
    def balance_after(self) -> int | None:
        return None if self.balance is None else self.balance + self.credit


def facts_of(contract_number: str, circuit_id: int, at: datetime) -> Facts | None:
    """None: there is no such contract, or the circuit is not supplied under it at that time."""
    row = call("SELECT * FROM vending_facts(%s, %s, %s)", [contract_number, circuit_id, at])
    return None if row is None else Facts._make(row)


def compute(facts: Facts, amount_minor: int) -> Quote:
    """The numbers alone; limits and states are not looked at here.

    Raises Refused `custody_not_supported`, `contract_not_open`, `plan_missing`, `plan_needs_money_purse`,
    `profile_unknown`, `amount_too_small` (all of it is taken by what was carried).
    """
    if facts.custody != "meter":
        raise Refused("custody_not_supported")
    if facts.purchase_count is None or facts.carried_minor is None:
        raise Refused("contract_not_open")
    if facts.plan_version_id is None or facts.price is None:
        raise Refused("plan_missing")
    carried_before = carried_after = facts.carried_minor
    if facts.credit_unit == "Wh":
        profile = catalogue().get(facts.profile)
        if profile is None:
            raise Refused("profile_unknown", profile=facts.profile)
        bought = energy_for_amount(
            amount_minor,
            price=facts.price,
            exponent=facts.exponent,
            resolution_wh=profile.resolution,
            carried_amount_minor=carried_before,
        )
        credit, carried_after = bought.energy_wh, bought.carried_amount_minor
    elif facts.credit_unit == facts.currency:
        credit = amount_minor  # a purse in money takes the money itself
    else:
        raise Refused("plan_needs_money_purse")
    if credit <= 0:
        raise Refused("amount_too_small", smallest_minor=facts.smallest_minor or DEFAULT_SMALLEST_MINOR)
    past_zero, overdraft = repaid(facts, credit)
    return Quote(
        facts=facts,
        amount_minor=amount_minor,
        plan_version_id=facts.plan_version_id,
        price=facts.price,
        credit=credit,
        repaid_past_zero=past_zero,
        repaid_overdraft=overdraft,
        carried_before=carried_before,
        carried_after=carried_after,
        balance=facts.balance,
        balance_at=facts.balance_at if facts.balance is not None else None,
    )


def repaid(facts: Facts, credit: int) -> tuple[int, int]:
    """(use past zero, permitted overdraft) that a credit repays, in this order.

    A balance below zero is debt; what the meter counted below the permitted overdraft, or what lies
    below it by arithmetic where the meter does not say, is use past zero.
    """
    debt = max(0, -(facts.balance or 0))
    beyond = facts.use_past_zero if facts.use_past_zero is not None else debt - facts.overdraft
    past_zero = min(debt, max(0, beyond))
    first = min(credit, past_zero)
    return first, min(credit - first, debt - past_zero)


def check_amount(facts: Facts, amount_minor: int) -> None:
    """Raises Refused `amount_malformed_minor`, `amount_too_small`, `amount_above_limit`."""
    smallest = facts.smallest_minor or DEFAULT_SMALLEST_MINOR
    largest = facts.largest_minor or DEFAULT_LARGEST_MINOR
    if not 0 < amount_minor <= MAX_AMOUNT_MINOR:
        raise Refused("amount_malformed_minor")
    if amount_minor < smallest:
        raise Refused("amount_too_small", smallest_minor=smallest)
    if amount_minor > largest:
        raise Refused("amount_above_limit", largest_minor=largest)


def quote(contract_number: str, circuit_id: int, amount_minor: int, at: datetime) -> Quote:
    """What the sell page shows before paying; refused exactly where the sale would be.

    Raises Refused as `compute` and `check_amount`, and `circuit_not_of_contract`, `contract_not_open`,
    `delivery_open`, `hoarding_limit`, `balance_unknown`.
    """
    facts = facts_of(contract_number, circuit_id, at)
    if facts is None:
        raise Refused("circuit_not_of_contract")
    if facts.custody != "meter":
        raise Refused("custody_not_supported")
    if facts.contract_state != "open" or facts.supply_state != "open":
        raise Refused("contract_not_open")
    check_amount(facts, amount_minor)
    made = compute(facts, amount_minor)
    if facts.open_delivery_id is not None:
        raise Refused("delivery_open", retry=True)
    if facts.hoarding_limit > 0:
        if facts.balance is None:
            raise Refused("balance_unknown", retry=True)
        if facts.balance + made.credit > facts.hoarding_limit:
            raise Refused("hoarding_limit", balance=facts.balance, credit=made.credit, limit=facts.hoarding_limit)
    return made
