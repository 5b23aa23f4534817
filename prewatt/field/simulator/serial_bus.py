"""A bus at a serial port: one end of a cable that is made here (a pseudo-terminal), or a port of this machine.

Whoever opens the other end of a pseudo-terminal sets the speed of both, so a meter of another speed hears noise. On a
port of the machine the wire's speed is what its meters have.
"""

import asyncio
import errno
import fcntl
import logging
import os
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Final

from prewatt.field.simulator.line import Output, SimulatedLine
from prewatt.field.simulator.pace import Pace
from prewatt.field.simulator.site import Transport

_log = logging.getLogger(__name__)

READ_BYTES: Final = 4096
ASKER: Final = 1  # there is one other end
_SPEEDS: Final = {baud: getattr(termios, f"B{baud}") for baud in (600, 1200, 2400, 4800, 9600, 19200, 38400, 57600,
                                                                  115200)}  # fmt: skip
_BAUDS: Final = {code: baud for baud, code in _SPEEDS.items()}
_PARITIES: Final = {Transport.SERIAL_8E1: termios.PARENB, Transport.SERIAL_8O1: termios.PARENB | termios.PARODD}


class SerialBus:
    """The face is that of `bus.Bus`."""

    def __init__(self, line: SimulatedLine, *, now_ms: Callable[[], int], before_output: Callable[[int], None]) -> None:
        assert line.site.serial is not None, line.site.id
        self.line, self.serial = line, line.site.serial
        self.port = 0
        self.note = f"device {self.serial.path}"
        self._now_ms = now_ms
        self._ours = self._theirs = -1  # of a pseudo-terminal both ends: it stays while nobody has it open
        self._pace = Pace(line, now_ms=now_ms, before_output=before_output, send=self._send)

    async def open(self) -> None:
        """Raises OSError, also for a name that is taken by something else than a link, or a speed no port has."""
        if self.line.site.baud not in _SPEEDS:
            raise OSError(errno.EINVAL, f"no port has {self.line.site.baud} baud")
        if not self.line.faults.down:
            self._open()

    def close(self) -> None:
        """The cable is pulled; a pseudo-terminal and its name are gone."""
        if self._ours < 0:
            return
        asyncio.get_running_loop().remove_reader(self._ours)
        if self.serial.made:
            Path(self.serial.path).unlink(missing_ok=True)
            os.close(self._theirs)
        os.close(self._ours)
        self._ours = self._theirs = -1
        self.line.cut()
        self._pace.arm()

    def apply_faults(self) -> None:
        """Pull the cable or plug it in, as the line's faults say."""
        if self.line.faults.down:
            self.close()
        elif self._ours < 0:
            try:
                self._open()
            except OSError as error:
                _log.warning("line %s cannot open %s: %s", self.line.site.id, self.serial.path, error)

    def _open(self) -> None:
        if self.serial.made:
            self._make()
        else:
            self._ours = os.open(self.serial.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(self._ours, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._set(self._ours, self._wire_speed())
            except (OSError, termios.error) as fault:
                os.close(self._ours)
                self._ours = -1
                raise OSError(errno.EBUSY, str(fault)) from fault
            self.line.speed = self._wire_speed()
        os.set_blocking(self._ours, False)
        asyncio.get_running_loop().add_reader(self._ours, self._readable)
        self.line.connect(ASKER)

    def _make(self) -> None:
        name = Path(self.serial.path)
        if name.is_symlink():
            name.unlink()  # of a simulator that was killed
        self._ours, self._theirs = os.openpty()
        try:
            self._set(self._theirs, self.line.site.baud)
            name.symlink_to(os.ttyname(self._theirs))
        except OSError:
            os.close(self._theirs)
            os.close(self._ours)
            self._ours = self._theirs = -1
            raise

    def _set(self, port: int, baud: int) -> None:
        """Every byte as it is: no translation, no echo, no flow control."""
        characters = list(termios.tcgetattr(port)[6])
        characters[termios.VMIN], characters[termios.VTIME] = 1, 0
        parity = 0 if self.serial.made else _PARITIES.get(self.line.site.transport, 0)  # a pseudo-terminal has none
        control = termios.CS8 | termios.CREAD | termios.CLOCAL | parity
        rate = _SPEEDS[baud]
        termios.tcsetattr(port, termios.TCSANOW, [0, 0, control, 0, rate, rate, characters])

    def _wire_speed(self) -> int:
        """What the meters agree on; that of the file where they do not."""
        spoken = {meter.baud or self.line.site.baud for meter in self.line.by_unit.values()}
        return spoken.pop() if len(spoken) == 1 and spoken <= _SPEEDS.keys() else self.line.site.baud

    def _readable(self) -> None:
        try:
            data = os.read(self._ours, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:  # the adapter was pulled
            self.close()
            return
        if self.serial.made:
            speed = _BAUDS.get(termios.tcgetattr(self._theirs)[4])
            if speed is None:
                return  # none that a meter could have: noise to all of them
            self.line.speed = speed
        if self.serial.echo:
            self._write(data)
        self.line.receive(ASKER, data, self._now_ms())
        self._pace.arm()

    def _send(self, output: Output) -> None:
        self._write(output.data)
        if not self.serial.made and self._ours >= 0 and self._wire_speed() != self.line.speed:
            termios.tcdrain(self._ours)  # what was said leaves at the speed that was
            self._set(self._ours, self._wire_speed())
            self.line.speed = self._wire_speed()

    def _write(self, data: bytes) -> None:
        if self._ours >= 0:
            try:
                os.write(self._ours, data)
            except OSError:
                return  # nobody reads the other end: what is said there is lost, as on a wire
