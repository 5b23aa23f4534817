"""Circuits, customers, contracts, the books: what a third party may read; and the relay."""

from typing import Annotated, Final, Literal

from django.conf import settings
from django.http import HttpRequest
from ninja import Query, Router, Status

from prewatt.core.meters.jobs import Wish
from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Circuit, Contract, Customer
from prewatt.office.estate.scope import sites_of, visible_to
from prewatt.office.ledger import books
from prewatt.office.metering import wishes
from prewatt.office.metering.states import stale_after
from prewatt.office.reports import circuits, marks
from prewatt.office.staff.roles import Act
from prewatt.web.api import schemas
from prewatt.web.api.door import caller
from prewatt.web.api.paging import LIMIT_DEFAULT, LIMIT_MAX, after, cut, number

router = Router(tags=["estate"])
Limit = Annotated[int, Query(ge=1, le=LIMIT_MAX)]
LAST_MOMENT: Final = 253_402_300_799_000_000  # microseconds: the calendar ends
RELAY: Final[dict[int | None, Literal["open", "closed", "unknown"]]] = {0: "open", 1: "closed", None: "unknown"}
SOURCES: Final[tuple[Literal["poll", "command", "read_now", "freeze", "history", "stated"], ...]] = (
    "poll", "command", "read_now", "freeze", "history", "stated",
)  # fmt: skip
ERRORS = {400: schemas.Error, 401: schemas.Error, 404: schemas.Error}


def _circuit_out(view: circuits.CircuitView) -> schemas.CircuitOut:
    return schemas.CircuitOut(
        id=str(view.id),
        meter_number=view.meter_number,
        circuit_index=view.circuit_index,
        room=view.room,
        contract_number=view.contract_number,
        profile=view.profile,
        custody=view.custody,  # type: ignore[arg-type]
        credit_unit=view.credit_unit,
        balance=view.balance,
        purchase_count=view.purchase_count,
        energy_wh=view.energy_wh,
        power_w=view.power_w,
        relay=view.relay,  # type: ignore[arg-type]
        wish=view.wish,  # type: ignore[arg-type]
        state=view.state.value,
        read_at=view.read_at,
    )


@router.get("/circuits", response={200: schemas.CircuitPage, **ERRORS})
def list_circuits(request: HttpRequest, cursor: str | None = None, limit: Limit = LIMIT_DEFAULT) -> schemas.CircuitPage:
    """Circuits you may see, with what their meters said last and when."""
    who = caller(request)
    stale = stale_after(settings.PREWATT_POLL_S)
    views = circuits.page(who.operator, after_id=after(cursor), limit=limit + 1, at=who.at, stale=stale)
    items, following = cut(views, [view.id for view in views], limit)
    return schemas.CircuitPage(items=[_circuit_out(view) for view in items], next=following)


@router.get("/circuits/{circuit_id}", response={200: schemas.CircuitOut, **ERRORS})
def get_circuit(request: HttpRequest, circuit_id: str) -> schemas.CircuitOut:
    """One circuit."""
    who = caller(request)
    wanted = number(circuit_id)
    stale = stale_after(settings.PREWATT_POLL_S)
    view = circuits.one(who.operator, wanted, at=who.at, stale=stale) if wanted is not None else None
    if view is None:
        raise Refused("circuit_unknown")
    return _circuit_out(view)


@router.get("/circuits/{circuit_id}/readings", response={200: schemas.ReadingPage, **ERRORS})
def list_readings(
    request: HttpRequest, circuit_id: str, cursor: str | None = None, limit: Limit = LIMIT_DEFAULT
) -> schemas.ReadingPage:
    """Readings of one circuit, the newest first, each with what is thought of it."""
    who = caller(request)
    wanted = number(circuit_id)
    circuit = visible_to(who.operator, Circuit).filter(pk=wanted).first() if wanted is not None else None
    if circuit is None:
        raise Refused("circuit_unknown")
    before = after(cursor)
    if before > LAST_MOMENT:
        raise Refused("cursor_malformed")
    rows = marks.readings(circuit.site_id, circuit.pk, before=before, most=limit + 1)
    items, following = cut(rows, [row.key for row in rows], limit)
    return schemas.ReadingPage(
        items=[
            schemas.ReadingOut(
                at=row.at, energy_wh=row.energy_wh, power_w=row.power_w, balance=row.balance,
                purchase_count=row.purchase_count, relay=RELAY[row.relay], good=row.good, mark=row.mark.value,
                source=SOURCES[row.source],
            )
            for row in items
        ],
        next=following,
    )  # fmt: skip


@router.post(
    "/circuits/{circuit_id}/relay", response={202: schemas.RelayOut, 409: schemas.Error, 422: schemas.Error, **ERRORS}
)
def set_relay(request: HttpRequest, circuit_id: str, body: schemas.RelayIn) -> Status[schemas.RelayOut]:
    """Say what the relay shall be: automatic, keep_on (with an end) or trip. Accepted is not done: read the circuit."""
    who = caller(request)
    who.actor.require(Act.RELAY)
    wanted = number(circuit_id)
    circuit = visible_to(who.operator, Circuit).filter(pk=wanted).first() if wanted is not None else None
    if circuit is None:
        raise Refused("circuit_unknown")
    wishes.set_wish(
        circuit, Wish(body.wish), reason=body.reason, until=body.until, actor=who.actor.key,
        request_key=f"api:{circuit.pk}:{who.at.isoformat()}", at=who.at,
    )  # fmt: skip
    return Status(202, schemas.RelayOut(circuit_id=str(circuit.pk), wish=body.wish, until=body.until))


@router.get("/customers", response={200: schemas.CustomerPage, **ERRORS})
def list_customers(
    request: HttpRequest, cursor: str | None = None, limit: Limit = LIMIT_DEFAULT
) -> schemas.CustomerPage:
    """Customers you may see, with their contracts."""
    who = caller(request)
    rows = list(visible_to(who.operator, Customer).filter(pk__gt=after(cursor)).order_by("pk")[: limit + 1])
    items, following = cut(rows, [row.pk for row in rows], limit)
    numbers: dict[int, list[str]] = {}
    seen = visible_to(who.operator, Contract).filter(customer__in=items).order_by("pk")
    for customer_id, contract_number in seen.values_list("customer_id", "number"):
        numbers.setdefault(customer_id, []).append(contract_number)
    return schemas.CustomerPage(
        items=[
            schemas.CustomerOut(
                id=str(row.pk), name=row.name, phone=row.phone, customer_class=row.customer_class,
                contract_numbers=numbers.get(row.pk, []),
            )
            for row in items
        ],
        next=following,
    )  # fmt: skip


def _contract_out(row: Contract) -> schemas.ContractOut:
    supplied = sorted(point.circuit_id for point in row.supplypoint_set.all() if point.valid_to is None)
    return schemas.ContractOut(
        number=row.number,
        customer_id=str(row.customer_id),
        state=row.state,  # type: ignore[arg-type]
        circuit_ids=[str(circuit_id) for circuit_id in supplied],
    )


@router.get("/contracts", response={200: schemas.ContractPage, **ERRORS})
def list_contracts(
    request: HttpRequest, cursor: str | None = None, limit: Limit = LIMIT_DEFAULT
) -> schemas.ContractPage:
    """Supply contracts you may see."""
    who = caller(request)
    found = visible_to(who.operator, Contract).filter(pk__gt=after(cursor)).order_by("pk")
    rows = list(found.prefetch_related("supplypoint_set")[: limit + 1])
    items, following = cut(rows, [row.pk for row in rows], limit)
    return schemas.ContractPage(items=[_contract_out(row) for row in items], next=following)


@router.get("/contracts/{number}", response={200: schemas.ContractOut, **ERRORS})
def get_contract(request: HttpRequest, number: str) -> schemas.ContractOut:
    """One supply contract by its number (户号)."""
    found = visible_to(caller(request).operator, Contract).filter(number=number)
    row = found.first() if "\0" not in number else None
    if row is None:
        raise Refused("contract_unknown")
    return _contract_out(row)


@router.get("/books", response={200: schemas.BooksOut, **ERRORS})
def get_books(request: HttpRequest) -> schemas.BooksOut:
    """The books of your company: both sides summed apart, and three accounts."""
    who = caller(request)
    who.actor.require(Act.BOOKS)
    site = sites_of(who.operator).first()
    if site is None:
        raise Refused("not_found")
    found = books.books(site.company_id)
    return schemas.BooksOut(
        currency=site.company.currency,
        debit_minor=found.debit_minor,
        credit_minor=found.credit_minor,
        cash_minor=found.cash_minor,
        in_delivery_minor=found.in_delivery_minor,
        deferred_income_minor=found.deferred_income_minor,
    )
