"""Listens on one side, dials on the other; one of the two is sealed. A pair of them makes a line nobody else reads."""

import asyncio
import logging
import os
import socket
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from prewatt.field.forwarder.sealing import RANDOM_BYTES, SealBroken, Sealed, Suite

log = logging.getLogger(__name__)

MOST_LINKS: Final = 1024
DIAL_S: Final = 10.0
GREETING_S: Final = 10.0
READ_BYTES: Final = 4096
KEEPALIVE: Final = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3))


class Seal(StrEnum):
    """Which side of a forwarder is ciphered."""

    LISTEN = "listen"  # beside the gateway: sealed from the office, plain to the serial server
    DIAL = "dial"  # in the office: plain from the head-end, sealed to the site


@dataclass(kw_only=True)
class Forwarder:
    """One port, forwarded to one address. `key`: 32 bytes, the same at both ends, as the suite."""

    host: str
    port: int  # 0: any free one, see `start`
    to_host: str
    to_port: int
    key: bytes
    seal: Seal
    suite: Suite = Suite.AES_256_GCM

    def __post_init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._links: set[asyncio.Task[None]] = set()

    async def start(self) -> int:
        """Listen; the port. Raises OSError."""
        self._server = await asyncio.start_server(self._came, self.host, self.port)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self.port

    async def stop(self) -> None:
        """Close the port and every link."""
        if self._server is not None:
            self._server.close()
        for link in self._links:
            link.cancel()
        await asyncio.gather(*self._links, return_exceptions=True)

    async def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.current_task()
        assert link is not None
        if len(self._links) >= MOST_LINKS:
            log.warning("%d links are open: another one is refused", MOST_LINKS)
            writer.transport.abort()
            return
        self._links.add(link)
        link.add_done_callback(self._links.discard)
        far: asyncio.StreamWriter | None = None
        try:
            dialled = self.seal is Seal.DIAL
            sealed = Sealed(self.key, suite=self.suite, dialled=dialled, random=os.urandom(RANDOM_BYTES))
            _keep_alive(writer)
            # who has not shown the key reaches nothing: many a serial server takes one connection and no more
            early = b"" if dialled else await _greeted(sealed, (reader, writer))
            async with asyncio.timeout(DIAL_S):
                far_reader, far = await asyncio.open_connection(self.to_host, self.to_port)
            _keep_alive(far)
            if dialled:
                early = await _greeted(sealed, (far_reader, far))
            inner, outer = ((reader, writer), (far_reader, far)) if dialled else ((far_reader, far), (reader, writer))
            await _link(sealed, early, inner, outer)
        except SealBroken as broken:
            log.error("sealed line %s: %s", _name(writer if self.seal is Seal.LISTEN else far), broken.reason)
        except (OSError, TimeoutError) as error:
            log.info("line to %s:%d: %s", self.to_host, self.to_port, str(error) or type(error).__name__)
        finally:
            for end in (writer, far):
                if end is not None:
                    end.transport.abort()  # nothing half sent is worth waiting for: the master asks again


_Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _greeted(sealed: Sealed, outer: _Ends) -> bytes:
    """Until the other end has shown the key; payload that came with it. Raises SealBroken, OSError, TimeoutError."""
    early = bytearray()
    async with asyncio.timeout(GREETING_S):
        await _told(sealed, outer[1])
        while not sealed.ready:
            data = await outer[0].read(READ_BYTES)
            if not data:
                raise ConnectionResetError("hung up before it had shown the key")
            early += sealed.receive(data)
            await _told(sealed, outer[1])
    return bytes(early)


async def _link(sealed: Sealed, early: bytes, inner: _Ends, outer: _Ends) -> None:
    """Until either side ends. Raises SealBroken, OSError."""
    if early:
        inner[1].write(early)
        await inner[1].drain()
    ways = [
        asyncio.create_task(_seal(sealed, inner[0], outer[1])),
        asyncio.create_task(_open(sealed, outer[0], inner[1])),
    ]
    try:
        done, _ = await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            each.result()
    finally:
        for each in ways:
            each.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _told(sealed: Sealed, to: asyncio.StreamWriter) -> None:
    if sealed.to_send:
        to.write(sealed.to_send)
        sealed.to_send = b""
        await to.drain()


async def _seal(sealed: Sealed, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    while data := await reader.read(READ_BYTES):
        to.write(sealed.seal(data))
        await to.drain()


async def _open(sealed: Sealed, reader: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
    while data := await reader.read(READ_BYTES):
        to.write(sealed.receive(data))
        await to.drain()


def _keep_alive(writer: asyncio.StreamWriter) -> None:
    """A link whose far end lost its power is found out within a minute."""
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEPALIVE:
        sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _name(writer: asyncio.StreamWriter | None) -> str:
    return str(writer.get_extra_info("peername")) if writer is not None else "?"
