"""Every meter model of the catalogue, played by the simulator and spoken to by the driver, in memory.

Byte for byte over the simulator's own face, no socket: what comes back is what the simulated meter holds; what the
profile says can be done is done, and what it does not say is refused before a byte leaves or by the meter.
"""

import itertools
import tomllib
from pathlib import Path
from typing import Any

import pytest

from prewatt.core.meters import Custody, Profile, catalogue
from prewatt.core.meters.catalogue import shipped_text
from prewatt.core.meters.drivers import MeterAddress
from prewatt.core.meters.drivers.looks import READ_GROUPS
from prewatt.core.meters.freezes import FreezeKind, FreezeSpan
from prewatt.core.meters.jobs import Intent, Job, Order, OrderKind, Verdict, Wish
from prewatt.core.meters.model import DATA_KINDS, ClockWay, Protocol, Register, inside
from prewatt.core.meters.own import check_twins, line_of
from prewatt.core.meters.profile import load
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.registers import decode_value, encode_floor
from prewatt.core.refusals import Refused
from prewatt.field.simulator.meter import Meter
from prewatt.field.simulator.world import World
from tests.field.simulator.plant import NOON_MS, line, meter, world
from tests.field.simulator.test_driver import Master

WIRED = {code: profile for code, profile in catalogue().items() if profile.wired}
MODELS = [pytest.param(profile, id=code) for code, profile in WIRED.items()]
UNIT = 7
DAY_MS = 86_400_000
NUMBER = "202500000007"
SHORT = "000020250007"  # a serial number that two words can hold
OPENING = {
    "energy_wh": 4_321_000, "sharp_wh": 21_000, "peak_wh": 1_200_000, "valley_wh": 900_000, "purchase_count": 3,
    "balance_wh": 150_000, "purchased_total_wh": 600_000, "last_order": {"kind": "purchase", "amount_wh": 100_000},
}  # fmt: skip
SETTINGS = {"alarm_level_1_wh": 50_000, "alarm_level_2_wh": 20_000, "hoarding_limit_wh": 900_000, "load_limit_w": 9_000}
UNHELD = {Quantity.CLOCK, Quantity.STATUS}  # goes on between two looks; told in the order of core's own bits


def number_of(profile: Profile) -> str:
    """A number that its register can hold."""
    held = profile.registers.get(Quantity.METER_NUMBER)
    return SHORT if held is not None and held.kind not in DATA_KINDS and held.words < 3 else NUMBER


def played(directory: Path, profile: Profile) -> tuple[World, Master, Meter]:
    """A site with one meter of the model, all circuits in use, a steady load, a master on its line."""
    number = number_of(profile)
    purse = OPENING if profile.has_purse else {key: OPENING[key] for key in OPENING if key.endswith("_wh")}
    circuits: list[dict[str, Any]] = [
        {"index": index, "opening": purse, "settings": SETTINGS, "load": {"kind": "constant", "peak_w": 0}, "relay": {}}
        for index in range(1, profile.circuits + 1)
    ]
    parts = {**meter(UNIT, profile=profile.code), "number": number, "circuits": circuits}
    a_world = world(directory, parts, lines=[line()])
    address = MeterAddress(unit=UNIT, number=number)
    return a_world, Master(a_world.lines["a"], "rtu", profile=profile, address=address), a_world.meters[number]


def _shown(register: Register, value: int) -> int | None:
    """What a display of this width and step makes of a value."""
    if register.kind in DATA_KINDS:
        step = register.factor.numerator // register.factor.denominator or 1
        return value // step * step
    return decode_value(register, encode_floor(register, value))


@pytest.mark.parametrize("profile", MODELS)
def test_every_register_of_every_circuit_comes_back_as_the_meter_holds_it(tmp_path: Path, profile: Profile) -> None:
    _, master, one = played(tmp_path, profile)
    for index in {1, profile.circuits}:
        read: dict[Quantity, int] = {}
        for intent in READ_GROUPS:
            outcome = master.do(Job(intent=intent, circuit_index=index))
            assert outcome.verdict is Verdict.DONE, (intent, index, outcome)
            read |= outcome.values
        one.settle(master.now_ms)
        held = one.values(index, master.now_ms)
        shown = {}
        for quantity, register in profile.registers.items():
            if quantity in UNHELD or quantity not in held:
                continue
            shown[quantity] = _shown(register, held[quantity])
        assert {quantity: read.get(quantity) for quantity in shown} == shown
        assert Quantity.ENERGY_IMPORT_TOTAL in shown


@pytest.mark.parametrize("profile", MODELS)
def test_a_try_asks_each_block_once_and_every_register_lies_in_a_good_answer(tmp_path: Path, profile: Profile) -> None:
    _, master, _ = played(tmp_path, profile)
    outcome = master.do(Job(intent=Intent.TRY, circuit_index=profile.circuits))
    assert outcome.verdict is Verdict.DONE
    blocks = [block for group in profile.blocks.values() for block in group]
    assert len(outcome.frames) == len(blocks)
    assert all(len(frame.words) for frame in outcome.frames)
    assert len({(frame.function, frame.address, frame.count) for frame in outcome.frames}) == len(blocks)


@pytest.mark.parametrize("profile", MODELS)
def test_the_relay_follows_every_wish_the_model_knows_and_no_other(tmp_path: Path, profile: Profile) -> None:
    _, master, one = played(tmp_path, profile)
    circuit = one.circuits[profile.circuits]
    knows = {} if profile.relay is None else dict(profile.relay.words) | dict(profile.relay.commands)
    for wanted in (Wish.TRIP, Wish.KEEP_ON, Wish.AUTOMATIC):
        outcome = master.do(Job(intent=Intent.RELAY, wish=wanted, circuit_index=profile.circuits))
        if wanted not in knows:
            assert (outcome.verdict, outcome.code, outcome.sent) == (Verdict.REFUSED, "wish_not_supported", False)
            continue
        assert outcome.verdict is Verdict.DONE, (wanted, outcome)
        circuit.state.hand_opened = False  # a breaker that a shunt trip opened is closed by hand
        one.settle(master.now_ms)
        empty = wanted is Wish.AUTOMATIC and Custody.METER in profile.custody and not profile.has_purse  # no token yet
        assert circuit.relay_closed() is (wanted is not Wish.TRIP and not empty), wanted
    if profile.circuits > 1:
        assert one.circuits[1].relay_closed(), "another circuit's relay is nobody's business"


@pytest.mark.parametrize("profile", MODELS)
def test_credit_is_taken_once_where_the_model_holds_it_and_refused_where_not(tmp_path: Path, profile: Profile) -> None:
    _, master, one = played(tmp_path, profile)
    circuit = one.circuits[profile.circuits]
    amount = 60 * profile.resolution * 100
    job = Job(
        intent=Intent.CREDIT, circuit_index=profile.circuits,
        order=Order(count=circuit.state.purchase_count + 1, kind=OrderKind.PURCHASE, amount=amount),
    )  # fmt: skip
    before = (circuit.state.balance_wh, circuit.state.purchase_count)
    outcome = master.do(job)
    if profile.order is None and profile.credit is None:
        assert (outcome.verdict, outcome.code, outcome.sent) == (Verdict.REFUSED, "custody_not_supported", False)
        return
    assert outcome.verdict is Verdict.DONE, outcome
    for _ in range(2):
        assert (circuit.state.balance_wh, circuit.state.purchase_count) == (before[0] + amount, before[1] + 1)
        assert master.do(job).verdict is Verdict.DONE, "the same order again is the same order"


@pytest.mark.parametrize("profile", MODELS)
def test_what_is_writable_is_written_and_read_back_and_nothing_else(tmp_path: Path, profile: Profile) -> None:
    _, master, one = played(tmp_path, profile)
    for quantity in sorted(profile.settings & {Quantity.LOAD_LIMIT, Quantity.ALARM_LEVEL_1, Quantity.HOARDING_LIMIT}):
        wanted = {quantity: 70 * 1_000}
        outcome = master.do(Job(intent=Intent.WRITE_SETTINGS, settings=wanted, circuit_index=profile.circuits))
        assert outcome.verdict is Verdict.DONE, (quantity, outcome)
        assert one.values(profile.circuits, master.now_ms)[quantity] == wanted[quantity]
    if profile.circuits > 1 and profile.settings:
        assert one.values(1, master.now_ms)[Quantity.LOAD_LIMIT] == SETTINGS["load_limit_w"]
    for quantity in {Quantity.ENERGY_IMPORT_TOTAL, Quantity.BALANCE} - profile.settings:
        outcome = master.do(Job(intent=Intent.WRITE_SETTINGS, settings={quantity: 1_000}))
        assert (outcome.verdict, outcome.code, outcome.sent) == (Verdict.REFUSED, "setting_not_supported", False)


@pytest.mark.parametrize("profile", MODELS)
def test_a_clock_is_set_where_the_model_says_how(tmp_path: Path, profile: Profile) -> None:
    _, master, one = played(tmp_path, profile)
    one.state.clock_offset_ms = 90_000
    job = Job(intent=Intent.SET_CLOCK, clock=master.now_ms // 1_000, zone_s=28_800)
    outcome = master.do(job)
    if profile.clock is None:
        assert (outcome.verdict, outcome.sent) == (Verdict.REFUSED, False)
        return
    assert profile.clock.way is not ClockWay.BROADCAST or profile.protocol is Protocol.DLT645
    assert outcome.verdict is Verdict.DONE, outcome
    assert abs(one.clock_ms(master.now_ms) - master.now_ms) <= 10_000


@pytest.mark.parametrize("profile", MODELS)
def test_a_profile_says_where_each_of_its_facts_is_from(profile: Profile) -> None:
    """Every table of the file that stands for something in the meter: registers, flags, relay, order, clock."""
    raw = tomllib.loads(shipped_text(profile.code))
    tables = [*raw.get("register", []), *raw.get("flag", [])]
    tables += [raw[name] for name in ("order", "relay", "clock", "freezes", "credit") if name in raw]
    tables += [raw["token"]["wire"]] if "wire" in raw.get("token", {}) else []
    assert tables
    for table in tables:
        assert table.get("source") or table.get("assumed"), table
    assert len(profile.registers) == len(raw["register"])


@pytest.mark.parametrize("profile", MODELS)
def test_no_block_is_too_long_and_none_can_be_taken_for_its_neighbour(profile: Profile) -> None:
    check_twins(profile)
    for blocks in profile.blocks.values():
        for block in blocks:
            assert block.count + block.spare <= profile.max_block
            assert profile.protocol is Protocol.DLT645 or block.address + block.count <= 0x10000
    for register in profile.registers.values():
        assert any(inside(register, block) for block in profile.blocks[register.group])


@pytest.mark.parametrize("profile", MODELS)
def test_a_register_put_onto_another_is_refused_with_its_line(profile: Profile) -> None:
    """The map of no model is loaded when two of its registers say different things of the same place."""
    text = shipped_text(profile.code)
    key = "di" if profile.protocol is Protocol.DLT645 else "address"
    parts = text.split("[[register]]\n")
    alike = [
        (first, second)
        for first in range(1, len(parts)) for second in range(first + 1, len(parts))
        if _value(parts[first], "group") == _value(parts[second], "group")
        and _value(parts[first], key) != _value(parts[second], key)
        and "at =" not in parts[first] + parts[second] and "bit" not in parts[first] + parts[second]
    ]  # fmt: skip
    first, second = alike[0]
    mine, its = _value(parts[second], key), _value(parts[first], key)
    parts[second] = parts[second].replace(f"{key} = {mine}", f"{key} = {its}", 1)
    clash = "[[register]]\n".join(parts)
    with pytest.raises(Refused) as refused:
        load(clash)
    assert refused.value.code in ("profile_overlap", "profile_not_in_block")
    at = line_of(clash, refused.value)
    assert at is not None and clash.splitlines()[at - 1].startswith(f"{key} = {its}")


def _value(table: str, key: str) -> str:
    for one in table.splitlines():
        if one.startswith(f"{key} = "):
            return one.split(" = ", 1)[1].split("#")[0].strip()
    return ""


def test_a_world_can_be_played_of_the_whole_catalogue_at_once(tmp_path: Path) -> None:
    """One meter of each on one bus, all answering: addresses and numbers keep them apart."""
    parts = [
        {**meter(place, profile=code), "number": f"2025{place:08d}"} for place, code in enumerate(WIRED, 1)
    ]  # fmt: skip
    a_world = world(tmp_path, *parts, lines=[line()])
    for place, (code, profile) in enumerate(WIRED.items(), 1):
        held = profile.registers.get(Quantity.METER_NUMBER)
        address = MeterAddress(unit=place, number=f"2025{place:08d}")
        outcome = Master(a_world.lines["a"], "rtu", profile=profile, address=address).do(Job(intent=Intent.READ_STATUS))
        assert outcome.verdict is Verdict.DONE, (code, held, outcome)
    assert len(a_world.describe(NOON_MS, {})) == len(WIRED)


RINGS = [pytest.param(profile, id=code) for code, profile in WIRED.items() if profile.freezes is not None]


@pytest.mark.parametrize("profile", RINGS)
def test_each_circuit_has_rings_of_its_own_for_what_it_froze(tmp_path: Path, profile: Profile) -> None:
    a_world, master, one = played(tmp_path, profile)
    one.circuits[profile.circuits].connect_load(1_000)
    master.now_ms += 3 * DAY_MS
    a_world.settle(master.now_ms)
    span = FreezeSpan(kind=FreezeKind.DAY, since=0, until=2**33)
    totals = []
    for index in (1, profile.circuits):
        outcome = master.do(Job(intent=Intent.READ_FREEZES, circuit_index=index, freezes=span))
        assert outcome.verdict is Verdict.DONE, outcome
        totals.append([each.values[Quantity.ENERGY_IMPORT_TOTAL] for each in outcome.freezes])
    assert len(totals[1]) == 3 and (profile.circuits == 1 or len(set(totals[0])) == 1)
    assert [after - before for before, after in itertools.pairwise(totals[1])] == [24_000, 24_000]
