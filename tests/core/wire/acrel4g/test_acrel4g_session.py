"""What an Acrel 4G meter's call says, message by message, against frames of the collection and of our own encoder."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewatt.core.meters.drivers import reported
from prewatt.core.meters.quantities import Quantity
from prewatt.core.wire import acrel4g
from prewatt.core.wire.acrel4g import (
    Answers,
    AsksTime,
    Frame,
    Lives,
    Registers,
    Registration,
    Reports,
    Section,
    Session,
    Takes,
)

VECTORS = Path(__file__).parents[3] / "vectors" / "acrel4g" / "frames.json"
FRAMES = {
    each["id"]: bytes.fromhex(each["hex"]) for each in json.loads(VECTORS.read_text(encoding="utf-8"))["acrel_4g"]
}
WHO = Registration(serial="26112000000001", iccid="89860000000000000001", signal=23, versions=(1, 2, 3), interval=5)
RTU = bytes.fromhex("01030400010000ABF3")  # forced closed


def test_a_call_begins_with_a_registration_and_goes_on_with_heartbeats() -> None:
    session = Session()
    assert session.receive(acrel4g.encode(acrel4g.registration_frame(WHO))) == [Registers(WHO)]
    assert session.receive(FRAMES["g-hb"]) == [Lives("26112000000001")]
    assert session.receive(acrel4g.encode(Frame(command=0x93))) == [AsksTime()]
    assert (session.discarded, session.odd) == (0, 0)


@pytest.mark.parametrize("payload", [RTU, b"26112000000001".ljust(20, b"\0") + RTU], ids=["alone", "behind the serial"])
def test_an_answer_through_the_tunnel_is_the_modbus_frame_itself(payload: bytes) -> None:
    assert Session().receive(acrel4g.encode(Frame(command=0x90, payload=payload))) == [Answers(RTU)]


def test_an_answer_in_a_section_gets_its_check_sum_back() -> None:
    frame = acrel4g.data_frame((Section(address="26112000000001", reply=RTU[:-2]),), serial="26112000000001")
    assert Session().receive(acrel4g.encode(frame)) == [Answers(RTU)]


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"26112000000001".ljust(20, b"\0"), Takes("26112000000001")),
        (b"26112000000001".ljust(20, b"\0") + RTU[:-1], Lives("")),
        (bytes(20), Lives("")),
        (b"", Lives("")),
    ],
    ids=["the serial", "a spoiled frame behind it", "zeros", "nothing"],
)
def test_an_answer_that_carries_the_serial_alone_says_that_something_was_taken(payload: bytes, said: object) -> None:
    session = Session()
    assert session.receive(acrel4g.encode(Frame(command=0x90, payload=payload))) == [said]
    assert not session.odd


def test_a_report_is_a_reading_of_energies_voltages_and_currents() -> None:
    (said,) = Session().receive(FRAMES["g-up-nocrc"])
    assert isinstance(said, Reports) and said.unit == 1
    values = reported(said.block)
    assert values == {
        Quantity.ENERGY_IMPORT_TOTAL: 12_345_670,
        Quantity.ENERGY_IMPORT_SHARP: 1_000_000,
        Quantity.ENERGY_IMPORT_PEAK: 2_345_670,
        Quantity.ENERGY_IMPORT_FLAT: 4_000_000,
        Quantity.ENERGY_IMPORT_VALLEY: 5_000_000,
        Quantity.VOLTAGE_A: 230_400,
        Quantity.CURRENT_A: 5_230,
    }, "no purse and no relay: neither is a report's to say on a server-held circuit"


def test_what_makes_no_sense_is_counted_and_the_next_message_is_heard() -> None:
    session = Session()
    short = acrel4g.encode(Frame(command=0x84, payload=b"too short"))
    assert session.receive(short + b"noise" + FRAMES["g-hb"]) == [Lives("26112000000001")]
    assert (session.odd, session.discarded) == (1, 5)


@given(st.lists(st.binary(max_size=60), max_size=12))
def test_no_bytes_break_a_session(came: list[bytes]) -> None:
    session = Session()
    for each in came:
        session.receive(each)
