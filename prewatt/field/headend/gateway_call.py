"""A caller that is an Acrel gateway: it proves that it knows its secret, reports, and tunnels to its serial ports.

To each line behind it a port of the gateway is a link. A request leaves as a command (F1) with port and address in
front of the frame, and what comes back (F2) goes to the line of its port; the frames are Modbus RTU or DL/T 645 as
they are on the bus. The gateway reads its meters too, so a bus is not ours alone, and what it read it reports by
itself.
"""

import logging
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from prewatt.core.meters.drivers import place_of, told_by_gateway
from prewatt.core.meters.mailbox import Known, LinePlan
from prewatt.core.meters.quantities import Quantity
from prewatt.core.wire import acrel_gateway, dlt645
from prewatt.core.wire.acrel_gateway import Asks, Beats, NotProved, Proved, Report, Reported, Returned, Tunnelled
from prewatt.core.wire.checks import crc16_modbus
from prewatt.core.wire.errors import LocalProtocolError
from prewatt.field.gateway_seal import seal_of
from prewatt.field.headend.transports import Link, Listener, ReportListener

log = logging.getLogger("prewatt.headend")

REPORT_AGE_MAX: Final = timedelta(minutes=10)  # a report is stored as of now: what was kept back for longer is not
REPORT_AHEAD_MAX: Final = timedelta(minutes=10)  # and one from the future comes from a clock that is off
NO_ADDRESS: Final = 0  # of a frame that no single meter of the line is meant by


class Face(Protocol):
    """What the call needs of its connection."""

    def say(self, data: bytes) -> None: ...

    def named(self, identity: str) -> None: ...

    def proved(self) -> None: ...

    def not_proved(self) -> None: ...

    def settled(self) -> bool:
        """Has the other end taken every byte?"""

    def hang_up(self, why: str = "closed") -> None: ...

    def wall(self) -> datetime: ...


class GatewayCall:
    """One connection of a gateway."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self._session = acrel_gateway.Session()
        self._known: Known | None = None  # who the office says he is, once he was asked for the proof
        self._tunnels: dict[int, _Tunnel] = {}  # by port
        self.building = ""

    @property
    def proved(self) -> bool:
        return self._session.proved

    def detail(self) -> str:
        """What he says of himself, for a person."""
        return f"building {self.building}" if self.building else ""

    def receive(self, data: bytes) -> None:
        for event in self._session.receive(data):
            match event:
                case Asks():
                    self.building = event.building
                    self._face.named(event.gateway)
                    if self._known is not None:  # again on the same connection
                        self._challenge(self._known)
                case Proved():
                    self._face.say(self._session.result())
                    self._face.proved()
                case NotProved():
                    self._face.say(self._session.result())
                    self._face.not_proved()
                    return
                case Beats():
                    self._face.say(
                        acrel_gateway.encode(acrel_gateway.heartbeat_frame(self._session.gateway, self._local()))
                    )
                case Reported():
                    self._report(event.report)
                case Returned():
                    self._returned(event.answer)

    def accept(self, known: Known) -> None:
        """He is known: ask for the proof. A secret that was changed since, or that nobody entered, ends the call."""
        before, self._known = self._known, known
        if before is None:
            if not known.secret:
                log.warning("gateway_without_secret gateway=%s", known.gateway_id)
                self._face.hang_up("refused")
                return
            self._challenge(known)
        elif (before.secret, before.sealed) != (known.secret, known.sealed):
            self._face.hang_up("refused")

    def _challenge(self, known: Known) -> None:
        try:
            seal = seal_of(known.secret, sealed=known.sealed)
        except ValueError:
            log.warning("gateway_secret_unusable gateway=%s", known.gateway_id)
            self._face.hang_up("refused")
            return
        self._face.say(self._session.challenge(known.secret, seal, secrets.token_hex(9)))

    def _local(self) -> datetime:
        zone = "UTC" if self._known is None else self._known.timezone
        return self._face.wall().astimezone(ZoneInfo(zone)).replace(tzinfo=None)

    # --- reports -----------------------------------------------------------------------------------------------------

    def _report(self, report: Report) -> None:
        now = self._local()
        if report.at is not None and not now - REPORT_AGE_MAX <= report.at <= now + REPORT_AHEAD_MAX:
            log.info("gateway_report_not_of_now gateway=%s at=%s", self._session.gateway, report.at)
            return
        for meter in report.meters:
            place = place_of(meter.meter)
            tunnel = None if place is None else self._tunnels.get(place[0])
            if place is not None and tunnel is not None:
                tunnel.reported(place[1], told_by_gateway(meter))

    # --- tunnels -----------------------------------------------------------------------------------------------------

    def serve(self, plan: LinePlan, listener: Listener) -> Link:
        """The link to one of its ports."""
        tunnel = _Tunnel(plan, listener, say=self._command, closed=self._closed)
        self._tunnels[plan.port] = tunnel
        return tunnel

    def end(self, why: str) -> None:
        """The connection is gone, or no longer his."""
        tunnels, self._tunnels = list(self._tunnels.values()), {}
        for tunnel in tunnels:
            tunnel.lost(why)

    def _command(self, port: int, address: int, data: bytes) -> None:
        try:
            frame = acrel_gateway.tunnel_frame(Tunnelled(port=port, address=address, rtu=data), self._session.seal)
        except LocalProtocolError as fault:  # nothing leaves, so the conversation ends as unanswered
            log.warning("gateway_frame_refused gateway=%s code=%s", self._session.gateway, fault.code)
            return
        self._face.say(acrel_gateway.encode(frame))

    def _returned(self, answer: Tunnelled) -> None:
        tunnel = self._tunnels.get(answer.port)
        if tunnel is not None:
            tunnel.returned(answer.rtu)

    def _closed(self, tunnel: "_Tunnel") -> None:
        """A line is done with its port. With a request of ours under way the whole connection goes, as that of any
        caller: nothing may reach a meter after the lease."""
        if self._tunnels.get(tunnel.port) is tunnel:
            del self._tunnels[tunnel.port]
        if tunnel.asked or not self._face.settled():
            self._face.hang_up()


class _Tunnel:
    """One port of the gateway; to its line it is a link."""

    def __init__(
        self, plan: LinePlan, listener: Listener, *, say: Callable[[int, int, bytes], None],
        closed: Callable[["_Tunnel"], None],
    ) -> None:  # fmt: skip
        self.port = plan.port
        self.asked = False  # the last request has had no answer yet
        self._plan = plan
        self._listener: Listener | None = listener
        self._say = say
        self._closed = closed
        self._units = {meter.number.zfill(12): meter.unit for meter in plan.meters}

    def write(self, data: bytes) -> None:
        if self._listener is not None:
            self.asked = True
            self._say(self.port, self._address(data), data)

    def close(self) -> None:
        if self._listener is not None:
            self._listener = None
            self._closed(self)

    def lost(self, why: str) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.lost(why)

    def returned(self, data: bytes) -> None:
        self.asked = False
        if self._listener is not None:
            self._listener.received(data)

    def reported(self, address: int, values: Mapping[Quantity, int]) -> None:
        """Values of the meter at this address. Where a ratio of ours applies nobody says on which side the gateway's
        values are, so they are not taken: what is asked through the tunnel is."""
        listener: object = self._listener
        meter = next((each for each in self._plan.meters if each.unit == address), None)
        if meter is None or not values or any(circuit.ratio != 1 for circuit in meter.circuits):
            return
        if isinstance(listener, ReportListener):
            listener.reported(address, values)

    def _address(self, data: bytes) -> int:
        """What the gateway is told beside the frame: the meter's address on the bus, which a frame of DL/T 645 has no
        room for and the estate knows."""
        if crc16_modbus(data) == 0:
            return data[0]
        frames = dlt645.Decoder().receive(data)
        return self._units.get(frames[0].address, NO_ADDRESS) if frames else NO_ADDRESS
