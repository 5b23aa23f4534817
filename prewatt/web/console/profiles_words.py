"""What the pages of meter models say: each register with its address and source, and how two texts differ."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from prewatt.core.meters import Profile
from prewatt.core.meters.model import DATA_KINDS, WORDS, Group, Register
from prewatt.core.meters.names import label
from prewatt.core.meters.rating import Across
from prewatt.core.meters.scales import units_of
from prewatt.web.console.meters_words import mark_of

GROUPS: Final[dict[Group, str | Promise]] = {
    Group.IDENTITY: _lazy("identity"),
    Group.STATUS: _lazy("status, each minute"),
    Group.REGISTERS: _lazy("registers, each half hour"),
    Group.SETTINGS: _lazy("settings"),
    Group.PURSE: _lazy("purse, at opening"),
}
MONEY: Final[dict[str, str | Promise]] = {  # as a profile writes them, whatever its site is paid in
    "minor": _lazy("smallest coin"),
    "currency/kWh": _lazy("money/kWh"),
}
MOST_DIFFERENT: Final = 400  # lines shown; who changed more reads the texts
AROUND: Final = 2  # lines before and behind a change, and a fault


@dataclass(frozen=True, kw_only=True)
class RegisterWords:
    """One register as the table of a model shows it. `mark`: sure, one, differ, assumed."""

    name: str
    quantity: str
    group: str
    place: str
    size: str
    kind: str
    scale: str
    unit: str
    mark: str
    mark_words: str
    source: str


def plate_words(profile: Profile) -> list[tuple[str, str]]:
    """What stands on its plate, each with its name; what nobody says is left out."""
    plate = profile.rating
    if plate is None:
        return []
    between = _("between phases") if plate.across is Across.LINE else _("to neutral") if profile.phases > 1 else ""
    said = {
        _("Reference voltage"): _several([f"{_thousandth(each)} V" for each in plate.voltages_mv], between),
        _("Basic and greatest current"): _several([_current(*each) for each in plate.currents_ma]),
        _("Accuracy class"): plate.accuracy,
        _("Meter constant"): _several([f"{each} imp/kWh" for each in plate.pulses]),
        _("Bus addresses"): "–".join(map(str, plate.units or ())),
        _("Speeds it has"): _several([str(each) for each in plate.bauds]),
    }
    return [(name, value) for name, value in said.items() if value]


def _several(said: Sequence[str], tail: str = "") -> str:
    return " ".join(filter(None, [" · ".join(said), tail if said else ""]))


def _thousandth(value: int) -> str:
    return f"{Decimal(value).scaleb(-3).normalize():f}"


def _current(basic: int, greatest: int) -> str:
    return f"{_thousandth(basic)}({_thousandth(greatest)}) A" if greatest else f"{_thousandth(basic)} A"


def register_words(profile: Profile) -> list[RegisterWords]:
    """Every register in the order of its group and address."""
    order = list(Group)
    held = sorted(profile.registers.values(), key=lambda each: (order.index(each.group), each.address, each.at))
    return [_words(each, profile) for each in held]


def _words(register: Register, profile: Profile) -> RegisterWords:
    mark, words = mark_of(register)
    units = units_of(register.quantity, profile.credit_unit)
    multiple = register.factor / Fraction(register.scale)
    data = register.kind in DATA_KINDS
    unit = next((unit for unit, each in units.items() if each == multiple and unit not in ("", "1")), "")
    place = register.place(0) + (f" +{register.at}" if data and register.at else "")
    return RegisterWords(
        name=label(register.quantity, get_language() or "zh-hans", money=profile.wallet is not None),
        quantity=register.quantity.value,
        group=str(GROUPS[register.group]),
        place=f"{place} .{register.bit}" if data and register.kind.value.endswith("bit") else place,
        size=f"{register.size} B" if data else str(WORDS[register.kind]),
        kind=register.form,
        scale=register.scaling,
        unit=str(MONEY.get(unit, unit)),
        mark=mark,
        mark_words=words,
        source=register.source,
    )


@dataclass(frozen=True, kw_only=True)
class DiffLine:
    """`kind`: "+" new, "-" gone, " " stays, "@" where in the new text."""

    kind: str
    text: str


def differences(old: str, new: str) -> list[DiffLine]:
    """How a text differs from what it was copied from."""
    found = []
    for line in list(difflib.unified_diff(old.splitlines(), new.splitlines(), n=AROUND, lineterm=""))[2:]:
        kind = line[:1]
        found.append(DiffLine(kind=kind, text=line.split("@@")[1].strip() if kind == "@" else line[1:]))
    return found[:MOST_DIFFERENT]


@dataclass(frozen=True, kw_only=True)
class NumberedLine:
    number: int
    text: str
    wrong: bool


def excerpt(text: str, line: int) -> Sequence[NumberedLine]:
    """The lines around a fault; `line` from 1."""
    lines = text.splitlines()
    first, last = max(1, line - AROUND), min(len(lines), line + AROUND)
    return [NumberedLine(number=each, text=lines[each - 1], wrong=each == line) for each in range(first, last + 1)]
