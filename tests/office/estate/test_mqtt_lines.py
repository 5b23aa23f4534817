"""Meters at a broker in the estate: one meter a line, held by the server, under its place in the topics."""

from datetime import UTC, datetime
from typing import Any

import pytest

from prewatt.core.meters.model import Protocol
from prewatt.core.refusals import Refused
from prewatt.office.estate import wires
from prewatt.office.estate.models import Gateway, Line, Meter
from prewatt.office.metering import scans
from tests.cast import Cast, assemble

pytestmark = pytest.mark.django_db
AT = datetime(2026, 3, 2, 4, tzinfo=UTC)
BY: dict[str, Any] = {"actor": "operator:1", "at": AT}
IDENTITY = "mqtt/NzIxOTYzNTc4MDEwNDMxNDg4/26112000000001"
METER: dict[str, Any] = {
    "number": "26112000000001", "profile": "acrel-ddsy1352", "unit": 1, "ct_ratio": 1, "room": None, "common": False,
}  # fmt: skip


@pytest.fixture
def cast() -> Cast:
    return assemble()


def entered(cast: Cast) -> tuple[Gateway, Line]:
    gateway = wires.add_gateway(cast.site, code="M1", name="", identity=IDENTITY, **BY)
    return gateway, wires.add_line(gateway, code="1", transport="mqtt", port=9, baud=9600, **BY)


def refused(act: Any, *args: Any, **more: Any) -> str:
    with pytest.raises(Refused) as found:
        act(*args, **{**BY, **more})
    return found.value.code


def test_a_meter_at_the_broker_is_a_gateway_with_one_line_and_one_meter(cast: Cast) -> None:
    gateway, line = entered(cast)
    assert (gateway.identity, line.transport, line.port) == (IDENTITY, "mqtt", 0)
    assert refused(wires.add_line, gateway, code="2", transport="mqtt", port=0, baud=9600) == "dial_in_has_one_line"
    wires.add_meter(line, **METER, **BY)
    other = {**METER, "number": "26112000000002", "unit": 2}
    assert refused(wires.add_meter, line, **other) == "mqtt_one_meter"
    wired = wires.add_meter(cast.line, **{**other, "unit": 200}, **BY)
    assert refused(wires.move_meter, wired, line, unit=3) == "mqtt_one_meter"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"ct_ratio": 40}, "mqtt_one_meter"),
        ({"profile": "acrel-dtsy1352-4g-purse"}, "mqtt_needs_server_held"),  # no command puts credit in
        ({"profile": "acrel-adf300"}, "mqtt_needs_server_held"),  # several circuits
        ({"profile": "chint-ddsu666"}, "mqtt_needs_server_held"),  # another maker
        ({"profile": "ningju-ddzy1218"}, "mqtt_needs_server_held"),
    ],
)
def test_what_cannot_be_told_over_mqtt_is_refused_before_it_is_written(
    cast: Cast, more: dict[str, Any], code: str
) -> None:
    _, line = entered(cast)
    assert refused(wires.add_meter, line, **{**METER, **more}) == code
    assert not Meter.objects.filter(line=line).exists()


@pytest.mark.parametrize("identity", ["mqtt/", "mqtt/p", "mqtt/p/s/t", "mqtt/+/s", "mqtt/p/" + "s" * 90])
def test_a_place_that_is_none_is_refused(cast: Cast, identity: str) -> None:
    assert refused(wires.add_gateway, cast.site, code="M2", name="", identity=identity) == "identity_malformed"


def test_a_name_at_the_broker_has_no_key_stays_at_the_broker_and_has_no_bus_to_scan(cast: Cast) -> None:
    gateway, line = entered(cast)
    key = {"identity": "mqtt/p/1", "secret": "0123456789abcdef"}
    assert refused(wires.add_gateway, cast.site, code="M2", name="", **key) == "gateway_secret_malformed"
    assert refused(wires.edit_gateway, gateway, name="", identity="GATE 7") == "identity_malformed"
    wires.edit_gateway(gateway, name="Roof", identity="mqtt/p/2", **BY)
    assert refused(scans.begin, line, protocols=[Protocol.MODBUS]) == "scan_mqtt"
