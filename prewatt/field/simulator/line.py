"""One bus behind a serial server: bytes in, bytes out, and the time each takes. No socket, no clock of ours.

The serial server takes requests from any number of connections and puts them on the bus one after the
other. A conversation costs what it costs on RS485: the frames at the baud rate (11 bits a character), the
meter's turnaround, the server's own delay. Faults are named probabilities under a seed. A late reply leaves
the bus free meanwhile, so it really arrives in the middle of whatever the master does next.

Whoever runs a line calls `receive` when bytes come, `advance` when `next_due_ms` has come, and sends what
`advance` returns. With real sockets that is `bus`; under a virtual clock it is a test.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from prewatt.core.wire import dlt645
from prewatt.core.wire.modbus import (
    ExceptionCode,
    ExceptionReply,
    Reply,
    Request,
    RtuServerDecoder,
    TcpServerDecoder,
    encode_rtu_reply,
    encode_rtu_request,
    encode_tcp_reply,
    rtu_refusal,
)
from prewatt.field.recorder import Recorder
from prewatt.field.simulator.circuit import Accepted
from prewatt.field.simulator.data_meter import DataMeter
from prewatt.field.simulator.fates import Fate, Fates
from prewatt.field.simulator.faults import Faults
from prewatt.field.simulator.meter import Meter
from prewatt.field.simulator.site import LineSite

BITS_PER_CHARACTER: Final = 11
SILENCE_MS: Final = 250  # bytes after such a pause begin a new frame
QUEUE_LIMIT: Final = 64  # requests waiting for the bus; a serial server drops what comes on top
GATEWAY_TIMEOUT_MS: Final = 1_000  # after this a Modbus-TCP gateway gives a meter up


class NotKept(Exception):
    """What a write changed could not be made durable: the meter must not have done it."""


class Keeper(Protocol):
    """Makes a meter's state durable."""

    def keep(self, meter: Meter, accepted: Sequence[tuple[int, Accepted]]) -> None:
        """Durable when this returns; raises `NotKept` and has changed nothing otherwise."""


@dataclass(frozen=True, kw_only=True)
class Output:
    """Bytes that leave through a connection now."""

    connection: int
    data: bytes


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """One request on its way to the bus."""

    connection: int
    unit: int
    request: Request | None  # None: refused before it is looked at, or a frame of DL/T 645
    frame: dlt645.Frame | None = None
    transaction: int = 0
    refusal: Reply | None = None


class SimulatedLine:
    """The bus with its meters and its serial server."""

    def __init__(self, site: LineSite, meters: Iterable[Meter], keeper: Keeper) -> None:
        self.site = site
        everyone = list(meters)
        self.by_unit = {meter.site.unit: meter for meter in everyone}  # as the site file places them
        self.meters = {meter.site.unit: meter for meter in everyone if not isinstance(meter, DataMeter)}
        self.data_meters = [meter for meter in everyone if isinstance(meter, DataMeter)]
        self._stations: dict[int, list[Meter]] = {}  # as they are to be found
        self._find_places()
        self.speed = site.baud  # whoever sets the speed of the bus says so here
        self._keeper = keeper
        self._decoders: dict[int, RtuServerDecoder | TcpServerDecoder] = {}
        self._frames: dict[int, dlt645.Decoder] = {}  # of a transparent line with meters that speak DL/T 645
        self._heard_ms: dict[int, int] = {}
        self._waiting: deque[_Asked] = deque()
        self._busy = False
        self._due: list[tuple[int, int, Callable[[int], list[Output]]]] = []
        self._sequence = 0
        self.requests = 0  # conversations begun, for people to look at
        self._recorder: Recorder | None = None
        self.set_faults(site.faults)

    def set_faults(self, faults: Faults) -> None:
        """Replace all faults and begin their chance anew."""
        self.faults = faults
        self.fates = Fates(faults)

    def _find_places(self) -> None:
        """Who answers at which Modbus address; several may share one."""
        self._stations.clear()
        for meter in self.meters.values():
            self._stations.setdefault(meter.unit, []).append(meter)

    def _hears(self, meter: Meter, at_ms: int) -> bool:
        """At another speed than its own, what is sent is noise to a meter."""
        return not meter.mute(at_ms) and (meter.baud or self.site.baud) == self.speed

    def try_act(self, meter: Meter, act: Callable[[], None]) -> bool:
        """Let a meter do what came by another way than the bus, and keep it. False: it could not be kept, so it has
        not done it."""
        memory = meter.remember()
        act()
        try:
            self._keeper.keep(meter, ())
        except NotKept:
            meter.go_back(memory)
            return False
        return True

    def record(self, recorder: Recorder | None) -> None:
        """Write down what is said on the bus from now on."""
        self._recorder, site = recorder, self.site
        if recorder is not None and site.mqtt is None:  # where there is no bus nothing is said on it
            recorder.line(site.id, transport=site.transport.value, host=site.host, port=site.port, baud=site.baud)

    # connections

    def connect(self, connection: int) -> None:
        """A client has connected."""
        tcp = self.site.numbered
        self._decoders[connection] = TcpServerDecoder() if tcp else RtuServerDecoder()
        if self.data_meters and not tcp:
            self._frames[connection] = dlt645.Decoder()
        self._heard_ms[connection] = 0

    def disconnect(self, connection: int) -> None:
        """A client is gone. What it asked is still asked on the bus."""
        self._decoders.pop(connection, None)
        self._frames.pop(connection, None)
        self._heard_ms.pop(connection, None)

    def cut(self) -> None:
        """The gateway lost its power: nothing waiting or on its way survives."""
        self._decoders.clear()
        self._frames.clear()
        self._heard_ms.clear()
        self._waiting.clear()
        self._due.clear()
        self._busy = False

    def receive(self, connection: int, data: bytes, now_ms: int) -> None:
        """Bytes from a client. Raises `RemoteProtocolError` where the connection must be closed."""
        if self._recorder is not None:
            self._recorder.said(self.site.id, now_ms, data, by_office=True)
        decoder = self._decoders[connection]
        if isinstance(decoder, TcpServerDecoder):
            asked = [
                _Asked(
                    connection=connection,
                    unit=each.unit,
                    request=each.request,
                    transaction=each.transaction,
                    refusal=None if each.request else ExceptionReply(function=each.function, code=each.exception),
                )
                for each in decoder.receive(data)
            ]
        else:
            found = decoder.idle() if now_ms - self._heard_ms[connection] > SILENCE_MS else []
            found += decoder.receive(data)
            asked = [_Asked(connection=connection, unit=unit, request=request) for unit, request in found]
            if not found and (refused := rtu_refusal(data)) is not None:
                asked.append(_Asked(connection=connection, unit=refused[0], request=None, refusal=refused[1]))
            asked += self._frames_in(connection, data, now_ms)
        self._heard_ms[connection] = now_ms
        self._waiting.extend(asked[: QUEUE_LIMIT - len(self._waiting)])
        if not self._busy:
            self._next(now_ms)

    def _frames_in(self, connection: int, data: bytes, now_ms: int) -> list[_Asked]:
        """Both protocols may be spoken on one bus: each meter hears its own alone."""
        decoder = self._frames.get(connection)
        if decoder is None:
            return []
        frames = decoder.idle() if now_ms - self._heard_ms[connection] > SILENCE_MS else []
        frames += decoder.receive(data)
        return [_Asked(connection=connection, unit=0, request=None, frame=frame) for frame in frames]

    # time

    def next_due_ms(self) -> int | None:
        """When `advance` has something to do; None when nothing is under way."""
        return self._due[0][0] if self._due else None

    def advance(self, now_ms: int) -> list[Output]:
        """Everything that was due up to now, in order."""
        outputs: list[Output] = []
        while self._due and self._due[0][0] <= now_ms:
            at_ms, _, act = heapq.heappop(self._due)
            outputs += act(at_ms)
        if self._recorder is not None:
            for output in outputs:
                self._recorder.said(self.site.id, now_ms, output.data, by_office=False)
        return outputs

    def answer(self, connection: int, data: bytes, now_ms: int) -> list[tuple[int, bytes]]:
        """For a memory transport: every reply to these bytes, each with its delay in ms, all at once."""
        self.receive(connection, data, now_ms)
        found = []
        while (due_ms := self.next_due_ms()) is not None:
            found += [(due_ms - now_ms, output.data) for output in self.advance(due_ms)]
        return found

    def _at(self, at_ms: int, act: Callable[[int], list[Output]]) -> None:
        self._sequence += 1
        heapq.heappush(self._due, (at_ms, self._sequence, act))

    def _characters_ms(self, count: int) -> int:
        return -(-count * BITS_PER_CHARACTER * 1_000 // self.speed)

    # one conversation

    def _next(self, now_ms: int) -> list[Output]:
        """Put the next waiting request on the bus."""
        self._busy = bool(self._waiting)
        if not self._busy:
            return []
        asked = self._waiting.popleft()
        self.requests += 1
        if asked.request is None and asked.frame is None:
            self._at(now_ms + self.site.gateway_ms, lambda at: self._refuse(asked, at))
            return []
        fate = self.fates.draw(now_ms)
        if asked.frame is not None:
            told, connection = asked.frame, asked.connection
            heard_ms = now_ms + self.site.gateway_ms + self._characters_ms(len(dlt645.encode(told))) + fate.there_ms
            self._at(heard_ms + self.site.turnaround_ms, lambda at: self._arrive_frame(connection, told, fate, at))
            return []
        assert asked.request is not None
        frame = encode_rtu_request(asked.unit, asked.request)
        heard_ms = now_ms + self.site.gateway_ms + self._characters_ms(len(frame)) + fate.there_ms
        self._at(heard_ms + self.site.turnaround_ms, lambda at: self._arrive(asked, fate, at))
        return []

    def _refuse(self, asked: _Asked, at_ms: int) -> list[Output]:
        """A request that nobody can serve: a gateway with numbers says so itself, else the meter it is for."""
        assert asked.refusal is not None
        self._next(at_ms)
        if self.site.numbered:
            return self._out(asked.connection, encode_tcp_reply(asked.transaction, asked.unit, asked.refusal))
        if not any(self._hears(each, at_ms) for each in self._stations.get(asked.unit, [])):
            return []
        return self._out(asked.connection, encode_rtu_reply(asked.unit, asked.refusal))

    def _arrive(self, asked: _Asked, fate: Fate, at_ms: int) -> list[Output]:
        """The request has reached the meters and the one it is for has had its time to answer."""
        assert asked.request is not None
        there = [] if fate.request_lost else self._stations.get(asked.unit, [])
        heard = [each for each in there if self._hears(each, at_ms)]
        replies = [self._act(meter, asked.request, at_ms) for meter in heard]
        reply = replies[0] if replies else None
        data = b"" if fate.reply_lost else _together([encode_rtu_reply(asked.unit, each) for each in replies])
        free_ms = at_ms + self._characters_ms(len(data)) + fate.back_ms
        self._at(free_ms, self._next)
        spoiled = fate.spoils or len(replies) > 1
        sent_ms = free_ms + self.site.gateway_ms
        if self.site.numbered:
            # The gateway checks the bus's CRC: what came spoiled never becomes a TCP frame.
            if data and not spoiled and reply is not None:
                data = encode_tcp_reply(asked.transaction, asked.unit, reply)
                self._reply(asked.connection, data, fate, sent_ms)
            elif self.site.gateway_exceptions:
                failed = ExceptionReply(
                    function=int(asked.request.function), code=int(ExceptionCode.GATEWAY_TARGET_FAILED)
                )
                data = encode_tcp_reply(asked.transaction, asked.unit, failed)
                self._at(at_ms + GATEWAY_TIMEOUT_MS, lambda _: self._out(asked.connection, data))
        elif data:
            self._reply(asked.connection, fate.noise + fate.spoil(data), fate, sent_ms)
        elif fate.noise:
            self._at(sent_ms, lambda _: self._out(asked.connection, fate.noise))
        return []

    def _arrive_frame(self, connection: int, frame: dlt645.Frame, fate: Fate, at_ms: int) -> list[Output]:
        """A frame of DL/T 645 has reached the bus. A broadcast reaches everybody and nobody answers."""
        heard = [each for each in self.data_meters if each.hears(frame) and self._hears(each, at_ms)]
        replies = [] if fate.request_lost else [self._act_frame(meter, frame, at_ms) for meter in heard]
        data = b"" if fate.reply_lost else _together([dlt645.encode(each) for each in replies if each is not None])
        free_ms = at_ms + self._characters_ms(len(data)) + fate.back_ms
        self._at(free_ms, self._next)
        sent_ms = free_ms + self.site.gateway_ms
        if data:
            self._reply(connection, fate.noise + fate.spoil(data), fate, sent_ms)
        elif fate.noise:
            self._at(sent_ms, lambda _: self._out(connection, fate.noise))
        return []

    def _act_frame(self, meter: DataMeter, frame: dlt645.Frame, at_ms: int) -> dlt645.Frame | None:
        """As `_act`; a meter that could not keep what a command changed has not done it and stays silent."""
        memory = meter.remember()
        handled = meter.handle_frame(frame, at_ms)
        if handled.kept:
            try:
                self._keeper.keep(meter, handled.accepted)
            except NotKept:
                meter.go_back(memory)
                return None
        return handled.reply

    def _act(self, meter: Meter, request: Request, at_ms: int) -> Reply:
        """Let the meter act, and keep what it did before anybody hears of it."""
        memory = meter.remember()
        handled = meter.handle(request, at_ms)
        if handled.kept:
            try:
                self._keeper.keep(meter, handled.accepted)
            except NotKept:
                meter.go_back(memory)
                return ExceptionReply(
                    function=int(request.function), code=int(ExceptionCode.SERVER_DEVICE_FAILURE)
                )
            if meter not in self._stations.get(meter.unit, ()):
                self._find_places()
        return handled.reply

    def _reply(self, connection: int, data: bytes, fate: Fate, at_ms: int) -> None:
        at_ms += fate.late_ms
        self._at(at_ms, lambda _: self._out(connection, data))
        if fate.duplicated_after_ms:
            self._at(at_ms + fate.duplicated_after_ms, lambda _: self._out(connection, data))

    def _out(self, connection: int, data: bytes) -> list[Output]:
        """Through the asker's connection; a transparent server gives it to whoever is connected instead."""
        if connection not in self._decoders:
            if self.site.numbered or not self._decoders:
                return []
            connection = max(self._decoders)
        return [Output(connection=connection, data=data)]


def _together(answers: Sequence[bytes]) -> bytes:
    """What is heard when several stations answer at once, none quite when the other does: one voice, or none."""
    heard = bytearray(max(map(len, answers), default=0) + max(0, len(answers) - 1))
    for late, answer in enumerate(answers):
        for position, byte in enumerate(answer):
            heard[position + late] |= byte
    return bytes(heard)
