"""The simulated Acrel gateway between a line and the office: logs in, reports, and carries frames in its tunnel.

Each line of the site file that names the same gateway is one of its serial ports; at others nobody answers. What comes
before the office has let it in is not heard, as the real one's log says.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Final

from prewatt.core.meters.quantities import Quantity
from prewatt.core.wire import acrel_gateway
from prewatt.core.wire.acrel_gateway import MAX_BODY, LoginStep, MeterReport, Report, Tunnelled, Type
from prewatt.core.wire.errors import LocalProtocolError, RemoteProtocolError
from prewatt.field.gateway_seal import seal_of
from prewatt.field.simulator.dialing import Dialing
from prewatt.field.simulator.meter import Meter

BUILDING: Final = "SIM"
# what it is set to report, in kWh, volts and amperes
NAMES: Final[Mapping[str, Quantity]] = {
    "WPP": Quantity.ENERGY_IMPORT_TOTAL,
    "PowerHigher": Quantity.ENERGY_IMPORT_SHARP,
    "PowerHigh": Quantity.ENERGY_IMPORT_PEAK,
    "PowerFlat": Quantity.ENERGY_IMPORT_FLAT,
    "PowerLow": Quantity.ENERGY_IMPORT_VALLEY,
    "Ua": Quantity.VOLTAGE_A,
    "Ub": Quantity.VOLTAGE_B,
    "Uc": Quantity.VOLTAGE_C,
    "Ia": Quantity.CURRENT_A,
    "Ib": Quantity.CURRENT_B,
    "Ic": Quantity.CURRENT_C,
}


class GatewayBox:
    """One connection of the gateway; what `say` is given leaves through it."""

    def __init__(self, dialing: Dialing, say: Callable[[bytes], None], buses: Collection[int]) -> None:
        self._dialing, self._buses = dialing, buses
        self._say = say
        self._seal = seal_of(dialing.secret, sealed=dialing.sealed)
        self._decoder = acrel_gateway.Decoder(MAX_BODY)
        self._asked: dict[int, int] = {}  # at each port the address asked last: what comes is taken for its answer
        self.known = False  # the office let it in

    def log_in(self) -> None:
        """The first thing it says."""
        self._step("request", "")

    def beat(self) -> None:
        """It lives, and wants to know the time."""
        if self.known:
            self._say(acrel_gateway.encode(acrel_gateway.heartbeat_frame(self._dialing.identity)))

    def receive(self, data: bytes) -> list[tuple[int, bytes]]:
        """What of this goes to which of its ports."""
        found = []
        for frame in self._decoder.receive(data):
            try:
                if frame.type is Type.LOGIN:
                    self._login(acrel_gateway.login_step(frame))
                elif frame.type is Type.COMMAND and self.known:
                    asked = acrel_gateway.tunnelled(frame, self._seal)
                    if asked.port in self._buses:
                        self._asked[asked.port] = asked.address
                        found.append((asked.port, asked.rtu))
            except RemoteProtocolError:
                continue
        return found

    def _login(self, step: LoginStep) -> None:
        if step.operation == "sequence":
            self._step("md5", acrel_gateway.proof(self._dialing.secret, step.detail))
        elif step.operation == "result":
            self.known = step.detail == "pass"
            self.beat()

    def answer(self, bus: int, data: bytes) -> None:
        """What a port said; unasked or late it goes out under the address of whoever was asked last there."""
        if not self.known or bus not in self._asked:
            return
        given = Tunnelled(port=bus, address=self._asked[bus], rtu=data)
        try:
            self._say(acrel_gateway.encode(acrel_gateway.tunnel_frame(given, self._seal, answer=True)))
        except LocalProtocolError:
            return  # longer than a frame can be: the real one drops it too

    def report(self, meters: Mapping[tuple[int, int], Meter], at_ms: int) -> None:
        """What it read by itself, of every meter by its port and address."""
        if not self.known or not meters:
            return
        zone = next(iter(meters.values())).zone
        local = datetime.fromtimestamp(at_ms // 1_000, UTC).astimezone(zone).replace(tzinfo=None)
        read = tuple(
            MeterReport(meter=f"{bus:02d}{address:03d}", values=_values(meter, at_ms))
            for (bus, address), meter in meters.items()
            if not meter.mute(at_ms)
        )
        told = Report(gateway=self._dialing.identity, at=local, meters=read)
        self._say(acrel_gateway.encode(acrel_gateway.report_frame(told, self._seal, zipped=self._dialing.zipped)))

    def _step(self, operation: str, detail: str) -> None:
        step = LoginStep(operation=operation, gateway=self._dialing.identity, building=BUILDING, detail=detail)
        self._say(acrel_gateway.encode(acrel_gateway.login_frame(step)))


def _values(meter: Meter, at_ms: int) -> tuple[tuple[str, str], ...]:
    values = meter.values(1, at_ms)
    return tuple((name, f"{values[each] // 1000}.{values[each] % 1000:03d}") for name, each in NAMES.items()
                 if each in values)  # fmt: skip
