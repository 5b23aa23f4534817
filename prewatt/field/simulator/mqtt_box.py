"""A simulated Acrel meter that speaks JSON at an MQTT broker: no socket and no clock of ours.

It logs in and asks for the time, reports at its times and when told to, acknowledges commands and moves its relay.
What it is to say waits for its time in here: the line's faults hold on this way too, both up and down.
"""

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from prewatt.core.meters.quantities import Quantity
from prewatt.core.wire import acrel_mqtt
from prewatt.core.wire.acrel_mqtt import Message, Method, Route
from prewatt.core.wire.errors import RemoteProtocolError
from prewatt.field.simulator.circuit import ENERGY
from prewatt.field.simulator.line import SimulatedLine
from prewatt.field.simulator.site import Force

NAMES: Final[Mapping[str, Quantity]] = {  # kWh, volts, amperes
    "EPI": Quantity.ENERGY_IMPORT_TOTAL,
    "EPIJ": Quantity.ENERGY_IMPORT_SHARP,
    "EPIF": Quantity.ENERGY_IMPORT_PEAK,
    "EPIP": Quantity.ENERGY_IMPORT_FLAT,
    "EPIG": Quantity.ENERGY_IMPORT_VALLEY,
    "Ua": Quantity.VOLTAGE_A,
    "Ub": Quantity.VOLTAGE_B,
    "Uc": Quantity.VOLTAGE_C,
    "Ia": Quantity.CURRENT_A,
    "Ib": Quantity.CURRENT_B,
    "Ic": Quantity.CURRENT_C,
}
NOT_DONE: Final = 0
Spoil = Callable[[bytes], bytes]


@dataclass(frozen=True, kw_only=True, order=True)
class Published:
    """What leaves for the broker now."""

    topic: str
    data: bytes


class MqttBox:
    """One meter at its broker."""

    def __init__(self, line: SimulatedLine) -> None:
        assert line.site.mqtt is not None and len(line.by_unit) == 1, line.site.id
        self._line, self.mqtt = line, line.site.mqtt
        (self.meter,) = line.by_unit.values()
        self.known = False  # the office answered its login
        self._number = 0
        self._due: list[tuple[int, int, Published]] = []
        self._sequence = 0

    # what it says unasked

    def log_in(self, at_ms: int) -> None:
        """The first thing it says, and again while nobody answers."""
        self._say(Route.SYSTEM_UP, Method.LOGIN, self._next_number(), at_ms)

    def report(self, at_ms: int) -> None:
        """Its values, unasked; a meter whose login nobody answered keeps them to itself."""
        if self.known and not self.meter.mute(at_ms):
            fate = self._line.fates.draw(at_ms)
            if not (fate.reply_lost or fate.request_lost):
                self._say(Route.DATA_UP, Method.UPDATE, self._next_number(), at_ms, reported=self._values(at_ms))

    # what it is told

    def hear(self, topic: str, data: bytes, at_ms: int) -> None:
        """A message at one of its topics."""
        try:
            route, told = acrel_mqtt.topic(topic).route, acrel_mqtt.message(data)
        except RemoteProtocolError:
            return
        if told.serial != self.mqtt.serial or self.meter.mute(at_ms):
            return
        if route is Route.SYSTEM_DOWN and told.method in (Method.LOGIN, Method.TIME):
            self._answered(told, at_ms)
        elif route is Route.COMMAND_DOWN and told.method is Method.OPERATE and told.asked is not None:
            self._command(told, told.asked, at_ms)

    def _answered(self, told: Message, at_ms: int) -> None:
        first, self.known = not self.known, True
        if told.method is Method.TIME and told.sent_at is not None:
            clock_s = told.sent_at
            self._line.try_act(self.meter, lambda: self.meter.take_time(clock_s, at_ms))
        elif first:
            self._say(Route.SYSTEM_UP, Method.TIME, self._next_number(), at_ms)
            self.report(at_ms)

    def _command(self, told: Message, asked: Mapping[str, Decimal | str], at_ms: int) -> None:
        """It says that it heard; what came of it stands in its next report."""
        self._line.requests += 1
        fate = self._line.fates.draw(at_ms)
        if fate.request_lost:
            return
        acted_ms = at_ms + fate.there_ms + self._line.site.turnaround_ms
        done = self._act(asked, at_ms)
        if fate.reply_lost:
            return
        said_ms = acted_ms + fate.back_ms + fate.late_ms
        spoiled = fate.spoil if fate.spoils else None
        for after_ms in sorted({0, fate.duplicated_after_ms}):
            result = acrel_mqtt.OK if done else NOT_DONE
            at = said_ms + after_ms
            self._say(Route.COMMAND_UP, Method.OPERATE, told.message_id, at, result=result, spoiled=spoiled)
            if done and asked.get("method") == "REFRESH":
                number = f"{told.message_id}-update"[-acrel_mqtt.MAX_PART :]
                self._say(Route.DATA_UP, Method.UPDATE, number, at, reported=self._values(at_ms), spoiled=spoiled)

    def _act(self, asked: Mapping[str, Decimal | str], at_ms: int) -> bool:
        """A report, or the relay; it knows nothing else."""
        self.meter.settle(at_ms)
        match asked.get("method"), asked.get("ForceSwitch"):
            case "REFRESH", _:
                return True
            case "FORCESWITCH", Decimal() as wanted if wanted in (0, 1):
                force = Force.KEEP_ON if wanted else Force.TRIP
                return self._line.try_act(self.meter, lambda: self.meter.circuits[1].force(force))
        return False

    def _values(self, at_ms: int) -> Mapping[str, Decimal | str]:
        self.meter.settle(at_ms)
        values, circuit = self.meter.values(1, at_ms), self.meter.circuits[1]
        told = {name: Decimal(values[each]).scaleb(-3) for name, each in NAMES.items() if each in values}
        if circuit.state.purse:
            exponent = circuit.state.wallet_exponent
            told["Balance"] = Decimal(circuit.state.balance_wh).scaleb(-3 if exponent == ENERGY else -exponent)
        return {**told, "SwitchSta": Decimal(circuit.relay_closed())}

    # what waits

    def _next_number(self) -> int:
        self._number += 1
        return self._number

    def _say(
        self, route: Route, method: Method, number: str | int, at_ms: int, *, result: int | None = None,
        reported: Mapping[str, Decimal | str] | None = None, spoiled: Spoil | None = None,
    ) -> None:  # fmt: skip
        said = Message(
            method=method, serial=self.mqtt.serial, message_id=number, result=result, reported=reported,
            sent_at=self.meter.clock_ms(at_ms) // 1_000,
        )  # fmt: skip
        data = acrel_mqtt.encode(said)
        self._sequence += 1
        published = Published(topic=self.mqtt.path(route), data=data if spoiled is None else spoiled(data))
        heapq.heappush(self._due, (at_ms, self._sequence, published))

    def next_due_ms(self) -> int | None:
        """When `advance` has something to publish."""
        return self._due[0][0] if self._due else None

    def advance(self, now_ms: int) -> list[Published]:
        """Everything that was due up to now, in order."""
        published = []
        while self._due and self._due[0][0] <= now_ms:
            published.append(heapq.heappop(self._due)[2])
        return published

    def cut(self) -> None:
        """The broker is away: what waited is gone, and it logs in anew."""
        self._due.clear()
        self.known = False
