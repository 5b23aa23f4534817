"""Strangers who dialled in, on the lines page; gateways that dial in, entered by hand."""

from datetime import UTC, datetime

import pytest
from django.test import Client
from django.utils import timezone

from prewatt.core.meters.mailbox import NOT_PROVED
from prewatt.office.estate.models import Gateway, Line, Meter
from prewatt.office.metering.models import Caller
from tests.cast import Cast
from tests.web.console.test_by_hand import ada, cast, refused, save  # noqa: F401  fixtures

pytestmark = pytest.mark.django_db
AT = datetime(2026, 3, 2, 4, tzinfo=UTC)
SERIAL = "26112000000001"


def stranger(identity: str = SERIAL, kind: str = "acrel-4g") -> Caller:
    return Caller.objects.create(
        identity=identity, kind=kind, peer="100.64.0.7", detail="signal 23", headend="one", first_at=AT, last_at=AT
    )


def page(client: Client) -> str:
    answer = client.get("/console/lines")
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_stranger_is_seen_by_those_who_enter_gateways_alone(cast: Cast, ada: Client) -> None:  # noqa: F811
    stranger("GATE/7 & co", "serial-server")
    text = page(ada)
    assert "GATE/7 &amp; co" in text and "100.64.0.7" in text and "identity=GATE%2F7%20%26%20co" in text
    alice = Client()
    alice.force_login(cast.alice)
    assert "GATE/7" not in page(alice)
    assert alice.post("/console/lines/callers", {"identity": "GATE/7 & co"}).status_code == 403
    assert alice.get("/console/lines/callers/take", {"identity": "GATE/7 & co"}).status_code == 403


def test_a_meter_that_dialled_in_is_taken_over_with_one_form(cast: Cast, ada: Client) -> None:  # noqa: F811
    stranger()
    address = f"/console/lines/callers/take?identity={SERIAL}"
    shown = ada.get(address).content.decode()
    assert f'value="{SERIAL}"' in shown and '<option value="acrel-dtsy1352-4g" selected' in shown
    typed = {"code": "G-4G", "name": "Roof", "baud": "9600", "number": "260311005207", "profile": "acrel-dtsy1352-4g"}
    assert refused(ada, address, **{**typed, "code": cast.gateway.code}) == "code_taken"
    assert Caller.objects.count() == 1 and not Meter.objects.filter(number="260311005207").exists()
    answer = ada.post(address, {**typed, "unit": "1", "ratio": "40"})
    assert answer.status_code == 302 and answer["Location"] == "/console/lines"
    gateway = Gateway.objects.get(identity=SERIAL)
    meter = Meter.objects.get(line__gateway=gateway)
    assert (gateway.code, meter.number, meter.ct_ratio, Line.objects.get(gateway=gateway).transport) == (
        "G-4G", "260311005207", 40, "dial-in",
    )  # fmt: skip
    assert not Caller.objects.exists() and SERIAL in page(ada)
    assert ada.get(address).status_code == 404, "decided already"
    places = (f"/console/meters/{meter.pk}", f"/console/meters/{meter.pk}/try", f"/console/lines/gateways/{gateway.pk}")
    for place in places:
        assert ada.get(place).status_code == 200


def test_a_data_meter_with_a_modem_is_of_the_model_that_is_on_its_plate(cast: Cast, ada: Client) -> None:  # noqa: F811
    """Its call says an address and nothing else: whoever enters it chooses."""
    stranger("202500000014", "dlt645")
    address = "/console/lines/callers/take?identity=202500000014"
    shown = ada.get(address).content.decode()
    assert 'value="202500000014"' in shown and '<option value="" selected' in shown
    assert '<option value="2400" selected' in shown
    typed = {"code": "G-M", "baud": "2400", "number": "202500000014", "unit": "1", "ratio": "1"}
    assert refused(ada, address, **typed, profile="") == "choice_needed"
    assert Caller.objects.exists() and not Gateway.objects.filter(code="G-M").exists(), "nothing half done"
    ada.post(address, {**typed, "profile": "ningju-ddzy1218"})
    assert Meter.objects.get(number="202500000014").profile == "ningju-ddzy1218"


def test_who_called_and_was_then_entered_by_hand_is_no_stranger_and_a_serial_port_is_offered_no_second_line(
    cast: Cast, ada: Client  # noqa: F811
) -> None:
    stranger("GATE-7", "serial-server")
    save(ada, "/console/lines/gateways/new", code="G7", name="", host="", identity="GATE-7")
    assert "identity=GATE-7" not in page(ada)
    save(ada, "/console/lines/gateways/new", code="USB", name="", host="/dev/ttyUSB0", identity="")
    port = Gateway.objects.get(code="USB")
    again = f'href="/console/lines/gateways/{port.pk}/new"'
    assert again in page(ada), "it has none yet"
    save(ada, f"/console/lines/gateways/{port.pk}/new", code="1", transport="serial-8n1", port="", baud="9600")
    assert again not in page(ada)


def test_a_refused_caller_can_be_let_in_again(cast: Cast, ada: Client) -> None:  # noqa: F811
    stranger()
    assert ada.post("/console/lines/callers", {"identity": SERIAL}).status_code == 302
    assert Caller.objects.get().refused_at is not None and "callers/take" not in page(ada)
    assert ada.post("/console/lines/callers", {"identity": SERIAL, "wait": "1"}).status_code == 302
    assert Caller.objects.get().refused_at is None and "callers/take" in page(ada)


def test_a_gateway_that_dials_in_is_entered_and_changed_by_hand(cast: Cast, ada: Client) -> None:  # noqa: F811
    new = "/console/lines/gateways/new"
    assert refused(ada, new, code="G9", name="Roof", host="10.0.0.1", identity="GATE-9") == "name_needed"
    assert refused(ada, new, code="G9", name="Roof", identity="hex:0") == "identity_malformed"
    save(ada, new, code="G9", name="Roof", identity="GATE-9", heartbeat="hex:00ff")
    gateway = Gateway.objects.get(code="G9")
    assert (gateway.host, gateway.identity, gateway.heartbeat) == ("", "GATE-9", "hex:00ff")
    save(ada, f"/console/lines/gateways/{gateway.pk}/new", code="1", baud="19200")
    line = Line.objects.get(gateway=gateway)
    assert (line.transport, line.port, line.baud) == ("dial-in", 0, 19200)
    save(ada, f"/console/lines/{line.pk}", baud="9600")
    save(ada, f"/console/lines/gateways/{gateway.pk}", name="Roof", identity="GATE-10")
    gateway.refresh_from_db()
    assert (gateway.identity, gateway.heartbeat) == ("GATE-10", "")


def test_an_acrel_gateway_is_entered_with_its_key_which_is_never_shown_again(
    cast: Cast, ada: Client  # noqa: F811
) -> None:
    stranger("GW-001", "acrel-gateway")
    address, key = "/console/lines/callers/take?identity=GW-001", "0123456789abcdef"
    typed = {"code": "GW", "name": "Roof", "baud": "9600", "port": "2"}
    assert refused(ada, address, **typed) == "gateway_secret_malformed"
    assert refused(ada, address, **typed, secret="too short") == "gateway_secret_malformed"
    told = {**typed, "secret": key, "number": "260311005207", "profile": "pilot-spm9511"}
    assert ada.post(address, told).status_code == 302
    gateway = Gateway.objects.get(identity="GW-001")
    line = Line.objects.get(gateway=gateway)
    assert (gateway.secret, gateway.sealed, line.transport, line.port) == (key, True, "acrel-gateway", 2)
    place = f"/console/lines/gateways/{gateway.pk}"
    assert refused(ada, f"{place}/new", code="2", port="2", baud="9600") == "gateway_port_taken"
    assert refused(ada, f"{place}/new", code="2", port="100", baud="9600") == "gateway_port_out_of_range"
    assert refused(ada, f"{place}/new", code="2", port="3", baud="2400", medium="pigeon") == "medium_unknown"
    save(ada, f"{place}/new", code="2", port="3", baud="2400", medium="plc")
    assert Line.objects.get(gateway=gateway, port=3).medium == "plc"
    save(ada, place, name="Roof", identity="GW-001", secret="", sealed="0")
    gateway.refresh_from_db()
    assert (gateway.secret, gateway.sealed) == (key, False), "an empty key stays as it was"
    save(ada, place, name="Roof", identity="GW-001", secret="fedcba9876543210")
    gateway.refresh_from_db()
    assert gateway.secret == "fedcba9876543210"
    for shown in (ada.get(place), ada.get("/console/lines"), ada.get("/console/settings/trail")):
        assert shown.status_code == 200
        assert key not in shown.content.decode() and "fedcba9876543210" not in shown.content.decode()
    new = "/console/lines/gateways/new"
    assert refused(ada, new, code="G8", host="10.0.0.1", secret=key) == "gateway_secret_malformed"


def test_a_wrong_key_of_a_gateway_is_shown_to_those_who_enter_gateways(cast: Cast, ada: Client) -> None:  # noqa: F811
    Gateway.objects.create(site=cast.site, code="G-A", name="", identity="ANET-1", secret="0123456789abcdef")
    Caller.objects.create(
        identity="ANET-1", kind="acrel-gateway", peer="100.64.0.9", detail=NOT_PROVED, headend="one",
        first_at=AT, last_at=timezone.now(),
    )  # fmt: skip
    text = page(ada)
    assert f'data-code="{NOT_PROVED}"' in text and "100.64.0.9" in text and 'id="callers"' not in text
    alice = Client()
    alice.force_login(cast.alice)
    assert "100.64.0.9" not in page(alice)
