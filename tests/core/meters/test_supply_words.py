"""Server-held control of meters by force: what is read, what is written, and what never is."""

from dataclasses import replace

import pytest

from prewatt.core.meters import Profile, catalogue
from prewatt.core.meters.jobs import Intent, Job, Verdict, Wish
from prewatt.core.meters.model import Switch
from prewatt.core.meters.quantities import Quantity, StatusBit
from tests.core.meters.bench import FakeMeter, Line

ACREL = [profile for code, profile in catalogue().items() if code.startswith("acrel-") and profile.order is None]
# the box of many circuits shows its relays themselves; the others are known by the force alone
BY_FORCE = [profile for profile in ACREL if Quantity.RELAY not in profile.registers]
FORCE = (Quantity.FORCE_CONTROL, Quantity.FORCED_STATE)


def forced(profile: Profile, control: int, state: int) -> FakeMeter:
    return FakeMeter(profile, values=dict(zip(FORCE, (control, state), strict=True)))


@pytest.mark.parametrize("profile", ACREL, ids=lambda profile: profile.code)
def test_no_wish_hands_the_relay_to_the_meters_own_purse(profile: Profile) -> None:
    assert profile.relay is not None
    assert {wish: profile.relay.words[wish] for wish in Wish} == {
        Wish.AUTOMATIC: (1, 0), Wish.KEEP_ON: (1, 0), Wish.TRIP: (1, 1)
    }  # fmt: skip


@pytest.mark.parametrize("profile", BY_FORCE, ids=lambda profile: profile.code)
@pytest.mark.parametrize(
    ("control", "state", "relay", "bit"),
    [(0, 0, None, None), (0, 1, None, None), (1, 0, 1, StatusBit.KEPT_ON), (1, 1, 0, StatusBit.COMMAND_TRIP)],
)
def test_a_status_says_the_force_and_under_force_the_relay(
    profile: Profile, control: int, state: int, relay: int | None, bit: StatusBit | None
) -> None:
    outcome = Line(forced(profile, control, state)).run(Job(intent=Intent.READ_STATUS))
    assert outcome.verdict is Verdict.DONE and outcome.values.get(Quantity.RELAY) == relay
    assert profile.bits(outcome.values[Quantity.STATUS]) == ({bit} if bit else set())


@pytest.mark.parametrize("profile", BY_FORCE, ids=lambda profile: profile.code)
@pytest.mark.parametrize("before", [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize(("wish", "after"), [(Wish.KEEP_ON, (1, 0)), (Wish.TRIP, (1, 1))])
def test_whatever_stood_before_the_force_is_ours_afterwards_by_one_write_at_most(
    profile: Profile, before: tuple[int, int], wish: Wish, after: tuple[int, int]
) -> None:
    meter = forced(profile, *before)
    outcome = Line(meter).run(Job(intent=Intent.RELAY, wish=wish))
    assert outcome.verdict is Verdict.DONE and meter.writes == (before != after)
    assert (meter.values[FORCE[0]], meter.values[FORCE[1]]) == after


@pytest.mark.parametrize("profile", ACREL, ids=lambda profile: profile.code)
def test_a_meter_that_holds_no_number_is_switched(profile: Profile) -> None:
    meter = FakeMeter(profile, number="0", values={FORCE[0]: 1, FORCE[1]: 0})
    outcome = Line(meter).run(Job(intent=Intent.RELAY, wish=Wish.TRIP))
    assert (outcome.verdict, meter.writes) == (Verdict.DONE, 1)


@pytest.mark.parametrize("profile", [*ACREL, catalogue()["pilot-spm9511"]], ids=lambda profile: profile.code)
def test_a_status_poll_brings_the_total_energy_where_it_is_charged_by(profile: Profile) -> None:
    meter = FakeMeter(profile, values={Quantity.ENERGY_IMPORT_TOTAL: 1_234_560})
    plain = Line(meter).run(Job(intent=Intent.READ_STATUS))
    assert Quantity.ENERGY_IMPORT_TOTAL not in plain.values
    outcome = Line(meter).run(Job(intent=Intent.READ_STATUS, with_energy=True))
    assert outcome.verdict is Verdict.DONE and outcome.values[Quantity.ENERGY_IMPORT_TOTAL] == 1_234_560
    assert plain.values.keys() <= outcome.values.keys()


def test_a_shunt_trip_is_taken_back_by_one_write_and_then_awaits_a_hand() -> None:
    breaker = replace(catalogue()["pilot-spm9511"], switch=Switch.SHUNT_TRIP)
    meter = FakeMeter(breaker, relay_stuck=True, values={FORCE[0]: 1, FORCE[1]: 1, Quantity.RELAY: 0})
    close = Job(intent=Intent.RELAY, wish=Wish.KEEP_ON)
    for _ in range(3):
        outcome = Line(meter).run(close)
        assert (outcome.verdict, outcome.code) == (Verdict.DONE, "await_hand_reclose")
    assert meter.writes == 1 and (meter.values[FORCE[0]], meter.values[FORCE[1]]) == (1, 0)
    meter.values[Quantity.RELAY] = 1  # somebody was there
    outcome = Line(meter).run(close)
    assert (outcome.verdict, outcome.code, meter.writes) == (Verdict.DONE, None, 1)


def test_a_shunt_trip_that_does_not_open_is_not_believed() -> None:
    breaker = replace(catalogue()["pilot-spm9511"], switch=Switch.SHUNT_TRIP)
    meter = FakeMeter(breaker, relay_stuck=True, values={FORCE[0]: 1, FORCE[1]: 0})
    outcome = Line(meter).run(Job(intent=Intent.RELAY, wish=Wish.TRIP))
    assert (outcome.verdict, outcome.code) == (Verdict.UNKNOWN, "relay_not_moved")
