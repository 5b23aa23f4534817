"""What an amount buys at a circuit now: one read, then the rules of `core.tariffs.quote`.

Shown before paying and computed again by the sale, which sends the result to `vending_sell`; the
database re-checks under the lock what the quote was made from (price version, carried amount).
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from prewatt.core.refusals import Refused
from prewatt.core.tariffs.quote import RETRY_HELPS, Purse, QuoteRefusal, SaleLimits, SaleQuote, Terms, most_amount
from prewatt.core.tariffs.quote import quote as quote_terms
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.ledger.call import call
from prewatt.office.vending import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.vending.by_token import TOKEN, SaleWarning, warnings
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
    open_credit: int  # what that delivery may still add
    gateway_id: int | None  # None: the meter is never online
    credit_account_id: int | None  # server-held only: `balance` is what stands on it, purchase_count is our own
    carrier: str  # estate.Carrier
    meter_id: int
    handed_out: int  # by token: credit given out since the balance was read; `balance` None when that is long ago


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
    warnings: tuple[SaleWarning, ...] = ()  # by token: what the customer should hear before he pays

    @property
    def added(self) -> int:
        return self.credit - self.repaid_past_zero - self.repaid_overdraft

    @property
    def balance_after(self) -> int | None:
        """By token nobody knows: what was used since, and which tokens were entered."""
        known = self.balance is not None and self.facts.carrier != TOKEN
        return self.balance + self.credit if known and self.balance is not None else None


def facts_of(contract_number: str, circuit_id: int, at: datetime) -> Facts | None:
    """None: there is no such contract, or the circuit is not supplied under it at that time."""
    row = call("SELECT * FROM vending_facts(%s, %s, %s)", [contract_number, circuit_id, at])
    return None if row is None else Facts._make(row)


def terms_of(facts: Facts) -> Terms:
    """What is known before an amount is named. Raises Refused `plan_needs_money_purse`, `profile_unknown`."""
    return Terms(
        purse=_purse(facts),
        price=facts.price if facts.plan_version_id is not None else None,
        exponent=facts.exponent,
        limits=SaleLimits(
            least_minor=facts.smallest_minor or DEFAULT_SMALLEST_MINOR,
            most_minor=facts.largest_minor or DEFAULT_LARGEST_MINOR,
        ),
        carried_amount_minor=facts.carried_minor or Decimal(0),
        contract_open=_open(facts),
        delivery_open=facts.open_delivery_id is not None,
    )


def _open(facts: Facts) -> bool:
    """Whether credit can be given. The books take it also before the opening reading, which they wait for."""
    if facts.credit_account_id is not None:
        return {facts.contract_state, facts.supply_state} <= {"opening", "open"}
    meter_held = facts.custody == "meter" and facts.purchase_count is not None
    return meter_held and facts.contract_state == facts.supply_state == "open"


def _purse(facts: Facts) -> Purse:
    if facts.credit_account_id is not None:
        return Purse(
            balance=facts.balance, overdraft_limit=facts.overdraft, hoarding_limit=facts.hoarding_limit, resolution=1,
            holds_money=True,
        )  # fmt: skip
    if facts.carrier == TOKEN:
        # as if nothing had been used since the register was read; a limit is not judged where nobody knows
        known = None if facts.balance is None else facts.balance + facts.handed_out
        return Purse(
            balance=known, overdraft_limit=facts.overdraft, use_past_zero=facts.use_past_zero, by_token=True,
            hoarding_limit=facts.hoarding_limit if known is not None else 0, open_credit=facts.open_credit,
        )  # fmt: skip
    if facts.credit_unit not in ("Wh", facts.currency):
        raise Refused("plan_needs_money_purse")
    profile = all_profiles().get(facts.profile)
    if profile is None:
        raise Refused("profile_unknown", profile=facts.profile)
    return Purse(
        balance=facts.balance,
        overdraft_limit=facts.overdraft,
        use_past_zero=facts.use_past_zero,
        hoarding_limit=facts.hoarding_limit,
        open_credit=facts.open_credit,
        resolution=profile.resolution,
        holds_money=facts.credit_unit != "Wh",
    )


def priced(facts: Facts, amount_minor: int) -> Quote:
    """The quote, or the first refusal of `QuoteRefusal` that holds; and those of `terms_of`, by token
    `token_amount_too_large`."""
    terms = terms_of(facts)
    made = quote_terms(amount_minor, terms)
    if made.refusal is not None:
        raise _refused(made.refusal, made, terms)
    assert facts.plan_version_id is not None and facts.price is not None, facts
    return Quote(
        facts=facts,
        amount_minor=amount_minor,
        plan_version_id=facts.plan_version_id,
        price=facts.price,
        credit=made.credit,
        repaid_past_zero=made.split.repaid_past_zero,
        repaid_overdraft=made.split.repaid_overdraft,
        carried_before=terms.carried_amount_minor,
        carried_after=made.carried_amount_minor,
        balance=facts.balance,
        balance_at=facts.balance_at if facts.balance is not None else None,
    )


def _refused(refusal: QuoteRefusal, made: SaleQuote, terms: Terms) -> Refused:
    params: dict[str, object] = {}
    if refusal is QuoteRefusal.AMOUNT_TOO_SMALL:
        params = {"smallest_minor": terms.limits.least_minor}
    elif refusal is QuoteRefusal.AMOUNT_ABOVE_LIMIT:
        params = {"largest_minor": terms.limits.most_minor}
    elif refusal is QuoteRefusal.HOARDING_LIMIT:
        params = {
            "balance": terms.purse.balance, "credit": made.credit, "limit": terms.purse.hoarding_limit,
            "most_minor": most_amount(terms),
        }  # fmt: skip
    return Refused(refusal.value, retry=refusal in RETRY_HELPS, **params)


def most_now(facts: Facts) -> int | None:
    """The most that can be sold now, minor units; None where no hoarding limit, balance or price bounds it."""
    if facts.hoarding_limit <= 0 or facts.balance is None or facts.price is None:
        return None
    return most_amount(terms_of(facts))


def quote(contract_number: str, circuit_id: int, amount_minor: int, at: datetime) -> Quote:
    """What the sell page shows before paying; refused exactly where the sale would be.

    Raises Refused as `priced`, by token also as `by_token.warnings`, and `circuit_not_of_contract`.
    """
    facts = facts_of(contract_number, circuit_id, at)
    if facts is None:
        raise Refused("circuit_not_of_contract")
    return judged(priced(facts, amount_minor), at)


def judged(made: Quote, at: datetime) -> Quote:
    """A quote by token with its warnings, refused where there would be no token; any other as it is."""
    facts = made.facts
    if facts.carrier != TOKEN:
        return made
    said = warnings(facts.meter_id, made.credit, limit=facts.hoarding_limit, balance=facts.balance, at=at)
    return replace(made, warnings=said)
