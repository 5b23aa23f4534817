"""Acrel meters over MQTT: what a job becomes where a meter speaks JSON by itself instead of Modbus.

The link brings one message a line. An acknowledgement says that a command arrived; what is so is said by the next
report alone. The protocol has two commands, a report now and the relay; all else is refused by name, before anything
leaves. Credit is never among what it can be told, so such a meter is server-held.
"""

from collections.abc import Generator, Mapping
from decimal import Decimal
from typing import Final

from prewatt.core.meters.drivers.acrel_gateway import NAMES, RATES
from prewatt.core.meters.drivers.conversation import Await, Bus, Consult, Conversation, Finished, MeterAddress, Send
from prewatt.core.meters.drivers.looks import RELAY_READS, RELAY_SETTLE_MS
from prewatt.core.meters.jobs import Intent, Job, Outcome, Verdict, Wish
from prewatt.core.meters.model import Profile, Switch
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.security import Answer
from prewatt.core.refusals import Text, register
from prewatt.core.wire import acrel_mqtt
from prewatt.core.wire.acrel_mqtt import Message, Method
from prewatt.core.wire.errors import LocalProtocolError, RemoteProtocolError

REFRESH_TRIES: Final = 2
MAX_MESSAGES: Final = 32  # taken while one answer is awaited; a meter that says more babbles
MAX_LINE: Final = 8192  # bytes of a message that has not ended
RELAY: Final = "SwitchSta"  # 1 closed, as `ForceSwitch` is told
DIGITS: Final = 15
# What nobody says the unit of (P, Q), and a purse that is not the platform's (Balance), is passed over.
TAKEN: Final = {name: what for name, what in NAMES.items() if what[0] is not Quantity.POWER_ACTIVE}

register(
    {
        "mqtt_no_credit": Text("Over MQTT no credit can be put into a meter.", "MQTT 电表不支持远程写入购电。"),
        "mqtt_no_token": Text("Over MQTT no token can be entered.", "MQTT 电表不支持输入令牌。"),
        "mqtt_no_settings": Text("Over MQTT no settings can be written.", "MQTT 电表不支持写参数。"),
        "mqtt_no_clock": Text("Over MQTT no clock can be set.", "MQTT 电表不支持校时。"),
        "mqtt_no_freezes": Text("Over MQTT no freezes can be read.", "MQTT 电表不支持读取冻结数据。"),
        "mqtt_no_address": Text(
            "A meter over MQTT has no bus address and no speed to change.", "MQTT 电表没有可更改的总线地址和波特率。"
        ),
        "mqtt_refused": Text("The meter refused the command.", "电表拒绝了该指令。"),
        "mqtt_relay_untold": Text(
            "The meter does not report its relay, so nothing is sent that could not be read back.",
            "电表不上报继电器状态，无法读回核实，因此未发送指令。",
        ),
    }
)

CAN: Final = frozenset(
    {Intent.READ_STATUS, Intent.READ_REGISTERS, Intent.READ_PURSE, Intent.TRY, Intent.RELAY}
)
CANNOT: Final[Mapping[Intent, str]] = {
    Intent.CREDIT: "mqtt_no_credit",
    Intent.ENTER_TOKEN: "mqtt_no_token",
    Intent.SET_CLOCK: "mqtt_no_clock",
    Intent.READ_FREEZES: "mqtt_no_freezes",
    Intent.READDRESS: "mqtt_no_address",
    Intent.CHANGE_BAUD: "mqtt_no_address",
}
Values = dict[Quantity, int]
Script = Generator[Send | Await, Message | None, Outcome]


def told_over_mqtt(reported: Mapping[str, Decimal | str]) -> Values:
    """Values in the units of `Quantity`, as the meter has them; energies by rate all four or not at all."""
    values: Values = {}
    for name, given in reported.items():
        known = TAKEN.get(name.upper())
        if known is not None and isinstance(given, Decimal) and given.adjusted() < DIGITS and given >= 0:
            values[known[0]] = int(given * known[1])
    if not all(rate in values for rate in RATES):
        values = {quantity: value for quantity, value in values.items() if quantity not in RATES}
    relay = reported.get(RELAY)
    if isinstance(relay, Decimal) and relay in (0, 1):
        values[Quantity.RELAY] = int(relay)
    return values


def is_read(name: str) -> bool:
    """Is this a name whose value is taken?"""
    return name.upper() in TAKEN or name == RELAY


class _Talk:
    """What every script needs: commands with their numbers, and reports."""

    def __init__(self, serial: str, profile: Profile, bus: Bus) -> None:
        self._serial = serial
        self._first = bus.transaction
        self._count = 0
        self.wait_ms = profile.turnaround_ms + bus.link_ms
        self.values: Values = {}
        self.sent = False

    def end(self, verdict: Verdict, code: str | None = None) -> Outcome:
        return Outcome(verdict=verdict, code=code, values=self.values, sent=self.sent)

    def number(self) -> str:
        self._count += 1
        return f"{self._first}-{self._count}"

    def refresh(self) -> Generator[Send | Await, Message | None, bool]:
        """Ask for a report, and take the first that comes: False when none did."""
        for _ in range(REFRESH_TRIES):
            asked = acrel_mqtt.refresh(self._serial, self.number(), at=0)
            said = yield Send(acrel_mqtt.encode(asked), self.wait_ms)
            for _ in range(MAX_MESSAGES):
                if said is None:
                    break
                if said.method is Method.UPDATE and said.reported is not None:
                    self.values = told_over_mqtt(said.reported)
                    return True
                said = yield Await(self.wait_ms)
        return False

    def switch(self, *, closed: bool) -> Generator[Send | Await, Message | None, int | None]:
        """Force the relay, once; what the meter answered, None where it did not."""
        command = acrel_mqtt.switch(self._serial, self.number(), closed=closed, name=self._serial, at=0)
        self.sent = True
        said = yield Send(acrel_mqtt.encode(command), self.wait_ms)
        for _ in range(MAX_MESSAGES):
            if said is None:
                break
            if said.method is Method.OPERATE and str(said.message_id) == str(command.message_id):
                return said.result
            said = yield Await(self.wait_ms)
        return None


def _refusing(talk: _Talk, code: str) -> Script:
    yield from ()
    return talk.end(Verdict.REFUSED, code)


def _reading(talk: _Talk) -> Script:
    came = yield from talk.refresh()
    return talk.end(Verdict.DONE) if came else talk.end(Verdict.SILENT, "no_reply")


def _relay(talk: _Talk, closed: bool) -> Script:
    if not (yield from talk.refresh()):
        return talk.end(Verdict.SILENT, "no_reply")
    if Quantity.RELAY not in talk.values:
        return talk.end(Verdict.REFUSED, "mqtt_relay_untold")
    if talk.values[Quantity.RELAY] == closed:
        return talk.end(Verdict.DONE)
    result = yield from talk.switch(closed=closed)
    for attempt in range(RELAY_READS):
        if attempt:
            yield from _pause(talk.wait_ms + attempt * RELAY_SETTLE_MS)
        if not (yield from talk.refresh()):
            return talk.end(Verdict.UNKNOWN, "write_unanswered")
        if talk.values.get(Quantity.RELAY) == closed:
            return talk.end(Verdict.DONE)
    if result is None:
        return talk.end(Verdict.UNKNOWN, "write_unanswered")
    if result != acrel_mqtt.OK:
        return talk.end(Verdict.REFUSED, "mqtt_refused")
    return talk.end(Verdict.UNKNOWN, "relay_not_moved")


def _pause(until_ms: int) -> Generator[Send | Await, Message | None, None]:
    """Let time pass after the last command; what comes meanwhile is of before."""
    for _ in range(MAX_MESSAGES):
        if (yield Await(until_ms)) is None:
            return


class _Exchange:
    """A Conversation that runs such a script."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._outcome: Outcome | None = None
        self._step: Send | Await | None = None
        self._unended = b""
        self._advance(None, start=True)

    def next(self) -> Send | Await | Consult | Finished:
        if self._outcome is not None:
            return Finished(self._outcome)
        step = self._step
        assert step is not None
        if isinstance(step, Send):
            self._step = Await(step.timeout_ms)
        return step

    def receive(self, data: bytes) -> None:
        *lines, self._unended = (self._unended + data).split(b"\n")
        self._unended = self._unended[:MAX_LINE]
        for line in lines:
            if self._outcome is not None or isinstance(self._step, Send):
                return  # what follows in the same breath came before the next command left
            try:
                self._advance(acrel_mqtt.message(line))
            except RemoteProtocolError:
                continue

    def timed_out(self) -> None:
        if self._outcome is None:
            self._advance(None)

    def answered(self, answer: Answer) -> None:
        """Nothing here asks for advice."""

    def _advance(self, said: Message | None, *, start: bool = False) -> None:
        try:
            self._step = next(self._script) if start else self._script.send(said)
        except StopIteration as stop:
            self._outcome = stop.value
        except LocalProtocolError:  # an identity of which no command can be made
            self._outcome = Outcome(verdict=Verdict.SILENT, code="no_reply")


def over_mqtt(profile: Profile, meter: MeterAddress, job: Job, bus: Bus) -> Conversation:
    """The driver of a line of transport `mqtt`, whatever a meter of this model speaks elsewhere."""
    place = acrel_mqtt.place_of_identity(meter.identity)
    talk = _Talk("" if place is None else place[1], profile, bus)
    if job.intent not in CAN:
        return _Exchange(_refusing(talk, CANNOT.get(job.intent, "mqtt_no_settings")))
    if place is None or job.circuit_index != 1:
        return _Exchange(_refusing(talk, "circuit_not_in_profile"))
    if job.intent is not Intent.RELAY:
        return _Exchange(_reading(talk))
    if job.wish is None or profile.relay is None or profile.switch not in (Switch.INTERNAL, Switch.CONTACTOR):
        return _Exchange(_refusing(talk, "wish_not_supported"))
    # credit is ours to watch here: what may have supply is closed, there is no purse to leave the relay to
    return _Exchange(_relay(talk, closed=job.wish is not Wish.TRIP))
