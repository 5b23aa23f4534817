"""The scan page: begins one, shows how far it is and what answered, leads to the form of a meter."""

import pytest
from django.test import Client

from prewatt.core.meters.identify import Proposal, Why
from prewatt.core.meters.jobs import Frame
from prewatt.core.meters.model import Protocol
from prewatt.core.meters.scanning import Found
from prewatt.office.estate.models import Meter
from prewatt.office.metering.models import LineScan
from prewatt.office.metering.scan_post import found_json
from prewatt.office.staff.models import Operator, Role, Scope
from tests.cast import NOON, Cast, assemble

pytestmark = pytest.mark.django_db
FRAME = Frame(
    function=3,
    address=0,
    count=1,
    sent=b"\x63\x03\x00\x00",
    received=b"\x63\x03\x02\x00\x01\xab\xcd",
    words=b"\x00\x01",
)
FOUND = [
    Found(
        protocol=Protocol.MODBUS, address="99", baud=9600, frames=(FRAME,),
        proposals=(
            Proposal(codes=("pilot-spm9513",), permille=980, why=(Why.MODEL_SAID, Why.VOLTAGE), number="202500000099",
                     assumed=True),
            Proposal(codes=("chint-dtsu666", "not-here"), permille=500, why=(), number="", assumed=False),
        ),
    ),
    Found(protocol=Protocol.MODBUS, address="98", baud=9600, garbled=True, frames=(FRAME,)),
    Found(protocol=Protocol.DLT645, address="202500000123", baud=9600),
]  # fmt: skip


@pytest.fixture
def cast() -> Cast:
    return assemble()


def as_(operator: Operator, language: str = "en") -> Client:
    client = Client()
    client.force_login(operator)
    client.cookies["django_language"] = language
    return client


def electrician_of(cast: Cast) -> Operator:
    made: Operator = Operator.objects.create(
        username="erin", name="Erin", role=Role.ELECTRICIAN, created_at=NOON, password="!"
    )
    Scope.objects.create(operator=made, site_id=cast.site.pk)
    return made


def page(client: Client, address: str, **more: str) -> str:
    answer = client.get(address, **more)  # type: ignore[arg-type]
    assert answer.status_code == 200, answer.content.decode()[:2000]
    return str(answer.content.decode())


def test_an_electrician_scans_a_line_and_stops_it(cast: Cast) -> None:
    electrician, line = as_(electrician_of(cast)), cast.line
    address = f"/console/lines/{line.pk}/scan"
    assert "Scan this line" in page(electrician, address)
    told = {"modbus": "1", "dlt645": "1", "first": "1", "last": "32"}
    assert electrician.post(address, told)["Location"] == address
    scan = LineScan.objects.get()
    assert (scan.plan["last"], scan.plan["protocols"], scan.state) == (32, ["modbus", "dlt645"], "waiting")
    LineScan.objects.update(state="running", asked=7, total=34)
    shown = page(electrician, f"/console/scans/{scan.pk}", HTTP_HX_REQUEST="true")
    assert "7 of about 34" in shown and 'hx-trigger="load' in shown
    again = electrician.post(address, told)
    assert again.status_code == 422 and "scan_running" in again.content.decode()
    electrician.post(f"/console/scans/{scan.pk}/stop")
    scan.refresh_from_db()
    assert scan.stop_asked


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_what_answered_is_shown_with_its_reasons_and_leads_to_the_form(cast: Cast, language: str) -> None:
    electrician, line = as_(electrician_of(cast), language), cast.line
    LineScan.objects.create(
        site_id=cast.site.pk, gateway=line.gateway, line=line, state="done", asked=249, total=249, actor="operator:1",
        plan={}, found=[found_json(each) for each in FOUND], created_at=NOON, finished_at=NOON,
    )  # fmt: skip
    shown = page(electrician, f"/console/lines/{line.pk}/scan")
    assert ("It may be" if language == "en" else "可能的型号") in shown
    assert shown.count('data-test="scan-row"') == 3
    assert shown.count('data-test="scan-add"') == 2  # not of what cannot be read
    assert "profile=pilot-spm9513" in shown and "not-here" in shown and "98/100" in shown
    assert "63</span> 03 02 00 01" in shown
    form = page(
        electrician,
        f"/console/meters/new?line={line.pk}&unit=99&number=202500000099&profile=pilot-spm9513",
    )
    assert 'value="202500000099"' in form and '<option value="pilot-spm9513" selected>' in form
    assert f'<option value="{line.pk}" selected>' in form


def test_a_data_meter_is_given_no_address_that_is_anothers_and_the_scan_waits_for_the_next(cast: Cast) -> None:
    """On one bus with Modbus meters that are not entered yet; forty are entered one after the other."""
    electrician, line = as_(electrician_of(cast)), cast.line
    high = Found(protocol=Protocol.MODBUS, address="247", baud=9600)
    scan = LineScan.objects.create(
        site_id=cast.site.pk, gateway=line.gateway, line=line, state="done", asked=249, total=249, actor="operator:1",
        plan={}, found=[found_json(each) for each in (*FOUND, high)], created_at=NOON, finished_at=NOON,
    )  # fmt: skip
    shown = page(electrician, f"/console/scans/{scan.pk}").replace("&amp;", "&")
    assert f"line={line.pk}&unit=246&number=202500000123&scan={scan.pk}" in shown
    form = {"line": str(line.pk), "unit": "246", "number": "202500000123", "profile": "ningju-ddzy1218", "ratio": "1"}
    answer = electrician.post(f"/console/meters/new?scan={scan.pk}", form)
    assert answer["Location"] == f"/console/scans/{scan.pk}"
    shown = page(electrician, answer["Location"])
    assert "Meter 202500000123 is entered" in shown and shown.count('data-test="scan-add"') == 2


def test_an_electrician_is_led_from_an_empty_site_to_a_scan(cast: Cast) -> None:
    electrician = as_(electrician_of(cast))
    answer = electrician.post("/console/lines/gateways/new", {"code": "G7", "name": "", "host": "192.0.2.7"})
    assert answer["Location"].endswith("/new") and "/gateways/" in answer["Location"], "to its line"
    Meter.objects.update(removed_at=NOON)
    assert "No meter is entered: scan a line" in page(electrician, "/console/lines")


def test_nobody_else_scans(cast: Cast) -> None:
    cashier = as_(cast.alice)
    assert cashier.get(f"/console/lines/{cast.line.pk}/scan").status_code == 403
    assert cashier.post(f"/console/lines/{cast.line.pk}/scan", {"modbus": "1"}).status_code == 403
    assert LineScan.objects.count() == 0
