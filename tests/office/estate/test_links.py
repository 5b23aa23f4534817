"""Lines over links of every kind: what each must be told, and what cannot be."""

from datetime import UTC, datetime

import pytest

from prewatt.core.refusals import Refused
from prewatt.office.estate import links, wires
from prewatt.office.estate.models import Gateway, Line, Site
from tests.cast import assemble

pytestmark = pytest.mark.django_db
AT = datetime(2026, 3, 2, 4, tzinfo=UTC)
BY = {"actor": "operator:1", "at": AT}


@pytest.fixture
def site() -> Site:
    return assemble().site


def gateway(site: Site, host: str) -> Gateway:
    return wires.add_gateway(site, code="NEW", name="", host=host, **BY)  # type: ignore[arg-type]


def line(gateway: Gateway, transport: str, *, port: int = 0, code: str = "1") -> Line:
    return wires.add_line(gateway, code=code, transport=transport, port=port, baud=1200, **BY)  # type: ignore[arg-type]


def refused(act: object, *args: object, **more: object) -> str:
    with pytest.raises(Refused) as found:
        act(*args, **more)  # type: ignore[operator]
    return found.value.code


@pytest.mark.parametrize("transport", [each for each in links.OPENED if each not in links.SERIAL])
def test_a_line_over_the_network_has_a_host_and_a_port(site: Site, transport: str) -> None:
    box = gateway(site, "10.0.0.9")
    assert line(box, transport, port=802).port == 802
    assert refused(line, box, transport, code="2") == "port_out_of_range"
    assert refused(wires.edit_gateway, box, name="", host="/dev/ttyUSB0", **BY) == "host_is_a_port"


@pytest.mark.parametrize("transport", links.SERIAL)
def test_a_serial_port_is_named_by_its_path_and_has_one_line(site: Site, transport: str) -> None:
    port = gateway(site, "/dev/serial/by-id/usb-FTDI_FT232R-if00-port0")
    assert line(port, transport, port=99).port == 0
    assert refused(line, port, transport, code="2") == "serial_has_one_line"
    assert refused(line, gateway_of(port, "/dev/ttyS1"), "rtu-over-tcp", port=1, code="3") == "host_is_a_port"
    assert refused(wires.edit_gateway, port, name="", host="10.0.0.9", **BY) == "serial_port_malformed"


def gateway_of(other: Gateway, host: str) -> Gateway:
    return wires.add_gateway(other.site, code="N2", name="", host=host, **BY)  # type: ignore[arg-type]


@pytest.mark.parametrize("host", ["/etc/passwd", "/dev/sda", "/dev/../etc/passwd", "/dev/pts/3", "COM3", "10.0.0.9"])
def test_nothing_but_a_serial_port_is_opened_as_one(site: Site, host: str) -> None:
    assert refused(line, gateway(site, host), "serial-8e1") == "serial_port_malformed"


def test_a_gateway_that_speaks_modbus_itself_passes_no_data_meter_on() -> None:
    for transport in links.MODBUS_TCP:
        assert refused(wires.check_link, "ningju-ddzy1218", transport, 9600) == "meter_needs_transparent_line"
    wires.check_link("ningju-ddzy1218", "serial-8e1", 9600)
