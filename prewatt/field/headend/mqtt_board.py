"""Meters that are heard at an MQTT broker: who they are, whose turn it is to answer them, and their links.

Every head-end hears every meter. The lease decides who acts: only the head-end whose line is open answers, asks and
stores; the others listen, so that one of them can go on when it dies. A stranger is written down as one who dialled in
and hears nothing. Whoever may publish under a meter's topic is that meter: the broker's rights are what proves it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol

from prewatt.core.meters.drivers import is_read, told_over_mqtt
from prewatt.core.meters.mailbox import Call, Known, LinePlan
from prewatt.core.meters.quantities import Quantity
from prewatt.core.wire import acrel_mqtt
from prewatt.core.wire.acrel_mqtt import Acknowledged, Lives, Message, Method, Reported, Route, Topic
from prewatt.core.wire.errors import LocalProtocolError, RemoteProtocolError
from prewatt.field.headend.limits import (
    ASK_ROWS,
    ASK_STRANGER_AGAIN_S,
    IDLE_HEARTBEATS,
    IDLE_LEAST_S,
    KNOWN_AGAIN_S,
    MAX_CALLS,
    MAX_STRANGERS,
    SAY_STRANGERS_S,
    STRANGER_STAYS_S,
    SWEEP_S,
)
from prewatt.field.headend.transports import Link, LinkError, Listener, ReportListener, Transport

log = logging.getLogger("prewatt.headend")

MQTT: Final = "mqtt"
KIND: Final = "acrel-mqtt"
LINK_MS: Final = 4000  # what a mobile network and the broker add to a reply
ANSWER_S: Final = 10.0  # so long after a command a report is its answer, not one unasked
MAX_OUT: Final = 1000  # messages that wait for the broker
SEND_WITHIN_S: Final = 1.0  # within the margin of a lease: what waited for longer must not reach a meter any more


class Post(Protocol):
    """The way to the broker. It is kept up and calls `heard`, `reached`, `broken`; it never raises."""

    async def keep(self, board: "MqttBoard") -> None: ...


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to publish, as long as `wanted` says so."""

    topic: str
    data: bytes
    wanted: Callable[[], bool]


class _Meter:
    """One that is heard."""

    def __init__(self, place: Topic, identity: str, now: float) -> None:
        self.place, self.identity = place, identity
        self.session = acrel_mqtt.Session(place.serial)
        self.gateway_id: int | None = None
        self.zone = "UTC"
        self.link: _Link | None = None
        self.owed: dict[Method, Message] = {}  # the last answer of each kind that nobody has given yet
        self.first_at = self.heard_at = now
        self.ask_at = 0.0
        self.asking = False
        self.fresh = True
        self.known = False  # the office was asked about him

    def call(self) -> Call:
        detail = f"{self.place.product} · {self.place.serial}"
        return Call(identity=self.identity, kind=KIND, peer="MQTT", detail=detail, fresh=self.fresh)


class _Link:
    """To its line it is a link; what it brings is one message a line."""

    def __init__(self, board: "MqttBoard", meter: _Meter, plan: LinePlan, listener: Listener) -> None:
        self._board, self._meter = board, meter
        self._unit = plan.meters[0].unit if plan.meters else 0
        self._listener: Listener | None = listener
        self._answer_until = 0.0

    @property
    def open(self) -> bool:
        return self._listener is not None

    def write(self, data: bytes) -> None:
        if self._listener is not None:
            self._answer_until = self._board.now() + ANSWER_S
            self._board.command(self._meter, data, lambda: self.open)

    def close(self) -> None:
        self._listener = None
        if self._meter.link is self:
            self._meter.link = None

    def lost(self, why: str) -> None:
        listener = self._listener
        self.close()
        if listener is not None:
            listener.lost(why)

    def acknowledged(self, said: Message) -> None:
        if self._listener is not None:
            self._listener.received(acrel_mqtt.encode(acrel_mqtt.trimmed(said, is_read)) + b"\n")

    def reported(self, said: Message) -> None:
        """The answer to a command of ours, or else a report that nobody asked for: of that the relay is not taken,
        which supply is decided by."""
        if self._listener is None or said.reported is None:
            return
        if self._board.now() < self._answer_until:
            self._answer_until = 0.0
            self._listener.received(acrel_mqtt.encode(acrel_mqtt.trimmed(said, is_read)) + b"\n")
            return
        listener: object = self._listener
        values = told_over_mqtt(said.reported)
        values.pop(Quantity.RELAY, None)
        if values and isinstance(listener, ReportListener):
            listener.reported(self._unit, values)


class MqttBoard:
    """The meters at one broker. `clock` is wall time."""

    def __init__(self, post: Post, *, clock: Callable[[], datetime], status_s: float = 60.0) -> None:
        self._post = post
        self._clock = clock
        self._idle_s = max(IDLE_LEAST_S, IDLE_HEARTBEATS * status_s)
        self._wake: Callable[[], None] = lambda: None
        self._gained: Callable[[], None] = lambda: None
        self._meters: dict[str, _Meter] = {}
        self._out: deque[tuple[float, Outgoing]] = deque()
        self._to_send = asyncio.Event()
        self._up = False
        self._say_at = 0.0
        self.broker_fault = ""  # why the broker is not reached, a stable code
        self.turned_away = 0  # messages of more meters than there is room for, or under no topic of theirs

    # --- what the head-end calls -------------------------------------------------------------------------------------

    @property
    def transports(self) -> Mapping[str, Transport]:
        # sole: there is no bus where a second voice would spoil anything, so a reply may come after the lease
        return {MQTT: Transport(opener=self.open_line, framing="mqtt", link_ms=LINK_MS, sole=True)}

    async def stay_open(self, wake: Callable[[], None], gained: Callable[[], None]) -> None:
        self._wake, self._gained = wake, gained
        sweeper = asyncio.get_running_loop().create_task(self._sweep())
        try:
            await self._post.keep(self)
        finally:
            sweeper.cancel()

    def close(self) -> None:
        self.broken()

    @property
    def held(self) -> list[int]:
        """The gateways that are heard here; none while the broker is away, so that another head-end may have them."""
        if not self._up:
            return []
        return [each.gateway_id for each in self._meters.values() if each.gateway_id is not None]

    @property
    def waiting(self) -> bool:
        return any(each.asking for each in self._meters.values())

    def to_ask(self) -> list[Call]:
        return [each.call() for each in self._meters.values() if each.asking][:ASK_ROWS]

    def answered(self, known: Sequence[Known]) -> bool:
        """What the office said; True when a meter is here now that was not."""
        now, gained = self.now(), False
        for each in known:
            meter = self._meters.get(each.identity)
            if meter is None or not meter.asking:
                continue
            meter.asking = meter.fresh = False
            was, stood = meter.gateway_id, meter.known
            meter.known, meter.gateway_id, meter.zone = True, each.gateway_id, each.timezone
            meter.ask_at = now + (KNOWN_AGAIN_S if each.refused or each.gateway_id else ASK_STRANGER_AGAIN_S)
            if was != each.gateway_id and meter.link is not None:
                meter.link.lost("moved" if each.gateway_id else "not_called")
            if each.gateway_id is None:
                self._strange(meter, now, new=not stood or was is not None, refused=each.refused)
            gained |= each.gateway_id is not None and was != each.gateway_id
        return gained

    def _strange(self, meter: _Meter, now: float, *, new: bool, refused: bool) -> None:
        if refused:
            meter.owed.clear()
        elif new and now >= self._say_at:
            self._say_at = now + SAY_STRANGERS_S
            log.warning("mqtt_meter_unknown identity=%s", meter.identity)

    async def open_line(self, plan: LinePlan, listener: Listener) -> Link:
        """The opener of the transport. LinkError: `broker_away` or why it is, `not_called` who is not heard,
        `mqtt_meter` what cannot be told over MQTT: several meters, several circuits, or a ratio of ours, since nobody
        says on which side its values are."""
        meter = self._meters.get(plan.identity)
        if not self._up:
            raise LinkError(self.broker_fault or "broker_away")
        if meter is None or meter.gateway_id is None:
            raise LinkError("not_called")
        circuits = [circuit for each in plan.meters for circuit in each.circuits]
        if len(plan.meters) > 1 or len(circuits) > 1 or any(each.ratio != 1 for each in circuits):
            raise LinkError("mqtt_meter")
        if meter.link is not None:
            meter.link.lost("replaced")
        link = meter.link = _Link(self, meter, plan, listener)
        owed, meter.owed = meter.owed, {}
        for answer in owed.values():
            self._answer(meter, answer)
        return link

    # --- what the way to the broker calls ----------------------------------------------------------------------------

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def reached(self) -> None:
        """The broker answers and listens for us."""
        self._up, self.broker_fault = True, ""
        self._gained()

    def broken(self, why: str = "") -> None:
        """It is away: nobody is heard, and what was to be said is not said later."""
        self._up = False
        self.broker_fault = why or self.broker_fault
        self._out.clear()
        for meter in self._meters.values():
            if meter.link is not None:
                meter.link.lost("broker_away")

    def heard(self, path: str, data: bytes) -> None:
        """A message that was published just now; what a broker kept from earlier is not for us."""
        try:
            place = acrel_mqtt.topic(path)
            identity = acrel_mqtt.identity_of(place)
        except RemoteProtocolError:
            self.turned_away += 1
            return
        now = self.now()
        meter = self._meters.get(identity) or self._new(place, identity, now)
        if meter is None:
            return
        event = meter.session.receive(place.route, data, at=int(self._clock().timestamp()), zone=meter.zone)
        if event is None:
            return
        meter.heard_at = now
        if now >= meter.ask_at and not meter.asking:
            meter.asking = True
            self._wake()
        match event:
            case Lives():
                self._owe(meter, event.answer)
            case Reported():
                self._owe(meter, event.answer)
                if meter.link is not None and not event.stale:
                    meter.link.reported(event.message)
            case Acknowledged():
                if meter.link is not None:
                    meter.link.acknowledged(event.message)

    def _new(self, place: Topic, identity: str, now: float) -> _Meter | None:
        strangers = sum(each.gateway_id is None for each in self._meters.values()) if self._crowded() else 0
        if len(self._meters) >= MAX_CALLS or strangers >= MAX_STRANGERS:
            self.turned_away += 1
            return None
        meter = self._meters[identity] = _Meter(place, identity, now)
        return meter

    def _crowded(self) -> bool:
        return len(self._meters) >= MAX_STRANGERS

    async def outgoing(self) -> Outgoing:
        """The next message to publish; waits for one. What is no longer wanted, or waited too long, is dropped."""
        while True:
            while self._out:
                since, each = self._out.popleft()
                if each.wanted() and self.now() - since <= SEND_WITHIN_S:
                    return each
            self._to_send.clear()
            await self._to_send.wait()

    # --- out ---------------------------------------------------------------------------------------------------------

    def command(self, meter: _Meter, data: bytes, wanted: Callable[[], bool]) -> None:
        """A command of the driver, with the time it leaves."""
        said = replace(acrel_mqtt.message(data), sent_at=int(self._clock().timestamp()))
        self._publish(replace(meter.place, route=Route.COMMAND_DOWN), said, wanted)

    def _owe(self, meter: _Meter, answer: Message) -> None:
        """Answer at once where the meter is ours, and with the line where it is to be."""
        if meter.link is not None:
            self._answer(meter, answer)
        else:
            meter.owed[answer.method] = answer

    def _answer(self, meter: _Meter, answer: Message) -> None:
        stamped = replace(answer, sent_at=int(self._clock().timestamp()))
        self._publish(replace(meter.place, route=acrel_mqtt.ANSWERS), stamped, lambda: meter.link is not None)

    def _publish(self, place: Topic, said: Message, wanted: Callable[[], bool]) -> None:
        if not self._up or len(self._out) >= MAX_OUT:
            return
        try:
            self._out.append((self.now(), Outgoing(place.path(), acrel_mqtt.encode(said), wanted)))
        except LocalProtocolError as fault:
            log.warning("mqtt_message_refused identity=%s code=%s", place.serial, fault.code)
            return
        self._to_send.set()

    # --- time --------------------------------------------------------------------------------------------------------

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            self.sweep(self.now())

    def sweep(self, now: float) -> None:
        """Forget who is silent, strangers sooner, and ask again about who was asked about long ago."""
        for identity, meter in list(self._meters.items()):
            stays_s = self._idle_s if meter.gateway_id is not None else STRANGER_STAYS_S
            if now - meter.heard_at >= stays_s:
                del self._meters[identity]
                if meter.link is not None:
                    meter.link.lost("idle")
            elif meter.known and now >= meter.ask_at:
                meter.asking = True
        if self.waiting:
            self._wake()
