"""The loader takes the shipped profiles and refuses, with a code, what could make a meter be misread."""

import tomllib
from decimal import Decimal
from importlib import resources
from typing import Final

import pytest

from prewatt.core.meters import catalogue, load
from prewatt.core.meters.jobs import OrderKind, Wish
from prewatt.core.meters.profile import Custody, Group, Protocol
from prewatt.core.meters.quantities import Quantity, StatusBit
from prewatt.core.meters.wallet import PRICES
from prewatt.core.refusals import Refused, texts
from prewatt.core.wire.dlt645 import Command

FOLDER: Final = resources.files("prewatt.core.meters").joinpath("profiles")


def toml(code: str) -> str:
    return FOLDER.joinpath(f"{code}.toml").read_text(encoding="utf-8")


SPM: Final = toml("pilot-spm9511")
METER_NUMBER: Final = 'quantity = "meter_number"\n'


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("[model]", "[model", "profile_malformed"),
        ('maker = "Pilot"\n', "", "profile_missing"),
        ('maker = "Pilot"', "maker = 7", "profile_value"),
        ('maker = "Pilot"', 'maker = "Pilot"\ncolour = "grey"', "profile_unknown_key"),
        ('code = "pilot-spm9511"', 'code = "Pilot SPM"', "profile_value"),
        ("phases = 1", "phases = 2", "profile_value"),
        ("circuits = 1", "circuits = 37", "profile_value"),
        ("circuits = 1", "circuits = 2\nstride = 4", "profile_overlap"),
        ("circuits = 1", "circuits = 36\nstride = 60000", "profile_address"),
        ("baud_default = 9600", "baud_default = 9601", "profile_value"),
        ("max_block = 48", "max_block = 17", "profile_block_too_long"),
        ("max_block = 48", "max_block = 126", "profile_value"),
        ("read_function = 3", "read_function = 6", "profile_value"),
        ('custody = ["meter", "server"]', 'custody = ["bank"]', "profile_value"),
        ('custody = ["meter", "server"]', "custody = []", "profile_value"),
        ("resolution = 10 ", "resolution = 0 ", "profile_value"),
        ('protocol = "modbus"', 'protocol = "carrier-pigeon"', "profile_value"),
        ('credit_unit = "Wh"', 'credit_unit = "kWh"', "profile_value"),
        (METER_NUMBER, 'quantity = "mood"\n', "profile_unknown_quantity"),
        (METER_NUMBER, 'quantity = "model_code"\n', "profile_duplicate"),
        ('type = "bcd48"', 'type = "f32"', "profile_unknown_type"),
        ("address = 0x0106", "address = 0x0105", "profile_overlap"),
        ("address = 0x0400", "address = 0x010F", "profile_overlap"),
        ("address = 0x0400", "address = 0xFFFD", "profile_value"),
        ("address = 0x0006\ntype", "address = 0x0007\ntype", "profile_not_in_block"),
        ('unit = "kWh"', 'unit = "J"', "profile_unit"),
        ('scale = "0.01"', 'scale = "0"', "profile_scale"),
        ('scale = "0.01"', 'scale = "NaN"', "profile_scale"),
        ('scale = "0.01"', 'scale = "one"', "profile_scale"),
        ('type = "bcd48"\nassumed = true', 'type = "bcd48"', "profile_no_source"),
        ('quantity = "purchase_count"\ngroup = "status"', 'quantity = "purchase_count"\ngroup = "settings"',
         "profile_not_in_block"),
        ("return = 2", "return = 1", "profile_value"),
        ("return = 2", "", "profile_missing"),
        ('2 = "meter_hoarding_limit"', '0 = "meter_hoarding_limit"', "profile_value"),
        ('2 = "meter_hoarding_limit"', '2 = "meter_out_of_coffee"', "profile_value"),
        ('2 = "meter_hoarding_limit"', '70000 = "meter_hoarding_limit"', "profile_value"),
        ("address = 0x0102\nassumed", "address = 0x0103\nassumed", "profile_relay"),
        ("automatic = [0, 0]\nkeep_on = [1, 0]\ntrip = [1, 1]", "trip = [1]", "profile_relay"),
        ("trip = [1, 1]", "trip = [1]", "profile_value"),
        ("trip = [1, 1]", "trip = [1, 70000]", "profile_value"),
        ("trip = [1, 1]", "explode = [1, 1]", "profile_value"),
        ("warning_trip = 1", "warning_trip = 0", "profile_value"),
        ("warning_trip = 1", "coffee_ready = 1", "profile_value"),
        ('writable = ["alarm_level_1"', 'writable = ["voltage_c"', "profile_missing"),
        ('writable = ["alarm_level_1"', 'writable = ["balance", "alarm_level_1"', "profile_not_writable"),
    ],
)  # fmt: skip
def test_a_profile_with_a_fault_is_refused(old: str, new: str, code: str) -> None:
    assert old in SPM
    with pytest.raises(Refused) as caught:
        load(SPM.replace(old, new, 1))
    assert caught.value.code == code
    for lang in ("en", "zh-hans"):
        assert "?" not in caught.value.message(lang).replace("“", "")
    assert code in texts


def test_a_purse_without_a_witness_may_be_server_held_only() -> None:
    start = SPM.index("[order]")
    without = SPM[:start] + SPM[SPM.index("[relay]") :]
    with pytest.raises(Refused) as caught:
        load(without)
    assert caught.value.code == "profile_no_witness"
    profile = load(without.replace('custody = ["meter", "server"]', 'custody = ["server"]'))
    assert profile.order is None


def test_a_profile_of_endless_text_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        load("#" * 300_000)
    assert caught.value.code == "profile_malformed"


def test_scales_become_exact_factors_to_the_integer_unit() -> None:
    spm = catalogue()["pilot-spm9511"].registers
    assert spm[Quantity.BALANCE].scale == Decimal("0.01")
    assert spm[Quantity.BALANCE].factor == 10
    assert spm[Quantity.VOLTAGE_A].factor == 100  # 0.1 V in mV
    assert spm[Quantity.CURRENT_A].factor == 1  # 0.001 A in mA
    assert spm[Quantity.FREQUENCY].factor == 10  # 0.01 Hz in mHz
    assert catalogue()["acrel-ddsy1352"].registers[Quantity.POWER_ACTIVE].factor == 1  # 0.001 kW in W


def test_every_pilot_register_is_assumed_and_the_order_is_too() -> None:
    pilots = [profile for code, profile in catalogue().items() if code.startswith("pilot-") and "-645" not in code]
    assert len(pilots) == 16
    for profile in pilots:
        assert all(each.assumed and not each.source for each in profile.registers.values())
        assert profile.order is None or profile.order.assumed
        assert profile.assumed and "representative, editable" in profile.note


def test_each_order_code_of_the_spm2506_has_its_model() -> None:
    found = {code: profile.circuits for code, profile in catalogue().items() if code.startswith("pilot-spm2506-")}
    assert found == {f"pilot-spm2506-{loops}": loops for loops in (6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36)}


def test_card_meters_over_dlt645_take_the_standards_items_and_assume_the_prepaid_ones() -> None:
    for code in ("pilot-spm9571-645", "pilot-spm9573-645"):
        profile = catalogue()[code]
        assert profile.protocol is Protocol.DLT645 and profile.custody == {Custody.SERVER}
        assert all(each.assumed for each in profile.registers.values() if each.group in (Group.PURSE, Group.SETTINGS))
        assert not profile.registers[Quantity.ENERGY_IMPORT_TOTAL].assumed
        assert profile.rollover_kwh == 1_000_000 and profile.relay is not None and profile.relay.assumed
        assert Command.KEEP_POWER_ON in profile.relay.commands[Wish.AUTOMATIC], "never left to the purse of its card"


def test_the_loops_of_a_meter_with_many_stand_a_stride_apart_and_share_their_identity() -> None:
    spm2506 = catalogue()["pilot-spm2506-36"]
    assert (spm2506.circuits, spm2506.offset(36, shared=False)) == (36, 0xAF00)
    shared = {quantity for quantity, register in spm2506.registers.items() if register.shared}
    assert {Quantity.METER_NUMBER, Quantity.VOLTAGE_A, Quantity.FREQUENCY} <= shared
    assert not {Quantity.BALANCE, Quantity.RELAY, Quantity.ENERGY_IMPORT_TOTAL} & shared


def test_a_card_meter_is_never_left_to_a_purse_that_nobody_fills_over_the_wire() -> None:
    for code in ("pilot-spm9571", "pilot-spm9573"):
        profile = catalogue()[code]
        assert profile.custody == {Custody.SERVER} and profile.order is None
        assert profile.relay is not None
        assert profile.relay.words == {Wish.AUTOMATIC: (1, 0), Wish.KEEP_ON: (1, 0), Wish.TRIP: (1, 1)}


def test_widely_sold_plain_meters_hold_no_credit_and_say_what_they_cannot() -> None:
    for code, profile in catalogue().items():
        if code.startswith(("chint-", "eastron-", "hiking-")):
            assert profile.custody == {Custody.SERVER}
            assert (profile.relay is None) == (code != "hiking-dds238-zn-sr")
            assert ("cannot be cut" in profile.note) == (profile.relay is None)
            assert all(each.source for each in profile.registers.values())


def test_acrel_registers_carry_their_source_and_what_rests_on_one_is_assumed() -> None:
    for code in ("acrel-ddsy1352", "acrel-dtsy1352"):
        profile = catalogue()[code]
        assert all(each.source for each in profile.registers.values())
        assert {each.quantity for each in profile.registers.values() if each.assumed} == {
            Quantity.METER_NUMBER, Quantity.POWER_REACTIVE, *PRICES,  # of a price the place is public, its scale is not
        }  # fmt: skip
        assert profile.custody == {Custody.SERVER}
        assert profile.order is None


def test_acrel_relay_words_never_hand_the_relay_to_the_meter_s_own_purse() -> None:
    for code in ("acrel-ddsy1352", "acrel-dtsy1352"):
        relay = catalogue()[code].relay
        assert relay is not None and relay.address == 0x57
        assert relay.words == {Wish.AUTOMATIC: (1, 0), Wish.KEEP_ON: (1, 0), Wish.TRIP: (1, 1)}


def test_acrel_addresses_are_those_of_the_public_map() -> None:
    said = {
        "energy_import_total": 0x00, "energy_import_sharp": 0x02, "energy_import_peak": 0x04,
        "energy_import_flat": 0x06, "energy_import_valley": 0x08, "voltage_a": 0x0B, "current_a": 0x0C,
        "power_active": 0x0D, "power_factor": 0x10, "meter_number": 0x43, "alarm_level_1": 0x46,
        "alarm_level_2": 0x48, "overdraft_limit": 0x4A, "purchase_count": 0x4E, "balance": 0x4F,
        "force_control": 0x57, "forced_state": 0x58, "power_reactive": 0x0E, "power_apparent": 0x0F,
        "price_sharp": 0x59, "price_peak": 0x5B, "price_flat": 0x5D, "price_valley": 0x5F,
    }  # fmt: skip
    for code in ("acrel-ddsy1352", "acrel-dtsy1352"):
        assert {each.quantity.value: each.address for each in catalogue()[code].registers.values()} == said


def test_status_bits_go_in_and_out_of_the_word() -> None:
    spm = catalogue()["pilot-spm9511"]
    facts = frozenset({StatusBit.CREDIT_TRIP, StatusBit.ALARM_2})
    assert spm.status_word(facts) == 0b1_0000_0001
    assert spm.bits(0b1_0000_0001) == facts
    assert spm.bits(1 << 15) == frozenset()


def test_the_purse_of_a_pilot_meter_lies_in_one_status_block_with_a_spare_register() -> None:
    (block,) = catalogue()["pilot-spm9511"].blocks[Group.STATUS]
    assert (block.address, block.count, block.spare) == (0x100, 17, 1)
    order = catalogue()["pilot-spm9511"].order
    assert order is not None
    assert [order.kind_of(code) for code in range(5)] == [
        None, OrderKind.PURCHASE, OrderKind.RETURN, OrderKind.CLEAR, None,
    ]  # fmt: skip


def test_the_shipped_files_are_plain_toml_without_floats() -> None:
    def floats(value: object) -> bool:
        if isinstance(value, dict):
            return any(map(floats, value.values()))
        if isinstance(value, list):
            return any(map(floats, value))
        return isinstance(value, float)

    for code in catalogue():
        assert not floats(tomllib.loads(toml(code)))
