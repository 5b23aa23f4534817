"""Programs that are not ours read the simulated meters on real sockets."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymodbus import FramerType
from pymodbus.client import ModbusTcpClient

from prewatt.core.meters.quantities import Quantity
from tests.field.simulator.plant import ACREL, SPM, free_port, line, meter
from tests.field.simulator.running import Simulator
from tests.system import need

BALANCE = SPM.registers[Quantity.BALANCE].address
RELAY = SPM.registers[Quantity.RELAY].address
ORDER_BLOCK = 0x0400


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    found = Simulator(
        tmp_path_factory.mktemp("peers"),
        meter(1, opening={"balance_wh": 123_450}),
        meter(2, opening={"balance_wh": -6_780}),
        meter(3, line="t", opening={"balance_wh": 90_000}),
        meter(4, line="t", profile="acrel-ddsy1352", opening={"energy_wh": 4_567_890}),
        lines=[line("a", port=free_port()), line("t", port=free_port(), transport="modbus-tcp")],
    ).start()
    yield found
    found.stop()


def client(simulator: Simulator, line_id: str) -> ModbusTcpClient:
    framer = FramerType.SOCKET if line_id == "t" else FramerType.RTU
    return ModbusTcpClient("127.0.0.1", port=simulator.ports[line_id], framer=framer, timeout=2, retries=0)


def signed(registers: list[int]) -> int:
    raw = registers[0] << 16 | registers[1]
    return raw - (1 << 32) if raw >> 31 else raw


@pytest.mark.parametrize(("line_id", "unit", "balance"), [("a", 1, 12_345), ("a", 2, -678), ("t", 3, 9_000)])
def test_pymodbus_reads_a_balance(simulator: Simulator, line_id: str, unit: int, balance: int) -> None:
    with client(simulator, line_id) as peer:
        reply = peer.read_holding_registers(BALANCE, count=2, device_id=unit)
        assert not reply.isError() and signed(reply.registers) == balance


def test_pymodbus_reads_an_acrel(simulator: Simulator) -> None:
    address = ACREL.registers[Quantity.ENERGY_IMPORT_TOTAL].address
    with client(simulator, "t") as peer:
        assert signed(peer.read_holding_registers(address, count=2, device_id=4).registers) == 456_789


@pytest.mark.parametrize(("line_id", "unit"), [("a", 1), ("t", 3)])
def test_pymodbus_sells_and_is_refused_the_second_time_out_of_turn(
    simulator: Simulator, line_id: str, unit: int
) -> None:
    with client(simulator, line_id) as peer:
        before = signed(peer.read_holding_registers(BALANCE, count=2, device_id=unit).registers)
        assert not peer.write_registers(ORDER_BLOCK, [1, 1, 0, 500], device_id=unit).isError()
        after = signed(peer.read_holding_registers(BALANCE, count=2, device_id=unit).registers)
        assert after == before + 500
        assert peer.write_registers(ORDER_BLOCK, [7, 1, 0, 500], device_id=unit).exception_code == 3


def test_pymodbus_trips_and_closes(simulator: Simulator) -> None:
    with client(simulator, "a") as peer:
        for words, relay in (([1, 1], 0), ([0, 0], 1)):
            peer.write_registers(0x0102, words, device_id=1)
            assert peer.read_holding_registers(RELAY, count=1, device_id=1).registers == [relay]


def test_pymodbus_hears_the_exception_of_an_address_that_is_not_there(simulator: Simulator) -> None:
    with client(simulator, "a") as peer:
        assert peer.read_holding_registers(0x7000, count=1, device_id=1).exception_code == 2


def test_mbpoll_reads_a_meter_on_a_serial_line(simulator: Simulator, tmp_path: Path) -> None:
    """mbpoll speaks RTU to a serial port only: socat makes one of the serial server's TCP port."""
    mbpoll, socat = need("mbpoll"), need("socat")
    port = tmp_path / "tty"
    bridge = subprocess.Popen(
        [socat, f"pty,raw,echo=0,link={port}", f"tcp:127.0.0.1:{simulator.ports['a']},nodelay"]
    )
    try:
        deadline = time.monotonic() + 10
        while not port.exists():
            assert time.monotonic() < deadline and bridge.poll() is None
            time.sleep(0.05)
        found = subprocess.run(
            [mbpoll, "-m", "rtu", "-b", "9600", "-P", "none", "-a", "2", "-0", "-r", str(BALANCE), "-c", "1", "-t",
             "4:int", "-B", "-1", str(port)],
            capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
    finally:
        bridge.terminate()
        bridge.wait()
    assert found.returncode == 0, found.stderr
    assert "-678" in found.stdout


def test_mbpoll_reads_a_meter_behind_a_modbus_tcp_gateway(simulator: Simulator) -> None:
    mbpoll = need("mbpoll")
    found = subprocess.run(
        [mbpoll, "-m", "tcp", "-p", str(simulator.ports["t"]), "-a", "4", "-0", "-r", "0", "-c", "1", "-t", "4:int",
         "-B", "-1", "127.0.0.1"],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    assert "456789" in found.stdout
