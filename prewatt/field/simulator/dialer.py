"""The other end of a line that calls us: it connects, says who it is, and carries its bus; `SimulatedLine` behind it.

A serial server sends its registration text, then the bus as it is with heartbeat texts between. An Acrel 4G meter
registers, asks the time, sends heartbeats and reports, and carries Modbus in frames of its own; its answer to a write
holds its serial alone, as that of real ones may. A DL/T 645 meter with a modem pushes heartbeats that nobody asked for,
and is its bus. An Acrel gateway logs in and carries its bus in a tunnel
(`gateway_box`). Whoever hangs up is called again.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final, cast

from prewatt.core.meters.quantities import Quantity
from prewatt.core.wire import acrel4g, dlt645, serialserver
from prewatt.core.wire.acrel4g import Command, Frame, Registration, Section
from prewatt.core.wire.acrel4g.poll import SIZE
from prewatt.core.wire.errors import LocalProtocolError, RemoteProtocolError
from prewatt.core.wire.modbus import Function, WriteReply, decode_rtu_reply
from prewatt.field.simulator.circuit import Circuit
from prewatt.field.simulator.dialing import CallerKind, Dialing
from prewatt.field.simulator.gateway_box import GatewayBox
from prewatt.field.simulator.line import Output, SimulatedLine
from prewatt.field.simulator.meter import Meter
from prewatt.field.simulator.pace import Pace
from prewatt.field.simulator.site import Force

REDIAL_FIRST_S: Final = 0.5
REDIAL_MAX_S: Final = 8.0
CONNECT_S: Final = 5.0
TOLD_APART_S: Final = 1.0  # a serial server's registration is one packet: nothing follows it at once
TRANSPARENT: Final = (CallerKind.SERIAL_SERVER, CallerKind.DLT645)  # what comes and goes is the bus
MODELS: Final = {3: 5, 1: 7}  # phases -> model in the poll block: DTSY1352, DDSY1352

_log = logging.getLogger(__name__)


class _Call(asyncio.Protocol):
    """One connection, until it is gone."""

    def __init__(self, received: Callable[[bytes], None], gone: asyncio.Event) -> None:
        self._received = received
        self._gone = gone
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None
        self._gone.set()


def _as_it_is(call: _Call) -> _Call:
    return call


class Dialer:
    """Calls where the line says, again and again; the face is that of `bus.Bus`. `further`: other serial ports of the
    same gateway, which have one connection with it; it is away when all of them are down."""

    def __init__(
        self, line: SimulatedLine, *, now_ms: Callable[[], int], before_output: Callable[[int], None],
        further: Sequence[SimulatedLine] = (), context: ssl.SSLContext | None = None,
    ) -> None:  # fmt: skip
        assert line.site.dialing is not None, line.site.id
        self.line = line
        self._ports = {each.site.dialing.bus: each for each in (line, *further) if each.site.dialing is not None}
        self.port = line.site.port
        self.note = f"calls {line.site.host}:{line.site.port}"
        self.dialing: Dialing = line.site.dialing
        self._context = context  # over TLS, whom it believes
        self.calls = 0  # connections that stood
        self._now_ms = now_ms
        self._before_output = before_output
        self._running: asyncio.Task[None] | None = None
        self._call: _Call | None = None
        self._decoder = acrel4g.Decoder()
        self._known = False  # an Acrel meter's registration was answered
        self._box: GatewayBox | None = None
        self._paces = {
            bus: Pace(each, now_ms=now_ms, before_output=before_output, send=partial(self._send_on, bus))
            for bus, each in self._ports.items()
        }

    async def open(self) -> None:
        """Begin to call; a line that is down does not."""
        if not self._down:
            self._running = asyncio.get_running_loop().create_task(self._run())

    @property
    def _down(self) -> bool:
        return all(each.faults.down for each in self._ports.values())

    def close(self) -> None:
        """Never call again."""
        if self._running is not None:
            self._running.cancel()
            self._running = None
        self.drop()

    def apply_faults(self) -> None:
        """Go away or call again, as the line's faults say."""
        for bus, each in self._ports.items():
            if each.faults.down:
                each.cut()
                self._paces[bus].arm()
                each.connect(self.calls)
        if self._down:
            self.close()
        elif self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._run())

    def drop(self) -> None:
        """The modem lost its network: what is on its way is gone."""
        if self._call is not None and self._call.transport is not None:
            self._call.transport.abort()
        self._call = None
        for bus, each in self._ports.items():
            each.cut()
            self._paces[bus].arm()

    # the call

    async def _run(self) -> None:
        wait_s = REDIAL_FIRST_S
        loop = asyncio.get_running_loop()
        while True:
            gone = asyncio.Event()
            call = _Call(self._received, gone)
            try:
                async with asyncio.timeout(CONNECT_S):
                    await loop.create_connection(
                        partial(_as_it_is, call), self.line.site.host, self.port, ssl=self._context
                    )
            except (OSError, TimeoutError):
                await asyncio.sleep(wait_s)
                wait_s = min(REDIAL_MAX_S, wait_s * 2)
                continue
            wait_s = REDIAL_FIRST_S
            self._call, self._decoder, self._known = call, acrel4g.Decoder(), False
            gateway = self.dialing.caller is CallerKind.ACREL_GATEWAY
            self._box = GatewayBox(self.dialing, self._write, self._ports) if gateway else None
            self.calls += 1
            for each in self._ports.values():
                each.connect(self.calls)
            alive = loop.create_task(self._stay_alive())
            try:
                await gone.wait()
            finally:
                alive.cancel()
            if self._call is call:
                self.drop()
            await asyncio.sleep(REDIAL_FIRST_S)

    async def _stay_alive(self) -> None:
        """Registration, then heartbeats and reports at their times."""
        self._say_who()
        loop = asyncio.get_running_loop()
        dialing = self.dialing
        beat_at = loop.time() + dialing.heartbeat_s
        report_at = loop.time() + TOLD_APART_S if dialing.report_s else None
        while True:
            due = beat_at if report_at is None else min(beat_at, report_at)
            await asyncio.sleep(max(0.0, due - loop.time()))
            if loop.time() >= beat_at:
                self._beat()
                beat_at += dialing.heartbeat_s
            if report_at is not None and loop.time() >= report_at:
                self._report()
                report_at += dialing.report_s if self._let_in else TOLD_APART_S

    @property
    def _let_in(self) -> bool:
        return self._known if self._box is None else self._box.known

    def _say_who(self) -> None:
        if self._box is not None:
            self._box.log_in()
            return
        if self.dialing.caller is CallerKind.SERIAL_SERVER:
            self._write(serialserver.bytes_of(self.dialing.identity))
            return
        if self.dialing.caller is CallerKind.DLT645:
            self._beat()
            return
        who = Registration(
            serial=self.dialing.identity, iccid=f"8986{int(self.port):016d}", signal=23,
            versions=(0x0104, 0x0100, 0x0002), interval=min(255, -(-self.dialing.report_s // 60)),
        )  # fmt: skip
        self._send(acrel4g.registration_frame(who))

    def _beat(self) -> None:
        if self._box is not None:
            self._box.beat()
        elif self.dialing.caller is CallerKind.ACREL_4G:
            self._send(acrel4g.heartbeat_frame(self.dialing.identity))
        elif self.dialing.caller is CallerKind.DLT645:
            own = self.dialing.identity
            unasked = dlt645.read(own, dlt645.HEARTBEAT_DI)
            self._write(dlt645.encode(dlt645.answer_read(unasked, own, bytes((self.calls % 256,)))))
        elif self.dialing.heartbeat:
            self._write(serialserver.bytes_of(self.dialing.heartbeat))

    def _report(self) -> None:
        """What an Acrel meter or gateway says unasked, of every meter behind it, once it was answered."""
        if self.dialing.caller in TRANSPARENT or not self._let_in:
            return
        now_ms = self._now_ms()
        fate = self.line.fates.draw(now_ms)
        if fate.reply_lost or fate.request_lost:
            return  # lost on the bus before the box, or after it: nobody asks for it again
        self._before_output(now_ms)
        if self._box is not None:
            up = {bus: each for bus, each in self._ports.items() if not each.faults.down}
            behind = {(bus, unit): meter for bus, each in up.items() for unit, meter in each.by_unit.items()}
            for meter in behind.values():
                meter.settle(now_ms)
            self._box.report(behind, now_ms)
            return
        for unit, meter in self.line.meters.items():
            meter.settle(now_ms)
            reply = bytes((unit, Function.READ_HOLDING_REGISTERS, SIZE)) + poll_block(meter, now_ms)
            section = Section(address=self.dialing.identity, reply=reply)
            try:
                self._send(acrel4g.data_frame((section,), serial=self.dialing.identity))
            except LocalProtocolError as error:  # a part of the frame would be one by itself: the next will not
                _log.info("line %s: a report was left out: %s", self.line.site.id, error)

    # bytes

    def _write(self, data: bytes) -> None:
        if self._call is not None and self._call.transport is not None:
            self._call.transport.write(data)

    def _send(self, frame: Frame) -> None:
        self._write(acrel4g.encode(frame))

    def _received(self, data: bytes) -> None:
        if self.dialing.caller in TRANSPARENT:
            self.line.receive(self.calls, data, self._now_ms())
        elif self._box is not None:
            for bus, asked in self._box.receive(data):
                if not self._ports[bus].faults.down:
                    self._ports[bus].receive(self.calls, asked, self._now_ms())
        else:
            for frame in self._decoder.receive(data):
                self._heard(frame)
        for pace in self._paces.values():
            pace.arm()

    def _heard(self, frame: Frame) -> None:
        match frame.command:
            case Command.REGISTER if not self._known:
                self._known = True
                self._send(Frame(command=Command.TIME))
            case Command.TIME:
                self._take_time(frame.payload)
            case Command.TRANSPARENT:
                self.line.receive(self.calls, frame.payload, self._now_ms())
            case _:
                pass

    def _take_time(self, payload: bytes) -> None:
        try:
            told = acrel4g.clock_of(payload)
        except RemoteProtocolError:
            return
        for meter in self.line.meters.values():
            meter.take_time(int(told.replace(tzinfo=meter.zone).timestamp()), self._now_ms())

    def _send_on(self, bus: int, output: Output) -> None:
        if self._box is not None:
            self._box.answer(bus, output.data)
        else:
            self._answer(output.data)

    def _answer(self, data: bytes) -> None:
        dialing = self.dialing
        if dialing.caller in TRANSPARENT:
            self._write((serialserver.bytes_of(dialing.identity) if dialing.every_packet else b"") + data)
            return
        try:
            written = isinstance(decode_rtu_reply(data)[1], WriteReply)
        except RemoteProtocolError:
            written = False  # what the line spoiled goes through as it is
        try:
            payload = acrel4g.heartbeat_frame(dialing.identity).payload if written else data
            self._send(acrel4g.transparent(payload))
        except LocalProtocolError as error:
            _log.info("line %s: an answer was left out: %s", self.line.site.id, error)


def poll_block(meter: Meter, at_ms: int) -> bytes:
    """The 48 registers that an Acrel meter reports; what no public source describes stays 0."""
    values, circuit = meter.values(1, at_ms), meter.circuits[1]
    block = bytearray(SIZE)

    def put(at: int, value: int, size: int = 2) -> None:
        block[at : at + size] = min(max(0, value), 256**size - 1).to_bytes(size, "big")

    put(0, MODELS[meter.profile.phases])
    for place, phase in enumerate("abc"):
        put(2 + 2 * place, values.get(Quantity(f"voltage_{phase}"), 0) // 100)
        put(8 + 2 * place, values.get(Quantity(f"current_{phase}"), 0) // 10)
    put(38, 1)
    put(40, meter.site.ct_ratio)
    for at, quantity in (
        (42, Quantity.ENERGY_IMPORT_TOTAL), (46, Quantity.ENERGY_IMPORT_SHARP), (50, Quantity.ENERGY_IMPORT_PEAK),
        (54, Quantity.ENERGY_IMPORT_FLAT), (58, Quantity.ENERGY_IMPORT_VALLEY),
    ):  # fmt: skip
        put(at, values[quantity] // 10, 4)
    put(62, values[Quantity.BALANCE] // (10 if meter.profile.wallet is None else 1), 4)
    put(66, values[Quantity.PURCHASE_COUNT])
    block[72], block[73] = _state(circuit)
    wall = datetime.fromtimestamp(meter.clock_ms(at_ms) // 1_000, UTC).astimezone(meter.zone)
    block[80:87] = bytes(
        (wall.year - 2000, wall.month, wall.day, wall.isoweekday() % 7, wall.hour, wall.minute, wall.second)
    )
    return bytes(block)


def _state(circuit: Circuit) -> tuple[int, int]:
    """Relay bits of three phases; forced phases and force control."""
    relays = 0xE0 if circuit.relay_closed() else 0
    force = circuit.state.force
    return relays, 0 if force == Force.AUTOMATIC else 0x08 | (0x07 if force == Force.TRIP else 0)
