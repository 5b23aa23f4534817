"""Values to register bytes and back, by hand-worked words."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewatt.core.meters import Profile, catalogue, load
from prewatt.core.meters.jobs import Order, OrderKind, Wish
from prewatt.core.meters.profile import Group, Protocol
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.registers import (
    RegisterImage,
    decode_order,
    decode_value,
    encode_floor,
    encode_value,
    layouts,
    order_write,
    relay_write,
)
from prewatt.core.refusals import Refused

SPM = catalogue()["pilot-spm9511"]


def toy(kind: str, *, scale: str = "1", unit: str = "Wh", circuits: int = 1, extra: str = "") -> Profile:
    """A one-register server-held model."""
    return load(f"""
[model]
code = "toy"
maker = "Toys"
name = "Toy"
phases = 1
circuits = {circuits}
stride = 16
protocol = "modbus"
baud_default = 2400
custody = ["server"]
switch = "internal"
resolution = 1
read_function = 4
max_block = 8
quiet_ms = 0
turnaround_ms = 100

[[block]]
group = "registers"
address = 0x10
count = 5

[[register]]
quantity = "energy_import_total"
group = "registers"
address = 0x11
type = "{kind}"
scale = "{scale}"
unit = "{unit}"
assumed = true
{extra}
""")


@pytest.mark.parametrize(
    ("kind", "words", "value"),
    [
        ("u16", "FFFE", 65_534),
        ("i16", "FF06", -250),
        ("u32be", "0012D687", 1_234_567),
        ("u32le", "D6870012", 1_234_567),
        ("i32be", "FFFFFB2D", -1_235),
        ("i32le", "FB2DFFFF", -1_235),
        ("u64be", "0000000100000000", 2**32),
        ("i64be", "FFFFFFFFFFFFFFFF", -1),
        ("bcd16", "1234", 1_234),
        ("bcd32", "00012345", 12_345),
        ("bcd48", "260311005207", 260_311_005_207),
    ],
)
def test_each_type_reads_and_writes_its_words(kind: str, words: str, value: int) -> None:
    profile = toy(kind)
    register = profile.registers[Quantity.ENERGY_IMPORT_TOTAL]
    data = bytes.fromhex(words)
    assert decode_value(register, data) == value
    assert encode_value(register, value) == data
    (layout,) = layouts(profile, Group.REGISTERS, 1)
    block = bytes(2) + data + bytes(8 - len(data))
    assert layout.decode(block) == {Quantity.ENERGY_IMPORT_TOTAL: value}


@pytest.mark.parametrize(
    ("kind", "scale", "words", "value"),
    [
        ("f32be", "1", "43663334", 230_200),  # 230.20001: the example of the Eastron protocol document, as kWh
        ("f32le", "1", "33344366", 230_200),
        ("f32be", "0.1", "450FE000", 230_200),  # 2302 tenths
        ("f32be", "1", "449A51EC", 1_234_560),  # 1234.56 travels as 1234.56005859375
        ("f32be", "1", "BF800000", -1_000),
        ("f32be", "1", "3A03126F", 1),  # 0.0005: half a unit goes up
        ("f32be", "1", "80000000", 0),
    ],
)
def test_a_float_says_the_unit_next_to_it(kind: str, scale: str, words: str, value: int) -> None:
    profile = toy(kind, scale=scale, unit="kWh")
    register = profile.registers[Quantity.ENERGY_IMPORT_TOTAL]
    data = bytes.fromhex(words)
    assert decode_value(register, data) == value
    assert decode_value(register, encode_value(register, value)) == value
    (layout,) = layouts(profile, Group.REGISTERS, 1)
    assert layout.decode(bytes(2) + data + bytes(4)) == {Quantity.ENERGY_IMPORT_TOTAL: value}


@pytest.mark.parametrize("words", ["7F800000", "FF800000", "7FC00000", "7F7FFFFF", "FFFFFFFF", "58635FAA"])
def test_a_float_that_is_no_number_or_no_energy_leaves_the_quantity_out(words: str) -> None:
    (layout,) = layouts(toy("f32be", unit="kWh"), Group.REGISTERS, 1)
    assert layout.decode(bytes(2) + bytes.fromhex(words) + bytes(4)) == {}


def test_a_setting_a_float_cannot_hold_is_refused() -> None:
    register = toy("f32be").registers[Quantity.ENERGY_IMPORT_TOTAL]
    for value, code in [(2**24 + 1, "value_too_fine"), (10**15 + 1, "value_out_of_range")]:
        with pytest.raises(Refused) as caught:
            encode_value(register, value)
        assert caught.value.code == code


def test_a_block_may_be_read_by_another_function_than_the_rest() -> None:
    profile = catalogue()["eastron-sdm120"]
    assert profile.read_functions == {3, 4}
    (identity,) = profile.blocks[Group.IDENTITY]
    assert (identity.function, identity.optional, identity.address) == (3, True, 0xFC00)


@pytest.mark.parametrize(("kind", "value"), [("u16", -1), ("u16", 65_536), ("i16", 40_000), ("bcd16", 10_000)])
def test_a_value_that_does_not_fit_is_refused(kind: str, value: int) -> None:
    with pytest.raises(Refused) as caught:
        encode_value(toy(kind).registers[Quantity.ENERGY_IMPORT_TOTAL], value)
    assert caught.value.code == "value_out_of_range"


def test_a_setting_finer_than_the_register_is_refused_and_a_shown_value_is_cut() -> None:
    register = toy("i32be", scale="0.01", unit="kWh").registers[Quantity.ENERGY_IMPORT_TOTAL]
    with pytest.raises(Refused) as caught:
        encode_value(register, 12_345)
    assert caught.value.code == "value_too_fine"
    assert encode_floor(register, 12_345) == (1_234).to_bytes(4, "big")
    assert encode_floor(register, -12_345) == (-1_235).to_bytes(4, "big", signed=True)


def test_a_register_finer_than_the_unit_is_cut_when_read() -> None:
    register = toy("u32be", scale="0.0001", unit="kWh").registers[Quantity.ENERGY_IMPORT_TOTAL]
    assert decode_value(register, (12_345).to_bytes(4, "big")) == 1_234


def test_an_invalid_mark_and_bad_digits_leave_the_quantity_out() -> None:
    marked = toy("u16", extra="invalid = 0xFFFF")
    (layout,) = layouts(marked, Group.REGISTERS, 1)
    assert layout.decode(bytes.fromhex("0000FFFF000000000000")) == {}
    assert layout.decode(bytes.fromhex("00000001000000000000")) == {Quantity.ENERGY_IMPORT_TOTAL: 1}
    (bcd,) = layouts(toy("bcd16"), Group.REGISTERS, 1)
    assert bcd.decode(bytes.fromhex("000012A4000000000000")) == {}


def test_circuits_stand_a_stride_apart() -> None:
    profile = toy("u16", circuits=3)
    image = RegisterImage(profile)
    for index in (1, 2, 3):
        image.put({Quantity.ENERGY_IMPORT_TOTAL: 100 * index}, index)
    assert [image.read(0x11 + 16 * step, 1) for step in range(3)] == [b"\x00\x64", b"\x00\xc8", b"\x01\x2c"]
    assert [layout.address for index in (1, 3) for layout in layouts(profile, Group.REGISTERS, index)] == [0x10, 0x30]
    assert image.values(0x21, b"\x00\x07") == {2: {Quantity.ENERGY_IMPORT_TOTAL: 7}}


def test_the_status_block_of_a_pilot_meter_by_hand() -> None:
    image = RegisterImage(SPM)
    image.put({
        Quantity.STATUS: 1, Quantity.BALANCE: -12_350, Quantity.PURCHASE_COUNT: 23, Quantity.LAST_ORDER_KIND: 1,
        Quantity.LAST_ORDER_AMOUNT: 869_570, Quantity.PURCHASED_TOTAL: 2_000_000, Quantity.USE_PAST_ZERO: 12_350,
        Quantity.POWER_ACTIVE: 1_840,
    })  # fmt: skip
    words = "0001 0000 0000 0000 FFFFFB2D 0017 0001 000153AD 00030D40 000004D3 00000730 0000"
    data = image.read(0x100, 17)
    assert data == bytes.fromhex(words)
    (layout,) = layouts(SPM, Group.STATUS, 1)
    assert layout.decode(data)[Quantity.BALANCE] == -12_350
    assert layout.decode(data + bytes(2)) == layout.decode(data)


@pytest.mark.parametrize(
    ("address", "count", "readable"),
    [(0x100, 18, True), (0x104, 2, True), (0x100, 19, False), (0xFF, 2, False), (0x500, 1, False)],
)
def test_only_what_lies_in_one_block_can_be_read(address: int, count: int, readable: bool) -> None:
    assert (RegisterImage(SPM).read(address, count) is not None) == readable


def test_an_order_by_hand_there_and_back() -> None:
    order = Order(count=24, kind=OrderKind.PURCHASE, amount=543_480)
    address, data = order_write(SPM, order, 1)
    assert (address, data.hex()) == (0x400, "00180001" + "0000d44c")
    seen = decode_order(SPM, address, data)
    assert seen is not None
    assert (seen.circuit_index, seen.count, seen.kind, seen.amount) == (1, 24, OrderKind.PURCHASE, 543_480)


@pytest.mark.parametrize(
    ("address", "data"),
    [(0x401, "0018000100000001"), (0x400, "001800010000"), (0x400, "00180001000000010000"), (0x100, "00180001")],
)
def test_what_is_not_exactly_one_order_block_is_no_order(address: int, data: str) -> None:
    assert decode_order(SPM, address, bytes.fromhex(data)) is None


def test_an_order_of_an_unknown_kind_arrives_for_the_meter_to_refuse() -> None:
    seen = decode_order(SPM, 0x400, bytes.fromhex("00180009FFFFFFFF"))
    assert seen is not None
    assert (seen.kind, seen.amount) == (None, -10)


@pytest.mark.parametrize("order", [
    lambda: order_write(SPM, Order(count=1, kind=OrderKind.PURCHASE, amount=5), 1),
    lambda: order_write(SPM, Order(count=1, kind=OrderKind.RETURN, amount=2**31 * 10), 1),
])  # fmt: skip
def test_an_order_the_register_cannot_carry_is_refused(order: Callable[[], object]) -> None:
    with pytest.raises(Refused):
        order()


def test_wishes_become_the_profile_s_words() -> None:
    assert relay_write(SPM, Wish.KEEP_ON, 1) == (0x102, (1, 0))
    assert relay_write(toy("u16"), Wish.TRIP, 1) is None


def test_a_write_that_cuts_a_register_is_no_write_of_values() -> None:
    image = RegisterImage(SPM)
    assert image.values(0x200, bytes(4)) == {1: {Quantity.ALARM_LEVEL_1: 0}}
    assert image.values(0x201, bytes(4)) is None
    assert image.values(0x200, bytes(6)) is None
    assert image.values(0x20E, bytes(2)) is None


@given(st.data())
def test_what_an_image_shows_a_layout_reads(data: st.DataObject) -> None:
    profile = data.draw(st.sampled_from([each for each in catalogue().values() if each.protocol is Protocol.MODBUS]))
    values: dict[Quantity, int] = {}
    for quantity, register in profile.registers.items():
        low, high = {
            "u16": (0, 0xFFFF), "i16": (-0x8000, 0x7FFF), "u32be": (0, 2**32 - 1), "i32be": (-(2**31), 2**31 - 1),
            "bcd48": (0, 10**12 - 1), "f32be": (-(2**22), 2**22),
        }[register.kind.value]  # fmt: skip
        step = 1 if register.kind.value == "f32be" else register.factor.numerator
        high = high if register.invalid is None else min(high, register.invalid - 1)  # what means no value is none
        values[quantity] = data.draw(st.integers(low, high)) * step
    image = RegisterImage(profile)
    image.put(values)
    read: dict[Quantity, int] = {}
    for group in profile.blocks:
        for layout in layouts(profile, group, 1):
            block = image.read(layout.address, layout.block.count)
            assert block is not None
            read |= layout.decode(block)
    assert read == values
