"""A circuit's rules: energy is power times time, and every trip happens at its own millisecond."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewatt.core.meters.jobs import Order, OrderKind
from prewatt.core.meters.quantities import StatusBit
from prewatt.core.meters.wallet import Wallet, parts_per_minor
from prewatt.field.simulator.circuit import Circuit, CircuitState, OrderRefused, first_state
from prewatt.field.simulator.site import CircuitSite, Force, Opening, RelayStart, Settings

T0 = 1_000_000
HOUR = 3_600_000
NO_SETTINGS = Settings()
AS_BUILT = RelayStart()
WARNING = Settings(alarm_level_1_wh=800, alarm_level_2_wh=400, warning_trip=True)


def circuit(
    balance_wh: int = 1_000, load_w: int = 1_000, *, settings: Settings = NO_SETTINGS, relay: RelayStart = AS_BUILT
) -> Circuit:
    """A circuit with a steady load that may change each minute."""
    site = CircuitSite(index=1, opening=Opening(balance_wh=balance_wh), settings=settings, relay=relay)
    state = first_state(site, purse=True, at_ms=T0)
    return Circuit(state, lambda at_ms: (load_w, (at_ms // 60_000 + 1) * 60_000))


def buy(of: Circuit, amount_wh: int, count: int | None = None, kind: OrderKind = OrderKind.PURCHASE) -> bool:
    number = of.state.purchase_count + 1 if count is None else count
    return of.apply(Order(count=number, kind=kind, amount=amount_wh)) is not None


def books(of: Circuit, accepted_wh: int = 0) -> None:
    state = of.state
    assert state.opening_wh + accepted_wh == state.balance_wh + state.consumed_wh


# energy


def test_energy_is_power_times_time_with_nothing_rounded_away() -> None:
    one = circuit(balance_wh=100_000, load_w=7)
    one.settle(T0 + 10 * HOUR)
    assert (one.state.energy_wh, one.state.watt_ms) == (70, 0)
    other = circuit(balance_wh=100_000, load_w=7)
    for at_ms in range(T0, T0 + 10 * HOUR + 1, 7_919):
        other.settle(at_ms)
    other.settle(T0 + 10 * HOUR)
    assert other.state == one.state


def test_time_that_runs_backward_changes_nothing() -> None:
    one = circuit()
    one.settle(T0 + HOUR // 2)
    before = replace(one.state)
    one.settle(T0 + HOUR // 4)
    assert one.state == before


def test_a_power_cut_uses_nothing_and_forgets_nothing() -> None:
    one = circuit(load_w=1_000)
    one.settle(T0 + HOUR // 4)
    one.skip(T0 + 5 * HOUR)
    one.settle(T0 + 5 * HOUR + HOUR // 4)
    assert one.state.consumed_wh == 500
    books(one)


# credit


def test_the_relay_opens_at_the_millisecond_the_credit_is_gone() -> None:
    one = circuit(balance_wh=1_000, load_w=1_500)
    one.settle(T0 + 40 * 60_000 - 1)
    assert one.relay_closed() and one.state.balance_wh == 1
    one.settle(T0 + 40 * 60_000)
    assert not one.relay_closed() and one.state.balance_wh == 0
    assert StatusBit.CREDIT_TRIP in one.status()
    one.settle(T0 + 40 * HOUR)
    assert one.state.balance_wh == 0 and one.power_w() == 0
    books(one)


def test_an_overdraft_lets_the_balance_run_below_zero_down_to_its_limit() -> None:
    one = circuit(balance_wh=100, settings=Settings(overdraft_limit_wh=300))
    one.settle(T0 + 10 * HOUR)
    assert one.state.balance_wh == -300 and not one.relay_closed()
    assert one.use_past_zero_wh() == 0


def test_kept_on_counts_past_zero_and_the_next_purchase_repays_it() -> None:
    one = circuit(balance_wh=100)
    one.force(Force.KEEP_ON)
    one.settle(T0 + HOUR)
    assert one.relay_closed() and one.state.balance_wh == -900 and one.use_past_zero_wh() == 900
    one.force(Force.AUTOMATIC)
    assert not one.relay_closed()
    buy(one, 1_000)
    assert one.relay_closed() and one.state.balance_wh == 100
    books(one, 1_000)


def test_a_purchase_closes_what_credit_opened() -> None:
    one = circuit(balance_wh=0)
    one.settle(T0 + HOUR)
    assert not one.relay_closed()
    buy(one, 500)
    assert one.relay_closed()


ORDERS = [
    # count, kind, amount, what comes of it
    (4, OrderKind.PURCHASE, 500, 1_500),
    (4, OrderKind.RETURN, 400, 600),
    (4, OrderKind.CLEAR, 0, 0),
    (3, OrderKind.PURCHASE, 500, "meter_count_wrong"),
    (5, OrderKind.PURCHASE, 500, "meter_count_wrong"),
    (4, OrderKind.PURCHASE, 9_001, "meter_hoarding_limit"),
    (4, OrderKind.PURCHASE, 9_000, 10_000),
    (4, OrderKind.RETURN, 1_001, "meter_credit_too_low"),
    (4, OrderKind.RETURN, 1_000, 0),
]


@pytest.mark.parametrize(("count", "kind", "amount_wh", "result"), ORDERS)
def test_an_order_is_applied_or_refused_as_a_whole(
    count: int, kind: OrderKind, amount_wh: int, result: int | str
) -> None:
    one = circuit(settings=Settings(hoarding_limit_wh=10_000))
    one.state.purchase_count = 3
    before = replace(one.state)
    if isinstance(result, str):
        with pytest.raises(OrderRefused) as refusal:
            buy(one, amount_wh, count, kind)
        assert refusal.value.code == result and one.state == before
    else:
        assert buy(one, amount_wh, count, kind)
        assert one.state.balance_wh == result and one.state.purchase_count == 4
        books(one, one.state.last_applied_wh)


@pytest.mark.parametrize(
    ("kind", "amount_wh"), [(OrderKind.PURCHASE, 500), (OrderKind.RETURN, 10), (OrderKind.CLEAR, 0)]
)
def test_the_same_order_again_is_an_echo_and_does_nothing(kind: OrderKind, amount_wh: int) -> None:
    one = circuit()
    assert buy(one, amount_wh, 1, kind)
    before = replace(one.state)
    assert not buy(one, amount_wh, 1, kind)
    assert one.state == before


def test_the_same_count_with_another_content_is_refused() -> None:
    one = circuit()
    buy(one, 500, 1)
    with pytest.raises(OrderRefused) as refusal:
        buy(one, 600, 1)
    assert refusal.value.code == "meter_count_wrong"


# warnings


def test_a_warning_trip_opens_with_credit_left_and_the_key_closes_it_once() -> None:
    one = circuit(balance_wh=1_000, settings=WARNING)
    one.settle(T0 + HOUR)
    assert not one.relay_closed() and one.state.balance_wh == 400
    assert {StatusBit.WARNING_TRIP, StatusBit.ALARM_1, StatusBit.ALARM_2} <= one.status()
    one.press_key()
    assert one.relay_closed()
    one.settle(T0 + 2 * HOUR)
    assert one.state.balance_wh == 0 and StatusBit.WARNING_TRIP not in one.status()


def test_a_purchase_closes_a_warning_trip_and_arms_it_again() -> None:
    one = circuit(balance_wh=450, settings=WARNING)
    one.settle(T0 + HOUR)
    assert not one.relay_closed()
    buy(one, 500)
    assert one.relay_closed()
    one.settle(T0 + 3 * HOUR)
    assert one.state.balance_wh == 400 and not one.relay_closed()


def test_a_purchase_that_stays_below_the_level_closes_too() -> None:
    one = circuit(balance_wh=450, settings=WARNING)
    one.settle(T0 + HOUR)
    one.settle(T0 + HOUR)
    buy(one, 10, 1)
    assert one.relay_closed()
    buy(one, 10, 2)
    assert one.relay_closed() and one.state.balance_wh == 420 and StatusBit.ALARM_1 in one.status()


def test_a_level_that_only_signals_leaves_the_relay_alone() -> None:
    one = circuit(balance_wh=1_000, settings=replace(WARNING, warning_trip=False))
    one.settle(T0 + HOUR * 3 // 4)
    assert one.relay_closed() and {StatusBit.ALARM_1, StatusBit.ALARM_2} <= one.status()


def test_the_first_level_may_trip_as_well() -> None:
    one = circuit(balance_wh=1_000, settings=replace(WARNING, warning_trip_1=True))
    one.settle(T0 + HOUR)
    assert one.state.balance_wh == 800 and not one.relay_closed()
    one.press_key()
    one.settle(T0 + 2 * HOUR)
    assert one.state.balance_wh == 400 and not one.relay_closed()


def test_kept_on_is_warned_by_no_trip() -> None:
    one = circuit(balance_wh=1_000, settings=WARNING, relay=RelayStart(force=Force.KEEP_ON))
    one.settle(T0 + HOUR)
    assert one.relay_closed() and one.state.balance_wh == 0


def test_a_first_start_below_the_level_trips_nobody() -> None:
    one = circuit(balance_wh=300, settings=WARNING)
    one.settle(T0 + 60_000)
    assert one.relay_closed()
    tripped = circuit(balance_wh=300, settings=WARNING, relay=RelayStart(warning_tripped=True))
    tripped.settle(T0 + 60_000)
    assert not tripped.relay_closed()


# other causes


def test_an_overload_trips_after_its_delay_and_blocks_every_closing_but_the_key() -> None:
    one = circuit(balance_wh=100_000, load_w=5_000, settings=Settings(load_limit_w=4_000))
    one.settle(T0 + 4_999)
    assert one.relay_closed()
    one.settle(T0 + 5_000)
    assert not one.relay_closed() and StatusBit.OVERLOAD_TRIP in one.status()
    buy(one, 1_000)
    one.force(Force.KEEP_ON)
    assert not one.relay_closed()
    one.connect_load(3_000)
    one.press_key()
    one.settle(T0 + HOUR)
    assert one.relay_closed()


def test_an_overload_that_is_still_there_trips_again() -> None:
    one = circuit(balance_wh=100_000, load_w=5_000, settings=Settings(load_limit_w=4_000))
    one.settle(T0 + 60_000)
    one.press_key()
    assert one.relay_closed()
    one.settle(T0 + 65_000)
    assert not one.relay_closed()


def test_an_overload_shorter_than_the_delay_is_ridden_through() -> None:
    one = circuit(balance_wh=100_000, load_w=1_000, settings=Settings(load_limit_w=4_000))
    one.connect_load(9_000)
    one.settle(T0 + 3_000)
    one.connect_load(1_000)
    one.settle(T0 + 4_000)
    one.connect_load(9_000)
    one.settle(T0 + 8_000)
    assert one.relay_closed()


def test_a_forbidden_step_trips_at_once() -> None:
    one = circuit(balance_wh=100_000, load_w=300, settings=Settings(malicious_step_w=800))
    one.settle(T0 + 60_000)
    one.connect_load(1_500)
    one.settle(T0 + 60_001)
    assert not one.relay_closed() and StatusBit.MALICIOUS_LOAD_TRIP in one.status()
    one.press_key()
    one.settle(T0 + 120_000)
    assert one.relay_closed()


def test_forced_and_hand_opened_circuits_use_nothing() -> None:
    for relay in (RelayStart(force=Force.TRIP), RelayStart(hand_opened=True)):
        one = circuit(relay=relay)
        one.settle(T0 + HOUR)
        assert one.state.consumed_wh == 0 and not one.relay_closed()
        buy(one, 500)
        assert not one.relay_closed()


def test_a_circuit_without_a_purse_takes_no_order_and_starts_held_closed() -> None:
    state = first_state(CircuitSite(index=1), purse=False, at_ms=T0)
    one = Circuit(state, lambda at_ms: (1_000, at_ms + 60_000))
    one.settle(T0 + HOUR)
    assert one.relay_closed() and one.state.consumed_wh == 1_000
    with pytest.raises(OrderRefused):
        buy(one, 500)
    one.force(Force.AUTOMATIC)
    assert not one.relay_closed(), "its own purse is empty"


# all together


def acts() -> st.SearchStrategy[list[tuple[int, str, int]]]:
    names = st.sampled_from(["purchase", "return", "clear", "load", "key", "force", "wait"])
    return st.lists(st.tuples(st.integers(0, 7_200_000), names, st.integers(0, 5_000)), max_size=40)


def _play(of: Circuit, story: list[tuple[int, str, int]], stops: Iterator[int]) -> int:
    """Play a story, settling also at `stops`; gives the sum of accepted orders."""
    at_ms, accepted_wh = T0, 0
    for wait_ms, name, number in story:
        for extra in stops:
            of.settle(at_ms + extra * wait_ms // 4)
            if extra == 3:
                break
        at_ms += wait_ms
        of.settle(at_ms)
        try:
            if name in ("purchase", "return", "clear") and (number > 0 or name == "clear"):
                kind = OrderKind(name)
                found = of.apply(
                    Order(count=of.state.purchase_count + 1, kind=kind, amount=0 if name == "clear" else number)
                )
                accepted_wh += found.amount_wh if found else 0
        except OrderRefused:
            pass
        if name == "load":
            of.connect_load(number)
        elif name == "key":
            of.press_key()
        elif name == "force":
            of.force(list(Force)[number % 3])
    return accepted_wh


@given(acts())
def test_the_books_hold_whatever_happens_and_however_often_one_looks(story: list[tuple[int, str, int]]) -> None:
    settings = Settings(
        alarm_level_1_wh=800, alarm_level_2_wh=300, overdraft_limit_wh=100, hoarding_limit_wh=8_000, load_limit_w=4_500,
        malicious_step_w=3_000, warning_trip=True,
    )  # fmt: skip
    seldom, often = circuit(settings=settings), circuit(settings=settings)
    accepted_wh = _play(seldom, story, iter(()))
    assert _play(often, story, iter([1, 2, 3] * 50)) == accepted_wh
    books(seldom, accepted_wh)
    assert often.state == seldom.state


# a purse that holds money

RATES = (1_234_500, 1_012_000, 870_000, 412_300)  # yuan per kWh, in millionths


def money(fen: int = 1_000, load_w: int = 1_000, *, settings: Settings = NO_SETTINGS) -> Circuit:
    """A circuit whose purse holds fen, with a rate that changes each quarter of an hour."""
    sharp, peak, flat, valley = RATES
    priced = replace(settings, price_sharp=sharp, price_peak=peak, price_flat=flat, price_valley=valley)
    site = CircuitSite(index=1, opening=Opening(balance_wh=fen), settings=priced)
    state = first_state(site, purse=True, at_ms=T0, wallet=Wallet(exponent=2))
    return Circuit(
        state, lambda at_ms: (load_w, (at_ms // 60_000 + 1) * 60_000), lambda at_ms: at_ms // 900_000 % len(RATES)
    )


def money_books(of: Circuit, accepted: int = 0) -> None:
    """No coin is lost, and no part of one: what was taken and what is carried is energy x price, rate by rate."""
    s = of.state
    assert s.opening_wh + accepted == s.balance_wh + s.drained
    used = (s.sharp_wh, s.peak_wh, of.flat_wh(), s.valley_wh)
    exact = sum(wh * price for wh, price in zip(used, RATES, strict=True))
    assert s.drained * parts_per_minor(2) + s.drain_rest == exact


def test_a_purse_in_money_is_drained_by_energy_times_the_price_of_the_hour() -> None:
    one = money(fen=10_000, load_w=4_000)
    one.settle(T0 + HOUR)
    money_books(one)
    assert 300 < one.state.drained < 400, "4 kWh at some 0.88 yuan"
    assert one.consumed() == one.state.drained


def test_money_is_gone_at_its_own_millisecond_and_a_purchase_closes_again() -> None:
    one = money(fen=100, load_w=2_000)
    one.settle(T0 + 10 * HOUR)
    money_books(one)
    assert one.state.balance_wh <= 0 and not one.relay_closed()
    assert StatusBit.CREDIT_TRIP in one.status()
    assert one.state.balance_wh > -2, "within the watt-hour that used the last fen"
    assert buy(one, 5_000) and one.relay_closed()
    money_books(one, 5_000)


def test_alarm_amounts_are_money_and_a_price_of_zero_drains_nothing() -> None:
    one = money(fen=2_000, settings=Settings(alarm_level_1_wh=1_950, alarm_level_2_wh=500))
    one.settle(T0 + HOUR)
    assert {StatusBit.ALARM_1, StatusBit.ALARM_2} & one.status() == {StatusBit.ALARM_1}
    free = money()
    free.state.price_sharp = free.state.price_peak = free.state.price_flat = free.state.price_valley = 0
    free.settle(T0 + 100 * HOUR)
    assert (free.state.balance_wh, free.state.consumed_wh) == (1_000, 100_000)


@given(acts())
def test_no_part_of_a_coin_is_lost_whatever_happens_and_however_often_one_looks(
    story: list[tuple[int, str, int]],
) -> None:
    settings = Settings(alarm_level_1_wh=800, alarm_level_2_wh=300, overdraft_limit_wh=100, warning_trip=True)
    seldom, often = money(settings=settings), money(settings=settings)
    accepted = _play(seldom, story, iter(()))
    assert _play(often, story, iter([1, 2, 3] * 50)) == accepted
    money_books(seldom, accepted)
    assert often.state == seldom.state


def test_the_state_is_made_of_plain_values() -> None:
    assert all(
        isinstance(getattr(circuit().state, name), int | str | bool | list | None)
        for name in CircuitState.__slots__
    )


def test_stretches_are_counted_once() -> None:
    one = circuit(balance_wh=10**9, load_w=1)
    for left, right in pairwise(range(T0, T0 + 100_000, 997)):
        one.settle(left)
        one.settle(right)
    assert one.state.energy_wh * HOUR + one.state.watt_ms == range(T0, T0 + 100_000, 997)[-1] - T0
