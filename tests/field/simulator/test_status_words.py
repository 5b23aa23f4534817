"""What happens to a DL/T 645 meter stands in its status words, and reaches the head-end where a profile names it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from prewatt.core.meters import Profile, catalogue
from prewatt.core.meters.drivers import MeterAddress
from prewatt.core.meters.jobs import Intent, Job, Verdict, Wish
from prewatt.core.meters.quantities import Quantity, StatusBit
from prewatt.core.wire import dlt645
from prewatt.field.simulator.events import WATCHDOG_MS, Event
from prewatt.field.simulator.site import site_from
from prewatt.field.simulator.store import Store
from prewatt.field.simulator.world import World
from tests.field.simulator.plant import NOON_MS, NUMBER, line, meter, site_dict, world
from tests.field.simulator.test_driver import Master

CODE = "ningju-ddzy1218"
HELD: dict[str, Any] = {
    "settings": {"load_limit_w": 4_000, "malicious_step_w": 1_500},
    "load": {"kind": "constant", "peak_w": 1_000},
}
AFTER_MS = NOON_MS + 60_000


def played(directory: Path, profile: Profile, **more: Any) -> World:
    parts = {**meter(**{**HELD, **more}), "profile": profile.code}
    known = {**catalogue(), profile.code: profile}
    return World(site_from(site_dict(parts, lines=[line()])), Store(directory), now_ms=NOON_MS, profiles=known)


def status(a_world: World, profile: Profile, at_ms: int = AFTER_MS) -> tuple[Verdict, set[StatusBit]]:
    address = MeterAddress(unit=1, number=NUMBER)
    master = Master(a_world.lines["a"], "rtu", profile=profile, address=address)
    master.now_ms = at_ms
    outcome = master.do(Job(intent=Intent.READ_STATUS))
    return outcome.verdict, set(profile.bits(outcome.values.get(Quantity.STATUS, 0)))


@pytest.mark.parametrize("code", ["ningju-ddzy1218", "ningju-dtzy1218", "pilot-spm9571-645", "pilot-spm9573-645"])
def test_the_head_end_sees_what_happened_to_a_meter_as_it_is_shipped(code: str, tmp_path: Path) -> None:
    profile = catalogue()[code]
    a_world = played(tmp_path, profile, settings={"load_limit_w": 4_000})
    said = [
        (Event.REVERSE, {StatusBit.REVERSE_POWER}), (Event.REVERSE_END, set()),
        (Event.VOLTAGE_HIGH, {StatusBit.VOLTAGE_LIMITS}), (Event.VOLTAGE_LOW, {StatusBit.VOLTAGE_LIMITS}),
        (Event.VOLTAGE_NORMAL, set()), (Event.COVER_OPEN, set()),
        (Event.OVERLOAD, {StatusBit.OVERLOAD_TRIP, StatusBit.AWAIT_KEY}),
    ]  # fmt: skip
    assert status(a_world, profile, NOON_MS) == (Verdict.DONE, {StatusBit.KEPT_ON})
    for place, (event, facts) in enumerate(said):
        at_ms = NOON_MS + place * 60_000
        a_world.happen(NUMBER, event, 1, at_ms)
        assert status(a_world, profile, at_ms + 30_000) == (Verdict.DONE, {StatusBit.KEPT_ON, *facts}), event


@pytest.mark.parametrize("code", ["generic-dlt645-order", "generic-dlt645-grid"])
def test_a_meter_that_holds_money_warns_before_it_trips(code: str, tmp_path: Path) -> None:
    profile = catalogue()[code]
    held: dict[str, Any] = {
        "opening": {"balance_wh": 1_000, "purchase_count": 1}, "settings": {"alarm_level_1_wh": 2_000},
    }  # fmt: skip
    a_world = world(tmp_path, meter(profile=code, **held))
    assert status(a_world, profile) == (Verdict.DONE, {StatusBit.ALARM_1})


def test_a_bit_that_only_a_profile_knows_is_told_too(tmp_path: Path) -> None:
    """No word of the standard says that the cover is open."""
    ours = replace(catalogue()[CODE], code="ours")
    (flag, *others) = ours.flags
    tamper = replace(flag, fact=StatusBit.TAMPER, address=0x04009901, at=0, set=frozenset({3}), clear=frozenset())
    block = replace(next(iter(ours.blocks.values()))[0], address=0x04009901, count=2)
    blocks = {group: (*held, block) if group.value == "status" else held for group, held in ours.blocks.items()}
    profile = replace(ours, flags=(tamper, *others), blocks=blocks)
    a_world = played(tmp_path, profile)
    for event, word in ((Event.COVER_OPEN, b"\x08\x00"), (Event.COVER_CLOSED, b"\x00\x00")):
        a_world.happen(NUMBER, event, 1, NOON_MS)
        assert item(a_world, 0x04009901) == word


def item(a_world: World, di: int) -> bytes:
    bus = a_world.lines["a"]
    bus.connect(9)
    ((_, data),) = bus.answer(9, dlt645.encode(dlt645.read(NUMBER, di)), AFTER_MS)
    (frame,) = dlt645.Decoder().receive(data)
    assert not frame.refused
    return frame.data[4:]


def test_the_words_are_those_of_the_standard_one_by_one_and_together(tmp_path: Path) -> None:
    a_world = world(tmp_path, meter(profile="ningju-dtzy1218", **HELD))
    for event in (Event.OVERLOAD, Event.VOLTAGE_LOW):
        a_world.happen(NUMBER, event, 1, NOON_MS)
    a_world.command(NUMBER, NOON_MS, programming_key=True)
    words = [item(a_world, 0x04000501 + place) for place in range(7)]
    assert item(a_world, 0x040005FF) == b"".join(words)
    named = [
        {name for bit, name in enumerate(names) if int.from_bytes(word, "little") >> bit & 1}
        for names, word in zip(dlt645.STATUS, words, strict=True)
    ]
    of_phase = {"overload", "under_voltage"}
    third = {"relay_open", "kept_on", "programming_allowed"}
    assert named == [set(), set(), third, of_phase, of_phase, of_phase, set()]


@pytest.mark.parametrize(
    ("event", "facts", "verdict", "code"),
    [
        (Event.OVERLOAD, {StatusBit.OVERLOAD_TRIP}, Verdict.REFUSED, "closing_blocked_overload_trip"),
        (Event.MALICIOUS_LOAD, set(), Verdict.DONE, "await_key"),  # no word of the standard knows it
    ],
)
def test_a_meter_that_opened_by_itself_is_not_said_to_have_been_told_to_and_stays_open_until_its_key(
    event: Event, facts: set[StatusBit], verdict: Verdict, code: str, tmp_path: Path
) -> None:
    profile = catalogue()[CODE]
    a_world = world(tmp_path, meter(profile=CODE, **HELD))
    a_world.happen(NUMBER, event, 1, NOON_MS)
    assert status(a_world, profile)[1] == {StatusBit.AWAIT_KEY, StatusBit.KEPT_ON, *facts}
    master = Master(a_world.lines["a"], "rtu", profile=profile, address=MeterAddress(unit=1, number=NUMBER))
    master.now_ms = AFTER_MS
    told = master.do(Job(intent=Intent.RELAY, wish=Wish.AUTOMATIC))
    assert (told.verdict, told.code, told.values[Quantity.RELAY]) == (verdict, code, 0), "somebody must go there"
    a_world.command(NUMBER, master.now_ms, load_w=500)
    a_world.command(NUMBER, master.now_ms, press_key=True)
    assert status(a_world, profile, master.now_ms)[1] == {StatusBit.KEPT_ON}


def test_a_data_meter_that_hangs_is_silent_until_its_watchdog_starts_it(tmp_path: Path) -> None:
    profile = catalogue()[CODE]
    a_world = world(tmp_path, meter(profile=CODE))
    a_world.happen(NUMBER, Event.HANG, None, NOON_MS)
    assert status(a_world, profile, NOON_MS)[0] is Verdict.SILENT
    assert status(a_world, profile, NOON_MS + WATCHDOG_MS)[0] is Verdict.DONE
