"""A transport whose links are recorded as they are used, for `prewatt simulate --replay`."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

from prewatt.core.meters.mailbox import LinePlan
from prewatt.core.meters.quantities import Quantity
from prewatt.field.headend.transports import Link, Listener, ReportListener, SpeedLink, Transport
from prewatt.field.recorder import Recorder


def recorded(transport: Transport, code: str, recorder: Recorder, clock: Callable[[], datetime]) -> Transport:
    """The same transport, with every byte to and from the bus written down under the line's id."""

    async def opener(plan: LinePlan, listener: Listener) -> Link:
        said = _Said(plan, recorder, clock)
        # whoever dials in is replayed as a line that listens, on any port: a number of another machine says nothing
        recorder.line(said.line, transport=_replayed(code), host="127.0.0.1", port=0, baud=plan.baud)
        link = await transport.opener(plan, _Ear(listener, said))
        return _SpeedMouth(link, said, link) if isinstance(link, SpeedLink) else _Mouth(link, said)

    return replace(transport, opener=opener)


def _replayed(code: str) -> str:
    return "modbus-tcp" if code.startswith("modbus") else "rtu-over-tcp"


class _Said:
    def __init__(self, plan: LinePlan, recorder: Recorder, clock: Callable[[], datetime]) -> None:
        self.line = str(plan.line_id)
        self._recorder, self._clock = recorder, clock

    def put(self, data: bytes, *, by_office: bool) -> None:
        at_ms = int(self._clock().timestamp() * 1000)
        self._recorder.said(self.line, at_ms, data, by_office=by_office)


class _Ear:
    """Hears for the line."""

    def __init__(self, listener: Listener, said: _Said) -> None:
        self._listener, self._said = listener, said

    def received(self, data: bytes) -> None:
        self._said.put(data, by_office=False)
        self._listener.received(data)

    def lost(self, error: str) -> None:
        self._listener.lost(error)

    def reported(self, unit: int, values: Mapping[Quantity, int]) -> None:
        listener: object = self._listener
        if isinstance(listener, ReportListener):
            listener.reported(unit, values)


class _Mouth:
    """Speaks for the line."""

    def __init__(self, link: Link, said: _Said) -> None:
        self._link, self._said = link, said

    def write(self, data: bytes) -> None:
        self._said.put(data, by_office=True)
        self._link.write(data)

    def close(self) -> None:
        self._link.close()


class _SpeedMouth(_Mouth):
    """One whose speed is ours to set."""

    def __init__(self, link: Link, said: _Said, speed: SpeedLink) -> None:
        super().__init__(link, said)
        self._speed = speed

    def speed(self, baud: int) -> None:
        self._speed.speed(baud)
