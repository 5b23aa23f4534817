"""Two forwarders on real sockets between a master and a serial server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from prewatt.field.forwarder import Forwarder, Seal, Suite

KEY, OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
HOST, PATIENCE_S = "127.0.0.1", 30.0


@asynccontextmanager
async def sealed_line(
    suite: Suite = Suite.AES_256_GCM, *, office_key: bytes = KEY
) -> AsyncIterator[tuple[int, list[bytes], int]]:
    """The port of the head-end's end, what the serial server heard, the port between the two ends."""
    heard: list[bytes] = []

    async def meter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(b"")  # somebody is connected
        while data := await reader.read(4096):
            heard.append(data)
            writer.write(data[::-1])
        writer.close()

    server = await asyncio.start_server(meter, HOST, 0)
    beside = Forwarder(host=HOST, port=0, to_host=HOST, to_port=server.sockets[0].getsockname()[1], key=KEY,
                       seal=Seal.LISTEN, suite=suite)  # fmt: skip
    between = await beside.start()
    office = Forwarder(host=HOST, port=0, to_host=HOST, to_port=between, key=office_key, seal=Seal.DIAL, suite=suite)
    try:
        yield await office.start(), heard, between
    finally:
        await office.stop()
        await beside.stop()
        server.close()


def played(story: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await story()

    asyncio.run(bounded())


@pytest.mark.parametrize("suite", list(Suite))
def test_a_request_and_its_reply_pass(suite: Suite) -> None:
    async def story() -> None:
        async with sealed_line(suite) as (port, heard, _):
            reader, writer = await asyncio.open_connection(HOST, port)
            for frame in (b"\x01\x03\x00\x00\x00\x02\xc4\x0b", bytes(range(256)) * 40):
                writer.write(frame)
                assert await reader.readexactly(len(frame)) is not None
            assert b"".join(heard) == b"\x01\x03\x00\x00\x00\x02\xc4\x0b" + bytes(range(256)) * 40
            writer.close()

    played(story)


def test_who_has_another_key_or_none_reaches_no_meter() -> None:
    async def story() -> None:
        async with sealed_line(office_key=OTHER_KEY) as (port, heard, between):
            for door, word in ((port, b"\x01\x03\x00\x00"), (between, b"\x01\x03\x00\x00")):
                reader, writer = await asyncio.open_connection(HOST, door)
                writer.write(word)
                try:
                    assert await reader.read() == b""
                except ConnectionResetError:
                    pass
                writer.close()
            assert heard == []

    played(story)


def test_when_one_side_ends_so_does_the_other() -> None:
    async def story() -> None:
        async with sealed_line() as (port, heard, _):
            reader, writer = await asyncio.open_connection(HOST, port)
            writer.write(b"ab")
            assert await reader.readexactly(2) in (b"ba", b"ab")
            writer.close()
            again, other = await asyncio.open_connection(HOST, port)
            other.write(b"c")
            assert await again.readexactly(1) == b"c" and heard == [b"", b"ab", b"", b"c"]
            other.close()

    played(story)


def test_a_site_that_is_not_there_ends_the_connection() -> None:
    async def story() -> None:
        office = Forwarder(host=HOST, port=0, to_host=HOST, to_port=1, key=KEY, seal=Seal.DIAL)
        reader, writer = await asyncio.open_connection(HOST, await office.start())
        try:
            assert await reader.read() == b""
        except ConnectionResetError:
            pass
        writer.close()
        await office.stop()

    played(story)
