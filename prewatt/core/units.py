"""Money, energy and prices: parsing, showing, converting; the only rounding in the system.

Amounts are integers of the currency's minor unit (fen for CNY, the shilling itself for UGX), energy
is an integer of Wh, a price is a `Decimal` per kWh in the major unit. Worked numbers:
docs/algorithms/units.md.
"""

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from prewatt.core.refusals import Refused, Text, register

MAX_AMOUNT_MINOR: Final = 10**14  # well inside a signed 64-bit column, far above any sale
MAX_ENERGY_WH: Final = 10**14
MAX_PRICE: Final = Decimal(100_000)  # per kWh; also fits currencies without a minor unit
PRICE_DECIMALS: Final = 6  # what a published tariff needs, and carries stay short
MAX_TEXT: Final = 40  # characters accepted from a form field

register(
    {
        "currency_not_known": Text("The currency {currency} is not known.", "未知币种 {currency}。"),
        "amount_malformed": Text("“{text}” is not an amount.", "“{text}”不是有效金额。"),
        "amount_too_precise": Text(
            "“{text}” has more than {decimals} decimals.", "“{text}”的小数位超过 {decimals} 位。"
        ),
        "amount_too_large": Text("“{text}” is too large.", "“{text}”过大。"),
        "energy_malformed": Text("“{text}” is not an energy in kWh.", "“{text}”不是有效电量（kWh）。"),
        "energy_too_precise": Text("“{text}” is finer than 1 Wh.", "“{text}”精度超过 1 Wh。"),
        "energy_too_large": Text("“{text}” kWh is too large.", "“{text}” kWh 过大。"),
        "price_unreadable": Text("“{text}” is not a price per kWh.", "“{text}”不是有效电价。"),
        "price_too_precise": Text(
            "The price “{text}” has more than {decimals} decimals.", "电价“{text}”的小数位超过 {decimals} 位。"
        ),
        "price_out_of_range": Text("The price “{text}” is out of range.", "电价“{text}”超出范围。"),
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Currency:
    """An ISO 4217 currency; `exponent` is the number of decimals of its minor unit (0, 2 or 3)."""

    code: str
    exponent: int
    symbol: str
    name_zh: str
    major_en: str
    minor_en: str

    def __post_init__(self) -> None:
        assert 0 <= self.exponent <= 3, self

    @property
    def minor_per_major(self) -> int:
        return int(10**self.exponent)


def _currency(code: str, exponent: int, symbol: str, name_zh: str, major_en: str, minor_en: str = "") -> Currency:
    return Currency(code=code, exponent=exponent, symbol=symbol, name_zh=name_zh, major_en=major_en, minor_en=minor_en)


CURRENCIES: Final[dict[str, Currency]] = {
    each.code: each
    for each in (
        _currency("CNY", 2, "¥", "人民币", "yuan", "fen"),
        _currency("HKD", 2, "HK$", "港币", "Hong Kong dollars", "cents"),
        _currency("USD", 2, "$", "美元", "US dollars", "cents"),
        _currency("EUR", 2, "€", "欧元", "euros", "cents"),
        _currency("ZAR", 2, "R", "南非兰特", "rand", "cents"),
        _currency("KES", 2, "KSh", "肯尼亚先令", "Kenyan shillings", "cents"),
        _currency("NGN", 2, "₦", "奈拉", "naira", "kobo"),
        _currency("UGX", 0, "USh", "乌干达先令", "Uganda shillings"),
        _currency("KWD", 3, "KD", "科威特第纳尔", "Kuwaiti dinars", "fils"),
    )
}
CNY: Final = CURRENCIES["CNY"]


def currency(code: str) -> Currency:
    """The currency of an ISO code; raises Refused `currency_not_known`."""
    found = CURRENCIES.get(code)
    if found is None:
        raise Refused("currency_not_known", currency=code[:8])
    return found


# --- showing ---------------------------------------------------------------------------------


def _fixed(value: int, exponent: int) -> str:
    """An integer of 10^-exponent as "-1,234.50"."""
    sign = "-" if value < 0 else ""
    whole, part = divmod(abs(value), 10**exponent)
    return f"{sign}{whole:,}.{part:0{exponent}d}" if exponent else f"{sign}{whole:,}"


def format_amount(amount_minor: int, currency: Currency, *, symbol: bool = False) -> str:
    """ "1,234.50", or "¥1,234.50" and "-¥1,234.50" with `symbol`."""
    text = _fixed(amount_minor, currency.exponent)
    if not symbol:
        return text
    return f"-{currency.symbol}{text[1:]}" if text.startswith("-") else f"{currency.symbol}{text}"


def format_energy(energy_wh: int, *, decimals: int = 2) -> str:
    """Wh as kWh with fixed decimals (0 to 3), half away from zero: 543_480 -> "543.48"."""
    assert 0 <= decimals <= 3, decimals
    step = 10 ** (3 - decimals)
    shown = divide(abs(energy_wh), step, Rounding.NEAREST)
    return _fixed(-shown if energy_wh < 0 else shown, decimals)


def format_power(power_w: int) -> str:
    """W as kW with three decimals: 1_234 -> "1.234"."""
    return _fixed(power_w, 3)


def format_price(price: Decimal) -> str:
    """A price per kWh with at least four decimals: 0.92 -> "0.9200"."""
    exponent = price.as_tuple().exponent
    assert isinstance(exponent, int), price
    return f"{price:,.{max(4, -exponent)}f}"


# --- parsing ---------------------------------------------------------------------------------

_PLAIN = re.compile(r"([+-]?)(\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d+))?", re.ASCII)


def _parse(text: str, exponent: int, largest: int, subject: str) -> int:
    shown = text.strip()[:MAX_TEXT]
    # full-width digits and points are what a Chinese input method gives
    match = _PLAIN.fullmatch(unicodedata.normalize("NFKC", text).strip()) if len(text) <= MAX_TEXT else None
    if match is None:
        raise Refused(f"{subject}_malformed", text=shown)
    sign, whole, part = match[1], match[2].replace(",", ""), match[3] or ""
    if len(part.rstrip("0")) > exponent:
        raise Refused(f"{subject}_too_precise", text=shown, decimals=exponent)
    value = int(whole + part[:exponent].ljust(exponent, "0"))
    if value > largest:
        raise Refused(f"{subject}_too_large", text=shown)
    return -value if sign == "-" else value


def parse_amount(text: str, currency: Currency) -> int:
    """ "1,234.5" -> 123450 minor units. Signed; the caller refuses what must be positive.

    Raises Refused `amount_malformed`, `amount_too_precise`, `amount_too_large`.
    """
    return _parse(text, currency.exponent, MAX_AMOUNT_MINOR, "amount")


def parse_energy(text: str) -> int:
    """kWh as text -> Wh. Raises Refused `energy_malformed`, `energy_too_precise`, `energy_too_large`."""
    return _parse(text, 3, MAX_ENERGY_WH, "energy")


def parse_price(text: str) -> Decimal:
    """A price per kWh, above 0. Raises Refused `price_unreadable`, `price_too_precise`, `price_out_of_range`."""
    shown = text.strip()[:MAX_TEXT]
    match = _PLAIN.fullmatch(unicodedata.normalize("NFKC", text).strip()) if len(text) <= MAX_TEXT else None
    if match is None:
        raise Refused("price_unreadable", text=shown)
    price = Decimal(match[0].replace(",", ""))
    check_price(price)
    return price


def check_price(price: Decimal) -> None:
    """Raises Refused unless 0 < price <= MAX_PRICE with at most PRICE_DECIMALS decimals."""
    if not price.is_finite() or not 0 < price <= MAX_PRICE:
        raise Refused("price_out_of_range", text=str(price))
    exponent = price.normalize().as_tuple().exponent
    assert isinstance(exponent, int), price
    if -exponent > PRICE_DECIMALS:
        raise Refused("price_too_precise", text=str(price), decimals=PRICE_DECIMALS)


# --- converting ------------------------------------------------------------------------------


class Rounding(StrEnum):
    """DOWN toward minus infinity, UP toward plus infinity, NEAREST with halves up."""

    DOWN = "down"
    UP = "up"
    NEAREST = "nearest"


def divide(numerator: int, denominator: int, rounding: Rounding) -> int:
    """The one integer division that rounds."""
    assert denominator > 0, denominator
    match rounding:
        case Rounding.DOWN:
            return numerator // denominator
        case Rounding.UP:
            return -(-numerator // denominator)
        case Rounding.NEAREST:
            return (2 * numerator + denominator) // (2 * denominator)


@dataclass(frozen=True, kw_only=True, slots=True)
class EnergyQuote:
    """What an amount buys.

    `energy_wh` is a multiple of the meter's resolution, rounded up, so `cost_minor` (exact, in minor
    units) may exceed the amount; `carried_amount_minor` is that excess including what was carried in:
    0 <= carried < price of one resolution step. It is kept and taken off the next sale, so that over
    any number of sales the energy given differs from the energy paid by less than one step.
    """

    amount_minor: int
    energy_wh: int
    cost_minor: Decimal
    carried_amount_minor: Decimal


def _ratio(value: Decimal) -> tuple[int, int]:
    return value.as_integer_ratio()


def energy_for_amount(
    amount_minor: int,
    *,
    price: Decimal,
    exponent: int,
    resolution_wh: int,
    carried_amount_minor: Decimal = Decimal(0),
) -> EnergyQuote:
    """Energy for an amount at a flat price per kWh, rounded UP to the meter's resolution.

    Raises Refused as `check_price`. An amount smaller than what is carried buys nothing.
    """
    check_price(price)
    assert amount_minor >= 0 and resolution_wh > 0 and carried_amount_minor >= 0, amount_minor
    price_n, price_d = _ratio(price)
    carried_n, carried_d = _ratio(carried_amount_minor)
    # steps = (amount - carried) / (price * 10^exponent * resolution / 1000)
    free_n = amount_minor * carried_d - carried_n
    numerator = free_n * 1000 * price_d
    denominator = carried_d * price_n * 10**exponent * resolution_wh
    steps = max(0, divide(numerator, denominator, Rounding.UP))
    energy_wh = steps * resolution_wh
    cost = exact_cost(energy_wh, price=price, exponent=exponent)
    return EnergyQuote(
        amount_minor=amount_minor,
        energy_wh=energy_wh,
        cost_minor=cost,
        carried_amount_minor=carried_amount_minor + cost - amount_minor,
    )


def exact_cost(energy_wh: int, *, price: Decimal, exponent: int) -> Decimal:
    """Energy times price in minor units, exactly (at most PRICE_DECIMALS + 3 decimals)."""
    return (Decimal(energy_wh) * price).scaleb(exponent - 3)


def amount_for_energy(energy_wh: int, *, price: Decimal, exponent: int, rounding: Rounding) -> int:
    """The worth of an energy in minor units; the caller says which way to round, and why."""
    check_price(price)
    price_n, price_d = _ratio(price)
    return divide(energy_wh * price_n * 10**exponent, price_d * 1000, rounding)
