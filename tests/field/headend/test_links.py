"""Links that the head-end opens beside plain TCP: serial ports (pseudo-terminals), UDP, TLS; with real system calls and
a bus in this process."""

import asyncio
import contextlib
import ipaddress
import os
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from prewatt.core.meters import catalogue
from prewatt.core.meters.mailbox import LinePlan, PollSettings, ScanOrder, ScanState
from prewatt.core.meters.model import Protocol
from prewatt.core.meters.scanning import ScanPlan
from prewatt.field.headend import HeadEnd, LinkError, Trust, transports_of
from tests.field.headend.meters import TestMeter, crc, plan_of
from tests.field.headend.test_sockets import SlowEar, free_port, run, until, wall
from tests.system import need

UNIT_READ = bytes.fromhex("010300000001840a")
NUMBER = 202_500_000_001


@dataclass
class Ear:
    """What a line hears."""

    heard: list[bytes] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)

    def received(self, data: bytes) -> None:
        self.heard.append(data)

    def lost(self, error: str) -> None:
        self.gone.append(error)


def answer(data: bytes, units: dict[int, TestMeter]) -> bytes:
    """What a transparent bus says to a frame; nothing to what is none."""
    if len(data) < 8 or data[-2:] != crc(data[:-2]) or data[0] not in units:
        return b""
    body = bytes((data[0],)) + (units[data[0]].serve(data[1:-2]) or b"")
    return body + crc(body)


def line_of(transport: str, host: str, port: int = 0, baud: int = 9600) -> LinePlan:
    return plan_of(1, 1, transport=transport, host=host, port=port, baud=baud)


@contextlib.asynccontextmanager
async def served(office: SlowEar, trust: Trust = Trust()) -> AsyncIterator[None]:  # noqa: B008 frozen
    stop = asyncio.Event()
    headend = HeadEnd(office, name="head-1", catalogue=catalogue(), clock=wall, transports=transports_of(trust))
    task = asyncio.create_task(headend.run(stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 30)


def office_with(plan: LinePlan) -> SlowEar:
    office = SlowEar(time.monotonic, PollSettings(status_s=1, register_s=2))
    office.add(1, plan)
    return office


# --- serial ports -----------------------------------------------------------------------------------------------------


@pytest.fixture
def terminals(tmp_path: Path) -> Iterator[tuple[Path, Path]]:
    """Two ends of a cable."""
    ends = tmp_path / "ours", tmp_path / "theirs"
    wire = [f"PTY,link={end},rawer" for end in ends]
    cable = subprocess.Popen([str(need("socat")), *wire])
    try:
        until_at = time.monotonic() + 60
        while not all(end.exists() for end in ends):
            assert time.monotonic() < until_at and cable.poll() is None
            time.sleep(0.02)
        yield ends
    finally:
        cable.kill()
        cable.wait()


def bus_at(end: Path, units: dict[int, TestMeter]) -> Callable[[], None]:
    """Meters on the other end of the cable; the way to take them off."""
    port, loop, heard = os.open(end, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK), asyncio.get_running_loop(), bytearray()

    def readable() -> None:
        heard.extend(os.read(port, 512))
        reply = answer(bytes(heard), units)
        if reply:
            heard.clear()
            os.write(port, reply)
        elif len(heard) >= 8:
            heard.clear()

    loop.add_reader(port, readable)

    def off() -> None:
        loop.remove_reader(port)
        os.close(port)

    return off


@pytest.mark.processes
def test_meters_on_a_serial_port_are_polled_and_scanned_at_another_speed(terminals: tuple[Path, Path]) -> None:
    ours, theirs = terminals

    async def story() -> None:
        off = bus_at(theirs, {1: TestMeter(number=NUMBER), 2: TestMeter(number=NUMBER + 1)})
        office = office_with(line_of("serial-8e1", str(ours)))
        async with served(office):
            await until(lambda: office.polls, within_s=60)
            plan = ScanPlan(protocols=(Protocol.MODBUS,), first=2, last=2, bauds=(2400,))
            office.scan_orders.append(ScanOrder(scan_id=1, gateway_id=1, epoch=0, line_id=1, plan=plan))
            await until(lambda: any(each.state is ScanState.DONE for each in office.scan_reports), within_s=60)
            before = len(office.polls)
            await until(lambda: len(office.polls) > before, within_s=60)
        off()
        (found,) = office.scan_reports[-1].found or ()
        assert (found.address, found.baud) == ("2", 2400)

    run(story())


def test_a_serial_port_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    master, slave = os.openpty()
    name, opener = os.ttyname(slave), transports_of(Trust())["serial-8n1"].opener
    plain = tmp_path / "file"
    plain.touch()

    async def refused(host: str) -> str:
        with pytest.raises(LinkError) as fault:
            await opener(line_of("serial-8n1", host), Ear())
        return fault.value.code

    async def story() -> None:
        assert await refused(str(tmp_path / "nothing")) == "port_missing"
        assert await refused(str(plain)) == "port_no_terminal"
        ear = Ear()
        link = await opener(line_of("serial-8n1", name), ear)
        assert await refused(name) == "port_busy"
        os.write(master, b"\x01\x02")
        await until(lambda: ear.heard, within_s=60)
        os.close(slave)
        os.close(master)
        await until(lambda: ear.gone, within_s=60)
        assert ear.gone == ["port_gone"]
        link.close()

    run(story())


# --- UDP --------------------------------------------------------------------------------------------------------------


class Box(asyncio.DatagramProtocol):
    """A serial server that answers the port that asked; `hold` keeps its answers back."""

    def __init__(self, units: dict[int, TestMeter]) -> None:
        self.units, self.hold, self.held = units, False, list[tuple[bytes, tuple[str, int]]]()
        self.asked: list[tuple[str, int]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.asked.append(addr)
        reply = answer(data, self.units)
        if self.hold:
            self.held.append((reply, addr))
        elif reply:
            self.transport.sendto(reply, addr)

    def let_go(self) -> None:
        while self.held:
            reply, addr = self.held.pop(0)
            self.transport.sendto(reply, addr)


async def box(units: dict[int, TestMeter]) -> tuple[Box, int]:
    loop = asyncio.get_running_loop()
    _, made = await loop.create_datagram_endpoint(lambda: Box(units), local_addr=("127.0.0.1", 0))
    return made, made.transport.get_extra_info("sockname")[1]


def test_meters_behind_a_udp_box_are_polled() -> None:
    async def story() -> None:
        made, port = await box({1: TestMeter(number=NUMBER)})
        office = office_with(line_of("rtu-over-udp", "127.0.0.1", port))
        async with served(office):
            await until(lambda: len(office.polls) > 2, within_s=60)
        made.transport.close()

    run(story())


def test_a_late_datagram_is_never_the_answer_to_another_request() -> None:
    async def story() -> None:
        made, port = await box({1: TestMeter(number=NUMBER)})
        ear = Ear()
        link = await transports_of(Trust())["rtu-over-udp"].opener(line_of("rtu-over-udp", "127.0.0.1", port), ear)
        link.write(UNIT_READ)
        await until(lambda: ear.heard, within_s=60)
        link.write(UNIT_READ)
        await until(lambda: len(ear.heard) == 2, within_s=60)
        assert len(set(made.asked)) == 1  # while all is well the port stays

        made.hold = True
        link.write(UNIT_READ)
        await until(lambda: made.held, within_s=60)
        link.write(UNIT_READ)  # the one before had no answer
        await until(lambda: len(made.held) == 2, within_s=60)
        late, prompt = made.held
        assert late[1] != prompt[1]
        made.let_go()
        await until(lambda: len(ear.heard) == 3, within_s=60)
        await asyncio.sleep(0.05)
        assert len(ear.heard) == 3  # the late one went to a port that is closed

        made.hold = False
        made.transport.sendto(b"twice", prompt[1])  # an answer that comes once more
        await until(lambda: len(ear.heard) == 4, within_s=60)
        link.write(UNIT_READ)
        await until(lambda: len(ear.heard) == 5, within_s=60)
        assert made.asked[-1] != prompt[1]
        link.close()
        made.transport.close()

    run(story())


def test_a_udp_port_where_nobody_is_is_said_to_be_refused() -> None:
    async def story() -> None:
        ear = Ear()
        opener = transports_of(Trust())["rtu-over-udp"].opener
        link = await opener(line_of("rtu-over-udp", "127.0.0.1", free_port()), ear)
        link.write(UNIT_READ)
        await until(lambda: ear.gone, within_s=60)
        assert ear.gone == ["connect_refused"]

    run(story())


# --- TLS --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Papers:
    """A certificate that signed itself, with its key, in one file."""

    file: Path


def papers(directory: Path, *, host: str = "127.0.0.1", days: int = 30) -> Papers:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = directory / f"{host}-{days}.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return Papers(file)


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _bus(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while data := await reader.read(512):
            writer.write(answer(data, {1: TestMeter(number=NUMBER)}))
    writer.close()


async def tls_gateway(own: Papers) -> tuple[asyncio.Server, int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.file)
    server = await asyncio.start_server(_bus, "127.0.0.1", 0, ssl=context)
    return server, server.sockets[0].getsockname()[1]


def test_meters_behind_a_gateway_with_tls_are_polled(tmp_path: Path) -> None:
    own = papers(tmp_path)

    async def story() -> None:
        server, port = await tls_gateway(own)
        office = office_with(line_of("rtu-over-tls", "127.0.0.1", port))
        async with served(office, Trust(ca_file=str(own.file))):
            await until(lambda: len(office.polls) > 1, within_s=60)
        server.close()

    run(story())


def test_a_gateway_that_cannot_show_who_it_is_is_refused_and_it_is_said_why(tmp_path: Path) -> None:
    ours, elsewhere, old = papers(tmp_path), papers(tmp_path, host="127.0.0.9"), papers(tmp_path, days=-1)

    async def why(own: Papers, trust: Trust) -> str:
        server, port = await tls_gateway(own)
        try:
            link = await transports_of(trust)["modbus-tls"].opener(line_of("modbus-tls", "127.0.0.1", port), Ear())
        except LinkError as fault:
            return fault.code
        finally:
            server.close()
        link.close()
        return ""

    async def plain() -> str:
        server = await asyncio.start_server(_bus, "127.0.0.1", 0)
        plan = line_of("modbus-tls", "127.0.0.1", server.sockets[0].getsockname()[1])
        with pytest.raises(LinkError) as fault:
            await transports_of(Trust())["modbus-tls"].opener(replace(plan), Ear())
        server.close()
        return fault.value.code

    async def story() -> None:
        assert await why(ours, Trust()) == "tls_not_trusted"
        assert await why(elsewhere, Trust(ca_file=str(elsewhere.file))) == "tls_other_name"
        assert await why(old, Trust(ca_file=str(old.file))) == "tls_out_of_date"
        assert await why(ours, Trust(ca_file=str(ours.file))) == ""
        assert await why(elsewhere, Trust(verify=False)) == ""

    run(story())


def test_the_recipe_makes_papers_that_are_believed(tmp_path: Path) -> None:
    """The commands of docs/recipes/serial-server.md, word for word but for the address."""
    need("openssl")
    recipe = (Path(__file__).parents[3] / "docs/recipes/serial-server.md").read_text(encoding="utf-8")
    commands = recipe.split("```sh\n")[1].split("```")[0].replace("192.0.2.7", "127.0.0.1")
    subprocess.run(["sh", "-eu", "-c", commands], cwd=tmp_path, check=True, capture_output=True)

    async def story() -> None:
        server, port = await tls_gateway(Papers(tmp_path / "box.pem"))
        opener = transports_of(Trust(ca_file=str(tmp_path / "ca.pem")))["rtu-over-tls"].opener
        link = await opener(line_of("rtu-over-tls", "127.0.0.1", port), Ear())
        link.close()
        server.close()

    run(story())


def test_files_of_tls_that_cannot_be_read_are_refused_before_anything_is_opened(tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("no certificate")
    for trust in (Trust(ca_file=str(nonsense)), Trust(own_file=str(nonsense)), Trust(ca_file=str(tmp_path / "none"))):
        with pytest.raises(OSError):
            transports_of(trust)
