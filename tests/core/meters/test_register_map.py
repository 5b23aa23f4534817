"""How a number lies in its words: swapped bytes, an offset, a part of a shared word; addresses that count from 1."""

from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewatt.core.meters import catalogue, load
from prewatt.core.meters.catalogue import shipped_text
from prewatt.core.meters.model import Protocol
from prewatt.core.meters.own import check_own, line_of
from prewatt.core.meters.profile import Group
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.registers import RegisterImage, decode_value, encode_value, layouts
from prewatt.core.refusals import Refused
from tests.core.meters.control_word import MODEL, OURS, from_one
from tests.core.meters.test_registers import toy

TOTAL: Final = Quantity.ENERGY_IMPORT_TOTAL
# --- bytes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "words", "value"),
    [
        ("u16", "FEFF", 65_534),
        ("i16", "06FF", -250),
        ("u32be", "120087D6", 1_234_567),
        ("u32le", "87D61200", 1_234_567),
        ("i32be", "FFFF2DFB", -1_235),
        ("u64be", "0000010000000000", 2**32),
        ("bcd16", "3412", 1_234),
        ("bcd48", "032600110752", 260_311_005_207),
        ("f32be", "9A440080", 1_236),
    ],
)
def test_bytes_that_are_swapped_in_each_word_read_and_write(kind: str, words: str, value: int) -> None:
    profile, data = toy(kind, extra='byte_order = "low_first"'), bytes.fromhex(words)
    register = profile.registers[TOTAL]
    assert (decode_value(register, data), encode_value(register, value)) == (value, data)
    (layout,) = layouts(profile, Group.REGISTERS, 1)
    assert layout.decode(bytes(2) + data + bytes(8 - len(data))) == {TOTAL: value}
    assert register.form == f"{kind} low_first"


def test_a_model_says_the_byte_order_once_and_a_register_may_say_another() -> None:
    orders = {quantity.value: each.byte_order.value for quantity, each in MODEL.registers.items()}
    assert orders.pop("voltage_a") == "high_first"
    assert set(orders.values()) == {"low_first"}


# --- offsets ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "extra", "words", "value", "shown"),
    [
        ("u16", 'offset = "-40"', "0000", -40_000, "0.01 - 40"),
        ("u16", 'offset = "-40"', "0FA1", 10, "0.01 - 40"),
        ("i16", 'offset = "0.005"', "FFFF", -5, "0.01 + 0.005"),
        ("u32be", 'offset = "1000000"', "00000001", 1_000_000_010, "0.01 + 1000000"),
        ("f32be", 'offset = "-2.5"', "43800000", 60, "0.01 - 2.5"),
        ("u16", 'offset = "0"', "0001", 10, "0.01"),
        ("u16", "", "0001", 10, "0.01"),
    ],
)
def test_an_offset_is_added_in_whole_smallest_units_and_taken_off_when_writing(
    kind: str, extra: str, words: str, value: int, shown: str
) -> None:
    profile, data = toy(kind, scale="0.01", unit="kWh", extra=extra), bytes.fromhex(words)
    register = profile.registers[TOTAL]
    assert (decode_value(register, data), encode_value(register, value)) == (value, data)
    (layout,) = layouts(profile, Group.REGISTERS, 1)
    assert layout.decode(bytes(2) + data + bytes(8 - len(data))) == {TOTAL: value}
    assert register.scaling == shown


def test_a_value_that_the_offset_puts_between_two_steps_or_below_all_is_refused() -> None:
    register = toy("u16", scale="0.01", unit="kWh", extra='offset = "0.005"').registers[TOTAL]
    for value, code in [(10, "value_too_fine"), (-5, "value_out_of_range"), (655_365, "value_out_of_range")]:
        with pytest.raises(Refused) as caught:
            encode_value(register, value)
        assert caught.value.code == code, value


# --- parts of a word -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("extra", "word", "value", "alone", "place"),
    [
        ("bit = 15", 0xA5A5, 1, 0x8000, "0011h .15"),
        ("bit = 0", 0xA5A4, 0, 0x0000, "0011h .0"),
        ("not_bit = 3", 0xA5A5, 1, 0x0000, "0011h !.3"),
        ("mask = 0x0FF0", 0xA5A5, 0x5A, 0x05A0, "0011h &0FF0h"),
        ("mask = 0x7FFF\ninvalid = 0xFFFF", 0x8001, 1, 0x0001, "0011h &7FFFh"),
    ],
)
def test_a_part_is_what_stands_under_its_mask(extra: str, word: int, value: int, alone: int, place: str) -> None:
    for order in ("big", "little"):
        turned = 'byte_order = "low_first"\n' if order == "little" else ""
        profile = toy("u16", extra=turned + extra)
        register = profile.registers[TOTAL]
        assert decode_value(register, word.to_bytes(2, order)) == value
        assert encode_value(register, value) == alone.to_bytes(2, order)
        assert register.place(0) == place
        image = RegisterImage(profile)
        image._spans[0][1][2:4] = word.to_bytes(2, order)
        image.put({TOTAL: value})
        assert image.read(0x11, 1) == word.to_bytes(2, order), "all other bits stay"


def test_a_part_that_is_too_small_for_a_value_and_a_word_that_means_no_value() -> None:
    register = toy("u16", extra="mask = 0x0FF0\ninvalid = 0xFFFF").registers[TOTAL]
    for value in (-1, 256):
        with pytest.raises(Refused) as caught:
            encode_value(register, value)
        assert caught.value.code == "value_out_of_range"
    assert decode_value(register, b"\xff\xff") is None
    assert decode_value(register, b"\x0f\xf0") == 255


@given(st.integers(0, 2**16 - 1), st.integers(-(2**15), 2**15 - 1), st.integers(0, 2**32 - 1), st.data())
def test_what_an_image_of_such_a_model_shows_its_layouts_read(
    word: int, power: int, raw: int, data: st.DataObject
) -> None:
    bits = st.integers(0, 1)
    values = {
        Quantity.POWER_ACTIVE: power, Quantity.FORCE_CONTROL: data.draw(bits), Quantity.RELAY: data.draw(bits),
        Quantity.FORCED_STATE: data.draw(bits), Quantity.STATUS: data.draw(st.sampled_from([0, 1, 4, 5])),
        TOTAL: raw * 10 - 2_500, Quantity.VOLTAGE_A: word * 100 + 100_000, Quantity.FREQUENCY: (word & 0xFFF) * 100,
        Quantity.PAY_MODE: data.draw(bits), Quantity.LOAD_LIMIT: (word >> 8) * 1_000,
        Quantity.HOARDING_LIMIT: (word - 100) * 1_000, Quantity.METER_NUMBER: raw,
    }  # fmt: skip
    image, index = RegisterImage(MODEL), data.draw(st.sampled_from([1, 2]))
    image.put(values, index)
    read: dict[Quantity, int] = {}
    for group in MODEL.blocks:
        for layout in layouts(MODEL, group, index):
            read |= layout.decode(image.read(layout.address, layout.block.count) or b"")
    assert read == values


# --- what the loader refuses -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ('byte_order = "high_first"', 'byte_order = "abcd"', "profile_value", 'byte_order = "abcd"'),
        ('byte_order = "low_first"', 'byte_order = "none"', "profile_value", 'byte_order = "none"'),
        ('offset = "100"', 'offset = "ten"', "profile_offset", 'offset = "ten"'),
        ('offset = "100"', 'offset = "NaN"', "profile_offset", 'offset = "NaN"'),
        ('offset = "100"', 'offset = "1e99999999"', "profile_offset", 'offset = "1e99999999"'),
        ('offset = "100"', 'offset = "1e-99999999"', "profile_offset", 'offset = "1e-99999999"'),
        ('offset = "100"', 'offset = "0.0001"', "profile_offset", 'offset = "0.0001"'),
        ('offset = "100"', "offset = 100", "profile_value", "offset = 100"),
        ("mask = 0x0A00", 'mask = 0x0A00\noffset = "1"', "profile_offset", 'offset = "1"'),
        ("not_bit = 0", 'not_bit = 0\noffset = "1"', "profile_offset", 'offset = "1"'),
        ("mask = 0x0FFF", "mask = 0x0F0F", "profile_field", "mask = 0x0F0F"),
        ("mask = 0x0FFF", "mask = 0x0FFF\nbit = 3", "profile_field", "mask = 0x0FFF"),
        ("mask = 0x0FFF", "mask = 0", "profile_value", "mask = 0"),
        ("mask = 0x0FFF", "mask = 0xFFFF", "profile_value", "mask = 0xFFFF"),
        ("bit = 3", "bit = 16", "profile_value", "bit = 16"),
        ('type = "i16"\nunit', 'type = "i16"\nbit = 1\nunit', "profile_field", "bit = 1"),
        ("bit = 4", "bit = 3", "profile_overlap", "address = 0x21"),
        ("mask = 0x0A00", "mask = 0x0A08", "profile_overlap", "address = 0x21"),
        ("bit = 4", 'bit = 4\nbyte_order = "high_first"', "profile_overlap", "address = 0x21"),
        ("mask = 0x0A00", "", "profile_overlap", "address = 0x21"),
        ("overload_trip = 2", "overload_trip = 1", "profile_field", "mask = 0x0A00"),
        ("bit = 4", "", "profile_overlap", "address = 0x21"),
        ("bit = 4", "mask = 0x0030", "profile_relay", "[relay]"),
        ("trip = [1, 1]", "trip = [1, 2]", "profile_relay", "[relay]"),
        ("[relay]\naddress = 0x21", "[relay]\naddress = 0x22", "profile_relay", "[relay]"),
        ("[relay]", '[relay]\nbyte_order = "high_first"', "profile_relay", "[relay]"),
        ("[status_bits]", '[bus]\naddress = 0x900\nform = "word"\nassumed = true\n[status_bits]', "profile_byte_order",
         "[bus]"),
        ("circuits = 2", "circuits = 2\naddress_base = 2", "profile_value", "address_base = 2"),
        ("circuits = 2", "circuits = 2\naddress_base = 1", "profile_value", "address = 0x00"),
    ],
)  # fmt: skip
def test_what_could_be_misread_is_refused_on_its_line(old: str, new: str, code: str, line: str) -> None:
    assert old in OURS
    wrong = OURS.replace(old, new, 1)
    with pytest.raises(Refused) as refused:
        check_own(wrong)
    assert refused.value.code == code
    at = line_of(wrong, refused.value)
    assert at is not None and wrong.splitlines()[at - 1].startswith(line)


# --- addresses that count from 1 -------------------------------------------------------------


@pytest.mark.parametrize("text", [
    pytest.param(OURS, id="ours"),
    *(pytest.param(shipped_text(code), id=code) for code, each in catalogue().items()
      if each.protocol is Protocol.MODBUS and each.wired),
])  # fmt: skip
def test_a_text_whose_addresses_count_from_one_is_the_same_model(text: str) -> None:
    ours = load(from_one(text))
    assert ours.address_base == 1
    assert replace(ours, address_base=0) == load(text)


def test_a_refusal_names_the_block_also_where_addresses_count_from_one() -> None:
    twins = from_one(OURS.replace("address = 0x00\ncount = 6", "address = 0x00\ncount = 4")).replace(
        '[[block]]\ngroup = "settings"',
        '[[block]]\ngroup = "registers"\naddress = 0x11\ncount = 4\n\n[[block]]\ngroup = "settings"',
    )
    with pytest.raises(Refused) as refused:
        check_own(twins)
    assert refused.value.code == "profile_twins"
    at = line_of(twins, refused.value)
    assert at is not None and "address = 0x11" in twins.splitlines()[at : at + 3]
