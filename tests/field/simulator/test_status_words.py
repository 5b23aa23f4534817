"""What happens to a DL/T 645 meter stands in its status words, and reaches the head-end where a profile names it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from prewatt.core.meters import Profile, catalogue
from prewatt.core.meters.catalogue import shipped_text
from prewatt.core.meters.drivers import MeterAddress
from prewatt.core.meters.jobs import Intent, Job, Verdict, Wish
from prewatt.core.meters.own import check_own
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


def own_text() -> str:
    """The shipped model, asked for all its status words in one read: word n stands at 2 (n - 1)."""
    text = shipped_text(CODE).replace(f'code = "{CODE}"', 'code = "ours"')
    text = text.replace('di = "04000503"\nsize = 2', 'di = "040005FF"\nsize = 14')
    head, *flags = text.split("[[flag]]")
    tail = flags[-1][flags[-1].index("[settings]") :].replace('di = "04000503"', 'di = "040005FF"')
    head = head.replace('di = "04000503"\nbit', 'di = "040005FF"\nat = 4\nbit').replace(
        'di = "04000503"', 'di = "040005FF"'
    )
    named = [
        ("overload_trip", 6, 5), ("voltage_limits", 6, 1), ("voltage_limits", 6, 2), ("reverse_power", 2, 0),
        ("kept_on", 4, 12),
    ]  # fmt: skip
    made = "".join(
        f'[[flag]]\nfact = "{fact}"\ndi = "040005FF"\nat = {at}\nset = [{bit}]\nassumed = true\n\n'
        for fact, at, bit in named
    )
    return f"{head}{made}{tail}"


@pytest.fixture
def ours() -> Profile:
    return check_own(own_text())


def played(directory: Path, profile: Profile) -> World:
    parts = {**meter(**HELD), "profile": profile.code}
    known = {**catalogue(), profile.code: profile}
    return World(site_from(site_dict(parts, lines=[line()])), Store(directory), now_ms=NOON_MS, profiles=known)


def status(a_world: World, profile: Profile, at_ms: int = AFTER_MS) -> tuple[Verdict, set[StatusBit]]:
    address = MeterAddress(unit=1, number=NUMBER)
    master = Master(a_world.lines["a"], "rtu", profile=profile, address=address)
    master.now_ms = at_ms
    outcome = master.do(Job(intent=Intent.READ_STATUS))
    return outcome.verdict, set(profile.bits(outcome.values.get(Quantity.STATUS, 0)))


@pytest.mark.parametrize(
    ("event", "fact"),
    [
        (Event.OVERLOAD, StatusBit.OVERLOAD_TRIP),
        (Event.REVERSE, StatusBit.REVERSE_POWER),
        (Event.VOLTAGE_HIGH, StatusBit.VOLTAGE_LIMITS),
        (Event.VOLTAGE_LOW, StatusBit.VOLTAGE_LIMITS),
    ],
)
def test_the_head_end_sees_what_happened_by_the_bits_that_the_profile_names(
    event: Event, fact: StatusBit, ours: Profile, tmp_path: Path
) -> None:
    a_world = played(tmp_path, ours)
    assert status(a_world, ours) == (Verdict.DONE, {StatusBit.KEPT_ON})
    a_world.happen(NUMBER, event, 1, NOON_MS)
    assert status(a_world, ours) == (Verdict.DONE, {StatusBit.KEPT_ON, fact})


def test_a_bit_that_only_a_profile_knows_is_told_too(ours: Profile, tmp_path: Path) -> None:
    """No word of the standard says that the cover is open."""
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


@pytest.mark.parametrize("event", [Event.OVERLOAD, Event.MALICIOUS_LOAD])
def test_a_meter_that_opened_by_itself_is_not_said_to_have_been_told_to_and_stays_open_until_its_key(
    event: Event, tmp_path: Path
) -> None:
    profile = catalogue()[CODE]
    a_world = world(tmp_path, meter(profile=CODE, **HELD))
    a_world.happen(NUMBER, event, 1, NOON_MS)
    assert status(a_world, profile)[1] == {StatusBit.AWAIT_KEY, StatusBit.KEPT_ON}
    master = Master(a_world.lines["a"], "rtu", profile=profile, address=MeterAddress(unit=1, number=NUMBER))
    master.now_ms = AFTER_MS
    told = master.do(Job(intent=Intent.RELAY, wish=Wish.AUTOMATIC))
    assert (told.code, told.values[Quantity.RELAY]) == ("await_key", 0), "somebody must go there"
    a_world.command(NUMBER, master.now_ms, load_w=500)
    a_world.command(NUMBER, master.now_ms, press_key=True)
    assert status(a_world, profile, master.now_ms)[1] == {StatusBit.KEPT_ON}


def test_a_data_meter_that_hangs_is_silent_until_its_watchdog_starts_it(tmp_path: Path) -> None:
    profile = catalogue()[CODE]
    a_world = world(tmp_path, meter(profile=CODE))
    a_world.happen(NUMBER, Event.HANG, None, NOON_MS)
    assert status(a_world, profile, NOON_MS)[0] is Verdict.SILENT
    assert status(a_world, profile, NOON_MS + WATCHDOG_MS)[0] is Verdict.DONE
