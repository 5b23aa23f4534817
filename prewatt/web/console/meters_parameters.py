"""What the meter page says of writable parameters: in the meter, wanted, by whom, and how the two stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from django.utils.functional import Promise
from django.utils.translation import get_language, pgettext_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from prewatt.core.meters import Profile
from prewatt.core.meters.jobs import Verdict
from prewatt.core.meters.names import label
from prewatt.core.meters.quantities import Quantity
from prewatt.core.refusals import message, texts
from prewatt.office.estate.models import Circuit, Meter
from prewatt.office.metering import clocks, parameters, settings
from prewatt.office.metering.models import MeterClock, WantedSetting
from prewatt.office.metering.parameters import Parameter, ParameterState
from prewatt.office.reports.meters import MeterRow
from prewatt.office.vending import purse_prices
from prewatt.office.vending.models import Opening
from prewatt.web.console.meters_words import came_of, mark_of, names_of, value_words
from prewatt.web.ui import formats

MOVED: Final = "settings_moved_another"
STATES: Final[dict[ParameterState, tuple[Promise, str]]] = {
    ParameterState.AGREES: (_lazy("agrees"), "d-confirmed strong"),
    ParameterState.DIFFERS: (_lazy("differs"), "d-disputed"),
    ParameterState.UNKNOWN: (pgettext_lazy("parameter", "unknown: read the meter"), "s-lost strong"),
    ParameterState.WRITING: (_lazy("being written"), "d-sent"),
    ParameterState.REFUSED: (_lazy("refused by the meter"), "d-refused"),
    ParameterState.UNREAD: (_lazy("not read yet"), "muted"),
    ParameterState.READ_ONLY: (_lazy("nothing agreed"), "muted"),
}


@dataclass(frozen=True, kw_only=True)
class ParameterLine:
    """One row of the table. `may`: it can be written now. `state` is the word of `ParameterState`."""

    quantity: str
    name: str
    address: str
    mark: str
    source: str
    read: str
    read_unit: str
    read_at: str
    wanted: str
    wanted_unit: str
    wanted_by: str
    said: str
    state: str
    css: str
    why: str
    may: bool


@dataclass(frozen=True, kw_only=True)
class VersionLine:
    """One value that was wanted, and what came of it."""

    at: str
    name: str
    change: str
    who: str
    reason: str
    result: str
    css: str


@dataclass(frozen=True, kw_only=True)
class ParameterCard:
    """The table and the versions behind it."""

    lines: Sequence[ParameterLine]
    versions: Sequence[VersionLine]

    @property
    def busy(self) -> bool:
        """Is a value on its way? Then the page follows it."""
        return any(each.said == ParameterState.WRITING for each in self.lines)


@dataclass(frozen=True, kw_only=True)
class ClockLine:
    """How a meter's clock goes. `settable`: this model is told the time over the wire."""

    said: str
    off: bool
    read_at: str
    asked: str
    settable: bool


def clock_line(meter: Meter, profile: Profile | None, at: datetime, zone: ZoneInfo) -> ClockLine | None:
    """What is known of its clock; None where the model shows none."""
    clock = MeterClock.objects.filter(meter=meter).first()
    settable = profile is not None and profile.clock is not None
    if clock is None:
        return ClockLine(said=_("not read yet"), off=False, read_at="", asked="", settable=True) if settable else None
    size = abs(clock.ahead_s)
    span = _("%d s") % size if size < 600 else formats.duration(size)
    if size <= 1:
        said = _("goes right")
    elif clock.ahead_s > 0:
        said = _("%s ahead") % span
    else:
        said = _("%s behind") % span
    who = names_of([clock.actor]).get(clock.actor) or _("by itself")
    when = formats.when(clock.asked_at, at, zone) if clock.asked_at else ""
    asked = _("last set %(at)s, %(who)s") % {"at": when, "who": who} if when else ""
    return ClockLine(
        said=said, off=clocks.is_off(clock), read_at=formats.when(clock.read_at, at, zone),
        asked=asked, settable=settable,
    )  # fmt: skip


def parameter_card(
    circuit: Circuit, row: MeterRow, profile: Profile | None, at: datetime, zone: ZoneInfo
) -> ParameterCard:
    """What is known of the circuit's parameters; empty where its model has none."""
    if profile is None or not profile.settings:
        return ParameterCard(lines=[], versions=[])
    may = set(settings.writable(circuit))
    agreed, since = {}, None
    opened: tuple[str, str] = ("", "")
    supply = circuit.supplypoint_set.filter(state="open").first()
    if supply is not None:
        since = supply.valid_from
        agreed = {each: value for each, value in settings.agreed_with(supply).items() if each in may}
        agreed |= purse_prices.agreed_with(supply, at=at)
        opening = Opening.objects.filter(supply_point=supply, kind="open", state="done").order_by("-pk").first()
        if opening is not None:
            opened = opening.actor_name, formats.when(opening.at, at, zone)
    known = {each.quantity: each for each in parameters.of_circuit(circuit.pk, agreed, since=since)}
    for quantity in profile.settings:
        known.setdefault(quantity, parameters.only_read(circuit.pk, quantity))
    kept = parameters.versions(circuit.pk)
    names = names_of([each.wanted_by for each in known.values()] + [each.actor for each in kept])
    ordered = sorted(profile.settings, key=lambda each: profile.registers[each].address)
    return ParameterCard(
        lines=[_line(known[each], row, profile, names, opened, each in may, at, zone) for each in ordered],
        versions=[_version(each, row, profile, names, at, zone) for each in kept],
    )


def _line(
    one: Parameter, row: MeterRow, profile: Profile, names: dict[str, str], opened: tuple[str, str], may: bool,
    at: datetime, zone: ZoneInfo,
) -> ParameterLine:  # fmt: skip
    register = profile.registers[one.quantity]
    mark, source = mark_of(register)
    read, read_unit = value_words(one.quantity, one.read, row, profile, zone)
    wanted, wanted_unit = value_words(one.quantity, one.wanted, row, profile, zone)
    word, css = STATES[one.state]
    who, when = names.get(one.wanted_by, ""), formats.when(one.wanted_at, at, zone) if one.wanted_at else ""
    if one.wanted is not None and not one.wanted_at:
        who, when = opened
        who = _("at opening, %s") % who if who else _("at opening")
    # of a value that agrees nothing is said, unless something beside it moved when it was written
    doubt = one.state in (ParameterState.UNKNOWN, ParameterState.REFUSED, ParameterState.DIFFERS) or one.code == MOVED
    return ParameterLine(
        quantity=one.quantity.value, name=label(one.quantity, _language(), money=profile.wallet is not None),
        address=register.place(profile.offset(row.index, shared=register.shared)), mark=mark, source=source,
        read=read, read_unit=read_unit, read_at=formats.when(one.read_at, at, zone) if one.read_at else _("never read"),
        wanted=wanted, wanted_unit=wanted_unit, wanted_by=" · ".join(each for each in (who, when, one.reason) if each),
        said=one.state.value, state=str(word), css=css,
        why=message(one.code, _language()) if doubt and one.code in texts else "", may=may,
    )  # fmt: skip


def _version(
    one: WantedSetting, row: MeterRow, profile: Profile, names: dict[str, str], at: datetime, zone: ZoneInfo
) -> VersionLine:
    quantity = Quantity(one.quantity)
    before, _unit = value_words(quantity, one.before, row, profile, zone)
    after, unit = value_words(quantity, one.value, row, profile, zone)
    result, css = _came_of(one)
    return VersionLine(
        at=formats.when(one.set_at, at, zone), name=label(quantity, _language(), money=profile.wallet is not None),
        change=f"{before} → {after} {unit}".strip(), who=names.get(one.actor, ""), reason=one.reason, result=result,
        css=css,
    )  # fmt: skip


def _came_of(one: WantedSetting) -> tuple[str, str]:
    said, css = came_of(one.job)
    if one.job.verdict in (Verdict.REFUSED, Verdict.DISPUTED) and one.job.code in texts:
        said += ("：" if formats.chinese() else ": ") + message(one.job.code, _language())
    return said, css


def _language() -> str:
    return get_language() or "zh-hans"
