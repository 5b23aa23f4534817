"""Stations on the pages: entered, changed, given gateways; heads of the lines page; filters and lists by station."""

from io import BytesIO

import pytest
from django.test import Client
from django.utils import timezone
from python_calamine import CalamineWorkbook

from prewatt.office.alarms.models import Alarm
from prewatt.office.estate.models import Building, Gateway, Line, Meter, Station
from prewatt.office.metering.models import LineState, SupplyEvent
from prewatt.office.staff.models import Operator, Role, Scope
from tests.cast import NOON, OPENED, Cast, assemble, lately_read
from tests.web.console.token_desk import text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    made = assemble()
    lately_read(made.shop_101, at=NOON)
    LineState.objects.create(line=made.line, up=True, since=NOON, at=NOON)
    return made


def client(cast: Cast, role: Role = Role.ADMINISTRATOR, **scope: int) -> Client:
    person = Operator.objects.create(
        username=f"p{Operator.objects.count()}", name="P", role=role, created_at=OPENED, password="!"
    )
    Scope.objects.create(operator=person, **(scope or {"site_id": cast.site.pk}))
    made = Client()
    made.force_login(person)
    made.cookies["django_language"] = "en"
    return made


def entered(admin: Client) -> Station:
    form = {"code": "S1", "name": "Cabinet", "place": "Building 1, B1", "equipment": "switch, battery"}
    answer = admin.post("/console/lines/stations/new", form)
    assert answer.status_code == 302, text_of(answer)
    return Station.objects.get()


def test_a_station_is_entered_given_a_gateway_changed_and_emptied(cast: Cast) -> None:
    admin = client(cast)
    station, gateway = entered(admin), Gateway.objects.get(pk=cast.line.gateway_id)
    assert "Stations without a gateway:" in text_of(admin.get("/console/lines"))
    page = f"/console/lines/gateways/{gateway.pk}"
    assert "S1 Cabinet" in text_of(admin.get(page))
    form = {"name": gateway.name, "host": gateway.host, "station": str(station.pk)}
    assert admin.post(page, form).status_code == 302
    assert Gateway.objects.get(pk=gateway.pk).station_id == station.pk
    text = text_of(admin.get("/console/lines"))
    assert 'data-test="station"' in text and "1 of 1 gateways in contact" in text and "Building 1, B1" in text
    edit = f"/console/lines/stations/{station.pk}"
    assert admin.post(edit, {"name": "Cellar", "place": "", "equipment": ""}).status_code == 302
    text = text_of(admin.get(edit))
    assert "Cellar" in text and "Station changed" in text and "Station entered" in text and gateway.code in text
    answer = admin.post(f"{edit}/remove")
    assert answer.status_code == 422 and "station_has_gateways" in text_of(answer)
    assert admin.post(page, {**form, "station": ""}).status_code == 302
    assert admin.post(f"{edit}/remove").status_code == 302 and not Station.objects.exists()


def test_a_form_without_the_field_leaves_a_gateway_where_it_stands(cast: Cast) -> None:
    admin = client(cast)
    station = entered(admin)
    Gateway.objects.update(station=station)
    gateway = Gateway.objects.get(pk=cast.line.gateway_id)
    assert admin.post(f"/console/lines/gateways/{gateway.pk}", {"name": "x", "host": gateway.host}).status_code == 302
    assert Gateway.objects.get(pk=gateway.pk).station_id == station.pk


def test_a_dead_station_is_told_on_the_lines_the_board_and_the_alarms_page(cast: Cast) -> None:
    admin = client(cast)
    station = entered(admin)
    Gateway.objects.update(station=station)
    LineState.objects.update(up=False)
    Alarm.objects.create(site_id=cast.site.pk, kind="station_lost", station_id=station.pk, raised_at=NOON)
    assert "out of contact: all its gateways." in text_of(admin.get("/console/lines"))
    board = text_of(admin.get("/console/live"))
    assert "S1 Cabinet lost" in board
    meters = text_of(admin.get("/console/meters?health=line_lost"))
    assert meters.count('data-test="dead-station"') == 1 and "4 meters behind it" in meters
    alarms = text_of(admin.get("/console/alarms"))
    assert "Station out of contact" in alarms and "S1 Cabinet" in alarms and "circuits unread" in alarms


def test_meters_are_filtered_and_exported_by_station(cast: Cast) -> None:
    admin = client(cast)
    station = entered(admin)
    number = cast.shop_101.meter.number
    assert number not in text_of(admin.get(f"/console/meters?station={station.pk}"))
    Gateway.objects.update(station=station)
    assert number in text_of(admin.get(f"/console/meters?station={station.pk}"))
    book = CalamineWorkbook.from_filelike(BytesIO(admin.get("/console/meters/export").content))
    titles, first, *_rest = book.get_sheet_by_index(0).to_python()
    assert first[titles.index("Station")] == "S1"


def test_who_may_not_change_the_estate_changes_no_station_and_others_do_not_see_it(cast: Cast) -> None:
    station = entered(client(cast))
    manager = client(cast, Role.MANAGER)
    assert manager.get(f"/console/lines/stations/{station.pk}").status_code == 403
    assert manager.post(f"/console/lines/stations/{station.pk}/remove").status_code == 403
    far = Building.objects.create(site=cast.site, code="9", name="Nine")
    Station.objects.create(site=cast.site, code="S2", name="Other")
    admin = client(cast, building_id=far.pk)
    assert admin.get("/console/lines/stations/999999").status_code == 404
    assert admin.get(f"/console/lines/stations/{station.pk}").status_code == 200, "stations are of a whole site"


def test_the_overview_tells_a_dead_station_once(cast: Cast) -> None:
    admin = client(cast)
    station = entered(admin)
    second = Gateway.objects.create(site=cast.site, code="G2", name="", host="10.0.0.2", station=station)
    line = Line.objects.create(gateway=second, code="1", transport="modbus-tcp", port=502)
    Meter.objects.filter(pk=cast.shop_102.meter_id).update(line=line)
    Gateway.objects.update(station=station)
    now = timezone.now()
    for each in (cast.line, line):
        LineState.objects.update_or_create(line=each, defaults={"up": False, "since": now, "at": now})
        SupplyEvent.objects.create(site_id=cast.site.pk, line_id=each.pk, kind="line_lost", at=now)
    Alarm.objects.create(site_id=cast.site.pk, kind="station_lost", station_id=station.pk, raised_at=now)
    page = text_of(admin.get("/console/"))
    assert page.count("lost since then") == 1 and "4 circuits unread" in page
    assert "station <b>S1 Cabinet</b> is out of contact" in page and "gateway <b>" not in page
    assert "lost 1" in page, "one alarm among the figures"
