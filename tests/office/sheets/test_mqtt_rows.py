"""Meters at a broker in the sheets of a take-over."""

from typing import Any

import pytest

from prewatt.office.estate.models import Line, Meter, Site
from tests.office.sheets.test_taking_over import estate, site, taken, workbook

__all__ = ["site"]
pytestmark = pytest.mark.django_db
IDENTITY = "mqtt/NzIxOTYzNTc4MDEwNDMxNDg4/26112000000001"


def content(**gateway: Any) -> dict[str, Any]:
    """One gateway at a broker with the first meter of the usual estate."""
    found = estate()
    told = {"transport": "mqtt", "host": IDENTITY, "port": "", "baud": "", "station": "", "medium": "", "key": ""}
    (one, *_) = found["gateways"]
    meter = {**found["meters"][0], "profile": "acrel-ddsy1352", "ratio": 1, "gateway": one["code"]}
    return {"gateways": [{**one, **told, **gateway}], "meters": [meter]}


def test_a_meter_at_a_broker_is_taken_over_by_its_place_in_the_topics(site: Site) -> None:
    assert taken(site, workbook(content())).refusals == ()
    line = Line.objects.select_related("gateway").get()
    assert (line.transport, line.port, line.gateway.identity) == ("mqtt", 0, IDENTITY)
    assert Meter.objects.get().line_id == line.pk
    assert not any(taken(site, workbook(content())).created.values()), "the same again changes nothing"


@pytest.mark.parametrize(
    ("gateway", "meter", "code"),
    [
        ({"host": "mqtt/p"}, {}, "identity_malformed"),
        ({"host": "GATE-7"}, {}, "identity_malformed"),
        ({"transport": "dial-in"}, {}, "identity_malformed"),
        ({}, {"ratio": 40}, "mqtt_one_meter"),
        ({}, {"profile": "acrel-adf300"}, "mqtt_needs_server_held"),
    ],
)
def test_what_cannot_be_at_a_broker_is_refused_and_nothing_is_written(
    site: Site, gateway: dict[str, Any], meter: dict[str, Any], code: str
) -> None:
    found = content(**gateway)
    found["meters"][0] |= meter
    assert code in {each.code for each in taken(site, workbook(found)).refusals}
    assert not Line.objects.exists()


def test_a_second_meter_at_the_same_place_is_refused(site: Site) -> None:
    found = content()
    found["meters"].append({**found["meters"][0], "number": "26112000000002", "unit": 2})
    assert {each.code for each in taken(site, workbook(found)).refusals} == {"mqtt_one_meter"}
