"""Lines that call us: what a site file may say of them, and what the simulated Acrel meter reports."""

import socket
from pathlib import Path
from typing import Any

import pytest

from prewatt.core.wire import acrel4g, acrel_gateway
from prewatt.core.wire.acrel4g import Command, Frame
from prewatt.core.wire.acrel_gateway import Tunnelled
from prewatt.field.gateway_seal import seal_of
from prewatt.field.simulator.dialer import poll_block
from prewatt.field.simulator.dialing import CallerKind
from prewatt.field.simulator.faces import shared
from prewatt.field.simulator.fields import SiteError
from prewatt.field.simulator.gateway_box import GatewayBox
from tests.field.simulator.plant import NOON_MS, line, meter, site, world
from tests.field.simulator.running import Simulator

ACREL = "acrel-dtsy1352-4g"


def calling(**dialing: Any) -> dict[str, Any]:
    return line(transport="dial-in", port=9300, dialing=dialing)


def test_a_line_says_how_it_calls() -> None:
    (bus,) = site(lines=[calling(identity="GATE-7", heartbeat="hex:00ff", every_packet=True)]).lines
    assert bus.dialing is not None
    assert (bus.dialing.caller, bus.dialing.identity, bus.dialing.heartbeat) == (
        CallerKind.SERIAL_SERVER, "GATE-7", "hex:00ff",
    )  # fmt: skip


def test_many_lines_call_the_same_place() -> None:
    buses = [{**calling(identity=f"GATE-{name}"), "id": name} for name in "ab"]
    assert len(site(lines=buses).lines) == 2


@pytest.mark.parametrize(
    ("bus", "code"),
    [
        (line(transport="dial-in"), "bad_dialing"),
        (line(dialing={"identity": "GATE-7"}), "bad_dialing"),
        (calling(identity="x" * 41), "bad_text"),
        (calling(identity="GATE 7", caller="acrel-4g"), "bad_text"),
        (calling(identity="1" * 21, caller="acrel-4g"), "bad_text"),
        (calling(identity="GATE-7", heartbeat="hex:0"), "bad_text"),
        (calling(identity="GATE-7", unheard_of=1), "unknown_key"),
        (calling(), "missing"),
    ],
)
def test_what_cannot_call_is_refused(bus: dict[str, Any], code: str) -> None:
    with pytest.raises(SiteError) as refused:
        site(lines=[bus])
    assert refused.value.code == code


def test_the_report_is_the_poll_block_as_it_is_known(tmp_path: Path) -> None:
    opening = {"energy_wh": 12_345_670, "sharp_wh": 1_000_000, "peak_wh": 2_345_670, "valley_wh": 5_000_000}
    played = world(
        tmp_path, meter(3, profile=ACREL, opening=opening, relay={"force": "trip"}),
        lines=[calling(identity="26112000000001", caller="acrel-4g")],
    )  # fmt: skip
    block = acrel4g.poll_block(bytes((3, 3, 0x60)) + poll_block(played.meters["202500000003"], NOON_MS))
    assert (block.model, block.energy_total, block.energy_spike, block.energy_flat) == (5, 1_234_567, 100_000, 400_000)
    assert all(2_200 < volts < 2_320 for volts in block.voltages) and block.currents == (0, 0, 0)
    assert block.force_on and not any(block.relays_closed)
    assert block.clock is not None and block.clock.isoformat()[:16] == "2026-03-02T12:00"


def test_the_report_of_a_purse_in_money_tells_its_money(tmp_path: Path) -> None:
    played = world(
        tmp_path, meter(3, profile=f"{ACREL}-purse", opening={"balance_wh": 13_260, "purchase_count": 4}),
        lines=[calling(identity="26112000000001", caller="acrel-4g")],
    )  # fmt: skip
    block = acrel4g.poll_block(bytes((3, 3, 0x60)) + poll_block(played.meters["202500000003"], NOON_MS))
    assert (block.balance, block.purchase_count) == (13_260, 4)
    assert all(block.relays_closed) and not block.force_on


def heard(connection: socket.socket, decoder: acrel4g.Decoder, command: Command) -> Frame:
    """The next frame with this command."""
    while True:
        data = connection.recv(4096)
        assert data, "hung up"
        for frame in decoder.receive(data):
            if frame.command == command:
                return frame


def test_the_played_site_calls_registers_asks_the_time_reports_and_calls_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        bus = calling(identity="26112000000001", caller="acrel-4g", report_s=1)
        played = Simulator(tmp_path, meter(profile=ACREL), lines=[{**bus, "port": server.getsockname()[1]}]).start()
        try:
            for _ in range(2):
                connection, _peer = server.accept()
                with connection:
                    connection.settimeout(60)
                    decoder = acrel4g.Decoder()
                    who = acrel4g.registration(heard(connection, decoder, Command.REGISTER))
                    assert (who.serial, who.interval) == ("26112000000001", 1)
                    connection.sendall(acrel4g.encode(acrel4g.registered()))
                    heard(connection, decoder, Command.TIME)
                    serial, (section,) = acrel4g.data_sections(heard(connection, decoder, Command.DATA))
                    assert serial == who.serial and acrel4g.poll_block(section.reply).model == 5
        finally:
            played.stop()


def test_lines_with_one_gateways_name_are_its_serial_ports_and_have_one_call(tmp_path: Path) -> None:
    key = {"identity": "GW-001", "caller": "acrel-gateway", "secret": "0123456789abcdef", "sealed": False}
    ports = [{**calling(**key, bus=bus), "id": name} for name, bus in (("a", 1), ("b", 2))]
    played = world(tmp_path, meter(1), meter(2, line="b"), lines=[*ports, {**calling(identity="x"), "id": "c"}])
    together = shared(played.lines.values())
    assert [[each.site.id for each in together[name]] for name in "abc"] == [["a", "b"], ["a", "b"], ["c"]]

    said: list[bytes] = []
    dialing = played.lines["a"].site.dialing
    assert dialing is not None
    gateway = GatewayBox(dialing, said.append, (1, 2))
    gateway.known = True
    asked = Tunnelled(port=2, address=2, rtu=b"\x02\x03")
    seal = seal_of("0123456789abcdef", sealed=False)
    frame = acrel_gateway.tunnel_frame(asked, seal, answer=False)
    assert gateway.receive(acrel_gateway.encode(frame)) == [(2, b"\x02\x03")]
    gateway.answer(1, b"nobody asked here")
    gateway.answer(2, b"\x02\x03\x00")
    (heard,) = acrel_gateway.Decoder(4_096).receive(b"".join(said))
    given = acrel_gateway.tunnelled(heard, seal)
    assert (given.port, given.address, given.rtu) == (2, 2, b"\x02\x03\x00")
    with pytest.raises(SiteError, match="twice"):
        site(lines=[ports[0], {**ports[0], "id": "b"}])
    with pytest.raises(SiteError, match="one secret"):
        site(lines=[ports[0], {**calling(**{**key, "secret": "f" * 16}, bus=2), "id": "b"}])
