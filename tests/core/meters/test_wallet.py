"""A purse in money: what energy costs there to the last fraction, and what its profile must say."""

from decimal import Decimal
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prewatt.core.meters import catalogue
from prewatt.core.meters.profile import load
from prewatt.core.meters.quantities import Quantity
from prewatt.core.meters.wallet import (
    PRICES,
    affordable_wh,
    drained,
    parts_per_minor,
    price_of,
    price_steps,
    prices_for,
)
from prewatt.core.refusals import Refused
from prewatt.core.units import exact_cost

EXPONENTS = st.integers(0, 3)
STEPS = st.integers(0, 10**9)
PURSE = catalogue()["acrel-dtsy1352-nk-purse"]


def text_of(code: str) -> str:
    return resources.files("prewatt.core.meters").joinpath("profiles", f"{code}.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("energy_wh", "price", "fen", "left"),
    [
        (1_000, "0.87", 87, "0"),
        (1, "0.87", 0, "0.087"),
        (12, "0.87", 1, "0.044"),
        (100_000, "1.2345", 12_345, "0"),
    ],
)
def test_energy_costs_what_the_price_says_and_the_rest_is_carried(
    energy_wh: int, price: str, fen: int, left: str
) -> None:
    coins, rest = drained(energy_wh, price_steps(Decimal(price)), 0, 2)
    assert (coins, Decimal(rest) / parts_per_minor(2)) == (fen, Decimal(left))


@given(EXPONENTS, st.lists(st.tuples(st.integers(0, 10**6), STEPS), max_size=40))
def test_no_fraction_is_lost_however_the_use_is_cut(exponent: int, uses: list[tuple[int, int]]) -> None:
    rest = gone = 0
    for energy_wh, steps in uses:
        coins, rest = drained(energy_wh, steps, rest, exponent)
        gone += coins
    exact = sum(exact_cost(energy_wh, price=price_of(steps), exponent=exponent) for energy_wh, steps in uses)
    assert gone + Decimal(rest) / parts_per_minor(exponent) == exact
    assert 0 <= rest < parts_per_minor(exponent)


@given(EXPONENTS, st.integers(1, 10**9), st.integers(1, 10**9), st.data())
def test_the_energy_that_uses_a_balance_up_is_the_least_that_does(
    exponent: int, minor: int, steps: int, data: st.DataObject
) -> None:
    rest = data.draw(st.integers(0, parts_per_minor(exponent) - 1))
    needed = affordable_wh(minor, steps, rest, exponent)
    assert needed is not None
    assert drained(needed, steps, rest, exponent)[0] >= minor
    assert needed == 0 or drained(needed - 1, steps, rest, exponent)[0] < minor


def test_what_costs_nothing_lasts_for_ever() -> None:
    assert affordable_wh(1, 0, 0, 2) is None


def test_one_price_is_written_for_every_rate_the_meter_knows() -> None:
    assert prices_for(Decimal("0.8765"), PURSE.settings) == dict.fromkeys(PRICES, 876_500)
    assert prices_for(Decimal("0.8765"), catalogue()["pilot-spm9511"].settings) == {}


@pytest.mark.parametrize("code", ["acrel-dtsy1352-nk-purse", "acrel-dtsy1352-4g-purse"])
def test_a_purse_in_money_is_never_shown_as_the_maker_s(code: str) -> None:
    profile = catalogue()[code]
    assert profile.wallet is not None and profile.wallet.exponent == 2
    assert all(each.assumed and not each.source for each in profile.registers.values())
    assert profile.order is not None and profile.order.assumed
    assert "representative" in profile.note
    assert profile.registers[Quantity.BALANCE].factor == 1


@pytest.mark.parametrize(
    ("code", "old", "new"),
    [
        ("acrel-dtsy1352-nk-purse", "[wallet]", "[walle]"),
        ("acrel-dtsy1352-nk-purse", '"price_peak", "price_flat", ', ""),
        ("pilot-spm9513", "[order]", "[wallet]\nexponent = 2\n\n[order]"),
    ],
)
def test_a_profile_that_leaves_the_wallet_unclear_is_refused(code: str, old: str, new: str) -> None:
    text = text_of(code)
    assert old in text
    with pytest.raises(Refused) as refused:
        load(text.replace(old, new))
    assert refused.value.code == "profile_wallet"
