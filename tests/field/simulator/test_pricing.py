"""Prices of simulated meters, by the drivers over a simulated line: written, swapped by their own clock, drained by."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from prewatt.core.meters import catalogue
from prewatt.core.meters.drivers import MeterAddress
from prewatt.core.meters.jobs import Intent, Job, Verdict
from prewatt.core.meters.prices import ADDS_NOTHING, Ladder, PriceSet
from prewatt.field.simulator.circuit import Circuit, first_state
from prewatt.field.simulator.meter import Meter
from prewatt.field.simulator.site import CircuitSite
from tests.field.simulator.plant import HOUR_MS, NOON_MS, line, meter, world
from tests.field.simulator.test_driver import Master

LOCAL_S = 8 * 3_600
SWAP = NOON_MS // 1_000 + LOCAL_S + 3_600
OLD = PriceSet(rates=(500_000,) * 4, ladder=ADDS_NOTHING)
NEW = PriceSet(rates=(1_000_000,) * 4, ladder=ADDS_NOTHING)
READ = Job(intent=Intent.READ_PRICES)
PRICED = {"price_sharp": 500_000, "price_peak": 500_000, "price_flat": 500_000, "price_valley": 500_000}


def write(prices: PriceSet, swap_at: int = SWAP) -> Job:
    return Job(
        intent=Intent.WRITE_PRICES, prices=prices, swap_at=swap_at, clock=NOON_MS // 1_000, zone_s=LOCAL_S
    )


def played(tmp_path: Path, profile: str) -> tuple[Master, Meter]:
    parts = meter(
        7, profile=profile, load={"kind": "constant", "peak_w": 1_000}, settings=PRICED,
        opening={"energy_wh": 1_000_000, "balance_wh": 90_000},
    )  # fmt: skip
    a_world = world(tmp_path, parts, lines=[line(baud=9_600)])
    a_world.settle(NOON_MS)
    (a_meter,) = a_world.meters.values()
    address = MeterAddress(unit=7, number=a_meter.number)
    return Master(a_world.lines["a"], "rtu", profile=catalogue()[profile], address=address), a_meter


@pytest.mark.parametrize("profile", ["generic-dlt645-order", "generic-dlt645-grid"])
def test_a_purse_drains_by_the_new_price_from_the_swap_on(tmp_path: Path, profile: str) -> None:
    asking, a_meter = played(tmp_path, profile)
    state = a_meter.circuits[1].state
    before = asking.do(READ).prices
    assert before is not None and (before.in_force, before.standby, before.swap_at) == (OLD, OLD, None)
    outcome = asking.do(write(NEW))
    assert outcome.verdict is Verdict.DONE and outcome.prices is not None, outcome
    assert (outcome.prices.in_force, outcome.prices.standby, outcome.prices.swap_at) == (OLD, NEW, SWAP)
    a_meter.settle(NOON_MS)
    balance = state.balance_wh
    asking.now_ms = NOON_MS + 2 * HOUR_MS
    a_meter.settle(asking.now_ms)
    assert abs(balance - state.balance_wh - 150) <= 1  # an hour at 0.50 and one at 1.00
    after = asking.do(READ).prices
    assert after is not None and (after.in_force, after.standby) == (NEW, OLD)
    again = asking.do(write(OLD, SWAP + 7_200))  # the other set is the standby now
    assert again.verdict is Verdict.DONE and again.prices is not None
    assert (again.prices.in_force, again.prices.standby) == (NEW, OLD)


def test_it_swaps_by_its_own_clock_and_a_moved_swap_does_not_happen(tmp_path: Path) -> None:
    asking, a_meter = played(tmp_path, "generic-dlt645-order")
    assert asking.do(write(NEW)).verdict is Verdict.DONE
    a_meter.state.clock_offset_ms = 1_800_000  # half an hour ahead
    a_meter.settle(NOON_MS + HOUR_MS // 2 - 60_000)
    assert a_meter.circuits[1].state.price_flat == 500_000
    a_meter.settle(NOON_MS + HOUR_MS // 2 + 60_000)
    assert a_meter.circuits[1].state.price_flat == 1_000_000
    asking.now_ms = NOON_MS + 2 * HOUR_MS
    later = Job(intent=Intent.WRITE_PRICES, prices=OLD, swap_at=SWAP + 36_000, clock=asking.now_ms // 1_000,
                zone_s=LOCAL_S)  # fmt: skip
    assert asking.do(later).verdict is Verdict.DONE
    third = PriceSet(rates=(700_000,) * 4, ladder=ADDS_NOTHING)
    moved = Job(intent=Intent.WRITE_PRICES, prices=third, swap_at=SWAP + 72_000, clock=asking.now_ms // 1_000,
                zone_s=LOCAL_S)  # fmt: skip
    outcome = asking.do(moved)
    assert outcome.verdict is Verdict.DONE and outcome.prices is not None
    assert (outcome.prices.standby, outcome.prices.swap_at) == (third, SWAP + 72_000)
    a_meter.settle(NOON_MS + 15 * HOUR_MS)
    assert a_meter.circuits[1].state.price_flat == 1_000_000
    a_meter.settle(NOON_MS + 24 * HOUR_MS)
    assert a_meter.circuits[1].state.price_flat == 700_000


def test_the_set_in_force_is_not_written_and_no_digit_is_made_up(tmp_path: Path) -> None:
    _, a_meter = played(tmp_path, "generic-dlt645-order")
    assert not a_meter.keep_times(0x04050101, bytes(4), NOON_MS)
    assert not a_meter.keep_times(0x04050201, b"\xff" * 4, NOON_MS)
    assert not a_meter.keep_times(0x04000108, bytes(5), NOON_MS)
    assert a_meter.keep_times(0x04050201, bytes(4), NOON_MS)


def test_a_ladder_adds_to_the_price_from_the_watt_hour_on_at_which_its_step_begins() -> None:
    at_ms = int(datetime(2026, 11, 21, tzinfo=UTC).timestamp()) * 1_000
    from_site = first_state(_a_circuit(), purse=True, at_ms=at_ms, wallet=catalogue()["generic-dlt645-order"].wallet)
    from_site.balance_wh, from_site.price_flat = 100_000, 500_000
    ladder = Ladder(thresholds=(10_000, 20_000), prices=(0, 100_000, 300_000))
    from_site.ladder_wh, from_site.ladder_prices = list(ladder.thresholds), list(ladder.prices)
    one = Circuit(from_site, lambda now_ms: (2_000, now_ms + 10**12))
    one.settle(at_ms + 15 * HOUR_MS)  # 30 kWh: ten each at 0.50, 0.60 and 0.80
    assert from_site.energy_wh == 30_000 + _a_circuit().opening.energy_wh
    assert from_site.drained == 500 + 600 + 800
    one.freeze("2026-12-01")
    one.settle(at_ms + 20 * HOUR_MS)  # a month begins, and the first step again
    assert from_site.drained == 1_900 + 500


def _a_circuit() -> CircuitSite:
    return CircuitSite(index=1)
