"""Sentences of the contract page: why there is power or none, where the balance came from, what an act was."""

from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from prewatt.core.meters import BLOCKS_CLOSING
from prewatt.core.meters.profile import Switch
from prewatt.core.meters.quantities import StatusBit
from prewatt.core.units import format_price
from prewatt.office.estate.models import SupplyPoint
from prewatt.office.estate.profiles import all_profiles
from prewatt.office.metering.states import CircuitState
from prewatt.office.reports.board import BoardRow, runs_out
from prewatt.office.reports.contracts import ContractAct
from prewatt.office.reports.meters import SupplyChange
from prewatt.office.reports.use import BalanceSum
from prewatt.office.vending import purse_prices
from prewatt.web.console.contracts_plot import price_unit
from prewatt.web.console.panel import cause_words
from prewatt.web.ui import formats
from prewatt.web.ui.words import ACTS

AGREES_WH = 500  # readings at both ends lie up to an hour from the edge of the month; below this nobody would look


def split(says: str) -> tuple[str, str]:
    """A sentence and the rest of it: the first is shown bold."""
    mark = "。" if "。" in says else ". "
    first, stop, rest = says.partition(mark)
    return (first + stop).strip(), rest.strip()


def lasting(row: BoardRow) -> str:
    """What is left and about how long it lasts, for a circuit of which nothing worse is to be said."""
    ahead = runs_out(row)
    if ahead is None or row.relay != 1:
        return ""
    amount = formats.credit(row.balance, row.credit_unit, row.exponent)
    told = {"amount": f"{amount} kWh" if row.credit_unit == "Wh" else amount, "days": ahead.about_s // 86400}
    return _("%(amount)s are left; at the use of the last two weeks they last about %(days)d days.") % told


def why(row: BoardRow, at: datetime, zone: ZoneInfo) -> tuple[str, str]:
    """(what is so, why): of the relay, by what the meter last told and what we ourselves want of it."""
    if row.state is CircuitState.OFFLINE:
        return _("Not known now."), _("The meter does not answer; what stood last is below, with its time.")
    none = _("No keep-on, no command of ours and no maintenance tag.")
    if row.relay == 1:
        if row.wish == "keep_on":
            told = {
                "reason": row.wish_reason or formats.DASH,
                "until": formats.when(row.wish_until, at, zone) if row.wish_until else "",
            }
            return _("Supplied because it is kept on"), _(" until %(until)s (%(reason)s), whatever the balance.") % told
        if row.common:
            return _("Supplied:"), _(" common area, never sold to.")
        if row.custody == "meter":
            return _("Supplied because"), _(
                " the balance is above 0; the meter decides by itself (credit in the meter). %s"
            ) % none
        return _("Supplied because"), _(" the office holds the credit and has not cut it. %s") % none
    known = all_profiles().get(row.profile)
    if known is not None and known.switch is Switch.NONE:
        return _("Supplied:"), _(" this meter has no relay, so the supply cannot be cut from here.")
    if row.relay is None:
        return _("Not known:"), _(" the relay was never read.")
    if row.tag is not None:
        until = formats.when(row.tag_until, at, zone) if row.tag_until else ""
        return _("Off because"), _(" %(name)s works here until %(until)s (maintenance tag).") % {
            "name": row.tag,
            "until": until,
        }
    if row.wish == "trip":
        return _("Off because we tripped it:"), f" {row.wish_reason or formats.DASH}"
    if row.custody == "server" and not any(row.has(bit) for bit in BLOCKS_CLOSING):
        balance = formats.credit(row.balance, row.credit_unit, row.exponent)
        if row.balance is not None and row.balance <= 0:
            return _("Off because"), _(" the balance is %s; it comes back by itself after the next purchase.") % balance
        return _("Off now;"), _(" the balance is %s, so it is being closed again.") % balance
    for bit in (
        StatusBit.WARNING_TRIP,
        StatusBit.OVERLOAD_TRIP,
        StatusBit.MALICIOUS_LOAD_TRIP,
        StatusBit.HAND_OPENED,
        StatusBit.CREDIT_TRIP,
    ):
        if row.has(bit):
            return _("Off because:"), _(" %s. The meter cut it by itself.") % cause_words(bit)
    return _("Off."), _(" The meter does not say why. %s") % none


def last_change(changes: list[SupplyChange], at: datetime, zone: ZoneInfo) -> list[tuple[str, str]]:
    """The last change of the relay, and why it was dark that time."""
    if not changes:
        return []
    newest = changes[0]
    if newest.kind == "opened":
        told = f"{formats.when(newest.at, at, zone)} {_('power off')}"
        return [(_("Last change"), told), (_("Why"), cause_words(newest.cause))]
    lines = [(_("Last change"), f"{formats.when(newest.at, at, zone)} {_('power on')}")]
    before = next((each for each in changes[1:] if each.kind == "opened"), None)
    if before is not None:
        for_ = formats.duration(int((newest.at - before.at).total_seconds()))
        lines.append(
            (_("Why it was dark then"), _("%(cause)s, for %(for)s") % {"cause": cause_words(before.cause), "for": for_})
        )
    return lines


def agreement(sum_: BalanceSum, at: datetime, zone: ZoneInfo) -> str:
    """Whether the sum is what the meter says, and how far off if not."""
    time = formats.clock_seconds(sum_.now_at, zone)
    if abs(sum_.differs) <= AGREES_WH:
        return _("agrees with the meter's reading (%s)") % time
    told = {"diff": formats.energy(abs(sum_.differs)), "time": time}
    if sum_.differs > 0:
        return _("the meter says %(diff)s kWh more (%(time)s): credit may have come another way") % told
    return _("the meter says %(diff)s kWh less (%(time)s): ask a manager to look") % told


def price_in_meter(point: SupplyPoint, at: datetime) -> list[tuple[str, str]]:
    """By what price a purse in money drains, and that another one is still to reach it."""
    told = purse_prices.state_of(point, at=at)
    if told is None:
        return []
    unit = price_unit(point.credit_unit)
    shown = _("not read back yet") if told.shown is None else f"{format_price(told.shown.normalize())} {unit}"
    if told.ready is not None and told.swap_at is not None and told.ready != told.shown and not told.running:
        swap = f"{told.swap_at.astimezone(ZoneInfo(point.contract.site.timezone)):%Y-%m-%d %H:%M}"
        says = {"shown": shown, "ready": f"{format_price(told.ready.normalize())} {unit}", "swap": swap}
        return [(_("Price in the meter"), _("%(shown)s; %(ready)s from %(swap)s on") % says)]
    if told.agrees or told.wanted is None:
        return [(_("Price in the meter"), shown)]
    says = {"shown": shown, "wanted": f"{format_price(told.wanted.normalize())} {unit}"}
    if told.running:
        return [(_("Price in the meter"), _("%(shown)s; %(wanted)s is being written") % says)]
    return [(_("Price in the meter"), _("%(shown)s; %(wanted)s is not in the meter yet, it is tried again") % says)]


def act_line(each: ContractAct) -> str:
    """What an act, an opening or a closing was, in half a sentence."""
    if each.kind == "open":
        return _("Opening")
    if each.kind == "close":
        return _("Closing")
    word = str(ACTS.get(each.kind, each.kind))
    if not each.credit:
        return word
    return f"{word} {formats.credit(each.credit, each.credit_unit)}{' kWh' if each.credit_unit == 'Wh' else ''}"


def act_state(state: str) -> str:
    return {
        "asked": _("waits for a second person"),
        "running": _("waits for the meter"),
        "done": _("done"),
        "refused": _("refused"),
        "reading": _("at work"),
        "needs_act": _("waits for a decision"),
        "clearing": _("at work"),
        "writing": _("at work"),
    }.get(state, state)


def sales_count(number: int) -> str:
    return ngettext("%d sale", "%d sales", number) % number
