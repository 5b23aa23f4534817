"""Places and wires changed after they were entered: what may change, what is fixed, what the head-end is told."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from prewatt.core.meters import catalogue
from prewatt.core.refusals import Refused
from prewatt.office.estate import places, plans, wires
from prewatt.office.estate.models import Building, Company, Gateway, Line, Meter, Room, Site
from prewatt.office.staff.audit import trail_of
from tests.cast import Cast, assemble

pytestmark = pytest.mark.django_db
AT = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
BY = "operator:1"


@pytest.fixture
def cast() -> Cast:
    return assemble()


@pytest.fixture
def fresh() -> Site:
    """A site where nothing stands yet."""
    company = places.add_company(name="Nile Power", currency="UGX", actor=BY, at=AT)
    return places.add_site(company, code="k1", name="Kampala", timezone="Africa/Kampala", actor=BY, at=AT)


def code_of(act: Callable[[], object]) -> str:
    with pytest.raises(Refused) as caught:
        act()
    return caught.value.code


def company_changed(company: Company, **changes: str) -> None:
    given = {"name": company.name, "currency": company.currency, **changes}
    places.edit_company(company, **given, actor=BY, at=AT)


def site_changed(site: Site, **changes: Any) -> None:
    given: dict[str, Any] = {"code": site.code, "name": site.name, "timezone": site.timezone, **changes}
    places.edit_site(site, **given, actor=BY, at=AT)


def test_a_company_without_prices_and_entries_may_still_change_its_currency(fresh: Site) -> None:
    company_changed(fresh.company, name=" Nile Power Ltd ", currency="KES")
    stored = Company.objects.get(pk=fresh.company_id)
    assert (stored.name, stored.currency, stored.exponent) == ("Nile Power Ltd", "KES", 2)
    row = trail_of("company", str(stored.pk))[0]
    assert row.before == {"name": "Nile Power", "currency": "UGX"} and row.actor == BY


def test_the_first_price_fixes_the_currency_and_leaves_the_name_free(fresh: Site) -> None:
    plans.add_plan(fresh.company, code="flat", name="Flat", price=Decimal("800"), valid_from=AT, actor=BY, at=AT)
    assert code_of(lambda: company_changed(fresh.company, currency="KES")) == "currency_fixed"
    company_changed(fresh.company, name="Nile")
    assert Company.objects.get(pk=fresh.company_id).currency == "UGX"


def test_the_first_contract_fixes_the_time_zone_and_leaves_code_and_name_free(cast: Cast, fresh: Site) -> None:
    site_changed(fresh, timezone="Africa/Nairobi", code="n1")
    assert Site.objects.get(pk=fresh.pk).timezone == "Africa/Nairobi"
    assert code_of(lambda: site_changed(cast.site, timezone="Africa/Nairobi")) == "timezone_fixed"
    site_changed(cast.site, name="Jinhu Square")
    assert trail_of("site", str(cast.site.pk))[0].after == {
        "code": "jinhu", "name": "Jinhu Square", "timezone": "Asia/Shanghai", "closes_by_key": False,
    }  # fmt: skip


def test_head_ends_hear_that_closing_is_left_to_the_key(cast: Cast) -> None:
    before = list(Gateway.objects.filter(site=cast.site).order_by("pk").values_list("revision", flat=True))
    site_changed(cast.site, name="Jinhu")
    assert list(Gateway.objects.filter(site=cast.site).order_by("pk").values_list("revision", flat=True)) == before
    site_changed(cast.site, closes_by_key=True)
    after = list(Gateway.objects.filter(site=cast.site).order_by("pk").values_list("revision", flat=True))
    assert before and after == [each + 1 for each in before]
    site_changed(cast.site, name="Jinhu Square")
    assert Site.objects.get(pk=cast.site.pk).closes_by_key, "who says nothing of it changes nothing of it"


def test_what_makes_no_company_and_no_site_is_refused(fresh: Site) -> None:
    other = places.add_site(fresh.company, code="k2", name="Entebbe", timezone="Africa/Kampala", actor=BY, at=AT)
    table: list[tuple[Callable[[], object], str]] = [
        (lambda: company_changed(fresh.company, name=" "), "name_needed"),
        (lambda: company_changed(fresh.company, name="x" * 121), "text_too_long"),
        (lambda: company_changed(fresh.company, currency="XXX"), "currency_not_known"),
        (lambda: site_changed(fresh, timezone="Mars/Olympus"), "timezone_unknown"),
        (lambda: site_changed(fresh, timezone="../etc/passwd"), "timezone_unknown"),
        (lambda: site_changed(fresh, timezone="Africa"), "timezone_unknown"),
        (lambda: site_changed(fresh, code="x" * 17), "text_too_long"),
        (lambda: site_changed(other, code="k1"), "code_taken"),
    ]
    for act, code in table:
        assert code_of(act) == code
    assert Site.objects.get(pk=other.pk).code == "k2" and Company.objects.get(pk=fresh.company_id).name == "Nile Power"


def test_a_building_and_a_room_change_with_a_row_in_the_trail(cast: Cast) -> None:
    house, room = Building.objects.get(code="A"), Room.objects.get(code="A-101")
    places.edit_building(house, name="North Tower", sort=3, actor=BY, at=AT)
    places.edit_room(room, floor=-1, code="B-001", name="星野烘焙", area_dm2=4550, actor=BY, at=AT)
    stored = Room.objects.get(pk=room.pk)
    assert (stored.floor, stored.code, stored.initials, stored.area_dm2) == (-1, "B-001", "xyhb", 4550)
    assert Building.objects.get(pk=house.pk).sort == 3
    before = trail_of("room", str(room.pk))[0].before
    assert before is not None and before["code"] == "A-101"
    assert code_of(lambda: places.edit_building(house, name=" ", sort=0, actor=BY, at=AT)) == "name_needed"
    taken = Room.objects.get(code="A-102")

    def again() -> None:
        places.edit_room(taken, floor=1, code="B-001", name="", area_dm2=None, actor=BY, at=AT)

    assert code_of(again) == "code_taken" and Room.objects.filter(code="A-102").exists()


def test_two_buses_of_one_gateway_are_at_ports_of_their_own(cast: Cast) -> None:
    def add(code: str, transport: str, port: int) -> Line:
        return wires.add_line(cast.gateway, code=code, transport=transport, port=port, baud=9600, actor=BY, at=AT)

    tcp = add("tcp", "rtu-over-tcp", 6001)
    assert code_of(lambda: add("again", "modbus-tcp", 6001)) == "line_port_taken"
    udp = add("udp", "rtu-over-udp", 6001)  # a datagram never meets a connection
    assert code_of(
        lambda: wires.edit_line(udp, transport="rtu-over-tcp", port=6001, baud=9600, actor=BY, at=AT)
    ) == "line_port_taken"  # fmt: skip
    wires.edit_line(tcp, transport="rtu-over-tcp", port=6001, baud=19200, actor=BY, at=AT)
    assert set(Line.objects.filter(gateway=cast.gateway, port=6001)) == {tcp, udp}


def test_a_meter_of_dlt645_stands_on_a_transparent_line_and_keeps_it_so(cast: Cast) -> None:
    def add(line: Line, unit: int) -> Meter:
        return wires.add_meter(
            line, number=f"202611200{unit}", profile="ningju-ddzy1218", unit=unit, ct_ratio=1, room=None,
            common=False, actor=BY, at=AT,
        )  # fmt: skip

    meter = add(cast.line, 201)
    tcp = wires.add_line(cast.gateway, code="tcp", transport="modbus-tcp", port=502, baud=9600, actor=BY, at=AT)
    code = "meter_needs_transparent_line"
    assert code_of(lambda: add(tcp, 202)) == code
    assert code_of(lambda: wires.move_meter(meter, tcp, unit=9, actor=BY, at=AT)) == code
    assert code_of(
        lambda: wires.edit_line(cast.line, transport="modbus-tcp", port=503, baud=9600, actor=BY, at=AT)
    ) == code  # fmt: skip
    assert Line.objects.get(pk=cast.line.pk).transport == "rtu-over-tcp"
    assert not Meter.objects.filter(line=tcp).exists()


def test_a_model_is_refused_a_speed_or_an_address_that_it_cannot_have(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = wires.add_line(cast.gateway, code="fast", transport="rtu-over-tcp", port=503, baud=19200, actor=BY, at=AT)

    def add(profile: str, number: str) -> Meter:
        return wires.add_meter(
            fast, number=number, profile=profile, unit=9, ct_ratio=1, room=None, common=False, actor=BY, at=AT
        )

    code = "baud_not_of_model"
    assert code_of(lambda: add("pilot-spm9511", "202611200209")) == code
    meter = cast.shop_101.meter
    assert code_of(lambda: wires.move_meter(meter, fast, unit=9, actor=BY, at=AT)) == code
    assert code_of(
        lambda: wires.edit_line(cast.line, transport="rtu-over-tcp", port=502, baud=19200, actor=BY, at=AT)
    ) == code  # fmt: skip
    assert not Meter.objects.filter(line=fast).exists()
    Line.objects.filter(pk=cast.line.pk).update(baud=19200)  # as it was entered before anybody knew
    stands = Line.objects.get(pk=cast.line.pk)
    wires.edit_line(stands, transport="rtu-over-tcp", port=505, baud=19200, actor=BY, at=AT)
    wires.move_meter(Meter.objects.get(pk=meter.pk), stands, unit=88, actor=BY, at=AT)
    unrated = add("acrel-dtsy1352", "202611200210")
    assert unrated.line_id == fast.pk, "nobody says its speeds: no refusal"
    change = partial(wires.set_profile, unrated, "pilot-spm9513", reason="wrong model", actor=BY, at=AT)
    assert code_of(change) == code
    profile = catalogue()["pilot-spm9571"]
    assert profile.rating is not None
    narrow = replace(profile, rating=replace(profile.rating, units=(1, 99)))
    monkeypatch.setattr(wires, "all_profiles", lambda: {**catalogue(), narrow.code: narrow})
    assert code_of(
        lambda: wires.check_meter(number="202611200211", profile=narrow.code, unit=100, ct_ratio=1)
    ) == "unit_not_of_model"  # fmt: skip
    assert wires.check_meter(number="202611200211", profile=narrow.code, unit=99, ct_ratio=1) is narrow


def test_a_line_has_a_code(cast: Cast) -> None:
    def add(code: str) -> Line:
        return wires.add_line(cast.gateway, code=code, transport="modbus-tcp", port=502, baud=9600, actor=BY, at=AT)

    assert code_of(lambda: add(" ")) == "name_needed"
    assert add(" 7 ").code == "7"


def test_a_gateway_and_a_line_change_and_the_head_end_is_told(cast: Cast) -> None:
    before = Gateway.objects.get(pk=cast.gateway.pk).revision
    wires.edit_gateway(cast.gateway, name="Basement", host="10.0.0.9", actor=BY, at=AT)
    wires.edit_line(cast.line, transport="modbus-tcp", port=502, baud=4800, actor=BY, at=AT)
    gateway, line = Gateway.objects.get(pk=cast.gateway.pk), Line.objects.get(pk=cast.line.pk)
    assert gateway.host == "10.0.0.9" and gateway.revision > before
    assert (line.transport, line.port, line.baud) == ("modbus-tcp", 502, 4800)
    assert trail_of("gateway", str(gateway.pk)).count() == trail_of("line", str(line.pk)).count() == 1
    for changes, code in (
        ({"transport": "carrier-pigeon"}, "transport_unknown"),
        ({"port": 70_000}, "port_out_of_range"),
    ):
        given: dict[str, Any] = {"transport": "modbus-tcp", "port": 502, "baud": 9600, **changes}
        assert code_of(partial(wires.edit_line, line, actor=BY, at=AT, **given)) == code
    assert code_of(lambda: wires.edit_gateway(gateway, name="x", host=" ", actor=BY, at=AT)) == "name_needed"
