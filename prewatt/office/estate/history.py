"""An estate that stands already: rooms with their meters, and customers, taken over in bulk.

For the demo site and for a site that changes over to us. The same rows, trail and refusals as `places.add_room`,
`wires.add_meter` and `people.add_customer`, in a dozen statements instead of eleven for each room.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import F

from prewatt.core.refusals import Refused
from prewatt.office.estate import errors as _errors  # noqa: F401  registers the texts
from prewatt.office.estate.initials import initials
from prewatt.office.estate.models import Building, Circuit, Company, Customer, Gateway, Line, Meter, Room
from prewatt.office.estate.wires import check_meter
from prewatt.office.staff.audit import Deed, audit_all

BATCH: Final = 1_000  # rows per statement


@dataclass(frozen=True, kw_only=True, slots=True)
class StandingMeter:
    """A room and the meter that supplies it. `area_dm2` None: not known."""

    building: Building
    floor: int
    room: str
    sign: str
    area_dm2: int | None
    line: Line
    number: str
    profile: str
    unit: int
    ct_ratio: int
    common: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class KnownCustomer:
    """A customer of the old books."""

    name: str
    phone: str
    customer_class: str
    reference: str = ""  # his id there


def load_meters(rows: Sequence[StandingMeter], *, actor: str, at: datetime) -> dict[str, list[Circuit]]:
    """Write rooms, meters and circuits, all or none; meter number -> its circuits by index.

    Refuses as `places.add_room` and `wires.add_meter`.
    """
    for row in rows:
        if not row.room.strip():
            raise Refused("name_needed")
        check_meter(number=row.number, profile=row.profile, unit=row.unit, ct_ratio=row.ct_ratio)
    try:
        with transaction.atomic():
            return _load_meters(rows, actor=actor, at=at)
    except IntegrityError:
        raise _double(rows) from None


def _load_meters(rows: Sequence[StandingMeter], *, actor: str, at: datetime) -> dict[str, list[Circuit]]:
    rooms = Room.objects.bulk_create(
        [
            Room(
                building=row.building, floor=row.floor, code=row.room.strip(), name=row.sign.strip(),
                initials=initials(row.sign), area_dm2=row.area_dm2,
            )
            for row in rows
        ],
        batch_size=BATCH,
    )  # fmt: skip
    meters = Meter.objects.bulk_create(
        [
            Meter(
                site=row.line.gateway.site, number=row.number, profile=row.profile, line=row.line, unit=row.unit,
                ct_ratio=row.ct_ratio,
            )
            for row in rows
        ],
        batch_size=BATCH,
    )  # fmt: skip
    circuits = Circuit.objects.bulk_create(
        [
            Circuit(
                site=meter.site, meter=meter, index=index, room=room,
                use=Circuit.Use.COMMON if row.common else Circuit.Use.TENANT,
            )
            for row, room, meter in zip(rows, rooms, meters, strict=True)
            for index in range(1, _circuits_of(row) + 1)
        ],
        batch_size=BATCH,
    )  # fmt: skip
    Gateway.objects.filter(pk__in={row.line.gateway_id for row in rows}).update(revision=F("revision") + 1)
    deeds = []
    for row, room, meter in zip(rows, rooms, meters, strict=True):
        deeds.append(
            Deed(
                action="estate.room_add", site_id=row.building.site_id, object_type="room", object_id=str(room.pk),
                after={"floor": row.floor, "code": row.room, "name": row.sign},
            )
        )  # fmt: skip
        deeds.append(
            Deed(
                action="estate.meter_add", site_id=meter.site_id, object_type="meter", object_id=str(meter.pk),
                after={"number": row.number, "profile": row.profile, "unit": row.unit, "ratio": row.ct_ratio},
            )
        )  # fmt: skip
    audit_all(deeds, actor=actor, at=at)
    found: dict[str, list[Circuit]] = {}
    for circuit in circuits:
        found.setdefault(circuit.meter.number, []).append(circuit)
    return found


def _circuits_of(row: StandingMeter) -> int:
    return check_meter(number=row.number, profile=row.profile, unit=row.unit, ct_ratio=row.ct_ratio).circuits


def _double(rows: Sequence[StandingMeter]) -> Refused:
    """The first row that another one, here or in the database, leaves no place for."""
    rooms, numbers, units = set[tuple[int, str]](), set[str](), set[tuple[int, int]]()
    for row in rows:
        room, unit = (row.building.pk, row.room.strip()), (row.line.pk, row.unit)
        if room in rooms or Room.objects.filter(building=row.building, code=row.room.strip()).exists():
            return Refused("code_taken", taken=row.room)
        if row.number in numbers or Meter.objects.filter(number=row.number).exists():
            return Refused("meter_number_taken", number=row.number)
        if unit in units or Meter.objects.filter(line=row.line, unit=row.unit, removed_at=None).exists():
            return Refused("unit_taken", unit=row.unit)
        rooms.add(room)
        numbers.add(row.number)
        units.add(unit)
    raise AssertionError("the database refused rows that nothing stands against")


def load_customers(
    company: Company, rows: Sequence[KnownCustomer], *, actor: str, at: datetime
) -> list[Customer]:
    """Write customers, all or none, in the order given. Refuses name_needed."""
    if not all(row.name.strip() for row in rows):
        raise Refused("name_needed")
    with transaction.atomic():
        made = Customer.objects.bulk_create(
            [
                Customer(
                    company=company, name=row.name.strip(), initials=initials(row.name), phone=row.phone.strip(),
                    customer_class=row.customer_class.strip(), reference=row.reference,
                )
                for row in rows
            ],
            batch_size=BATCH,
        )  # fmt: skip
        audit_all(
            [
                Deed(
                    action="estate.customer_add", site_id=None, object_type="customer", object_id=str(customer.pk),
                    after={"name": row.name, "phone": row.phone, "class": row.customer_class},
                )
                for row, customer in zip(rows, made, strict=True)
            ],
            actor=actor,
            at=at,
        )  # fmt: skip
    return made
