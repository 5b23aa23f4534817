"""Those that call us over TLS: the same callers, the same desk, behind a handshake that counts as having no name."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from prewatt.core.meters import catalogue
from prewatt.core.meters.jobs import Intent, Job, Verdict, Wish
from prewatt.core.meters.mailbox import PollSettings
from prewatt.core.meters.quantities import Quantity
from prewatt.field.headend import HeadEnd, Switchboard, TlsPort, limits, listening_context, switchboard
from prewatt.field.simulator.dialer import Dialer
from prewatt.field.simulator.faces import face_of
from prewatt.field.simulator.fields import SiteError
from tests.field.headend.test_dial_in import SERIAL, TEXT, WITHIN_S, Here, called, now_ms, plan, settled_late
from tests.field.headend.test_links import papers
from tests.field.headend.test_sockets import SlowEar, run, until, wall
from tests.field.simulator.plant import line, meter, stop, world


class HereTls(Here):
    """A head-end that may be called over TLS alone, or without it as well."""

    def __init__(self, own: Path, client_ca: str = "", *, plain: bool = False) -> None:
        self.office = SlowEar(time.monotonic, PollSettings(status_s=1, register_s=600))
        tls = TlsPort(port=0, context=listening_context(str(own), client_ca))
        self.board = Switchboard("127.0.0.1", 0 if plain else None, clock=wall, status_s=1, tls=tls)
        self.headend = HeadEnd(
            self.office, name="head-1", catalogue=catalogue(), clock=wall, switchboard=self.board, lease_s=10.0
        )
        self._stop = asyncio.Event()
        self.task = asyncio.create_task(self.headend.run(self._stop))


@contextlib.asynccontextmanager
async def here(own: Path, client_ca: str = "", *, plain: bool = False) -> AsyncIterator[HereTls]:
    found = HereTls(own, client_ca, plain=plain)
    await until(lambda: found.board.tls_port, within_s=WITHIN_S)
    try:
        yield found
    finally:
        await found.stop()


@contextlib.asynccontextmanager
async def site(directory: Path, port: int, profile: str, **dialing: Any) -> AsyncIterator[Dialer]:
    bus = line(transport="dial-in", port=port, dialing={"tls": True, **dialing})
    played = world(directory / "memory", meter(1, profile=profile), lines=[bus], at_ms=now_ms())
    face = face_of(
        played.lines["a"], files=directory, memory=directory, now_ms=now_ms, before_output=played.refresh
    )
    assert isinstance(face, Dialer)
    await face.open()
    try:
        yield face
    finally:
        face.close()
        stop(played)


async def hung_up(reader: asyncio.StreamReader) -> bytes:
    """What is said until the end."""
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        return await asyncio.wait_for(reader.read(), WITHIN_S)
    return b""


def silent(found: Here) -> bool:
    board = found.board
    return not (board._all or board._unnamed or board._addresses or board._unnamed_of)


@pytest.mark.parametrize(("caller", "identity"), [("serial-server", TEXT), ("acrel-4g", SERIAL)])
def test_a_caller_over_tls_is_read_cut_and_restored(tmp_path: Path, caller: str, identity: str) -> None:
    own, profile = papers(tmp_path).file, "acrel-dtsy1352-4g"

    async def story() -> None:
        wanted = plan(identity, profile)
        async with here(own) as found:
            found.office.add(1, wanted)
            async with site(
                tmp_path, found.board.tls_port, profile, caller=caller, identity=identity, ca_file=own.name
            ) as dialer:
                await called(found, wanted)
                for wish, relay in ((Wish.TRIP, 0), (Wish.AUTOMATIC, 1)):
                    job = await settled_late(found, wanted, Job(intent=Intent.RELAY, wish=wish))
                    assert (job.verdict, job.values[Quantity.RELAY]) == (Verdict.DONE, relay), job
                    assert dialer.line.meters[1].circuits[1].relay_closed() is bool(relay)
                known = found.board._named[identity]
                await until(lambda: not known._asked and known.settled(), within_s=WITHIN_S)
                assert dialer.calls == 1 and found.board.held == [1]
            await until(lambda: silent(found), within_s=WITHIN_S)

    run(story())


def test_both_ports_have_one_desk_and_a_new_call_replaces_the_old_one(tmp_path: Path) -> None:
    own = papers(tmp_path).file

    async def story() -> None:
        wanted = plan(TEXT, "pilot-spm9511")
        async with here(own, plain=True) as found:
            found.office.add(1, wanted)
            reader, writer = await asyncio.open_connection("127.0.0.1", found.board.port)
            writer.write(TEXT.encode())
            await until(lambda: found.board.held == [1], within_s=WITHIN_S)
            async with site(tmp_path, found.board.tls_port, "pilot-spm9511", identity=TEXT, ca_file=own.name):
                await called(found, wanted)
                await hung_up(reader)
                assert found.board.held == [1]
            writer.close()

    run(story())


def test_with_an_authority_named_only_who_shows_its_certificate_is_let_in(tmp_path: Path) -> None:
    own, client, other = papers(tmp_path).file, papers(tmp_path, host="127.0.0.8"), papers(tmp_path, host="127.0.0.9")

    async def story() -> None:
        wanted = plan(TEXT, "pilot-spm9511")
        async with here(own, str(client.file)) as found:
            found.office.add(1, wanted)
            for shown in (None, other.file):
                context = ssl.create_default_context(cafile=own)
                if shown is not None:
                    context.load_cert_chain(shown)
                with contextlib.suppress(ConnectionError, ssl.SSLError):  # TLS 1.3 says it after the handshake
                    reader, writer = await asyncio.open_connection("127.0.0.1", found.board.tls_port, ssl=context)
                    writer.write(TEXT.encode())
                    assert await hung_up(reader) == b""
                    writer.close()
                await until(lambda: silent(found), within_s=WITHIN_S)
            assert not found.office.calls, "who shows none is not even a stranger"
            files = {"ca_file": own.name, "certificate_file": client.file.name}
            async with site(tmp_path, found.board.tls_port, "pilot-spm9511", identity=TEXT, **files):
                await called(found, wanted)

    run(story())


def test_who_speaks_no_tls_or_too_much_of_it_is_dropped(tmp_path: Path) -> None:
    own = papers(tmp_path).file
    a_hello_without_end = b"\x16\x03\x01\x40\x00\x01\x01\x00\x00\x03\x03" + bytes(limits.MAX_HANDSHAKE_BYTES)

    async def story() -> None:
        async with here(own) as found:
            for said in (TEXT.encode(), b"\x7b\x7b\x84\xbf\x23\x7d\x7d" * 40, a_hello_without_end):
                reader, writer = await asyncio.open_connection("127.0.0.1", found.board.tls_port)
                writer.write(said)
                assert len(await hung_up(reader)) <= 7, "an alert of TLS at most"
                writer.close()
                await until(lambda: silent(found), within_s=WITHIN_S)
            assert not found.office.calls

    run(story())


def test_a_handshake_that_never_ends_is_one_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switchboard, "MAX_UNNAMED_PER_ADDRESS", 3)
    own = papers(tmp_path).file

    async def story() -> None:
        async with here(own) as found:
            waiting = [await asyncio.open_connection("127.0.0.1", found.board.tls_port) for _ in range(3)]
            for _, each in waiting:
                each.write(b"\x16\x03\x01\x02\x00\x01")  # the first bytes of a handshake, and no more
            await until(lambda: found.board._unnamed_of["127.0.0.1"] == 3, within_s=WITHIN_S)
            reader, one_more = await asyncio.open_connection("127.0.0.1", found.board.tls_port)
            assert await hung_up(reader) == b"" and found.board.turned_away == 1
            found.board.sweep(asyncio.get_running_loop().time() + limits.NAME_WITHIN_S)
            for reader, each in waiting:
                assert await hung_up(reader) == b""
                each.close()
            one_more.close()
            assert silent(found)

    run(story())


def test_a_stranger_over_tls_who_says_nothing_goes_too(tmp_path: Path) -> None:
    own = papers(tmp_path).file

    async def story() -> None:
        async with here(own) as found:
            context = ssl.create_default_context(cafile=own)
            reader, writer = await asyncio.open_connection("127.0.0.1", found.board.tls_port, ssl=context)
            found.board.sweep(asyncio.get_running_loop().time() + limits.NAME_WITHIN_S)
            assert await hung_up(reader) == b"" and silent(found)
            writer.close()

    run(story())


def test_a_locked_key_or_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    own, nonsense, locked = papers(tmp_path).file, tmp_path / "nonsense.pem", tmp_path / "locked.pem"
    nonsense.write_text("no certificate")
    key = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    )
    locked.write_bytes(key + own.read_bytes().split(b"-----END PRIVATE KEY-----\n")[1])
    for files in ((str(nonsense), ""), (str(own), str(nonsense)), (str(tmp_path / "none"), ""), (str(locked), "")):
        with pytest.raises(OSError):
            listening_context(*files)


def test_files_of_a_caller_without_tls_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="files are of use with tls alone") as refused:
        world(tmp_path, meter(1), lines=[line(transport="dial-in", port=1, dialing={"identity": "A", "ca_file": "a"})])
    assert refused.value.code == "bad_tls"
