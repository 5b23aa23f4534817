"""Programs that are not ours read the running demo's meters and agree with the API; and rubbish on our wires."""

import os
import random
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any

import pytest
from pymodbus import FramerType
from pymodbus.client import ModbusTcpClient

from prewatt.core.meters import catalogue
from prewatt.core.meters.quantities import Quantity
from tests.acceptance.conftest import Site
from tests.system import need

pytestmark = pytest.mark.processes
WH_PER_COUNT = 10  # both profiles count in 0.01 kWh
NOISE_S = 4.0
LINES = {FramerType.RTU: "D1", FramerType.SOCKET: "D4"}  # the fourth gateway speaks Modbus-TCP


def signed(words: list[int]) -> int:
    raw = words[0] << 16 | words[1]
    return raw - (1 << 32) if raw >> 31 else raw


@pytest.fixture(params=[FramerType.RTU, FramerType.SOCKET])
def quiet(site: Site, request: pytest.FixtureRequest) -> Iterator[tuple[dict[str, Any], FramerType]]:
    found = site.shop(LINES[request.param])
    site.sim("POST", f"/meters/{found['meter_number']}", {"load_w": 0})
    yield found, request.param


def test_pymodbus_and_the_api_agree_on_energy_and_credit(site: Site, quiet: tuple[dict[str, Any], FramerType]) -> None:
    shop, framer = quiet
    meter, profile = site.meter(shop), catalogue()[shop["profile"]]
    with ModbusTcpClient(meter["host"], port=meter["port"], framer=framer, timeout=3) as peer:
        read = {
            quantity: signed(peer.read_holding_registers(profile.registers[quantity].address, count=2,
                                                         device_id=meter["unit"]).registers)
            for quantity in (Quantity.BALANCE, Quantity.ENERGY_IMPORT_TOTAL)
        }  # fmt: skip
    deadline = time.monotonic() + 60
    while True:  # the next poll brings what the peer has read already
        found = site.api.get(f"/circuits/{shop['id']}")
        if found["balance"] == read[Quantity.BALANCE] * WH_PER_COUNT:
            break
        assert time.monotonic() < deadline, (found, read)
        time.sleep(0.5)
    assert abs(site.in_meter(shop)["balance"] - found["balance"]) < WH_PER_COUNT
    # energy is read on the slower clock of the two and only grows; the past was loaded in whole watt-hours
    assert -WH_PER_COUNT < read[Quantity.ENERGY_IMPORT_TOTAL] * WH_PER_COUNT - found["energy_wh"] < 50_000


def test_mbpoll_reads_the_credit_of_a_room_behind_a_gateway(site: Site) -> None:
    mbpoll = need("mbpoll")
    room = site.shop(LINES[FramerType.SOCKET])
    meter = site.meter(room)
    site.sim("POST", f"/meters/{room['meter_number']}", {"load_w": 0})
    time.sleep(0.5)
    address = catalogue()[room["profile"]].registers[Quantity.BALANCE].address
    found = subprocess.run(
        [str(mbpoll), "-m", "tcp", "-p", str(meter["port"]), "-a", str(meter["unit"]), "-0", "-r", str(address), "-c",
         "1", "-t", "4:int", "-B", "-1", meter["host"]],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert str(site.in_meter(room)["balance"] // WH_PER_COUNT) in found.stdout


def test_rubbish_on_a_line_hurts_nobody_and_a_sale_gets_through(site: Site) -> None:
    """Malformed frames from other masters while our head-end works on the same serial server."""
    shop = site.shop(LINES[FramerType.RTU])
    meter, stop, chance = site.meter(shop), threading.Event(), random.Random(11)

    def shout() -> None:
        while not stop.is_set():
            with suppress(OSError), closing(socket.create_connection((meter["host"], meter["port"]), 2)) as wire:
                wire.sendall(chance.randbytes(chance.randint(1, 300)))
                time.sleep(0.05)

    crowd = [threading.Thread(target=shout) for _ in range(2)]
    for one in crowd:
        one.start()
    try:
        sale = site.sell(shop, 2000)
        time.sleep(NOISE_S)
    finally:
        stop.set()
        for one in crowd:
            one.join()
    assert site.api.settled(sale["id"], 60)["delivery"]["state"] == "confirmed"
    assert len(site.in_meter(shop)["accepted"]) == 1


@pytest.mark.parametrize("door", ["url", "stream_url", "sim_url"])
def test_rubbish_at_a_door_hurts_nobody(site: Site, door: str) -> None:
    host, port = "127.0.0.1", int(site.ready[door].rpartition(":")[2])
    chance = random.Random(5)
    for sent in (b"\0" * 100, chance.randbytes(4000), b"GET / HTTP/9.9\r\n\r\n", b"GET " + b"x" * 100_000,
                 b"POST /api/v1/sales HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
                 b"GET /api/v1/circuits HTTP/1.1\r\nHost: \xff\xfe\r\nX-API-Key: \x01\r\n\r\n"):  # fmt: skip
        with suppress(OSError), closing(socket.create_connection((host, port), 3)) as wire:
            wire.settimeout(1)
            wire.sendall(sent)
            answer = wire.recv(64)
            assert not answer.startswith((b"HTTP/1.1 5", b"HTTP/1.0 5")), (sent[:40], answer)
    assert site.api.get("/books")
    assert site.sim("GET", "/meters").status == 200
    assert os.path.exists(site.running.home / "children.json")
