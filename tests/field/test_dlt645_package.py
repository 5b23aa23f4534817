"""The public `dlt645` package (Chen Dongyu, Apache-2.0), which is not ours, at both ends of a DL/T 645 line.

Reads only: its broadcast time has the bytes in the wrong order (meters.md 2.8). An address is given to it as it goes
over the wire, the last two digits first.
"""

import time
from collections.abc import Iterator

import pytest
from dlt645 import MeterClientService, MeterServerService

from prewatt.core.meters.jobs import Intent, Job, Verdict
from prewatt.core.meters.mailbox import CircuitPlan, LinePlan, MeterPlan, PollSettings
from prewatt.core.meters.quantities import Quantity
from tests.field.headend.test_sockets import SlowEar, free_port, run, served, settled, until
from tests.field.simulator.plant import line, meter
from tests.field.simulator.running import Simulator

NUMBER, ON_THE_WIRE = "202500000001", "010000002520"
ENERGY_WH = 4_567_890


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    found = Simulator(
        tmp_path_factory.mktemp("dlt645"),
        meter(1, profile="ningju-ddzy1218", opening={"energy_wh": ENERGY_WH}),
        lines=[line("a", port=free_port())],
    ).start()
    yield found
    found.stop()


@pytest.fixture
def client(simulator: Simulator) -> Iterator[MeterClientService]:
    peer = MeterClientService.new_tcp_client("127.0.0.1", simulator.ports["a"], timeout=5.0)
    assert peer.connect() and peer.set_address(ON_THE_WIRE)
    yield peer
    peer.disconnect()


def test_its_client_reads_our_simulated_meter(client: MeterClientService) -> None:
    energy = client.read_00(0x00010000)
    assert energy is not None and round(float(energy.value) * 1000) == ENERGY_WH // 10 * 10
    volts = client.read_02(0x02010100)
    assert volts is not None and 180 < float(volts.value) < 260
    address = client.read_address()
    assert address is not None and address.value == ON_THE_WIRE


def test_its_client_is_refused_what_our_meter_does_not_have(client: MeterClientService) -> None:
    assert client.read_02(0x02800009) is None
    assert client.read_00(0x00010000) is not None, "and goes on with the next question"


def served_meter(port: int) -> MeterServerService:
    """Its server: one meter with the standard's energies and live values."""
    server = MeterServerService.new_tcp_server("127.0.0.1", port, timeout=30.0)
    server.set_address(ON_THE_WIRE)
    for di, value in ((0x00010000, 12345.67), (0x00020000, 1.5)):
        assert server.set_00(di, value)
    for di, value in ((0x02010100, 230.1), (0x02020100, 6.52), (0x02030000, 1.5)):
        assert server.set_02(di, value)
    assert server.start()
    return server


def test_our_head_end_reads_its_server() -> None:
    port = free_port()
    server = served_meter(port)
    plan = LinePlan(
        line_id=1, site_id=1, transport="rtu-over-tcp", host="127.0.0.1", port=port, baud=2400,
        meters=(
            MeterPlan(
                meter_id=1001, number=NUMBER, profile="ningju-ddzy1218", unit=1,
                circuits=(CircuitPlan(circuit_id=1001, index=1),),
            ),
        ),
    )  # fmt: skip

    async def story() -> None:
        office = SlowEar(time.monotonic, PollSettings(status_s=1, register_s=2))
        office.add(1, plan)
        async with served(office):
            tried = await settled(office.ask(plan, Job(intent=Intent.TRY)))
            read = tried.outcomes[0]
            assert read.values[Quantity.ENERGY_IMPORT_TOTAL] == 12_345_670, read
            assert read.values[Quantity.VOLTAGE_A] == 230_100 and read.values[Quantity.CURRENT_A] == 6_520
            assert read.values[Quantity.POWER_ACTIVE] == 1_500
            assert read.verdict in (Verdict.DONE, Verdict.REFUSED), "it has not every item of the model"
            await until(lambda: len(read.frames) > 3)

    try:
        run(story())
    finally:
        server.stop()
