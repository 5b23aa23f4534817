"""What identifiers mean: tables of identifier, bytes on the wire (33h taken off), and what is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewatt.core.wire import dlt645
from prewatt.core.wire.dlt645 import Fault, Frame, LocalProtocolError, RemoteProtocolError, bcd

METER = "260305510012"


def shown(di: int, data: str) -> dict[str, str | None]:
    return {value.name: value.value for value in dlt645.block(di, bytes.fromhex(data))}


@pytest.mark.parametrize(
    ("di", "data", "expected"),
    [
        (0x00000000, "34120080", {"combined_total": "-12.34"}),
        (0x00010000, "34120080", {"total": "800012.34"}),  # no sign bit in forward energy
        (0x00020000, "78563412", {"reverse_total": "123456.78"}),
        (0x00010300, "00010000", {"rate3": "1.00"}),
        (0x00150000, "01000000", {"a_total": "0.01"}),
        (0x000B0001, "00500000", {"cycle_use": "50.00"}),
        (0x00900200, "25150000", {"balance": "15.25"}),
        (0x00900201, "25150000", {"overdraft": "15.25"}),
        (0x00900100, "25150000", {"remaining_energy": "15.25"}),
        (0x01010000, "3412001508091026", {"demand_total": "0.1234", "demand_total_at": "2026-10-09 08:15"}),
        (0x02010100, "0323", {"ua": "230.3"}),
        (0x0201FF00, "0323FFFFFFFF", {"ua": "230.3", "ub": None, "uc": None}),
        (0x02020100, "341280", {"ia": "-1.234"}),
        (0x02030000, "000081", {"p_total": "-1.0000"}),
        (0x02060000, "0090", {"pf_total": "-1.000"}),
        (0x0206FF00, "0010000910080007", {"pf_total": "1.000", "pf_a": "0.900", "pf_b": "0.810", "pf_c": "0.700"}),
        (0x02800002, "9849", {"frequency": "49.98"}),
        (0x02800007, "5580", {"temperature": "-5.5"}),
        (0x0280000A, "56340000", {"battery_work_time": "00003456"}),
        (0x02800020, "23560000", {"price_now": "0.5623"}),
        (0x03300D00, "270000", {"count": "000027"}),
        (0x03330101, "3008190926", {"purchase_at": "2026-09-19 08:30"}),
        (0x03330201, "0700", {"purchase_count": "0007"}),
        (0x03330301, "00000100", {"purchase_amount": "100.00"}),
        (0x03320601, "50000000", {"purchased_total": "0.50"}),
        (
            0x03110001,
            "000008010926303008010926",
            {"started_at": "2026-09-01 08:00:00", "ended_at": "2026-09-01 08:30:30"},
        ),
        (
            0x03300302,
            "05040301092678563412000D3003",
            {"at": "2026-09-01 03:04:05", "operator": "12345678", "identifier": "03300D00"},
        ),
        (
            0x03300401,
            "78563412000008010926303008010926",
            {"operator": "12345678", "before": "2026-09-01 08:00:00", "after": "2026-09-01 08:30:30"},
        ),
        (0x04000A01, "30080109", {"load_record_from": "09-01 08:30"}),
        (0x04000A02, "1500", {"load_record_interval_1": "0015"}),
        (0x04000D08, "3412", {"b_reactance": "1.234"}),
        (0x04000306, "300000", {"ct_ratio": "000030"}),
        (0x04000401, "120051050326", {"address": METER}),
        (0x0400040B, "00000000323533315344", {"model": "DS1352"}),
        (0x04000503, "5000", {"status_word_3": "0050"}),
        (0x04000B01, "0001", {"settlement_day1": "01 00"}),
        (0x04000E01, "000006", {"forward_power_limit": "6.0000"}),
        (0x04001001, "00200000", {"alarm_amount_1": "20.00"}),
        (0x04001401, "0500", {"trip_delay": "0005"}),
        (0x04001201, "0000010126", {"hourly_freeze_from": "2026-01-01 00:00"}),
        (0x04001203, "3000", {"daily_freeze_at": "00:30"}),
        (0x04040101, "0000010000", {"shown": "00010000", "shown_part": "00"}),
        (0x04040205, "00009000", {"shown": "00900000"}),
        (0x04800001, "00" * 28 + "312E3256", {"software_version": "V2.1"}),
        (0x04010000, "010101020107", {"zone1": "010101", "zone2": "070102"}),
        (0x04010001, "040000020008", {"period1": "000004", "period2": "080002"}),
        (0x04030001, "01011026", {"holiday1": "26100101"}),
        (0x040501FF, "0050000000600000", {"price_set1_rate1": "0.5000", "price_set1_rate2": "0.6000"}),
        (0x04060101, "00800000", {"ladder_set1_price1": "0.8000"}),
        (0x04000308, "05", {"start_screen_time": "05"}),
        (0x04001204, "00009999", {"timed_freeze_at": "99990000"}),
        (0x04060001, "00000200", {"ladder_set1_step1": "200.00"}),
        (0x05060001, "0000091015", {"frozen_at": "2015-10-09 00:00"}),
        (0x05060101, "3429000066070000", {"total": "29.34", "rate1": "7.66"}),
        (0x1D000001, "030000", {"count": "000003"}),
    ],
)
def test_a_known_identifier_shows_its_values(di: int, data: str, expected: dict[str, str | None]) -> None:
    assert shown(di, data) == expected


def test_a_ladder_is_read_as_one_block() -> None:
    steps, prices = "0000240000004800" + "00" * 16, "0050000000550000" + "00" * 20
    told = shown(0x040605FF, steps + prices + "000101000107" + "00" * 6)
    assert len(told) == 6 + 7 + 4
    assert (told["ladder_set2_step2"], told["ladder_set2_step6"]) == ("4800.00", "0.00")
    assert (told["ladder_set2_price2"], told["ladder_set2_price7"]) == ("0.5500", "0.0000")
    assert told["ladder_set2_settlement2"] == "070100"


def test_date_and_clock_show_their_parts_and_the_whole() -> None:
    assert shown(0x0400010C, "00301605201126")["clock"] == "2026-11-20 16:30:00"
    assert shown(0x04000101, "05201126") == {
        "date": "2026-11-20",
        "weekday": "05",
        "day": "20",
        "month": "11",
        "year": "26",
    }


@pytest.mark.parametrize(
    ("di", "size"),
    [
        (0x03010101, 131), (0x0304030A, 131), (0x03090001, 78), (0x03300001, 50), (0x03300101, 106), (0x03300D01, 60),
        (0x1D000101, 34),
    ],
)  # fmt: skip
def test_a_record_has_the_length_the_standard_gives_it(di: int, size: int) -> None:
    layout = dlt645.layout_of(di)
    assert layout is not None and sum(item.size for item in layout.items) == size
    assert len(dlt645.block(di, bytes(size))) == len(layout.items) == len({item.name for item in layout.items})


def test_a_phase_record_says_what_the_phase_used_and_how_it_stood() -> None:
    head, b_phase = bytes(12 + 16 + 29 + 16), bytes.fromhex("05223412800000810000000090")
    values = {each.name: (each.value, each.unit) for each in dlt645.block(0x03010203, head + b_phase + bytes(45))}
    assert values["ub"] == ("220.5", "V") and values["ib"] == ("-1.234", "A") and values["p_b"] == ("-1.0000", "kW")
    assert values["pf_b"] == ("-1.000", "") and values["b_gain"] == ("0.00", "kWh")
    assert values["charge_total"] == ("0.00", "Ah")


@pytest.mark.parametrize("di", [0x03010100, 0x0301010B, 0x03010401, 0x03310101, 0x03110101, 0x04040100, 0x040401FF])
def test_what_no_record_or_screen_is_stays_unknown(di: int) -> None:
    assert dlt645.layout_of(di) is None


def test_values_of_a_past_settlement_say_which() -> None:
    (total, rate1) = dlt645.block(0x0001FF02, bytes.fromhex("3429000066070000"))
    assert (total.name, total.settlement, rate1.name, rate1.settlement) == ("total", 2, "rate1", 2)
    assert [each.settlement for each in dlt645.block(0x000100FF, bytes(12))] == [0, 1, 2]


@pytest.mark.parametrize(
    ("di", "data"),
    [
        (0x00010000, "000000"),  # too short
        (0x00010000, "0000000000"),  # some meters answer with five bytes and more decimals: not ours to guess
        (0x0001FF00, "000000000000"),
        (0x80808080, "00"),
        (0x0600FF01, "00"),
        (0x0201FF00, ""),
        (0x04000C01, "02000000"),  # a password is not a value
    ],
)
def test_what_is_unknown_or_has_another_length_shows_nothing(di: int, data: str) -> None:
    assert dlt645.block(di, bytes.fromhex(data)) == ()


@pytest.mark.parametrize("di", [0x00900200, 0x02030000, 0x04000401, 0x04000503, 0x04000106, 0x0400040B])
def test_a_field_full_of_ff_is_no_value(di: int) -> None:
    layout = dlt645.layout_of(di)
    assert layout is not None
    size = sum(item.size for item in layout.items)
    assert [(each.value, each.fault) for each in dlt645.block(di, b"\xff" * size)] == [(None, Fault.NO_VALUE)]


@pytest.mark.parametrize(
    ("di", "data"),
    [
        (0x00010000, "7A563412"),
        (0x02030000, "0000FA"),
        (0x02010100, "FF23"),
        (0x04000106, "9999999999"),
        (0x04000106, "0000000000"),
        (0x0400040B, "01020304050607080910"),
    ],
)
def test_a_field_that_breaks_its_form_is_a_bad_value(di: int, data: str) -> None:
    assert [(each.value, each.fault) for each in dlt645.block(di, bytes.fromhex(data))] == [(None, Fault.BAD_VALUE)]


@given(st.integers(0, 0xFFFFFFFF), st.binary(max_size=200))
def test_no_identifier_and_no_bytes_make_a_reading_fail(di: int, data: bytes) -> None:
    for value in dlt645.block(di, data):
        assert (value.value is None) == (value.fault is not None)


@given(st.integers(0, 255), st.binary(max_size=200))
def test_no_frame_makes_a_reading_fail(control: int, data: bytes) -> None:
    frame = Frame(address=METER, control=control, data=data)
    assert all((value.value is None) == (value.fault is not None) for value in dlt645.values_of(frame))
    assert all(dlt645.errors_of(frame)) and (frame.refused or not dlt645.errors_of(frame))


@given(st.integers(-799_999, 799_999))
def test_signed_numbers_survive_both_ways(value: int) -> None:
    assert bcd.read(bcd.write(value, 3, signed=True), signed=True) == value


@given(st.integers(0, 99_999_999))
def test_plain_numbers_survive_both_ways(value: int) -> None:
    assert bcd.read(bcd.write(value, 4)) == value


@pytest.mark.parametrize(
    ("value", "size", "signed"), [(-1, 3, False), (100, 1, False), (800_000, 3, True), (-800_000, 3, True)]
)
def test_a_number_that_does_not_fit_is_not_written(value: int, size: int, signed: bool) -> None:
    with pytest.raises(LocalProtocolError, match="value"):
        bcd.write(value, size, signed=signed)


def test_a_number_that_is_none_is_refused_with_its_code() -> None:
    with pytest.raises(RemoteProtocolError) as refused:
        bcd.read(b"\x1a")
    assert refused.value.code == "not_bcd"
    assert bcd.read(b"\xff\xff") is None
    assert bcd.write(None, 2) == b"\xff\xff"


@pytest.mark.parametrize(
    ("control", "data", "names"),
    [
        (0xD1, "02", ("no_requested_data",)),
        (0xD4, "04", ("password_or_unauthorised",)),
        (0xDC, "06", ("no_requested_data", "password_or_unauthorised")),
        (0xC3, "0200", ("repeated_recharge",)),
        (0xC3, "2000", ("recharge_count_error",)),
        (0xC3, "0002", ("close_failed",)),
        (0xC3, "0080", ("bit_15",)),
        (0xC3, "01", ("vendor_01",)),
        (0xD7, "", ()),
        (0x91, "02", ()),
    ],
)
def test_error_words_have_names(control: int, data: str, names: tuple[str, ...]) -> None:
    assert dlt645.errors_of(Frame(address=METER, control=control, data=bytes.fromhex(data))) == names


def test_passwords_are_not_among_the_values() -> None:
    written = Frame(address=METER, control=0x14, data=bytes.fromhex("0110000402563412EFCDAB0000200000"))
    assert {value.name: value.value for value in dlt645.values_of(written)} == {"alarm_amount_1": "20.00"}
    tripped = Frame(address=METER, control=0x1C, data=bytes.fromhex("02563412000000001A00595923311226"))
    assert {value.name: value.value for value in dlt645.values_of(tripped)} == {
        "authority": "02",
        "command": "1A",
        "valid_until": "2026-12-31 23:59:59",
        "action": "trip",
    }


def test_a_command_in_cipher_text_shows_no_invented_fields() -> None:
    sealed = Frame(address=METER, control=0x1C, data=bytes.fromhex("98000000") + bytes(24))
    assert dlt645.values_of(sealed) == ()


def test_the_two_families_of_recharge_are_told_apart_by_length() -> None:
    order = bytes.fromhex("FF02010744332211")
    vendor = Frame(address=METER, control=0x03, data=order + (10_000).to_bytes(4, "little") + bytes(22))
    grid = Frame(address=METER, control=0x03, data=order + bytes(22))
    assert ("amount_minor", "10000") in [(each.name, each.value) for each in dlt645.values_of(vendor)]
    assert [each.name for each in dlt645.values_of(grid)] == [
        "operator_wire",
        "amount_wire",
        "count_wire",
        "mac1_wire",
        "customer_number",
        "mac2_wire",
    ]


def test_an_answer_longer_than_the_standards_shows_its_beginning_and_the_rest() -> None:
    longer = dlt645.decode(bytes.fromhex("FEFEFEFE68010000000000689109333334336A593333349516"))
    assert [(each.name, each.value) for each in dlt645.values_of(longer)] == [("total", "26.37"), ("rest", "01")]
    assert dlt645.block(0x00010000, longer.data[4:]) == ()  # a driver must not guess


@pytest.mark.parametrize(
    ("authority", "names"), [("02", ["price_set1_rate1", "price_set1_rate2"]), ("98", []), ("99", [])]
)
def test_a_write_shows_its_values_unless_they_are_cipher_text(authority: str, names: list[str]) -> None:
    value = "0050000000600000"
    written = bytes.fromhex("FF010504" + authority + "000000" + "11223344" + value)
    shown = dlt645.values_of(Frame(address=METER, control=0x14, data=written))
    assert [each.name for each in shown] == names


@pytest.mark.parametrize(
    ("di", "size", "first", "last"),
    [
        (0x1001FF01, 195, "started_at", "c_reactive_2_total_after"),
        (0x1801FF01, 179, "started_at", "c_reactive_2_total_after"),
        (0x1400FF01, 140, "started_at", "c_reactive_2_total_after"),
        (0x1600FF0A, 142, "started_at", "c_reactive_2_total_after"),
        (0x1F00FF01, 44, "started_at", "reactive_2_total_after"),
        (0x1D00FF01, 34, "at", "quadrant_4_total"),
        (0x1D000101, 34, "at", "quadrant_4_total"),  # the whole record behind its first field, as some meters answer
        (0x1D000101, 6, "at", "at"),
        (0x1E000601, 4, "quadrant_2_total", "quadrant_2_total"),
        (0x10000001, 3, "count", "count"),
        (0x12030002, 3, "minutes", "minutes"),
        (0x10000101, 6, "started_at", "started_at"),
        (0x10000201, 6, "ended_at", "ended_at"),
        (0x10020A03, 2, "ua", "ua"),
        (0x10022101, 4, "charge_total", "charge_total"),
        (0x13012501, 6, "ended_at", "ended_at"),
        (0x18012101, 6, "ended_at", "ended_at"),
        (0x16001201, 2, "unbalance_most", "unbalance_most"),
        (0x030B0101, 115, "started_at", "pf_c"),
        (0x030E0101, 76, "started_at", "c_reactive_2_gain"),
        (0x03050001, 15, "started_at", "ended_at"),
        (0x03100000, 27, "watched_minutes", "lowest_at"),
        (0x03120000, 18, "forward_count", "quadrant_4_count"),
        (0x03120101, 20, "started_at", "demand_at"),
        (0x03300201, 202, "at", "c_quadrant_4_demand_at"),
        (0x03300501, 682, "at", "set2_table8_period14"),
        (0x03300601, 94, "at", "set2_zone14"),
        (0x03300C01, 16, "at", "settlement_day3"),
        (0x03350001, 12, "started_at", "ended_at"),
        (0x0504FF01, 13, "frozen_at", "reverse_total"),
        (0x04090103, 3, "voltage_loss_current_above", "voltage_loss_current_above"),
        (0x04090E01, 2, "power_factor_below", "power_factor_below"),
        (0x0081000C, 4, "fundamental_total", "fundamental_total"),
        (0x00AE0000, 4, "b_iron_loss_total", "b_iron_loss_total"),
    ],
)
def test_an_event_or_limit_has_the_fields_and_the_length_firmware_gives_it(
    di: int, size: int, first: str, last: str
) -> None:
    names = [each.name for each in dlt645.block(di, bytes(size))]
    assert (names[0], names[-1]) == (first, last) and len(names) == len(set(names))


@pytest.mark.parametrize("di", [0x10040101, 0x14010101, 0x10000301, 0x1D000002, 0x1D000901, 0x1001360B, 0x20000001])
def test_what_no_event_has_stays_unknown(di: int) -> None:
    assert dlt645.layout_of(di) is None


LOAD = (
    "A0A0 5D 3008200926"
    "0323FFFFFFFF 341280000000000000 0050 AA"
    "000081 000000000000000000 000000000000000000000000 AA AA"
    "78060000 01000000 0000000034120080 AA AA 500000000000 AA 00E5"
).replace(" ", "")


def load_of(text: str) -> str:
    """The record with the length its bytes have."""
    data = bytearray.fromhex(text)
    data[2] = len(data) - 5
    return data.hex()


def test_a_load_record_shows_the_classes_the_meter_keeps() -> None:
    answer = Frame(address=METER, control=0x91, data=bytes.fromhex("01000006" + load_of(LOAD) * 2))
    values = [(each.name, each.value) for each in dlt645.values_of(answer)]
    assert values[:4] == [("recorded_at", "2026-09-20 08:30"), ("ua", "230.3"), ("ub", None), ("uc", None)]
    assert ("ia", "-1.234") in values and ("frequency", "50.00") in values and ("p_total", "-1.0000") in values
    assert ("total", "6.78") in values and ("reactive_2_total", "-12.34") in values
    assert ("demand_now", "0.0050") in values and not [name for name, _ in values if name.startswith("pf_")]
    assert values[: len(values) // 2] == values[len(values) // 2 :]


@pytest.mark.parametrize(
    "broken", ["", "A0A0", load_of(LOAD)[:-2] + "00", load_of(LOAD).replace("aa", "00", 1), "2900"]
)
def test_what_is_no_load_record_shows_nothing(broken: str) -> None:
    answer = Frame(address=METER, control=0x91, data=bytes.fromhex("01000006" + broken))
    assert dlt645.values_of(answer) == ()


def test_a_read_of_records_says_how_many_and_from_when() -> None:
    asked = Frame(address=METER, control=0x11, data=bytes.fromhex("010000060230082009 26".replace(" ", "")))
    assert [(each.name, each.value) for each in dlt645.values_of(asked)] == [
        ("blocks", "02"),
        ("from", "2026-09-20 08:30"),
    ]


@pytest.mark.parametrize(
    ("di", "data", "bits"),
    [
        (0x04000501, "3EF3", (
            "demand_by_interval", "clock_battery_low", "reading_battery_low", "active_reverse", "reactive_reverse",
            "control_loop_fault", "esam_fault", "program_fault", "memory_fault", "overdraft", "clock_fault",
        )),
        (0x04000501, "0100", ("bit_0",)),
        (0x04000502, "7700", (
            "a_active_reverse", "b_active_reverse", "c_active_reverse",
            "a_reactive_reverse", "b_reactive_reverse", "c_reactive_reverse",
        )),
        (0x04000506, "8101", ("voltage_loss", "phase_break", "current_break")),
        (0x04000507, "FF07", (
            "voltage_sequence", "current_sequence", "voltage_unbalance", "current_unbalance",
            "auxiliary_supply_lost", "power_lost", "demand_exceeded", "power_factor_low",
            "severe_current_unbalance", "reverse_flow", "all_phases_lost",
        )),
    ],
)  # fmt: skip
def test_the_bits_of_a_status_word_have_their_names(di: int, data: str, bits: tuple[str, ...]) -> None:
    (word,) = dlt645.read_values(di, bytes.fromhex(data))
    assert word.bits == bits


def test_what_a_meter_reports_by_itself_has_its_names_and_how_often_behind_it() -> None:
    said = "0344 0100 0000 0001 2001 0180" + "01020304"
    word, rest = dlt645.read_values(0x04001501, bytes.fromhex(said))
    assert word.bits == (
        "relay_fault", "esam_fault", "cover_opened", "tripped", "a_voltage_loss", "c_current_break",
        "power_lost", "severe_current_unbalance", "programmed", "keys_changed",
    )  # fmt: skip
    assert (rest.name, rest.value) == ("rest", "01020304")
