"""A bus of meters nobody registered is put into operation from the console: scanned, entered as proposed, given other
addresses and a speed, read, accepted. Two meters left the works with one address, one with none of its own.
"""

import os
import re
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from prewatt.core.wire.modbus import Function, ReadRequest, WriteMultiple, encode_rtu_request
from prewatt.office.estate.models import Circuit, Gateway, Line, Meter
from prewatt.office.metering.models import Acceptance, LineScan
from prewatt.office.staff.models import Operator, Role, Scope
from tests.cast import OPENED, assemble
from tests.journeys.parts import Parts, SimulatedSite, as_, asked, until

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]
TWIN, OTHER_TWIN, ACREL, DATA = "202611000001", "202611000002", "202611000003", "202611000004"
FACTORY = "000000000001"
PORT = f"/dev/ttyPW{os.getpid() % 100_000}"  # only root may make one; others go by TCP, where a speed is not ours
SERIAL = os.geteuid() == 0
SCANS = 3
WIRE: dict[str, object] = {"id": "wire", "transport": "rtu-over-tcp", "port": 0, "baud": 9600, "turnaround_ms": 5}
HEAD: dict[str, object] = (
    {"id": "head", "transport": "serial-8e1", "baud": 2400, "serial": {"pty": PORT}}
    if SERIAL
    else {"id": "head", "transport": "rtu-over-tcp", "port": 0, "baud": 2400}
)
SITE = {
    "lines": [WIRE, HEAD],
    "meters": [
        {"number": TWIN, "profile": "hiking-dds238-zn-sr", "unit": 1, "line": "wire"},
        {"number": OTHER_TWIN, "profile": "hiking-dds238-zn-sr", "unit": 2, "line": "wire"},
        {"number": ACREL, "profile": "acrel-ddsy1352", "unit": 3, "line": "wire"},
        {"number": DATA, "profile": "ningju-ddzy1218", "unit": 1, "line": "head", "address": FACTORY, "baud": 2400},
    ],
}


class Stage:
    def __init__(self, parts: Parts) -> None:
        cast = assemble()
        dave: Operator = Operator.objects.create(
            username="dave", name="Dave", role=Role.ELECTRICIAN, created_at=OPENED, password="!"
        )
        Scope.objects.create(operator=dave, site_id=cast.site.pk)
        self.console, self.parts, self.site = as_(dave), parts, SimulatedSite(parts, SITE)
        parts.head_end("head")
        parts.start("worker", "worker")

    def posted(self, path: str, **form: object) -> None:
        """A form that is taken leads elsewhere."""
        answer = self.console.post(path, {name: str(each) for name, each in form.items()})
        said = re.findall(r'class="pw-plain refused.*?</div>', answer.content.decode(), re.S)
        assert answer.status_code == 302, (path, form, said)

    def page(self, path: str) -> str:
        return str(self.console.get(path).content.decode())

    def line(self, code: str, host: str, **line: object) -> Line:
        self.posted("/console/lines/gateways/new", code=code, host=host)
        gateway = Gateway.objects.get(code=code)
        self.posted(f"/console/lines/gateways/{gateway.pk}/new", code="1", **line)
        return Line.objects.get(gateway=gateway)

    def scanned(self, line: Line, **form: object) -> dict[str, str]:
        """The rows of the result by address."""
        self.posted(f"/console/lines/{line.pk}/scan", **form)
        scan = LineScan.objects.filter(line=line).latest("pk")
        until(lambda: LineScan.objects.get(pk=scan.pk).state in ("done", "failed"), f"it ends: {self.parts.said()}")
        shown = self.page(f"/console/scans/{scan.pk}").split('data-test="scan-row"')[1:]
        return {re.findall(r'data-address="(\w+)"', each)[0]: each for each in shown}

    def found(self, line: Line, *wanted: str, **form: object) -> dict[str, str]:
        """The same, once these are among them: a look at an address is one question, and a stalled machine is late."""
        for _ in range(SCANS):
            found = self.scanned(line, **form)
            if set(wanted) <= set(found):
                return found
        raise AssertionError(f"{wanted} not found in {SCANS} scans, {sorted(found)} were: {self.parts.said()}")

    def taken_up(self, row: str, **changes: str) -> Meter:
        """As the scan proposes it; only what stands on the plate is typed."""
        [address] = re.findall(r'class="btn btn-sm" href="([^"]+)"', row)
        link = urlsplit(address.replace("&amp;", "&"))
        self.posted(link.path, **{**dict(parse_qsl(link.query)), "ratio": "1", **changes})
        return Meter.objects.latest("pk")

    def changed(self, meter: Meter, **form: object) -> None:
        path = f"/console/meters/{meter.pk}/address"
        self.posted(path, reason="commissioning", request_key=f"{form}", **form)
        until(lambda: 'data-verdict="running"' not in self.page(path), "the meter answers")
        page = self.page(path)
        assert 'data-verdict="done"' in page, re.findall('data-test="address-result.*?muted small', page, re.S)

    def read_again(self, meter: Meter) -> None:
        circuit, since = Circuit.objects.get(meter=meter), datetime.now(UTC)
        question = "SELECT 1 FROM metering_latest WHERE circuit_id = %s AND at > %s"
        until(lambda: bool(asked(question, circuit.pk, since)), f"{meter} is read: {self.parts.said()}")

    def unplugged(self, number: str, yes: bool) -> None:
        self.site.post(f"/meters/{number}", {"silent": yes})


@pytest.fixture
def stage(tmp_path: Path, transactional_db: None) -> Iterator[Stage]:
    parts = Parts(home=tmp_path)
    try:
        yield Stage(parts)
    finally:
        parts.end()


def at_one_address(port: int) -> None:
    """The works set both to 1; what stands in the low byte stays."""
    read = ReadRequest(function=Function.READ_HOLDING_REGISTERS, address=0x15, count=1)
    with socket.create_connection(("127.0.0.1", port), 10) as bus:
        bus.sendall(encode_rtu_request(2, read))
        said = bus.recv(64)
        data = b"\x01" + said[4:5]
        bus.sendall(encode_rtu_request(2, WriteMultiple(
            function=Function.WRITE_REGISTERS, address=0x15, count=1, data=data
        )))  # fmt: skip
        assert bus.recv(64)[1] == Function.WRITE_REGISTERS


def test_meters_that_nobody_registered_are_put_into_operation(stage: Stage) -> None:
    at_one_address(stage.site.ports["wire"])
    line = stage.line("B1", "127.0.0.1", transport="rtu-over-tcp", port=stage.site.ports["wire"], baud=9600, medium="")
    found = stage.found(line, "1", "3", modbus=1, first=1, last=3)
    assert set(found) == {"1", "3"}
    assert "two meters have this address" in found["1"] and "scan-add" not in found["1"]
    assert "DDSY1352" in found["3"] and re.search(r"\d\d/100", found["3"])

    stage.unplugged(OTHER_TWIN, True)
    acrel = stage.taken_up(found["3"], number=ACREL)
    found = stage.found(line, "1", modbus=1, first=1, last=1)
    twin = stage.taken_up(found["1"], number=TWIN)
    assert twin.profile.startswith("hiking-dds238") and acrel.profile.startswith("acrel-") and acrel.unit == 3
    stage.changed(twin, unit=5)
    twin.refresh_from_db()
    assert twin.unit == stage.site.meter(TWIN)["unit"] == 5
    stage.unplugged(OTHER_TWIN, False)
    other = stage.taken_up(stage.found(line, "1", modbus=1, first=1, last=1)["1"], number=OTHER_TWIN)
    for meter in (twin, other, acrel):
        stage.read_again(meter)
    a_data_meter_gets_its_own_address(stage)

    stage.posted("/console/acceptance", line="", accepted_by="Dave and the fitter", remark="")
    record = stage.page(f"/console/acceptance/{Acceptance.objects.get().pk}")
    for number, where in ((TWIN, "B1 / 1 / 5"), (OTHER_TWIN, "B1 / 1 / 1"), (ACREL, "B1 / 1 / 3"), (DATA, "B2 / 1 / ")):
        assert number in record and where in record


def a_data_meter_gets_its_own_address(stage: Stage) -> None:
    """As it left the works; alone on an infrared head, where its speed is ours to change too."""
    told: dict[str, Any] = {"transport": "serial-8e1"} if SERIAL else {
        "transport": "rtu-over-tcp", "port": stage.site.ports.get("head")
    }  # fmt: skip
    line = stage.line("B2", PORT if SERIAL else "127.0.0.1", baud=2400, medium="", **told)
    found = stage.found(line, FACTORY, dlt645=1, first=1, last=1)
    assert set(found) == {FACTORY} and "DDZY1218" in found[FACTORY]
    meter = stage.taken_up(found[FACTORY], number=DATA)
    stage.site.post(f"/meters/{DATA}", {"programming_key": True})
    stage.changed(meter)
    assert stage.site.meter(DATA)["address"] == DATA
    stage.read_again(meter)
    if SERIAL:
        stage.changed(meter, baud=9600)
        until(lambda: Line.objects.get(pk=line.pk).baud == 9600, "the line follows")
        stage.read_again(meter)
