"""An estate taken over in bulk: what single verbs would have written, or the same refusal and nothing."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from prewatt.core.refusals import Refused
from prewatt.office.estate import places, wires
from prewatt.office.estate.history import KnownCustomer, StandingMeter, load_customers, load_meters
from prewatt.office.estate.models import Circuit, Company, Customer, Gateway, Line, Meter, Room
from prewatt.office.staff.models import AuditRow

pytestmark = pytest.mark.django_db
AT = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)


def company() -> Company:
    return places.add_company(name="锦湖", currency="CNY", actor="system", at=AT)


def rows() -> list[StandingMeter]:
    site = places.add_site(company(), code="s", name="锦湖广场", timezone="Asia/Shanghai", actor="system", at=AT)
    building = places.add_building(site, code="A", name="A座", sort=1, actor="system", at=AT)
    gateway = wires.add_gateway(site, code="G1", name="", host="127.0.0.1", actor="system", at=AT)
    line: Line = wires.add_line(
        gateway, code="1", transport="rtu-over-tcp", port=5020, baud=9600, actor="system", at=AT
    )
    return [
        StandingMeter(
            building=building, floor=1, room=f"A-10{n}", sign="星野烘焙", area_dm2=None, line=line,
            number=f"26031100{n}", profile="pilot-spm9511", unit=n, ct_ratio=1, common=n == 3,
        )
        for n in (1, 2, 3)
    ]  # fmt: skip


def test_rooms_meters_and_circuits_stand_as_if_added_one_by_one() -> None:
    given = rows()
    revision = Gateway.objects.get().revision
    made = load_meters(given, actor="system", at=AT)
    assert list(made) == [row.number for row in given]
    assert [(c.room.code, c.use, c.index) for [c] in made.values() if c.room] == [
        ("A-101", "tenant", 1), ("A-102", "tenant", 1), ("A-103", "common", 1),
    ]  # fmt: skip
    assert Room.objects.get(code="A-101").initials == "xyhb"
    assert Gateway.objects.get().revision > revision, "the head-end is told"
    trail = AuditRow.objects.filter(action__in=("estate.room_add", "estate.meter_add")).order_by("id")
    assert [row.object_id for row in trail if row.action == "estate.meter_add"] == [
        str(pk) for pk in Meter.objects.order_by("id").values_list("pk", flat=True)
    ]
    assert len(trail) == 6 and all(row.site_id for row in trail)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"room": "A-101"}, "code_taken"),
        ({"number": "260311001"}, "meter_number_taken"),
        ({"unit": 1}, "unit_taken"),
        ({"room": " "}, "name_needed"),
        ({"number": "12"}, "meter_number_malformed"),
        ({"profile": "nothing"}, "meter_profile_unknown"),
        ({"unit": 0}, "unit_out_of_range"),
        ({"ct_ratio": 0}, "ratio_out_of_range"),
    ],
)
def test_one_row_that_cannot_stand_leaves_nothing(change: dict[str, Any], code: str) -> None:
    given = rows()
    with pytest.raises(Refused) as caught:
        load_meters([*given[:2], replace(given[2], **change)], actor="system", at=AT)
    assert caught.value.code == code
    assert not Room.objects.exists() and not Meter.objects.exists() and not Circuit.objects.exists()


def test_a_meter_that_stands_already_is_named() -> None:
    given = rows()
    load_meters(given[:1], actor="system", at=AT)
    with pytest.raises(Refused) as caught:
        load_meters([replace(given[1], number=given[0].number)], actor="system", at=AT)
    assert (caught.value.code, caught.value.params["number"]) == ("meter_number_taken", "260311001")


def test_customers_are_loaded_in_their_order_or_not_at_all() -> None:
    books = company()
    made = load_customers(
        books,
        [KnownCustomer(name=name, phone="1390000", customer_class="商铺") for name in ("王晓梅", "李星野")],
        actor="system",
        at=AT,
    )
    assert [(each.name, each.initials) for each in made] == [("王晓梅", "wxm"), ("李星野", "lxy")]
    assert AuditRow.objects.filter(action="estate.customer_add").count() == 2
    with pytest.raises(Refused) as caught:
        load_customers(books, [KnownCustomer(name=" ", phone="", customer_class="")], actor="system", at=AT)
    assert caught.value.code == "name_needed" and Customer.objects.count() == 2
