"""A serial port of this machine: an RS-485 adapter, or an infrared head for work at the meter. POSIX terminals, no
library between.

The speed is ours, so a scan can try several. A port belongs to one line of one process, by its lock.
"""

import asyncio
import errno
import fcntl
import os
import termios
from typing import Final

from prewatt.core.meters.mailbox import LinePlan
from prewatt.field.headend.limits import MAX_INBOX_BYTES
from prewatt.field.headend.transports import Link, LinkError, Listener

SERIAL_MS: Final = 100  # what a USB adapter adds: 16 ms each way, and room for its driver
_SPEEDS: Final = {baud: getattr(termios, f"B{baud}") for baud in (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)}
PARITIES: Final = {"serial-8n1": 0, "serial-8e1": termios.PARENB, "serial-8o1": termios.PARENB | termios.PARODD}
PSEUDO: Final = "/dev/pts/"
_MISSING: Final = (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR)


class SerialLink:
    """An open port, 8 data bits, one stop bit."""

    def __init__(self, port: int, listener: Listener, *, baud: int, parity: int) -> None:
        self._port = port
        self._listener: Listener | None = listener
        self._parity = parity
        self._baud = 0
        self.speed(baud)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(port, self._readable)

    def speed(self, baud: int) -> None:
        """The bus at this speed from the next byte on; what came at another one is dropped."""
        if baud == self._baud:
            return
        rate = _SPEEDS[baud]
        held = termios.tcgetattr(self._port)
        characters = list(held[6])
        characters[termios.VMIN], characters[termios.VTIME] = 1, 0
        control = termios.CS8 | termios.CREAD | termios.CLOCAL | self._parity
        # every byte as it is: no translation, no echo, no flow control
        try:
            termios.tcsetattr(self._port, termios.TCSANOW, [0, 0, control, 0, rate, rate, characters])
        except termios.error:
            # a pseudo-terminal has no parity; asked for it once more, with nothing else to change, it says so
            if not os.ttyname(self._port).startswith(PSEUDO):
                raise
        termios.tcflush(self._port, termios.TCIOFLUSH)
        self._baud = baud

    def write(self, data: bytes) -> None:
        if self._listener is None:
            return
        try:
            sent = os.write(self._port, data)
        except OSError:
            sent = -1
        if sent != len(data):
            # a frame that left in part is noise on the bus; the port is opened anew, which throws it away
            self._lose("port_gone" if sent < 0 else "port_blocked")

    def _readable(self) -> None:
        try:
            data = os.read(self._port, MAX_INBOX_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self._lose("port_gone")  # the adapter was pulled
        elif self._listener is not None:
            self._listener.received(data)

    def _lose(self, error: str) -> None:
        listener = self._listener
        self.close()
        if listener is not None:
            self._loop.call_soon(listener.lost, error)

    def close(self) -> None:
        if self._listener is not None:
            self._listener = None
            self._loop.remove_reader(self._port)
            os.close(self._port)


async def open_serial(plan: LinePlan, listener: Listener) -> Link:
    """The port named by `host`, at the line's speed, with the parity of its transport. Raises `LinkError`."""
    try:
        port = os.open(plan.host, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as fault:
        raise LinkError(_why(fault)) from None
    try:
        if not os.isatty(port):
            raise LinkError("port_no_terminal")
        fcntl.flock(port, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return SerialLink(port, listener, baud=plan.baud, parity=PARITIES[plan.transport])
    except LinkError:
        os.close(port)
        raise
    except (OSError, termios.error) as fault:
        os.close(port)
        raise LinkError("port_busy" if isinstance(fault, BlockingIOError) else "port_failed") from None


def _why(fault: OSError) -> str:
    if fault.errno in _MISSING:
        return "port_missing"
    if fault.errno in (errno.EACCES, errno.EPERM):
        return "port_not_permitted"
    return "port_busy" if fault.errno == errno.EBUSY else "port_failed"
