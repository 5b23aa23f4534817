"""What goes over the wire. Amounts are integers of the currency's minor unit, ids strings, times ISO 8601 UTC."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

from ninja import Schema
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PlainSerializer, StrictInt

MAX_INT = 2**53 - 1  # what every JSON reader holds exactly


def _utc(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _written_out(given: object) -> object:
    """A number would pass for seconds since 1970, a bare date for its midnight: neither was said."""
    if given is not None and not (isinstance(given, str) and "T" in given.upper()):
        raise ValueError("a time like 2026-11-20T08:50:00Z is needed")
    return given


def _to_utc(given: datetime) -> datetime:
    """Times are UTC; one that says no zone is taken at its word. Raises ValueError off the calendar's ends."""
    try:
        return given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)
    except OverflowError:
        raise ValueError("this time lies outside the calendar") from None


NO_NUL: Final = r"^[^\x00]*$"  # the one character that no text of the database can hold
Instant = Annotated[datetime, PlainSerializer(_utc, return_type=str)]
InstantIn = Annotated[datetime, BeforeValidator(_written_out), AfterValidator(_to_utc)]
Reason = Annotated[str, Field(max_length=255, pattern=NO_NUL)]


class ErrorBody(Schema):
    code: str
    message: str
    retry: bool


class Error(Schema):
    error: ErrorBody


class CircuitOut(Schema):
    id: str
    meter_number: str
    circuit_index: int
    room: str | None
    contract_number: str | None
    profile: str
    custody: Literal["meter", "server"]
    credit_unit: str
    balance: int | None
    purchase_count: int | None
    energy_wh: int | None
    power_w: int | None
    relay: Literal["open", "closed", "unknown"]
    wish: Literal["automatic", "keep_on", "trip"]
    state: Literal["normal", "alarm_1", "alarm_2", "arrears", "not_opened", "offline"]
    read_at: Instant | None


class CircuitPage(Schema):
    items: list[CircuitOut]
    next: str | None


class ReadingOut(Schema):
    """One reading; null where the meter said nothing. `good`: it may be billed."""

    at: Instant
    energy_wh: int | None
    power_w: int | None
    balance: int | None  # in the circuit's credit unit
    purchase_count: int | None
    relay: Literal["open", "closed", "unknown"]
    source: Literal["poll", "command", "read_now", "freeze", "history", "stated"]
    good: bool
    mark: Literal["good", "backward", "jump", "repeated", "clock_off", "rollover", "frozen", "gap", "gap_filled"]


class ReadingPage(Schema):
    items: list[ReadingOut]
    next: str | None


class CustomerOut(Schema):
    id: str
    name: str
    phone: str
    customer_class: str
    contract_numbers: list[str]


class CustomerPage(Schema):
    items: list[CustomerOut]
    next: str | None


class ContractOut(Schema):
    number: str
    customer_id: str
    state: Literal["opening", "open", "closing", "closed"]
    circuit_ids: list[str]


class ContractPage(Schema):
    items: list[ContractOut]
    next: str | None


class _Strict(Schema):
    model_config = ConfigDict(extra="forbid")


class SaleIn(_Strict):
    contract_number: Annotated[str, Field(max_length=20, pattern=NO_NUL)]
    circuit_id: Annotated[str, Field(max_length=20)]
    amount_minor: Annotated[StrictInt, Field(ge=-MAX_INT, le=MAX_INT)]
    tender: Literal["cash"] = "cash"


class StepOut(Schema):
    state: str
    at: Instant
    code: str | None = None


class DeliveryOut(Schema):
    state: Literal["waiting", "sent", "confirmed", "refused", "unknown", "disputed"]
    expected_count: int
    read_count: int | None
    steps: list[StepOut]
    next_try_at: Instant | None


class SaleOut(Schema):
    id: str
    number: str
    state: Literal["sold", "reversed"]
    amount_minor: int
    currency: str
    credit: int
    credit_unit: str
    circuit_id: str
    delivery: DeliveryOut


class TokenSaleOut(SaleOut):
    """A sale whose credit travels as digits: what the customer types in, in this order; empty while they follow."""

    tokens: list[Annotated[str, Field(pattern=r"^[0-9]{20}$")]]  # key-change sets first, then the credit


AnySaleOut = TokenSaleOut | SaleOut


def sale_out(view: Mapping[str, Any]) -> AnySaleOut:
    """SALE; `tokens` is there only where credit comes as tokens."""
    return (TokenSaleOut if "tokens" in view else SaleOut).model_validate(view)


class WarningOut(Schema):
    code: str
    message: str


class QuoteOut(Schema):
    """What an amount buys now. `credit` is what the meter will get, or the balance; the repaid parts are of it."""

    contract_number: str
    circuit_id: str
    amount_minor: int
    currency: str
    price: str  # per kWh, in the major unit
    credit: int
    credit_unit: str
    repaid: int
    balance: int | None  # as read last, or as the books hold it
    balance_at: Instant | None
    carrier: Literal["network", "token", "card"]  # how the credit reaches a meter that holds it
    warnings: list[WarningOut]  # what the customer should hear before he pays


class SupplyOut(Schema):
    """What became of the supply after a server-held sale. Each instant is null until it was seen."""

    wish: Literal["automatic", "keep_on", "trip"]
    decided: Literal["closed", "open"] | None
    wished_at: Instant | None
    switched_at: Instant | None
    load_observed_at: Instant | None
    relay: Literal["open", "closed", "unknown"]
    read_at: Instant | None


class ReversalIn(_Strict):
    reason: Reason


class RelayIn(_Strict):
    wish: Literal["automatic", "keep_on", "trip"]
    reason: Reason
    until: InstantIn | None = None


class RelayOut(Schema):
    circuit_id: str
    wish: Literal["automatic", "keep_on", "trip"]
    until: Instant | None


class BooksOut(Schema):
    currency: str
    debit_minor: int
    credit_minor: int
    cash_minor: int
    in_delivery_minor: int
    deferred_income_minor: int


class StatementLineOut(Schema):
    circuit_id: str
    begins: Annotated[Instant, Field(alias="from")]
    ends: Annotated[Instant, Field(alias="to")]  # exclusive
    energy_wh: int
    price: str  # per kWh, in the major unit
    amount_minor: int


class StatementOut(Schema):
    opening_minor: int
    paid_minor: int
    returned_minor: int
    used_minor: int
    closing_minor: int
    lines: list[StatementLineOut]
