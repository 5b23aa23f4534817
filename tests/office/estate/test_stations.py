"""Stations: entered, changed, given gateways, and taken away when nothing stands there."""

import pytest

from prewatt.core.refusals import Refused
from prewatt.office.estate import places, stations
from prewatt.office.estate.models import Gateway, Station
from prewatt.office.estate.scope import visible_to
from prewatt.office.staff.audit import trail_of
from tests.cast import NOON, Cast, assemble

pytestmark = pytest.mark.django_db
WHO = "operator:1"


@pytest.fixture
def cast() -> Cast:
    return assemble()


def made(cast: Cast, code: str = "S1") -> Station:
    return stations.add_station(
        cast.site, code=code, name="Cabinet", place="Building 1, B1", equipment="switch, battery", actor=WHO, at=NOON
    )


def test_every_change_of_a_station_and_of_where_a_gateway_stands_is_in_the_trail(cast: Cast) -> None:
    station, gateway = made(cast), Gateway.objects.get(pk=cast.line.gateway_id)
    stations.edit_station(station, name="Cabinet", place="B2", equipment="", actor=WHO, at=NOON)
    assert stations.assign(gateway, station, actor=WHO, at=NOON)
    assert not stations.assign(gateway, station, actor=WHO, at=NOON), "it stands there already"
    edited, entered = trail_of("station", str(station.pk))
    assert entered.after == {"code": "S1", "name": "Cabinet", "place": "Building 1, B1", "equipment": "switch, battery"}
    assert edited.before is not None and edited.after is not None
    assert (edited.before["place"], edited.after["place"]) == ("Building 1, B1", "B2")
    [moved] = trail_of("gateway", str(gateway.pk)).filter(action="estate.gateway_station")
    assert (moved.before, moved.after) == ({"station": ""}, {"station": "S1"})
    assert [each.gateways for each in stations.with_counts(Station.objects.all())] == [1]  # type: ignore[attr-defined]


def test_where_a_gateway_stands_is_no_matter_of_the_wire(cast: Cast) -> None:
    gateway = Gateway.objects.get(pk=cast.line.gateway_id)
    stations.assign(gateway, made(cast), actor=WHO, at=NOON)
    assert Gateway.objects.get(pk=gateway.pk).revision == gateway.revision, "the head-end does not reconnect"


def test_what_cannot_be_is_refused_and_changes_nothing(cast: Cast) -> None:
    station, gateway = made(cast), Gateway.objects.get(pk=cast.line.gateway_id)
    other = places.add_site(cast.company, code="O", name="Other", timezone="Asia/Shanghai", actor=WHO, at=NOON)
    far = stations.add_station(other, code="S1", name="Far", actor=WHO, at=NOON)
    stations.assign(gateway, station, actor=WHO, at=NOON)
    for code, act in (
        ("code_taken", lambda: made(cast)),
        ("name_needed", lambda: made(cast, " ")),
        ("name_needed", lambda: stations.edit_station(station, name=" ", place="", equipment="", actor=WHO, at=NOON)),
        ("station_other_site", lambda: stations.assign(gateway, far, actor=WHO, at=NOON)),
        ("station_has_gateways", lambda: stations.remove_station(station, actor=WHO, at=NOON)),
    ):
        with pytest.raises(Refused) as refused:
            act()
        assert refused.value.code == code
    assert Gateway.objects.get(pk=gateway.pk).station_id == station.pk
    stations.assign(gateway, None, actor=WHO, at=NOON)
    stations.remove_station(station, actor=WHO, at=NOON)
    assert not Station.objects.filter(site=cast.site).exists()


def test_who_sees_a_building_sees_the_stations_of_its_site_and_no_others(cast: Cast) -> None:
    station = made(cast)
    assert list(visible_to(cast.bob, Station)) == [station] and not visible_to(cast.charlie, Station).exists()
