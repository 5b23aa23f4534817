"""Acrel gateways: frames without a check sum, login, sealed and zipped reports, the tunnel."""

import random
import zlib
from datetime import datetime

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from hypothesis import given
from hypothesis import strategies as st

from prewatt.core.wire import acrel_gateway
from prewatt.core.wire.acrel_gateway import (
    MAX_BODY,
    MAX_LOGIN,
    Decoder,
    Frame,
    LocalProtocolError,
    LoginStep,
    MeterReport,
    RemoteProtocolError,
    Report,
    Tunnelled,
    Type,
    Unsealed,
)

SECRET = "0123456789abcdef"
PLAIN = Unsealed()
READ = bytes.fromhex("01030000001185C6")
REPORT = Report(
    gateway="GW-001",
    at=datetime(2026, 11, 20, 16, 30),
    meters=(
        MeterReport(meter="01001", values=(("WPP", "433.31"), ("PowerHigher", "34.55"), ("EPISG", ""))),
        MeterReport(meter='0"2&<', values=()),
    ),
)


class MakersSeal:
    """AES-128-CBC with key = IV = secret, as ems4j has it."""

    def __init__(self, secret: str) -> None:
        self._cipher = Cipher(algorithms.AES(secret.encode()), modes.CBC(secret.encode()))

    def close(self, plain: bytes) -> bytes:
        padder, sealer = PKCS7(128).padder(), self._cipher.encryptor()
        return sealer.update(padder.update(plain) + padder.finalize()) + sealer.finalize()

    def open(self, sealed: bytes) -> bytes:
        opener, unpadder = self._cipher.decryptor(), PKCS7(128).unpadder()
        try:
            return unpadder.update(opener.update(sealed) + opener.finalize()) + unpadder.finalize()
        except ValueError as error:
            raise RemoteProtocolError("cipher", str(error)) from error


def cut(data: bytes, at: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(each % (len(data) + 1) for each in at)})
    return [data[a:b] for a, b in zip(edges, edges[1:], strict=False)]


frames = st.builds(Frame, type=st.sampled_from(Type), body=st.binary(max_size=500))


@given(st.lists(frames, min_size=1, max_size=3), st.lists(st.integers(0, 1500), max_size=4))
def test_frames_survive_in_any_pieces(sent: list[Frame], at: list[int]) -> None:
    data = b"".join(acrel_gateway.encode(frame) for frame in sent)
    decoder = Decoder()
    assert [found for piece in cut(data, at) for found in decoder.receive(piece)] == sent
    assert decoder.discarded == 0
    assert acrel_gateway.decode(acrel_gateway.encode(sent[0])) == sent[0]


def test_texts_and_impossible_headers_are_skipped_and_counted() -> None:
    good = acrel_gateway.heartbeat_frame("GW-001")
    noise = b"HEARTBEAT\x1f\x1f\x09\x1f" + acrel_gateway.HEADER.to_bytes(1, "big")
    decoder = Decoder()
    assert decoder.receive(noise + acrel_gateway.encode(good)) == [good]
    assert decoder.discarded == len(noise)


def test_before_the_login_only_short_bodies_are_believed() -> None:
    long = Frame(type=Type.DATA, body=bytes(MAX_LOGIN + 1))
    decoder = Decoder()
    assert decoder.receive(acrel_gateway.encode(long)) == []
    assert len(decoder._buffer) == 0
    decoder.limit = MAX_BODY
    assert decoder.receive(acrel_gateway.encode(long)) == [long]


def test_a_cut_frame_is_given_up_when_the_link_is_silent() -> None:
    decoder = Decoder()
    data = acrel_gateway.encode(acrel_gateway.heartbeat_frame("GW-001"))
    assert decoder.receive(data[:-1]) == []
    decoder.idle()
    assert decoder.discarded == len(data) - 1
    assert len(decoder.receive(data)) == 1


def test_random_bytes_are_survived_with_a_bounded_buffer() -> None:
    chance = random.Random(31)
    decoder = Decoder()
    for _ in range(100):
        decoder.receive(bytes(chance.choices(b"\x1f\x00\x01\x03\xf1", k=1000)))
        assert len(decoder._buffer) <= MAX_LOGIN + acrel_gateway.HEADER


@given(st.binary(max_size=60))
def test_whatever_comes_only_declared_refusals_go_out(data: bytes) -> None:
    try:
        acrel_gateway.decode(data)
    except RemoteProtocolError as error:
        assert error.code in {"start", "type", "length"}


def test_the_four_steps_of_a_login_survive_and_the_proof_needs_the_secret() -> None:
    sequence = "202501010101010001"
    steps = [
        LoginStep(operation="request", gateway="GW-001", building="B1"),
        LoginStep(operation="sequence", gateway="GW-001", building="B1", detail=sequence),
        LoginStep(operation="md5", gateway="GW-001", detail=acrel_gateway.proof(SECRET, sequence)),
        LoginStep(operation="result", gateway="G<&>", detail="pass"),
    ]
    for step in steps:
        frame = acrel_gateway.decode(acrel_gateway.encode(acrel_gateway.login_frame(step)))
        assert acrel_gateway.login_step(frame) == step
    assert acrel_gateway.proves(SECRET, sequence, steps[2].detail.upper())
    assert not acrel_gateway.proves("another secret..", sequence, steps[2].detail)
    assert not acrel_gateway.proves("", sequence, acrel_gateway.proof("", sequence))
    assert not acrel_gateway.proves(SECRET, sequence, "\u0661")


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("seal", [PLAIN, MakersSeal(SECRET)], ids=["plain", "aes"])
def test_a_report_survives_plain_and_sealed_and_zipped(seal: acrel_gateway.Seal, zipped: bool) -> None:
    frame = acrel_gateway.report_frame(REPORT, seal, zipped=zipped)
    assert frame.type is (Type.ZIPPED_DATA if zipped else Type.DATA)
    assert acrel_gateway.report(frame, seal) == REPORT


def test_the_wrong_secret_gives_a_refusal_and_no_report() -> None:
    frame = acrel_gateway.report_frame(REPORT, MakersSeal(SECRET))
    with pytest.raises(RemoteProtocolError):
        acrel_gateway.report(frame, MakersSeal("fedcba9876543210"))


BOMB = b'<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb">]><root><common><gateway_id>&b;</gateway_id></common></root>'


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (Frame(type=Type.DATA, body=BOMB), "xml"),
        (Frame(type=Type.DATA, body=b"<root>"), "xml"),
        (Frame(type=Type.DATA, body=b"\xff"), "xml"),
        (Frame(type=Type.DATA, body=b"<root></root>"), "xml"),
        (Frame(type=Type.ZIPPED_DATA, body=b"no archive"), "zip"),
        (Frame(type=Type.ZIPPED_DATA, body=zlib.compress(bytes(5 * 1024 * 1024))), "zip"),
        (Frame(type=Type.HEARTBEAT), "type"),
    ],
)
def test_a_report_that_is_none_is_refused(frame: Frame, code: str) -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        acrel_gateway.report(frame, PLAIN)
    assert refused.value.code == code


def test_a_report_without_a_readable_time_still_has_its_values() -> None:
    body = b"<root><common><gateway_id>G</gateway_id></common><data><time>soon</time><meter id='1'/></data></root>"
    found = acrel_gateway.report(Frame(type=Type.DATA, body=body), PLAIN)
    assert (found.at, found.meters) == (None, (MeterReport(meter="1", values=()),))


@given(st.binary(max_size=200))
def test_no_body_breaks_the_readers(body: bytes) -> None:
    for kind in Type:
        frame = Frame(type=kind, body=body)
        for read in (acrel_gateway.login_step, acrel_gateway.heartbeat):
            with pytest.raises(RemoteProtocolError):
                read(frame)
        with pytest.raises(RemoteProtocolError):
            acrel_gateway.report(frame, PLAIN)


@pytest.mark.parametrize("answer", [False, True])
def test_the_tunnel_carries_a_frame_to_a_port_and_an_address(answer: bool) -> None:
    seal = MakersSeal(SECRET)
    given_ = Tunnelled(port=1, address=12, rtu=READ)
    frame = acrel_gateway.tunnel_frame(given_, seal, answer=answer)
    assert seal.open(frame.body) == b"01012|01030000001185c6"
    assert acrel_gateway.tunnelled(frame, seal) == given_


@pytest.mark.parametrize(
    "text", [b"", b"01012", b"01012|", b"1012|01", b"01012|0", b"01012|zz", b"0101x|01", b"01012|\xff\xff"]
)
def test_a_tunnel_text_that_does_not_hold_is_refused(text: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="tunnel"):
        acrel_gateway.tunnelled(Frame(type=Type.ANSWER, body=text), PLAIN)


@pytest.mark.parametrize(
    ("port", "address", "rtu", "code"), [(100, 1, READ, "address"), (1, 1000, READ, "address"), (1, 1, b"", "length")]
)
def test_what_must_not_be_tunnelled_is_our_own_fault(port: int, address: int, rtu: bytes, code: str) -> None:
    with pytest.raises(LocalProtocolError) as refused:
        acrel_gateway.tunnel_frame(Tunnelled(port=port, address=address, rtu=rtu), PLAIN)
    assert refused.value.code == code


def test_a_heartbeat_is_answered_with_the_time() -> None:
    answer = acrel_gateway.heartbeat_frame("GW-001", datetime(2026, 11, 20, 16, 30, 5))
    assert b"<time>20261120163005</time>" in answer.body
    assert acrel_gateway.heartbeat(answer) == "GW-001"
