"""Many rows at once of an estate that is taken over from a spreadsheet: the trail of single verbs, few statements.

The callers have checked every row (`office.sheets`); what somebody else wrote meanwhile shows as an IntegrityError, and
nothing is written then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import F

from prewatt.office.estate.history import BATCH
from prewatt.office.estate.initials import initials
from prewatt.office.estate.models import (
    Building,
    Circuit,
    Company,
    Contract,
    ContractState,
    Customer,
    Gateway,
    Line,
    Meter,
    Plan,
    PlanVersion,
    Room,
    Site,
)
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.staff.audit import Deed, audit_all


@dataclass(frozen=True, kw_only=True, slots=True)
class NewRoom:
    building: Building
    floor: int
    code: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class NewMeter:
    line: Line | None  # None: never online
    number: str
    profile: str
    unit: int
    ratio: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Furnishing:
    """Where a circuit leads, and whether it must never be cut."""

    circuit: Circuit
    room: Room | None
    never_cut: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class NewContract:
    """`opened_on`: the day on paper, in the site's zone."""

    number: str
    customer: Customer
    opened_on: date


def add_rooms(site: Site, rows: Sequence[NewRoom], *, actor: str, at: datetime) -> list[Room]:
    """Rooms in the order given."""
    with transaction.atomic():
        made = Room.objects.bulk_create(
            [
                Room(
                    building=row.building, floor=row.floor, code=row.code, name=row.name, initials=initials(row.name)
                )
                for row in rows
            ],
            batch_size=BATCH,
        )  # fmt: skip
        audit_all(
            [
                Deed(
                    action="estate.room_add", site_id=site.pk, object_type="room", object_id=str(room.pk),
                    after={"floor": room.floor, "code": room.code, "name": room.name},
                )
                for room in made
            ],
            actor=actor,
            at=at,
        )  # fmt: skip
    return made


def add_meters(site: Site, rows: Sequence[NewMeter], *, actor: str, at: datetime) -> list[Circuit]:
    """Meters with all circuits of their profiles, without rooms; the circuits, by meter and index."""
    known = all_profiles()
    with transaction.atomic():
        meters = Meter.objects.bulk_create(
            [
                Meter(
                    site=site, number=row.number, profile=row.profile, line=row.line, unit=row.unit, ct_ratio=row.ratio
                )
                for row in rows
            ],
            batch_size=BATCH,
        )  # fmt: skip
        circuits = Circuit.objects.bulk_create(
            [
                Circuit(site=site, meter=meter, index=index)
                for meter in meters
                for index in range(1, known[meter.profile].circuits + 1)
            ],
            batch_size=BATCH,
        )
        _touch({row.line.gateway_id for row in rows if row.line is not None})
        audit_all(
            [
                Deed(
                    action="estate.meter_add", site_id=site.pk, object_type="meter", object_id=str(meter.pk),
                    after={"number": meter.number, "profile": meter.profile, "unit": meter.unit,
                           "ratio": meter.ct_ratio},
                )
                for meter in meters
            ],
            actor=actor,
            at=at,
        )  # fmt: skip
    return circuits


def furnish(site: Site, rows: Sequence[Furnishing], *, actor: str, at: datetime) -> None:
    """Say of circuits where they lead and whether they may be cut."""
    for row in rows:
        row.circuit.room, row.circuit.never_cut = row.room, row.never_cut
    with transaction.atomic():
        Circuit.objects.bulk_update([row.circuit for row in rows], ["room", "never_cut"], batch_size=BATCH)
        audit_all(
            [
                Deed(
                    action="estate.circuit_edit", site_id=site.pk, object_type="circuit",
                    object_id=str(row.circuit.pk),
                    after={"room": row.room.code if row.room is not None else "", "never_cut": row.never_cut},
                )
                for row in rows
            ],
            actor=actor,
            at=at,
        )  # fmt: skip


def add_plan(
    company: Company, *, code: str, name: str, prices: Sequence[tuple[datetime, Decimal]], actor: str, at: datetime
) -> Plan:
    """A plan with its prices from when on, past ones too: nothing has been sold at it."""
    with transaction.atomic():
        plan = Plan.objects.create(company=company, code=code, name=name)
        PlanVersion.objects.bulk_create(
            [PlanVersion(plan=plan, price=price, valid_from=begin, created_at=at) for begin, price in prices]
        )
        audit_all(
            [
                Deed(
                    action="estate.plan_add", site_id=None, object_type="plan", object_id=str(plan.pk),
                    after={"code": code, "price": str(price), "valid_from": begin.isoformat()},
                )
                for begin, price in prices
            ],
            actor=actor,
            at=at,
        )  # fmt: skip
    return plan


def add_contracts(site: Site, rows: Sequence[NewContract], *, actor: str, at: datetime) -> list[Contract]:
    """Contracts without a circuit yet: they are open when their first supply point is."""
    zone = ZoneInfo(site.timezone)
    with transaction.atomic():
        made = Contract.objects.bulk_create(
            [
                Contract(
                    site=site, number=row.number, customer=row.customer, state=ContractState.OPENING,
                    opened_on=row.opened_on, opened_at=datetime.combine(row.opened_on, time(), tzinfo=zone),
                )
                for row in rows
            ],
            batch_size=BATCH,
        )  # fmt: skip
        audit_all(
            [
                Deed(
                    action="estate.contract_add", site_id=site.pk, object_type="contract", object_id=row.number,
                    after={"customer": row.customer.pk, "opened_on": row.opened_on.isoformat()},
                )
                for row in rows
            ],
            actor=actor,
            at=at,
        )  # fmt: skip
    return made


def _touch(gateway_ids: set[int]) -> None:
    Gateway.objects.filter(pk__in=gateway_ids).update(revision=F("revision") + 1)
