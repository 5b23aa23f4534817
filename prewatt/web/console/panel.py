"""The sentences of the side panel: what is so, why, and until when, such that a clerk can read them aloud."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from prewatt.core.meters.quantities import StatusBit
from prewatt.office.metering.states import CircuitState
from prewatt.office.reports.board import BoardRow, runs_out
from prewatt.office.reports.circuit_panel import PanelEvent
from prewatt.web.ui import formats


def _amount(value: int | None, row: BoardRow) -> str:
    text = formats.credit(value, row.credit_unit, row.exponent)
    return f"{text} kWh" if row.credit_unit == "Wh" and value is not None else text


def why_dark(row: BoardRow, at: datetime, zone: ZoneInfo) -> str:
    """Why there is no power, as the meter last told it."""
    if row.tag is not None:
        until = formats.when(row.tag_until, at, zone) if row.tag_until else ""
        return _("Off: maintenance tag of %(name)s until %(until)s.") % {"name": row.tag, "until": until}
    if row.has(StatusBit.WARNING_TRIP):
        return _("Off as a reminder, not for arrears: %s left. Holding the meter's key for 3 s brings power back.") % (
            _amount(row.balance, row)
        )
    if row.has(StatusBit.OVERLOAD_TRIP):
        return _("Off for overload; closing is blocked until the load is seen to.")
    if row.has(StatusBit.MALICIOUS_LOAD_TRIP):
        return _("Off for a forbidden load; closing is blocked until it is seen to.")
    if row.wish == "trip":
        return _("Off by our command: %s.") % (row.wish_reason or formats.DASH)
    if row.custody == "server" and row.balance is not None and row.balance <= 0:
        return _("Off: the balance is %s. Power returns by itself after the next purchase.") % _amount(row.balance, row)
    if row.custody == "server" and row.balance is not None and not row.has(StatusBit.HAND_OPENED):
        return _("Off; the balance is %s, so it is being closed again.") % _amount(row.balance, row)
    if row.has(StatusBit.CREDIT_TRIP) or row.state is CircuitState.ARREARS:
        return _("Off: the credit is used up. Power returns when the next purchase is in the meter.")
    if row.has(StatusBit.HAND_OPENED):
        return _("Off: opened by hand at the meter.")
    return _("Off; the meter does not say why.")


def supply_sentence(row: BoardRow, at: datetime, zone: ZoneInfo) -> str:
    """The plain sentence of a circuit."""
    if row.state is CircuitState.NOT_OPENED:
        return _("Nobody is supplied here: the circuit is not opened.")
    if not row.gateway and row.relay is None:
        return _("This meter is never online: its credit comes as tokens, and we do not see whether it supplies.")
    if row.state is CircuitState.OFFLINE:
        if row.read_at is None:
            return _("This meter has never answered; we keep asking.")
        about = formats.when(row.read_at, at, zone)
        where = _("gateway %s is lost") % row.gateway if not row.line_up else _("the meter does not answer")
        return _("We do not know how it is now: %(where)s. What is shown is from %(at)s.") % {
            "where": where,
            "at": about,
        }
    if row.relay == 0:
        return why_dark(row, at, zone)
    if row.common:
        return _("Supplied. Common area: read only, nothing is sold here.")
    if row.wish == "keep_on" and row.wish_until is not None:
        told = {"until": formats.when(row.wish_until, at, zone), "reason": row.wish_reason or formats.DASH}
        return _("Kept on until %(until)s (%(reason)s). Use is still counted; use past zero is repaid first.") % told
    if row.state is CircuitState.ARREARS:
        return _("Supplied, and in arrears: %s. The next purchase repays first.") % _amount(row.balance, row)
    first = _("Supplied.")
    if row.state is CircuitState.ALARM_1:
        first = _("Supplied. The balance is below %s.") % _amount(row.alarm_1, row)
    if row.state is CircuitState.ALARM_2:
        first = _("Supplied. The balance is below %s.") % _amount(row.alarm_2, row)
    forecast = runs_out(row)
    if forecast is None:
        return first
    end = at + timedelta(seconds=forecast.about_s)
    if forecast.about_s > 6 * 86400:
        return first
    gap = "" if formats.chinese() else " "
    return first + gap + _("It runs out about %s.") % _near(end, at, zone)


def _near(end: datetime, at: datetime, zone: ZoneInfo) -> str:
    """A day and a part of it: a forecast to the minute would claim too much."""
    local = end.astimezone(zone)
    part = (_("at night"), _("in the morning"), _("around noon"), _("in the afternoon"), _("in the evening"))
    index = 0 if local.hour < 6 else 1 if local.hour < 11 else 2 if local.hour < 14 else 3 if local.hour < 18 else 4
    days = (local.date() - at.astimezone(zone).date()).days
    day = _("today") if days == 0 else _("tomorrow") if days == 1 else formats.weekday(end, zone)
    return f"{day}{'' if formats.chinese() else ' '}{part[index]}"


def cause_words(cause: str) -> str:
    """Why a relay opened, as half a sentence."""
    return {
        "credit_trip": _("credit used up"),
        "warning_trip": _("warning trip, credit left"),
        "overload_trip": _("overload"),
        "malicious_load_trip": _("forbidden load"),
        "hand_opened": _("opened by hand"),
        "command_trip": _("our command"),
    }.get(cause, _("cause not told"))


def alarm_words(kind: str) -> str:
    return {
        "low_credit_1": _("Alarm level 1"), "low_credit_2": _("Alarm level 2"), "arrears": _("Arrears"),
        "overload": _("Overload"), "malicious_load": _("Forbidden load"), "warning_trip": _("Warning trip"),
        "tamper": _("Cover opened"), "reverse_power": _("Energy comes back"),
        "voltage_limits": _("Voltage out of its limits"), "power_while_open": _("Power flows though the relay is open"),
        "meter_lost": _("Meter lost"), "line_lost": _("Line lost"), "station_lost": _("Station out of contact"),
        "disputed": _("A delivery is disputed"), "wish_unmet": _("The relay does not follow"),
        "late_restore": _("Paid, and the supply has not come back"),
        "blackout": _("Blackout, or a whole building out of reach"), "backup_failed": _("The backup failed"),
        "reading_held": _("A reading cannot be billed"),
        "reading_frozen": _("The counter stands still under load"),
        "reading_doubted": _("The counter fell or leapt"), "clock_off": _("A clock is far off"),
        "set_disputed": _("Prices or times of use in the meter are not those written"),
    }.get(kind, kind)  # fmt: skip


def happened(event: PanelEvent) -> str:
    """One line under "recently"."""
    if event.kind == "sale":
        amount = formats.credit(event.credit, event.unit) + (" kWh" if event.unit == "Wh" else "")
        if event.unit != "Wh" and event.took_s is not None:
            return _("Bought %s") % amount
        if event.took_s is not None:
            return _("Bought %(amount)s, in the meter after %(s)d s") % {"amount": amount, "s": event.took_s}
        return _("Bought %s, not confirmed yet") % amount
    if event.kind == "alarm":
        return alarm_words(event.cause)
    return {
        "opened": _("Power off: %s") % cause_words(event.cause), "closed": _("Power on again"),
        "meter_lost": _("Meter lost"), "meter_back": _("Meter answers again"),
        "line_lost": _("Line lost"), "line_back": _("Line back"),
    }.get(event.kind, event.kind)  # fmt: skip
