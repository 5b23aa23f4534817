"""Real sockets against independent servers: pymodbus and, where it is installed, libmodbus."""

import asyncio
import contextlib
import ctypes.util
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pymodbus import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from prewatt.core.meters import catalogue
from prewatt.core.meters.jobs import Intent, Job, Verdict, Wish
from prewatt.core.meters.mailbox import CircuitPlan, LinePlan, MeterPlan, PollSettings
from prewatt.core.meters.quantities import Quantity
from prewatt.field.headend import HeadEnd
from prewatt.field.headend.process import event_loop
from tests.field.headend.meters import plan_of
from tests.field.headend.office import JobRow, Office
from tests.field.headend.world import credit
from tests.system import missing

EPOCH = datetime(2026, 3, 2, tzinfo=UTC)


def wall() -> datetime:
    return EPOCH + timedelta(seconds=time.monotonic())


class SlowEar(Office):
    """Waits a little, as a LISTEN does; runs in the ear's own thread."""

    def wait(self, *, timeout_s: float) -> bool:
        time.sleep(0.02)
        return super().wait(timeout_s=timeout_s)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def run(story: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=event_loop) as runner:
        runner.run(story)


@contextlib.asynccontextmanager
async def served(office: Office) -> AsyncIterator[HeadEnd]:
    stop = asyncio.Event()
    headend = HeadEnd(office, name="head-1", catalogue=catalogue(), clock=wall)
    task = asyncio.create_task(headend.run(stop))
    try:
        yield headend
    finally:
        stop.set()
        await asyncio.wait_for(task, 10)


async def until(done: Callable[[], object], *, within_s: float = 8.0) -> None:
    end = time.monotonic() + within_s
    while not done():
        assert time.monotonic() < end, "not in time"
        await asyncio.sleep(0.02)


async def settled(row: JobRow) -> JobRow:
    await until(lambda: row.settled is not None or row.outcomes)
    return row


def acrel_line(transport: str, port: int, *, ratio: int = 1) -> LinePlan:
    return LinePlan(
        line_id=1,
        site_id=1,
        transport=transport,
        host="127.0.0.1",
        port=port,
        baud=9600,
        meters=(
            MeterPlan(
                meter_id=1001,
                number="202611200001",
                profile="acrel-ddsy1352",
                unit=1,
                circuits=(CircuitPlan(circuit_id=1001, index=1, ratio=ratio),),
            ),
        ),
    )


def acrel_device() -> SimDevice:
    """A DDSY1352 by the public map: 12,345.67 kWh, 230.1 V, 6.52 A, 1.500 kW."""
    words = [0] * 0x100
    words[0x00:0x02] = [0x0012, 0xD687]
    words[0x0B], words[0x0C], words[0x0D], words[0x10] = 2301, 652, 1500, 998
    words[0x43:0x46] = [0x2026, 0x1120, 0x0001]
    words[0x57:0x59] = [1, 0]
    return SimDevice(1, [SimData(0, values=words, datatype=DataType.REGISTERS)])


@pytest.mark.parametrize(("transport", "framer"), [("rtu-over-tcp", FramerType.RTU), ("modbus-tcp", FramerType.SOCKET)])
def test_the_head_end_reads_and_switches_a_pymodbus_server(transport: str, framer: FramerType) -> None:
    async def story() -> None:
        port = free_port()
        server = ModbusTcpServer([acrel_device()], framer=framer, address=("127.0.0.1", port))
        await server.serve_forever(background=True)
        office = SlowEar(time.monotonic, PollSettings(status_s=1, register_s=2))
        plan = acrel_line(transport, port, ratio=40)
        office.add(1, plan)
        async with served(office):
            await until(lambda: any(item.full for item in office.polls) and any(not item.full for item in office.polls))
            full = next(item for item in office.polls if item.full)
            assert full.values[Quantity.ENERGY_IMPORT_TOTAL] == 12_345_670 * 40, "Wh, times the CT ratio"
            assert full.values[Quantity.VOLTAGE_A] == 230_100 and full.values[Quantity.CURRENT_A] == 6_520
            status = next(item for item in office.polls if not item.full)
            assert status.values[Quantity.POWER_ACTIVE] == 1_500 * 40 and status.values[Quantity.RELAY] == 1
            trip = await settled(office.ask(plan, Job(intent=Intent.RELAY, wish=Wish.TRIP)))
            assert trip.settled is not None and trip.settled.verdict is Verdict.DONE
            assert trip.settled.values[Quantity.RELAY] == 0
            sale = await settled(office.ask(plan, credit(1)))
            assert sale.settled is not None
            assert (sale.settled.verdict, sale.settled.code) == (Verdict.REFUSED, "custody_not_supported")
        await server.shutdown()  # type: ignore[no-untyped-call]

    run(story())


def test_a_gateway_that_refuses_then_listens_then_restarts_is_followed() -> None:
    async def story() -> None:
        port = free_port()
        office = SlowEar(time.monotonic, PollSettings(status_s=1, register_s=60))
        office.add(1, acrel_line("modbus-tcp", port))
        async with served(office):
            await until(lambda: any(item.error == "connect_refused" for item in office.lines))
            server = ModbusTcpServer([acrel_device()], address=("127.0.0.1", port))
            await server.serve_forever(background=True)
            await until(lambda: office.polls)
            await server.shutdown()  # type: ignore[no-untyped-call]
            await until(lambda: office.lines[-1].error in ("closed", "connect_refused"))
            count = len(office.polls)
            server = ModbusTcpServer([acrel_device()], address=("127.0.0.1", port))
            await server.serve_forever(background=True)
            await until(lambda: len(office.polls) > count)
            assert office.lines[-1].up
        await server.shutdown()  # type: ignore[no-untyped-call]

    run(story())


def test_a_server_that_floods_and_one_that_says_nothing_cost_their_neighbour_nothing() -> None:
    async def story() -> None:
        async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                while True:
                    writer.write(bytes(range(256)) * 16)
                    await writer.drain()
                    await asyncio.sleep(0.005)

        async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()

        ports = [free_port() for _ in range(3)]
        flooding = await asyncio.start_server(flood, "127.0.0.1", ports[0])
        silent = await asyncio.start_server(mute, "127.0.0.1", ports[1])
        server = ModbusTcpServer([acrel_device()], address=("127.0.0.1", ports[2]))
        await server.serve_forever(background=True)
        office = SlowEar(time.monotonic, PollSettings(status_s=1, register_s=60))
        noisy = plan_of(2, 2, transport="rtu-over-tcp", host="127.0.0.1", port=ports[0])
        office.add(2, noisy)
        office.add(3, plan_of(3, 2, transport="modbus-tcp", host="127.0.0.1", port=ports[1]))
        office.add(1, acrel_line("modbus-tcp", ports[2]))
        async with served(office) as headend:
            await asyncio.sleep(4)
            assert len([item for item in office.polls if item.circuit_id == 1001]) >= 3
            assert not [item for item in office.polls if item.circuit_id != 1001], "noise is no reading"
            assert all(len(line._bus._inbox) <= 4096 for line in headend.lines)
            await until(
                lambda: any(item.error == "silent" for item in office.lines if item.line_id == 3), within_s=12.0
            )
        for listener in (flooding, silent):
            listener.close()
        await server.shutdown()  # type: ignore[no-untyped-call]

    run(story())


# --- libmodbus --------------------------------------------------------------------------------------------------------

SERVER = """
import ctypes, sys
lib = ctypes.CDLL(sys.argv[1])
lib.modbus_new_tcp.restype = ctypes.c_void_p
lib.modbus_mapping_new.restype = ctypes.c_void_p
class Mapping(ctypes.Structure):
    _fields_ = [(name, ctypes.c_int) for name in "nb_bits start_bits nb_input_bits start_input_bits nb_input_registers "
                "start_input_registers nb_registers start_registers".split()] + [
                ("bits", ctypes.c_void_p), ("input_bits", ctypes.c_void_p), ("input_registers", ctypes.c_void_p),
                ("registers", ctypes.POINTER(ctypes.c_uint16))]
context = ctypes.c_void_p(lib.modbus_new_tcp(b"127.0.0.1", int(sys.argv[2])))
mapping = ctypes.cast(lib.modbus_mapping_new(0, 0, 0x500, 0), ctypes.POINTER(Mapping))
for item in sys.argv[3:]:
    address, value = item.split("=")
    mapping.contents.registers[int(address, 16)] = int(value, 0)
listener = lib.modbus_tcp_listen(context, 1)
sys.stdout.write("listening\\n"); sys.stdout.flush()
sock = ctypes.c_int(listener)
lib.modbus_tcp_accept(context, ctypes.byref(sock))
query = (ctypes.c_uint8 * 260)()
while (size := lib.modbus_receive(context, query)) >= 0:
    if size:
        lib.modbus_reply(context, query, size, mapping)
"""


def test_the_head_end_reads_a_libmodbus_server_writes_settings_and_sends_an_order_once() -> None:
    async def story() -> None:
        library = ctypes.util.find_library("modbus") or missing("libmodbus", install="libmodbus5")
        port = free_port()
        # meter 000000001001, 9511; balance 123.45 kWh; relay closed; 750 W; 1,234.56 kWh
        bank = ["2=0x1001", "3=9511", "101=1", "105=12345", "10F=750", "300=1", "301=57920"]
        peer = subprocess.Popen([sys.executable, "-c", SERVER, library, str(port), *bank], stdout=subprocess.PIPE)
        try:
            assert peer.stdout is not None and peer.stdout.readline() == b"listening\n"
            office = SlowEar(time.monotonic, PollSettings(status_s=1, register_s=2))
            plan = plan_of(1, 1, transport="modbus-tcp", host="127.0.0.1", port=port)
            office.add(1, plan)
            async with served(office):
                await until(lambda: {item.full for item in office.polls} == {True, False})
                status = next(item for item in office.polls if not item.full)
                assert status.values[Quantity.BALANCE] == 123_450 and status.values[Quantity.POWER_ACTIVE] == 750
                full = next(item for item in office.polls if item.full)
                assert full.values[Quantity.ENERGY_IMPORT_TOTAL] == 1_234_560
                levels = {Quantity.ALARM_LEVEL_1: 20_000, Quantity.ALARM_LEVEL_2: 5_000}
                opened = await settled(office.ask(plan, Job(intent=Intent.WRITE_SETTINGS, settings=levels)))
                assert opened.settled is not None and opened.settled.verdict is Verdict.DONE, opened
                assert opened.settled.values[Quantity.ALARM_LEVEL_2] == 5_000
                # a bank of registers takes the order and applies nothing: unknown, and never sent a second time here
                sale = await settled(office.ask(plan, credit(1)))
                assert [(item.verdict, item.code) for item in sale.outcomes] == [(Verdict.UNKNOWN, "write_not_applied")]
        finally:
            peer.kill()
            peer.wait()
            if peer.stdout is not None:
                peer.stdout.close()

    run(story())
