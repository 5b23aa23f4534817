"""An estate entered by hand, page by page, as an administrator does; each page in both languages."""

import pytest
from django.test import Client

from prewatt.office.estate.models import Building, Circuit, Company, Gateway, Line, Meter, Room, Site
from prewatt.office.staff.models import CompanyRule, Operator, Role, Scope
from tests.cast import OPENED, Cast, assemble

pytestmark = pytest.mark.django_db
SETTINGS = "/console/settings"


@pytest.fixture
def cast() -> Cast:
    return assemble()


def administrator(name: str, **scope: int) -> Client:
    made: Operator = Operator.objects.create(
        username=name, name=name.title(), role=Role.ADMINISTRATOR, created_at=OPENED, password="!"
    )
    Scope.objects.create(operator=made, **scope)
    client = Client()
    client.force_login(made)
    client.cookies["django_language"] = "en"
    return client


@pytest.fixture
def ada(cast: Cast) -> Client:
    return administrator("ada", company_id=cast.company.pk)


def save(client: Client, address: str, **typed: str) -> str:
    """Where a saved form leads; the form must open first, in both languages."""
    for language, word in (("zh-hans", "保存"), ("en", "Save")):
        client.cookies["django_language"] = language
        shown = client.get(address)
        assert shown.status_code == 200, address
        text = shown.content.decode()
        assert word in text or "Register" in text or "登记" in text or "Move" in text or "移" in text, (
            address,
            language,
        )
    answer = client.post(address, typed)
    assert answer.status_code == 302, answer.content.decode()[-3000:]
    return str(answer["Location"])


def refused(client: Client, address: str, **typed: str) -> str:
    """The code of a form that is refused; what was typed still stands in it."""
    answer = client.post(address, typed)
    text = answer.content.decode()
    assert answer.status_code == 422
    assert all(value in text for value in typed.values() if value)
    return text.split('data-code="')[1].split('"')[0]


def test_a_company_and_its_site_from_nothing_to_its_first_meter(ada: Client) -> None:
    save(ada, f"{SETTINGS}/companies/new", name="Nile Power", currency="UGX")
    company = Company.objects.get(name="Nile Power")
    assert company.exponent == 0
    save(ada, f"{SETTINGS}/companies/{company.pk}/sites/new", code="k1", name="Kampala", timezone="Africa/Kampala")
    site = Site.objects.get(code="k1")
    assert ada.post("/console/site", {"site": str(site.pk)}).status_code == 302
    save(ada, f"{SETTINGS}/places/buildings/new", code="A", name="Tower", sort="1")
    house = Building.objects.get(site=site)
    save(ada, f"{SETTINGS}/places/buildings/{house.pk}/rooms/new", code="101", floor="1", name="Bakery", area="45.50")
    room = Room.objects.get(building=house)
    assert room.area_dm2 == 4550
    save(ada, "/console/lines/gateways/new", code="G1", name="Basement", host="192.168.1.50")
    gateway = Gateway.objects.get(site=site)
    save(ada, f"/console/lines/gateways/{gateway.pk}/new", code="1", transport="modbus-tcp", port="502", baud="9600")
    line = Line.objects.get(gateway=gateway)
    typed = {"number": "000000000101", "profile": "acrel-ddsy1352", "line": str(line.pk), "unit": "1", "ratio": "1"}
    where = save(ada, "/console/meters/new", **typed, room=str(room.pk))
    meter = Meter.objects.get(number="000000000101")
    assert where == f"/console/meters/{meter.pk}" and Circuit.objects.get(meter=meter).room == room
    for language in ("zh-hans", "en"):
        ada.cookies["django_language"] = language
        assert ada.get(where).status_code == ada.get(f"{where}/try").status_code == 200
        assert ada.get("/console/lines").status_code == ada.get("/console/live").status_code == 200


def test_what_was_entered_can_be_changed_where_it_stands(cast: Cast, ada: Client) -> None:
    house = Building.objects.get(code="A")
    save(ada, f"{SETTINGS}/places/buildings/{house.pk}", name="North", sort="2")
    room = Room.objects.get(code="A-101")
    save(ada, f"{SETTINGS}/places/rooms/{room.pk}", code="A-111", floor="2", name="Bakery", area="")
    save(ada, f"/console/lines/gateways/{cast.gateway.pk}", name="Basement", host="10.0.0.9")
    save(ada, f"/console/lines/{cast.line.pk}", transport="modbus-tcp", port="502", baud="4800")
    save(ada, f"/console/meters/{cast.shop_101.meter_id}/move", line=str(cast.line.pk), unit="77")
    save(ada, f"{SETTINGS}/sites/{cast.site.pk}", code="jinhu", name="Jinhu Square", timezone="Asia/Shanghai")
    assert (Building.objects.get().name, Room.objects.get(pk=room.pk).code) == ("North", "A-111")
    assert Gateway.objects.get().host == "10.0.0.9" and Line.objects.get().port == 502
    assert Meter.objects.get(pk=cast.shop_101.meter_id).unit == 77 and Site.objects.get().name == "Jinhu Square"


def test_wrong_input_is_refused_with_a_code_and_keeps_what_was_typed(cast: Cast, ada: Client) -> None:
    site, company = f"{SETTINGS}/sites/{cast.site.pk}", f"{SETTINGS}/companies/{cast.company.pk}"
    assert refused(ada, site, code="jinhu", name="Jinhu", timezone="Africa/Kampala") == "timezone_fixed"
    assert refused(ada, site, code="", name="Jinhu", timezone="Asia/Shanghai") == "name_needed"
    assert refused(ada, company, name="Jinhu", currency="UGX") == "currency_fixed"
    gateway = f"/console/lines/gateways/{cast.gateway.pk}"
    assert refused(ada, f"{gateway}/new", code="1", transport="modbus-tcp", port="502", baud="9600") == "code_taken"
    assert refused(ada, f"/console/lines/{cast.line.pk}", transport="modbus-tcp", port="x") == "number_unreadable"


def test_companies_and_sites_are_for_administrators_who_hold_them(cast: Cast, ada: Client) -> None:
    manager = Client()
    manager.force_login(cast.bob)
    assert manager.get(f"{SETTINGS}/companies").status_code == 403
    eve = administrator("eve", site_id=cast.site.pk)
    assert eve.get(f"{SETTINGS}/companies").status_code == 200
    assert eve.get(f"{SETTINGS}/sites/{cast.site.pk}").status_code == 200, "the site is his"
    assert eve.get(f"{SETTINGS}/companies/{cast.company.pk}").status_code == 404, "the company is not"
    assert eve.post(f"{SETTINGS}/companies/{cast.company.pk}/second-factor").status_code == 404


def test_requiring_the_second_factor_is_one_press_and_says_how_many_have_it(cast: Cast, ada: Client) -> None:
    page = ada.get(f"{SETTINGS}/companies").content.decode()
    assert "offered, not required" in page and "0 of 4 have one" in page
    address = f"{SETTINGS}/companies/{cast.company.pk}/second-factor"
    assert ada.post(address, {"second_factor": "1"}).status_code == 302
    assert CompanyRule.objects.get().second_factor
    assert ada.get(f"{SETTINGS}/companies")["Location"] == f"{SETTINGS}/second-factor", "also of who asks for it"
