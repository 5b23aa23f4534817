"""One who called: a connection that says who it is, then carries the bus of a line.

Four kinds, told apart by their first bytes. What an Acrel 4G meter sends are frames of its own, with Modbus inside;
what a serial server sends is the bus itself between its texts; what a DL/T 645 meter with a modem sends is its bus,
and the address in its heartbeat says who it is. To the line all are a bus. An Acrel gateway has several, and must prove
who it is first (`gateway_call`).
"""

import asyncio
import logging
import socket
from datetime import datetime
from fcntl import ioctl
from termios import TIOCOUTQ
from typing import Any, Protocol, cast
from zoneinfo import ZoneInfo

from prewatt.core.meters.drivers import receipt, reported
from prewatt.core.meters.mailbox import Call, Known, LinePlan
from prewatt.core.wire import acrel4g, dlt645, serialserver
from prewatt.core.wire.acrel4g import Answers, AsksTime, Lives, Registers, Reports, Takes
from prewatt.core.wire.acrel4g.frame import START
from prewatt.core.wire.acrel_gateway import HEAD
from prewatt.core.wire.acrel_mqtt import IDENTITY as MQTT_IDENTITY
from prewatt.field.headend.gateway_call import GatewayCall
from prewatt.field.headend.limits import (
    FRAME_PAUSE_S,
    KEEPALIVE_EVERY_S,
    KEEPALIVE_IDLE_S,
    KEEPALIVE_TRIES,
    MAX_BEFORE_NAME,
    NAME_PAUSE_S,
    UNACKED_MAX_MS,
)
from prewatt.field.headend.transports import Link, Listener, ReportListener

log = logging.getLogger("prewatt.headend")

ACREL_4G = "acrel-4g"
ACREL_GATEWAY = "acrel-gateway"
DLT645 = "dlt645"
SERIAL_SERVER = "serial-server"
WAKE_UP, MARK = b"\xfe", b"\x68"  # how a frame of DL/T 645 begins


class Desk(Protocol):
    """Who keeps the callers."""

    def wall(self) -> datetime: ...

    def rang(self, caller: "Caller") -> bool: ...

    def named(self, caller: "Caller") -> None: ...

    def proved(self, caller: "Caller") -> None: ...

    def not_proved(self, caller: "Caller") -> None: ...

    def gone(self, caller: "Caller") -> None: ...


class Caller(asyncio.Protocol):
    """A connection that came in; to its line it is a link."""

    __slots__ = (
        "_asked", "_claims", "_desk", "_frames", "_gate", "_head", "_listener", "_loop", "_pause", "_plan",
        "_registration", "_session", "_texts", "_transport", "ask_at", "fresh", "gateway_id", "heard_at", "identity",
        "kind", "peer", "until",
    )  # fmt: skip

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._head = b""  # what came before the name was known
        self._pause: asyncio.TimerHandle | None = None
        self._session: acrel4g.Session | None = None
        self._texts: serialserver.Texts | None = None
        self._frames = dlt645.Decoder()
        self._gate: GatewayCall | None = None
        self._registration: acrel4g.Registration | None = None
        self._listener: Listener | None = None
        self._plan: LinePlan | None = None
        self._asked = False  # the last request has had no answer yet
        self.identity = ""
        self.kind = ""
        self.peer = ""
        self.gateway_id: int | None = None  # of a gateway that must prove who it is: once it has
        self._claims: int | None = None  # and what it is asked the proof for
        self.fresh = True
        self.heard_at = self._loop.time()
        self.ask_at = 0.0  # loop time when the office is to be asked about him again
        self.until: float | None = None  # loop time when he must be known by, None: he is

    @property
    def must_prove(self) -> bool:
        """A name alone is not believed of him, and he has not shown more yet."""
        return self._gate is not None and not self._gate.proved

    def call(self) -> Call:
        """Him as the office is asked about him."""
        told = self._registration
        detail = "" if told is None else (
            f"ICCID {told.iccid or '-'} · CSQ {told.signal} · "
            f"FW {'/'.join(f'{word:04X}' for word in told.versions)} · {told.interval} min"
        )
        if self._gate is not None:
            detail = self._gate.detail()
        return Call(identity=self.identity, kind=self.kind, peer=self.peer, detail=detail, fresh=self.fresh)

    # --- the socket --------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        address = transport.get_extra_info("peername")
        self.peer = str(address[0]) if address else ""
        if not self._desk.rang(self):
            self._transport.abort()
            return
        endpoint = transport.get_extra_info("socket")
        if endpoint is not None:
            _watch_over(endpoint)

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._loop.time()
        if self._session is not None:
            self._heard(self._session.receive(data))
        elif self._gate is not None:
            self._gate.receive(data)
        elif self.kind == SERIAL_SERVER:
            self._bytes(data if self._texts is None else self._texts.receive(data))
        elif self.kind == DLT645:
            self._pushed(data)
        else:
            self._first(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end("closed")

    def _end(self, why: str) -> None:
        """Once: tell the desk and the line."""
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        self._transport = None
        listener, self._listener = self._listener, None
        self._desk.gone(self)
        if listener is not None:
            listener.lost(why)
        if self._gate is not None:
            self._gate.end(why)

    # --- who is it? --------------------------------------------------------------------------------------------------

    def _first(self, data: bytes) -> None:
        self._head += data
        if len(self._head) > MAX_BEFORE_NAME:
            self.hang_up()
        elif self._head.startswith(START):
            self._session = acrel4g.Session()
            head, self._head = self._head, b""
            self._heard(self._session.receive(head))
        elif self._head.startswith(HEAD):
            self.kind, self._gate = ACREL_GATEWAY, GatewayCall(self)
            head, self._head = self._head, b""
            self._gate.receive(head)
        elif not self._speaks_dlt645(data) and self._pause is None and not (
            START.startswith(self._head) or HEAD.startswith(self._head)
        ):
            # a text has no end mark of its own: what comes in one go is one text
            begun = self._head.startswith((WAKE_UP, MARK))  # a modem may pass a frame on in pieces
            self._pause = self._loop.call_later(FRAME_PAUSE_S if begun else NAME_PAUSE_S, self._text)

    def _text(self) -> None:
        self._pause = None
        self.kind, head, self._head = SERIAL_SERVER, self._head, b""
        self.named(serialserver.shown(head))

    def _speaks_dlt645(self, data: bytes) -> bool:
        """Does a meter say by a frame of its own who it is? One meter is behind such a modem, known by its address."""
        if not self._head.lstrip(WAKE_UP).startswith(MARK):
            return False
        told = next((each for each in self._frames.receive(data) if each.reply and each.address.isdecimal()), None)
        if told is None:
            return False
        if self._pause is not None:
            self._pause.cancel()
            self._pause = None
        self.kind, self._head = DLT645, b""
        self.named(told.address)
        return True

    def named(self, identity: str) -> None:
        """He said who he is; another name on the same connection ends it."""
        if self.identity and self.identity != identity:
            log.warning("caller_changed_name gateway=%s peer=%s", self.gateway_id, self.peer)
            self.hang_up()
            return
        if identity.startswith(MQTT_IDENTITY):
            self.hang_up("refused")  # a name of those at a broker, who do not dial in
            return
        if not self.identity:
            self.identity = identity
            self._desk.named(self)

    # --- what the desk decided ---------------------------------------------------------------------------------------

    def accept(self, who: Known) -> None:
        """He is the connection of this gateway, or says so and is asked for the proof."""
        if self._gate is None and who.secret:
            self.hang_up("refused")  # a name that has a secret is never believed by itself
            return
        gateway_id = who.gateway_id
        if self._gate is not None:
            self._claims = gateway_id
            self._gate.accept(who)
            if self.must_prove or self._transport is None:
                return
        known, self.gateway_id, self.until = self.gateway_id, gateway_id, None
        if known is None:
            self._greet()
        elif known != gateway_id:
            self._let_go("moved")

    def proved(self) -> None:
        """He has shown that he knows the secret."""
        self.gateway_id, self.until = self._claims, None
        self._desk.proved(self)

    def not_proved(self) -> None:
        """He has not, and goes once he was told so."""
        self._desk.not_proved(self)
        transport = self._transport
        self._end("refused")
        if transport is not None:
            transport.close()

    def say(self, data: bytes) -> None:
        """Bytes of the connection itself, of no line."""
        if self._transport is not None:
            self._transport.write(data)

    def settled(self) -> bool:
        """Has the other end taken every byte?"""
        return self._all_taken()

    def wall(self) -> datetime:
        """Wall time, for what is told to him."""
        return self._desk.wall()

    def disown(self) -> None:
        """He is nobody's, or nobody's any more."""
        if self.gateway_id is not None:
            self.gateway_id = None
            self._let_go("not_called")

    def _let_go(self, why: str) -> None:
        listener, self._listener, self._plan = self._listener, None, None
        if listener is not None:
            listener.lost(why)
        if self._gate is not None:
            self._gate.end(why)

    def _greet(self) -> None:
        if self.kind == ACREL_4G and self._registration is not None:
            self._send(acrel4g.registered())

    # --- an Acrel meter ----------------------------------------------------------------------------------------------

    def _heard(self, events: list[acrel4g.Event]) -> None:
        for event in events:
            match event:
                case Registers():
                    self.kind, self._registration = ACREL_4G, event.registration
                    self.named(event.registration.serial)
                    if self.gateway_id is not None:  # again on the same connection
                        self._greet()
                case Lives() if event.serial and not self.identity:
                    self.kind = ACREL_4G  # a meter that thinks itself registered
                    self.named(event.serial)
                case AsksTime():
                    self._tell_time()
                case Answers():
                    self._bytes(event.rtu)
                case Takes() if event.serial == self.identity:
                    self._bytes(receipt(event.serial))
                case Reports():
                    self._report(event)
                case _:
                    pass

    def _pushed(self, data: bytes) -> None:
        """A heartbeat is no answer to anything; everything else is the bus."""
        frames = self._frames.receive(data)
        if not frames or any(each.di != dlt645.HEARTBEAT_DI for each in frames):
            self._bytes(data)

    def _report(self, event: Reports) -> None:
        listener: object = self._listener
        if isinstance(listener, ReportListener):
            listener.reported(event.unit, reported(event.block))

    def _tell_time(self) -> None:
        """In the site's local time, which only the plan of its line knows."""
        if self._plan is not None:
            local = self._desk.wall().astimezone(ZoneInfo(self._plan.timezone)).replace(tzinfo=None)
            self._send(acrel4g.time_answer(local))

    def _send(self, frame: acrel4g.Frame) -> None:
        if self._transport is not None:
            self._transport.write(acrel4g.encode(frame))

    def _bytes(self, data: bytes) -> None:
        if data:
            self._asked = False
        if data and self._listener is not None:
            self._listener.received(data)

    # --- the line's side: a Link -------------------------------------------------------------------------------------

    def serve(self, plan: LinePlan, listener: Listener) -> Link:
        """From now on the bus of this line, or one of several."""
        if self._gate is not None:
            return self._gate.serve(plan, listener)
        self._plan, self._listener = plan, listener
        if self.kind == SERIAL_SERVER:
            self._texts = serialserver.Texts(plan.identity, plan.heartbeat)
        return self

    def write(self, data: bytes) -> None:
        """One frame to the bus."""
        self._asked = True
        if self.kind == ACREL_4G:
            self._send(acrel4g.transparent(data))
        elif self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        """The line is done with it. Where nothing of ours is on its way the caller waits for the next line of his
        gateway: ten thousand need not call again because a lease was late."""
        self._listener = self._plan = None
        if self._asked or not self._all_taken():
            self.hang_up()

    def _all_taken(self) -> bool:
        """Has his end taken every byte? What has not gone yet must not go after the lease."""
        endpoint = None if self._transport is None else self._transport.get_extra_info("socket")
        if endpoint is None or self._transport is None or self._transport.get_write_buffer_size():
            return False
        try:
            return ioctl(endpoint.fileno(), TIOCOUTQ, bytes(4)) == bytes(4)
        except OSError:
            return False

    def hang_up(self, why: str = "closed") -> None:
        """At once: a request still in the buffer must not leave any more."""
        transport = self._transport
        self._end(why)
        if transport is not None:
            transport.abort()


def _watch_over(endpoint: Any) -> None:
    """A meter that lost its network says nothing: without this its socket looks alive for ever."""
    endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_IDLE_S),
        ("TCP_KEEPINTVL", KEEPALIVE_EVERY_S),
        ("TCP_KEEPCNT", KEEPALIVE_TRIES),
        ("TCP_USER_TIMEOUT", UNACKED_MAX_MS),
    ):
        if hasattr(socket, name):
            endpoint.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
