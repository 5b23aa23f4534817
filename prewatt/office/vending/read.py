"""Reading sales and deliveries: the shapes that API and pages show."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NotRequired, TypedDict

from prewatt.office.vending.by_token import slips_of
from prewatt.office.vending.models import Delivery, DeliveryState, DeliveryStep, Sale

API_STATES: Final = frozenset(state.value for state in DeliveryState)


class StepView(TypedDict):
    state: str
    at: str
    code: str | None


class DeliveryView(TypedDict):
    state: str
    expected_count: int
    read_count: int | None
    steps: list[StepView]
    next_try_at: str | None


class SaleView(TypedDict):
    """SALE of the public API: ids are strings, times ISO 8601 UTC, amounts integers."""

    id: str
    number: str
    state: str
    amount_minor: int
    currency: str
    credit: int
    credit_unit: str
    circuit_id: str
    tokens: NotRequired[list[str]]  # by token alone; 20 digits each, in the order of entering: key-change sets, credit
    delivery: DeliveryView


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that happened to a delivery, in order; `state` also load_observed, rewritten, settled_by_hand."""

    state: str
    at: datetime
    code: str
    detail: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class DeliveryNow:
    """A delivery with its steps, as it stands: `sent` shows as soon as a head-end has claimed the job."""

    delivery: Delivery
    state: DeliveryState
    next_try_at: datetime | None
    steps: tuple[Step, ...]


def iso(at: datetime) -> str:
    """2026-11-20T08:50:00.123Z"""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def deliveries_now(rows: Iterable[Delivery]) -> list[DeliveryNow]:
    """Two queries for any number of rows."""
    ids = [row.pk for row in rows]
    found = {row.pk: row for row in Delivery.objects.select_related("job").filter(pk__in=ids)}
    steps: dict[int, list[Step]] = {pk: [] for pk in ids}
    for step in DeliveryStep.objects.filter(delivery_id__in=ids).order_by("id"):
        steps[step.delivery_id].append(Step(state=step.state, at=step.at, code=step.code, detail=step.detail))
    return [_now(found[pk], steps[pk]) for pk in ids]


def _now(row: Delivery, steps: list[Step]) -> DeliveryNow:
    state, job = DeliveryState(row.state), row.job
    if state is DeliveryState.WAITING and job is not None and job.state == "claimed" and job.claimed_at is not None:
        state = DeliveryState.SENT
        steps = [*steps, Step(state="sent", at=job.claimed_at, code="", detail={})]
    next_try_at = row.next_try_at
    if state in (DeliveryState.WAITING, DeliveryState.UNKNOWN) and job is not None and job.state == "queued":
        next_try_at = job.due_at if job.attempts else None
    return DeliveryNow(delivery=row, state=state, next_try_at=next_try_at, steps=tuple(steps))


def delivery_now(row: Delivery) -> DeliveryNow:
    return deliveries_now([row])[0]


def sale_view(sale: Sale) -> SaleView:
    return sale_views([sale])[0]


def sale_views(sales: Sequence[Sale]) -> list[SaleView]:
    """SALE for each, in order; three queries for any number, by token a few more."""
    rows = list(Delivery.objects.filter(sale_id__in=[sale.pk for sale in sales]))
    by_sale = {now.delivery.sale_id: now for now in deliveries_now(rows)}
    tokens = tokens_of(rows)
    return [_view(sale, by_sale[sale.pk], tokens) for sale in sales]


def tokens_of(deliveries: Iterable[Delivery]) -> dict[int, list[str]]:
    """The digits of each delivery that has some, in the order of entering, by its id."""
    slips = slips_of(deliveries)
    return {pk: [token for part in (*slip.sets, (slip.credit,)) for token in part] for pk, slip in slips.items()}


def _view(sale: Sale, now: DeliveryNow, tokens: dict[int, list[str]]) -> SaleView:
    view = SaleView(
        id=str(sale.pk),
        number=sale.number,
        state=sale.state,
        amount_minor=sale.amount_minor,
        currency=sale.currency,
        credit=sale.credit,
        credit_unit=sale.credit_unit,
        circuit_id=str(sale.circuit_id),
        delivery=DeliveryView(
            state=now.state.value,
            expected_count=now.delivery.expected_count,
            read_count=now.delivery.read_count,
            steps=[
                StepView(state=step.state, at=iso(step.at), code=step.code or None)
                for step in now.steps
                if step.state in API_STATES
            ],
            next_try_at=iso(now.next_try_at) if now.next_try_at else None,
        ),
    )
    if now.delivery.token_request_id is not None:
        view["tokens"] = tokens.get(now.delivery.pk, [])
    return view
