"""One contract for every meter model in the catalogue.

A model comes with a folder `profiles/<code>/conversations.json`: what goes over the line for each intent,
byte by byte, and what is to be understood by it, with a word on where the frames are from. Our simulator reads
the same profile as the driver; only these bytes can show a wrong address.
"""

import itertools
import json
from pathlib import Path
from typing import Any, Final

import pytest

from prewatt.core.meters import Custody, Profile, catalogue
from prewatt.core.meters.drivers import DRIVERS, Await, Consult, Finished, MeterAddress, Send, converse
from prewatt.core.meters.drivers.looks import READ_GROUPS
from prewatt.core.meters.jobs import Intent, Job, Order, OrderKind, Verdict, Wish
from prewatt.core.meters.model import inside
from prewatt.core.meters.profile import Group, Protocol, Switch
from prewatt.core.meters.quantities import Quantity, StatusBit
from prewatt.core.meters.registers import decode_value, encode_value
from prewatt.core.meters.security import consult
from prewatt.core.meters.simulated_security import SimulatedProvider
from prewatt.core.refusals import texts
from prewatt.core.wire import dlt645
from prewatt.core.wire.modbus import decode_rtu_reply, decode_rtu_request
from tests.core.meters.bench import FakeMeter, Line
from tests.core.meters.bench645 import DataLine, DataMeter

FOLDER: Final = Path(__file__).parent / "profiles"
WIRED: Final = {code: profile for code, profile in catalogue().items() if profile.wired}
MODELS = [pytest.param(profile, id=code) for code, profile in WIRED.items()]
PROVIDER: Final = SimulatedProvider(production=False, chance=lambda size: bytes(range(size)))
NEEDED: Final = {Intent.READ_STATUS, Intent.READ_REGISTERS, Intent.READ_PURSE, Intent.RELAY, Intent.CREDIT}


def fixture(code: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / code / "conversations.json").read_text(encoding="utf-8"))
    return found


def conversations() -> list[Any]:
    return [
        pytest.param(profile, fixture(code), said, id=f"{code}: {said['name']}")
        for code, profile in WIRED.items()
        for said in fixture(code)["conversations"]
    ]


def job_of(said: dict[str, Any]) -> Job:
    order = said.get("order")
    return Job(
        intent=Intent(said["intent"]),
        circuit_index=said.get("circuit_index", 1),
        order=Order(count=order["count"], kind=OrderKind(order["kind"]), amount=order["amount"]) if order else None,
        wish=Wish(said["wish"]) if "wish" in said else None,
        settings={Quantity(name): value for name, value in said.get("settings", {}).items()},
        token=said.get("token", ""),
    )


def test_every_model_has_a_fixture_folder_and_every_folder_a_model() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(WIRED)


@pytest.mark.parametrize("profile", MODELS)
def test_a_fixture_says_where_its_frames_are_from_and_covers_what_the_model_can_do(profile: Profile) -> None:
    held = fixture(profile.code)
    assert len(held["provenance"]) > 40
    assert held["kind"] in {"captured", "derived"}
    shown = {Intent(said["job"]["intent"]) for said in held["conversations"]}
    assert NEEDED <= shown
    assert Intent.WRITE_SETTINGS in shown or not profile.settings
    assert Intent.ENTER_TOKEN in shown or profile.token is None
    read = {name for said in held["conversations"] for name in said["values"]}
    assert {quantity.value for quantity in profile.registers} <= read, "a register without a word to prove it"


@pytest.mark.parametrize(("profile", "held", "said"), conversations())
def test_the_driver_says_and_understands_what_the_fixture_holds(
    profile: Profile, held: dict[str, Any], said: dict[str, Any]
) -> None:
    meter = MeterAddress(unit=held["unit"], number=held["number"])
    talk = converse(profile, meter, job_of(said["job"]), transport="rtu")
    for exchange in said["exchanges"]:
        step = talk.next()
        if isinstance(step, Consult):  # what the frames below hold of it
            talk.answered(consult(PROVIDER, step.question))
            step = talk.next()
        if isinstance(step, Await):  # a pause, so that nothing of the past is taken for the answer
            talk.timed_out()
            step = talk.next()
        assert isinstance(step, Send), step
        assert step.data.hex().upper() == exchange["request"]
        assert 0 < step.timeout_ms < 5_000
        talk.receive(bytes.fromhex(exchange["reply"]))
    step = talk.next()
    assert isinstance(step, Finished)
    outcome = step.outcome
    assert (outcome.verdict.value, outcome.code) == (said["verdict"], said.get("code"))
    assert {quantity.value: value for quantity, value in outcome.values.items()} == said["values"]


@pytest.mark.parametrize(("profile", "held", "said"), conversations())
def test_the_frames_of_a_fixture_are_sound_by_themselves(
    profile: Profile, held: dict[str, Any], said: dict[str, Any]
) -> None:
    for exchange in said["exchanges"]:
        if profile.protocol is Protocol.DLT645:
            asked, told = (dlt645.decode(bytes.fromhex(exchange[key])) for key in ("request", "reply"))
            assert dlt645.answers(asked, told)
            assert asked.address == held["number"]
            continue
        unit, request = decode_rtu_request(bytes.fromhex(exchange["request"]))
        assert unit == decode_rtu_reply(bytes.fromhex(exchange["reply"]))[0] == held["unit"]
        assert getattr(request, "count", 1) <= profile.max_block


@pytest.mark.parametrize("profile", MODELS)
def test_a_model_can_be_driven_shown_and_explained(profile: Profile) -> None:
    assert profile.protocol in DRIVERS
    assert profile.maker and profile.name
    assert profile.blocks[Group.STATUS] and profile.blocks[Group.REGISTERS]
    assert {Quantity.ENERGY_IMPORT_TOTAL, Quantity.POWER_ACTIVE} <= profile.registers.keys()
    assert Quantity.METER_NUMBER in profile.registers or "no serial number" in profile.note
    assert (profile.relay is None) == (profile.switch is Switch.NONE)
    for register in profile.registers.values():
        assert register.source or register.assumed
    if profile.order is not None:
        assert {code for code in profile.order.results.values() if code not in texts} == set()


@pytest.mark.parametrize("profile", MODELS)
def test_two_requests_in_a_row_cannot_be_taken_for_each_other(profile: Profile) -> None:
    """RTU numbers nothing: a late reply fits any request of the same function and length. DL/T 645 names its item."""
    for intent in (Intent.READ_STATUS, Intent.READ_REGISTERS, Intent.READ_PURSE):
        asked = [block for group in READ_GROUPS[intent] for block in profile.blocks.get(group, ())]
        if intent is Intent.READ_STATUS:  # of a server-held circuit: with the energy that is charged
            total = profile.registers[Quantity.ENERGY_IMPORT_TOTAL]
            asked += [block for block in profile.blocks[total.group] if inside(total, block)]
        balance = profile.registers.get(Quantity.BALANCE)
        if intent is Intent.READ_REGISTERS and Custody.METER in profile.custody and balance is not None:
            asked += [block for block in profile.blocks[balance.group] if inside(balance, block)]
        for first, second in itertools.pairwise(asked):
            if profile.protocol is Protocol.DLT645:
                assert first.address != second.address
            else:
                assert (first.function, first.count) != (second.function, second.count), (intent, first, second)


@pytest.mark.parametrize("profile", MODELS)
def test_a_model_is_polled_in_memory_and_says_what_it_holds(profile: Profile) -> None:
    """Some value in every register, encoded and decoded by the profile alone, then read by the driver."""
    values = {
        quantity: (place + 1) * max(1, register.factor.numerator // register.factor.denominator)
        for place, (quantity, register) in enumerate(profile.registers.items())
    } | {Quantity.RELAY: 1, Quantity.FORCE_CONTROL: 1, Quantity.FORCED_STATE: 0, Quantity.STATUS: 0}
    line: Line | DataLine
    if profile.protocol is Protocol.DLT645:
        line = DataLine(DataMeter(profile, values=values))
        values |= {Quantity.METER_NUMBER: int(line.meter.number), Quantity.OVERDRAWN: 0}  # never with a balance
    else:
        line = Line(FakeMeter(profile))
        values.pop(Quantity.METER_NUMBER, None)
        line.meter.values |= values
        values = line.meter.values
        for quantity, register in profile.registers.items():
            assert decode_value(register, encode_value(register, values[quantity])) == values[quantity]
    held = {quantity: values[quantity] for quantity in profile.registers}
    read: dict[Quantity, int] = {}
    for intent in (Intent.READ_STATUS, Intent.READ_REGISTERS, Intent.READ_PURSE):
        outcome = line.run(Job(intent=intent))
        assert outcome.verdict is Verdict.DONE
        read |= outcome.values
    assert {quantity: read[quantity] for quantity in held} == held
    if Custody.METER in profile.custody:  # income is reckoned from a counter and a balance of one moment
        together = line.run(Job(intent=Intent.READ_REGISTERS, with_balance=True)).values
        assert {Quantity.ENERGY_IMPORT_TOTAL, Quantity.BALANCE} <= together.keys()


@pytest.mark.parametrize("profile", MODELS)
def test_a_model_that_holds_credit_has_all_a_purse_needs(profile: Profile) -> None:
    if Custody.METER not in profile.custody:
        assert not profile.has_purse
        return
    assert profile.has_purse or profile.token is not None, "no way in for credit"
    assert profile.relay is not None
    assert {Wish.AUTOMATIC, Wish.KEEP_ON, Wish.TRIP} == (profile.relay.words or profile.relay.commands).keys()
    assert {Quantity.ALARM_LEVEL_1, Quantity.ALARM_LEVEL_2, Quantity.HOARDING_LIMIT} <= profile.settings
    assert StatusBit.CREDIT_TRIP in profile.status_bits
    if profile.protocol is Protocol.MODBUS:  # what the words of DL/T 645 say of the others differs from maker to maker
        assert {StatusBit.OVERLOAD_TRIP, StatusBit.TAMPER} <= profile.status_bits.keys()
    assert {register.factor % profile.resolution for register in (profile.registers[Quantity.BALANCE],)} == {0}
