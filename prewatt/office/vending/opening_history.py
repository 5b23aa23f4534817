"""Contracts that were opened elsewhere before: what `openings` would have left, without the conversation."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from prewatt.office.estate.models import Carrier, Circuit, Contract, Customer, Plan, PlanAssignment, SupplyPoint
from prewatt.office.estate.money_purses import credit_unit
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.staff.audit import audit
from prewatt.office.vending.models import CircuitCredit, PursePrice


@dataclass(frozen=True, kw_only=True)
class PastOpening:
    """One contract with one meter-held circuit. Thresholds in the purse's unit; `purchase_count` as the meter showed it
    then. `price` is what a purse in money drains by, None of one in energy."""

    number: str
    circuit: Circuit
    customer: Customer
    plan: Plan
    opened_at: datetime
    alarm_1: int
    alarm_2: int
    overdraft: int
    hoarding_limit: int
    load_limit_w: int
    purchase_count: int
    carrier: Carrier = Carrier.NETWORK
    price: Decimal | None = None


def load_openings(openings: Iterable[PastOpening], *, actor: str, at: datetime) -> dict[int, SupplyPoint]:
    """Write them as open; circuit id -> supply point. One transaction, one audit row for all."""
    given = list(openings)
    with transaction.atomic():
        contracts = Contract.objects.bulk_create(
            Contract(
                site=each.circuit.site, number=each.number, customer=each.customer, state="open",
                opened_at=each.opened_at,
            )
            for each in given
        )  # fmt: skip
        supplies = SupplyPoint.objects.bulk_create(
            SupplyPoint(
                contract=contract, circuit=each.circuit, custody="meter", carrier=each.carrier, credit_unit=_unit(each),
                state="open", valid_from=each.opened_at, alarm_1=each.alarm_1, alarm_2=each.alarm_2,
                overdraft=each.overdraft, hoarding_limit=each.hoarding_limit, load_limit_w=each.load_limit_w,
            )
            for each, contract in zip(given, contracts, strict=True)
        )  # fmt: skip
        PlanAssignment.objects.bulk_create(
            PlanAssignment(supply_point=supply, plan=each.plan, valid_from=each.opened_at)
            for each, supply in zip(given, supplies, strict=True)
        )
        CircuitCredit.objects.bulk_create(
            CircuitCredit(
                circuit=each.circuit, site_id=each.circuit.site_id, purchase_count=each.purchase_count,
                carried_minor=Decimal(0), updated_at=each.opened_at,
            )
            for each in given
        )  # fmt: skip
        PursePrice.objects.bulk_create(
            PursePrice(supply_point=supply, price=each.price, read_at=at)
            for each, supply in zip(given, supplies, strict=True)
            if each.price is not None
        )
        made = {each.circuit.pk: supply for each, supply in zip(given, supplies, strict=True)}
        audit(
            at=at, actor=actor, action="vending.openings_loaded", site_id=None, object_type="contract",
            object_id=str(len(made)), reason="history",
        )  # fmt: skip
    return made


def _unit(opening: PastOpening) -> str:
    meter = opening.circuit.meter
    return credit_unit(all_profiles()[meter.profile], meter.site.company)
