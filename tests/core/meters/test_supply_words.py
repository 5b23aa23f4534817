"""Server-held control of meters by force: what is read, what is written, and what never is."""

import pytest

from prewatt.core.meters import Profile, catalogue
from prewatt.core.meters.jobs import Intent, Job, Verdict, Wish
from prewatt.core.meters.quantities import Quantity, StatusBit
from tests.core.meters.bench import FakeMeter, Line

ACREL = [profile for code, profile in catalogue().items() if code.startswith("acrel-")]
FORCE = (Quantity.FORCE_CONTROL, Quantity.FORCED_STATE)


def forced(profile: Profile, control: int, state: int) -> FakeMeter:
    return FakeMeter(profile, values=dict(zip(FORCE, (control, state), strict=True)))


@pytest.mark.parametrize("profile", ACREL, ids=lambda profile: profile.code)
def test_no_wish_hands_the_relay_to_the_meters_own_purse(profile: Profile) -> None:
    assert profile.relay is not None
    assert {wish: profile.relay.words[wish] for wish in Wish} == {
        Wish.AUTOMATIC: (1, 0), Wish.KEEP_ON: (1, 0), Wish.TRIP: (1, 1)
    }  # fmt: skip


@pytest.mark.parametrize("profile", ACREL, ids=lambda profile: profile.code)
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


@pytest.mark.parametrize("profile", ACREL, ids=lambda profile: profile.code)
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
def test_a_meter_that_holds_no_number_is_switched_and_one_that_holds_another_is_not(profile: Profile) -> None:
    for number, verdict, writes in (("0", Verdict.DONE, 1), ("260311009999", Verdict.DISPUTED, 0)):
        meter = FakeMeter(profile, number=number, values={FORCE[0]: 1, FORCE[1]: 0})
        outcome = Line(meter).run(Job(intent=Intent.RELAY, wish=Wish.TRIP))
        assert (outcome.verdict, meter.writes) == (verdict, writes), number


@pytest.mark.parametrize("profile", [*ACREL, catalogue()["pilot-spm9511"]], ids=lambda profile: profile.code)
def test_a_status_poll_brings_the_total_energy_where_it_is_charged_by(profile: Profile) -> None:
    meter = FakeMeter(profile, values={Quantity.ENERGY_IMPORT_TOTAL: 1_234_560})
    plain = Line(meter).run(Job(intent=Intent.READ_STATUS))
    assert Quantity.ENERGY_IMPORT_TOTAL not in plain.values
    outcome = Line(meter).run(Job(intent=Intent.READ_STATUS, with_energy=True))
    assert outcome.verdict is Verdict.DONE and outcome.values[Quantity.ENERGY_IMPORT_TOTAL] == 1_234_560
    assert plain.values.keys() <= outcome.values.keys()
