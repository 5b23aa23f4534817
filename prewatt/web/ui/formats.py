"""How numbers, money, ages and times are written, in both languages. Integers in, text out; nothing is rounded up.

Money has two decimals (the currency's exponent) and a thousands separator; energy `kWh` has two decimals; a minus is
U+2212, as wide as a digit. An age is written in its largest unit, since "9 h" is what a reader needs of 9 h 32 min
on a tile; `duration` writes two units.
"""

from datetime import datetime, tzinfo
from functools import lru_cache

from django.utils.translation import get_language, pgettext
from django.utils.translation import gettext as _

MINUS = "\u2212"
DASH = "\u2014"
SYMBOLS = {"CNY": "¥"}
WEEKDAYS_ZH = "一二三四五六日"
WEEKDAYS_EN = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS_EN = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
WHOLE_FROM_WH = 1_000_000  # tiles of 1,000 kWh and more drop decimals


def chinese() -> bool:
    return (get_language() or "zh-hans").startswith("zh")


def scaled(value: int, exponent: int, shown: int | None = None) -> str:
    """`value` / 10**exponent with `shown` decimals (default: all), cut toward zero, with thousands separators."""
    sign = MINUS if value < 0 else ""
    whole, rest = divmod(abs(value), 10**exponent)
    decimals = exponent if shown is None else shown
    if not decimals:
        return f"{sign}{whole:,}"
    return f"{sign}{whole:,}.{str(rest).zfill(exponent)[:decimals].ljust(decimals, '0')}"


def money(minor: int, currency: str = "CNY", exponent: int = 2) -> str:
    """`216000` -> `¥2,160.00`; another currency is named by its code."""
    text = scaled(abs(minor), exponent)
    sign = MINUS if minor < 0 else ""
    return f"{sign}{SYMBOLS[currency]}{text}" if currency in SYMBOLS else f"{sign}{currency} {text}"


def energy(wh: int) -> str:
    """Wh -> kWh with two decimals, without the unit."""
    return scaled(wh, 3, 2)


def power(watt: int | None, decimals: int = 2) -> str:
    """W -> kW, without the unit."""
    return DASH if watt is None else scaled(watt, 3, decimals)


def credit(value: int | None, unit: str, exponent: int = 2) -> str:
    """A balance in its own unit: kWh without a sign, money with one."""
    if value is None:
        return DASH
    return energy(value) if unit == "Wh" else money(value, unit, exponent)


def credit_short(value: int | None, unit: str, exponent: int = 2) -> str:
    """A balance as a tile has room for it."""
    if value is None:
        return DASH
    if unit == "Wh":
        return scaled(value, 3, 0 if abs(value) >= WHOLE_FROM_WH else 2)
    return money(value, unit, exponent)


def credit_unit_word(unit: str) -> str:
    return "kWh" if unit == "Wh" else ""


@lru_cache(maxsize=8)
def _age_words(language: str) -> tuple[tuple[int, str], ...]:
    """Sizes and their words, looked up once per language: a board writes thousands of ages."""
    return ((86400, _("%d d")), (3600, _("%d h")), (60, _("%d min")), (1, _("%d s")))


def age_short(seconds: int) -> str:
    """`12秒`, `3分`, `9时`, `2天`; in English `12 s`, `3 min`, `9 h`, `2 d`."""
    words = _age_words(get_language() or "zh-hans")
    for size, word in words:
        if seconds >= size:
            return word % (seconds // size)
    return words[-1][1] % max(0, seconds)


def ago(seconds: int) -> str:
    return _("%s ago") % age_short(seconds)


def duration(seconds: int) -> str:
    """`9时32分`, `47 分`, `58 秒`: two units at most."""
    days, rest = divmod(max(0, seconds), 86400)
    hours, minutes = rest // 3600, rest % 3600 // 60
    if days:
        return _("%(d)d d %(h)d h") % {"d": days, "h": hours}
    if hours:
        return _("%(h)d h %(m)02d min") % {"h": hours, "m": minutes}
    return _("%d min") % minutes if minutes else _("%d s") % rest


def left_short(seconds: int) -> str:
    """How long the credit lasts, as a tile says it: `12天`, `2.1天` below three days, `6时` below one."""
    if seconds < 86400:
        return _("%d h") % (seconds // 3600)
    if seconds < 3 * 86400:
        return pgettext("days left", "%s d") % scaled(seconds * 10 // 86400, 1)
    return _("%d d") % (seconds // 86400)


def clock(moment: datetime, zone: tzinfo) -> str:
    return moment.astimezone(zone).strftime("%H:%M")


def clock_seconds(moment: datetime, zone: tzinfo) -> str:
    return moment.astimezone(zone).strftime("%H:%M:%S")


def day(moment: datetime, zone: tzinfo) -> str:
    """`11月23日 周一`, `Mon 23 Nov`."""
    local = moment.astimezone(zone)
    if chinese():
        return f"{local.month}月{local.day}日 周{WEEKDAYS_ZH[local.weekday()]}"
    return f"{WEEKDAYS_EN[local.weekday()]} {local.day} {MONTHS_EN[local.month - 1]}"


def weekday(moment: datetime, zone: tzinfo) -> str:
    local = moment.astimezone(zone)
    return f"周{WEEKDAYS_ZH[local.weekday()]}" if chinese() else WEEKDAYS_EN[local.weekday()]


def when(moment: datetime, at: datetime, zone: tzinfo) -> str:
    """A moment as near as needed: `今天 07:20`, `昨天 20:05`, `周六 19:42` within a week, else `11-16 18:22`."""
    local, now = moment.astimezone(zone), at.astimezone(zone)
    days = (now.date() - local.date()).days
    if days == 0:
        return _("Today %s") % local.strftime("%H:%M")
    if days == 1:
        return _("Yesterday %s") % local.strftime("%H:%M")
    if 1 < days < 7:
        return f"{weekday(moment, zone)} {local:%H:%M}"
    return local.strftime("%m-%d %H:%M") if local.year == now.year else local.strftime("%Y-%m-%d %H:%M")
