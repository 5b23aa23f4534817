"""What the meter page says: its health, each register with its value, age and source, relay events, commands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from django.utils.translation import get_language, ngettext, pgettext
from django.utils.translation import gettext as _

from prewatt.core.meters import Profile
from prewatt.core.meters.jobs import Intent, OrderKind, Verdict, Wish
from prewatt.core.meters.judging import BY_CODE
from prewatt.core.meters.model import Group, Register
from prewatt.core.meters.names import label
from prewatt.core.meters.quantities import Quantity, StatusBit
from prewatt.core.meters.wallet import PRICES, price_of
from prewatt.core.refusals import message, texts
from prewatt.core.units import format_price
from prewatt.office.metering.models import JobRow, JobState
from prewatt.office.metering.states import CircuitState
from prewatt.office.reports.board import BoardRow
from prewatt.office.reports.meters import JobLine, MeterRow, SupplyChange
from prewatt.office.staff.models import Operator
from prewatt.web.console.contracts_plot import price_unit
from prewatt.web.console.marks_words import MARKS
from prewatt.web.console.panel import cause_words
from prewatt.web.ui import formats

PURSE: Final = frozenset(
    {
        Quantity.BALANCE,
        Quantity.PURCHASE_COUNT,
        Quantity.LAST_ORDER_KIND,
        Quantity.LAST_ORDER_AMOUNT,
        Quantity.PURCHASED_TOTAL,
        Quantity.USE_PAST_ZERO,
        Quantity.ORDER_RESULT,
    }
)
POWERS: Final = frozenset(
    {
        Quantity.POWER_ACTIVE, Quantity.POWER_A, Quantity.POWER_B, Quantity.POWER_C, Quantity.LOAD_LIMIT,
        Quantity.MALICIOUS_STEP,
    }
)  # fmt: skip
# quantity -> column of the latest row, and which of a list
_COLUMNS: Final[Mapping[Quantity, tuple[str, int | None]]] = {
    Quantity.ENERGY_IMPORT_TOTAL: ("energy_wh", None),
    Quantity.POWER_ACTIVE: ("power_w", None),
    Quantity.BALANCE: ("balance", None),
    Quantity.PURCHASE_COUNT: ("purchase_count", None),
    Quantity.LAST_ORDER_KIND: ("last_order_kind", None),
    Quantity.LAST_ORDER_AMOUNT: ("last_order_amount", None),
    Quantity.PURCHASED_TOTAL: ("purchased_total", None),
    Quantity.USE_PAST_ZERO: ("use_past_zero", None),
    Quantity.RELAY: ("relay", None),
    Quantity.STATUS: ("status", None),
    Quantity.ENERGY_IMPORT_SHARP: ("rates_wh", 0),
    Quantity.ENERGY_IMPORT_PEAK: ("rates_wh", 1),
    Quantity.ENERGY_IMPORT_FLAT: ("rates_wh", 2),
    Quantity.ENERGY_IMPORT_VALLEY: ("rates_wh", 3),
    Quantity.VOLTAGE_A: ("voltage_mv", 0),
    Quantity.VOLTAGE_B: ("voltage_mv", 1),
    Quantity.VOLTAGE_C: ("voltage_mv", 2),
    Quantity.CURRENT_A: ("current_ma", 0),
    Quantity.CURRENT_B: ("current_ma", 1),
    Quantity.CURRENT_C: ("current_ma", 2),
}


def _language() -> str:
    return get_language() or "zh-hans"


@dataclass(frozen=True, kw_only=True)
class RegisterLine:
    """One line of the register table. `mark`: sure, one, differ, assumed."""

    name: str
    address: str
    kind: str
    value: str
    unit: str
    quality: str
    good: bool
    mark: str
    source: str


class Sourced(Protocol):
    """Whatever carries where it is from: a register, an order block, a table."""

    @property
    def source(self) -> str: ...

    @property
    def assumed(self) -> bool: ...


def mark_of(what: Sourced) -> tuple[str, str]:
    """(mark, words) of where it comes from, said at each mention."""
    if what.assumed:
        return "assumed", pgettext("source", "assumed")
    if "one source" in what.source:
        return "one", _("single source")
    if "differ" in what.source:
        return "differ", _("sources differ")
    page = what.source.rpartition("p. ")[2] if "p. " in what.source else ""
    return "sure", _("manual p. %s") % page if page else _("manual")


def register_lines(
    profile: Profile,
    row: MeterRow,
    board: BoardRow,
    latest: Mapping[str, Any],
    settings: Mapping[str, int],
    settings_at: datetime | None,
    at: datetime,
    zone: ZoneInfo,
) -> list[RegisterLine]:
    """Every register of the profile, in the order of addresses, with what is known of it."""
    lines = []
    unused = board.custody == "server" or (board.custody is None and board.common)
    for quantity, register in sorted(profile.registers.items(), key=lambda item: item[1].address):
        value, read_at = _value(quantity, register, latest, settings, settings_at)
        shown, unit = value_words(quantity, value, row, profile, zone)
        if quantity in PURSE and unused:
            quality, good = (
                _("not used (credit in the office)") if board.custody else _("not used (common area)"),
                False,
            )
        elif value is None:
            quality, good = _("not read yet"), False
        elif board.state is CircuitState.OFFLINE or read_at is None:
            quality, good = _("from %s") % (formats.when(read_at, at, zone) if read_at else formats.DASH), False
        else:
            quality, good = formats.ago(int((at - read_at).total_seconds())), True
        marked = latest.get("mark") if quantity is Quantity.ENERGY_IMPORT_TOTAL else None
        if marked:
            quality, good = f"{MARKS[BY_CODE[marked]]}, {quality}", False
        mark, source = mark_of(register)
        offset = profile.offset(row.index, shared=register.shared)
        lines.append(
            RegisterLine(
                name=label(quantity, _language(), money=profile.wallet is not None),
                address=register.place(offset),
                kind=register.form,
                value=shown,
                unit=unit,
                quality=quality,
                good=good,
                mark=mark,
                source=source,
            )
        )
    return lines


def _value(
    quantity: Quantity,
    register: Register,
    latest: Mapping[str, Any],
    settings: Mapping[str, int],
    settings_at: datetime | None,
) -> tuple[int | None, datetime | None]:
    """What is known of a quantity, and when it was read."""
    if quantity in _COLUMNS:
        column, place = _COLUMNS[quantity]
        held = latest.get(column)
        if place is not None:
            held = held[place] if held is not None and len(held) > place else None
        at = latest.get("full_at") if register.group is Group.REGISTERS else latest.get("at")
        return held, at if held is not None else None
    held, also = settings.get(quantity.value), latest.get("others", {}).get(quantity.value)
    if also is not None and (held is None or settings_at is None or settings_at <= latest["others_at"]):
        return also, latest["others_at"]
    return held, settings_at if held is not None else None


def value_words(
    quantity: Quantity, value: int | None, row: MeterRow, profile: Profile, zone: ZoneInfo
) -> tuple[str, str]:
    """A value with its unit, as a person reads it."""
    if value is None:
        return formats.DASH, ""
    name = quantity.value
    if quantity in (
        Quantity.BALANCE,
        Quantity.LAST_ORDER_AMOUNT,
        Quantity.PURCHASED_TOTAL,
        Quantity.USE_PAST_ZERO,
        Quantity.OVERDRAWN,
        Quantity.ALARM_LEVEL_1,
        Quantity.ALARM_LEVEL_2,
        Quantity.OVERDRAFT_LIMIT,
        Quantity.HOARDING_LIMIT,
    ):
        if not row.custody and profile.wallet is not None:  # nobody's yet: money of the company's currency
            return formats.scaled(value, profile.wallet.exponent), ""
        return formats.credit(value, row.credit_unit), formats.credit_unit_word(row.credit_unit)
    if quantity in PRICES:
        unit = price_unit(row.credit_unit) if row.custody and row.credit_unit != "Wh" else "/kWh"
        return format_price(price_of(value).normalize()), unit
    if name.startswith("energy_"):
        return formats.energy(value), "kWh"
    if name.startswith("voltage_"):
        return formats.scaled(value, 3, 1), "V"
    if name.startswith("current_"):
        return formats.scaled(value, 3, 2), "A"
    if quantity in POWERS:
        return formats.scaled(value, 3), "kW"
    if quantity is Quantity.POWER_REACTIVE:
        return formats.scaled(value, 3), "kvar"
    if quantity is Quantity.POWER_APPARENT:
        return formats.scaled(value, 3), "kVA"
    match quantity:
        case Quantity.RELAY:
            return f"{value} {pgettext('relay', 'closed') if value else pgettext('relay', 'open')}", ""
        case Quantity.STATUS:
            return _bits(value), ""
        case Quantity.LAST_ORDER_KIND:
            kind = profile.order.kind_of(value) if profile.order else None
            return (label(kind, _language()) if isinstance(kind, OrderKind) else str(value)), ""
        case Quantity.POWER_FACTOR:
            return formats.scaled(value, 3), ""
        case Quantity.FREQUENCY:
            return formats.scaled(value, 3, 2), "Hz"
        case Quantity.DAYS_LEFT:
            return str(value), pgettext("span of time", "days")
        case Quantity.MALICIOUS_SWITCH | Quantity.ALARM_TRIPS_1 | Quantity.ALARM_TRIPS_2 | Quantity.PAY_MODE:
            return switch_words(quantity, value), ""
        case Quantity.CLOCK:
            return datetime.fromtimestamp(value, zone).strftime("%Y-%m-%d %H:%M:%S"), ""
        case Quantity.METER_NUMBER:
            return f"{value:012d}", ""
        case _:
            return str(value), ""


def switch_words(quantity: Quantity, value: int) -> str:
    """How a switch of the meter's own stands."""
    if quantity is Quantity.MALICIOUS_SWITCH:
        return pgettext("watch", "on") if value else pgettext("watch", "off")
    if quantity is Quantity.PAY_MODE:
        return pgettext("pay mode", "afterwards") if value else pgettext("pay mode", "in advance")
    return pgettext("alarm level", "trips as a warning") if value else pgettext("alarm level", "signals")


def _bits(status: int) -> str:
    """The facts of a status word, in the order of core StatusBit, as the office keeps them."""
    told = [label(bit, _language()) for place, bit in enumerate(StatusBit) if status >> place & 1]
    return ", ".join(told) or _("nothing to report")


def health_sentence(
    row: MeterRow, board: BoardRow, lost: Sequence[tuple[str, datetime]], at: datetime, zone: ZoneInfo
) -> tuple[str, str]:
    """(bold, rest): whether it answers and supplies, since when, and how often contact was lost this week."""
    if not row.gateway:
        return _("This meter is never online."), _("A person reads it; its credit comes as tokens.")
    if row.read_at is None:
        return _("This meter has never answered."), _(
            "A new one is asked within a minute. After that we ask again and again: check its address, line and model."
        )
    last = _("Last answer %(time)s (%(ago)s).") % {
        "time": formats.when(row.read_at, at, zone),
        "ago": formats.ago(int((at - row.read_at).total_seconds())),
    }
    week = ngettext("Contact was lost %d time in 7 days.", "Contact was lost %d times in 7 days.", len(lost)) % len(
        lost
    )
    if not lost:
        week = _("No loss of contact in 7 days.")
    gap = "" if formats.chinese() else " "
    if not row.line_up:
        return _("Not known now: gateway %s is lost.") % row.gateway, last + gap + week
    if row.silent or board.state is CircuitState.OFFLINE:
        return _("The line answers, this meter does not."), last + gap + week
    first = (
        _("Online, supplied.")
        if board.relay == 1
        else _("Online, supply is off.")
        if board.relay == 0
        else _("Online.")
    )
    return first, last + gap + week


def relay_events(
    changes: Sequence[SupplyChange], board: BoardRow, at: datetime, zone: ZoneInfo
) -> list[tuple[str, str, str]]:
    """(time, what, more) of each opening and closing seen in telemetry."""
    lines = []
    for each in changes:
        amount = formats.credit(each.balance, board.credit_unit, board.exponent)
        unit = " kWh" if board.credit_unit == "Wh" and each.balance is not None else ""
        told = [_("balance %s") % (amount + unit)] if each.balance is not None else []
        if each.power_w:
            told.append(_("load %s kW") % formats.power(each.power_w))
        if each.kind == "opened":
            lines.append((formats.when(each.at, at, zone), _("Opened: %s") % cause_words(each.cause), " · ".join(told)))
        else:
            lines.append((formats.when(each.at, at, zone), pgettext("relay event", "Closed"), " · ".join(told)))
    return lines


@dataclass(frozen=True, kw_only=True)
class CommandLine:
    """One line under "commands". `css` colours the result by what is known."""

    at: str
    what: str
    who: str
    result: str
    css: str
    more: str


def names_of(actors: Sequence[str]) -> dict[str, str]:
    """The names behind "operator:7", and of the exchange of a meter behind "swap:7"; the system has none."""
    ids = [int(each.partition(":")[2]) for each in actors if each.startswith("operator:") and each[9:].isdecimal()]
    found = {f"operator:{pk}": name for pk, name in Operator.objects.filter(pk__in=ids).values_list("pk", "name")}
    return found | {each: _("exchange of the meter") for each in actors if each.startswith("swap:")}


def job_lines(jobs: Sequence[JobLine], at: datetime, zone: ZoneInfo) -> list[CommandLine]:
    """What was asked of the meter, newest first."""
    names = names_of([each.actor for each in jobs])
    lines = []
    for each in jobs:
        what = label(Intent(each.intent), _language())
        if each.wish:
            what += f" → {label(Wish(each.wish), _language())}"
        result, css = _result(each, at, zone)
        lines.append(
            CommandLine(
                at=formats.when(each.created_at, at, zone),
                what=what,
                who=names.get(each.actor, ""),
                result=result,
                css=css,
                more=message(each.code, _language()) if each.code in texts else each.code,
            )
        )
    return lines


def _result(job: JobLine, at: datetime, zone: ZoneInfo) -> tuple[str, str]:
    if job.state == "queued":
        due = (
            _("waits until %s") % formats.clock_seconds(job.due_at, zone)
            if job.due_at > at
            else _("waits for its line")
        )
        return due, "d-waiting"
    return came_of(job)


_COLOURS: Final = {
    Verdict.DONE: "d-confirmed strong",
    Verdict.REFUSED: "d-refused",
    Verdict.SILENT: "s-lost strong",
    Verdict.UNKNOWN: "s-lost strong",
    Verdict.DISPUTED: "d-disputed",
}


# they leave nothing behind, so that silence is all there is to say of one
_READS: Final = (
    Intent.READ_STATUS, Intent.READ_REGISTERS, Intent.READ_PURSE, Intent.READ_FREEZES, Intent.READ_SCHEDULE,
    Intent.READ_PRICES, Intent.TRY,
)  # fmt: skip


def came_of(job: JobLine | JobRow) -> tuple[str, str]:
    """What came of a command, in words, and their colour. Silence proves nothing of a write that may have left."""
    left = job.ever_sent and job.intent not in _READS
    if job.state not in (JobState.DONE, JobState.DROPPED):
        return _("at work"), "d-sent"
    if job.state == JobState.DROPPED and not left:
        return _("dropped, never sent"), "muted"
    verdict = Verdict(job.verdict) if job.verdict else Verdict.SILENT
    if verdict is Verdict.SILENT and left:
        verdict = Verdict.UNKNOWN
    return label(verdict, _language()), _COLOURS[verdict]
