"""What will follow from a command to a relay, said before it is given."""

from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from prewatt.core.meters.jobs import Wish
from prewatt.core.meters.quantities import StatusBit
from prewatt.office.metering.states import CircuitState
from prewatt.office.reports.board import BoardRow
from prewatt.web.ui import formats

_BLOCKS = (StatusBit.OVERLOAD_TRIP, StatusBit.MALICIOUS_LOAD_TRIP, StatusBit.TAMPER, StatusBit.HAND_OPENED)


def _amount(row: BoardRow) -> str:
    text = formats.credit(row.balance, row.credit_unit, row.exponent)
    return f"{text} kWh" if row.credit_unit == "Wh" and row.balance is not None else text


def follows(row: BoardRow, wanted: Wish, at: datetime, zone: ZoneInfo) -> tuple[str, bool]:
    """(what will follow, whether somebody will stand in the dark or in danger)."""
    unknown = ""
    if row.state is CircuitState.OFFLINE:
        unknown = " " + _("The meter does not answer now; the command waits and goes out when it does.")
    match wanted:
        case Wish.TRIP:
            load = _("Supply will be cut at once")
            if row.power_w and not unknown:
                load += _(", with %s kW running") % formats.power(row.power_w)
            told = load + (
                _(
                    ". The balance stays. It stays off, also after a purchase, until somebody gives it back to "
                    "automatic."
                )
                if row.custody == "server"
                else _(
                    ". The credit stays in the meter. It stays off, also after a purchase, until somebody gives it "
                    "back to automatic."
                )
            )
            return told + unknown, True
        case Wish.KEEP_ON:
            told = _(
                "Supply stays on whatever the balance (%s now). Use is still counted; use past zero is repaid by "
                "the next purchase. It ends by itself at the time given."
            ) % _amount(row)
            if row.relay == 0:
                told = _("The relay is open now and will be closed at once.") + " " + told
            return told + unknown, row.relay == 0
        case Wish.AUTOMATIC:
            return _automatic(row) + unknown, row.spent and row.relay != 0


def _automatic(row: BoardRow) -> str:
    """Back to the meter's own rule: what that will do now."""
    if row.custody == "server":
        return _("The relay follows the office's balance again.")
    if row.spent:
        if row.relay == 0:
            return _("Supply stays off: balance %s. It returns with the next purchase.") % _amount(row)
        return _("Supply will be cut at once: balance %s. Sell first, or continue?") % _amount(row)
    if row.relay == 0 and any(row.has(bit) for bit in _BLOCKS):
        return _("The meter itself cut this circuit and will keep it off until that is seen to.")
    if row.postpaid:
        return _("This circuit is paid afterwards (%s now): the meter keeps it on, or closes it again.") % _amount(row)
    if row.relay == 0:
        return _("The credit is there (%s): the meter closes again, or waits for its key to be pressed.") % _amount(row)
    return _("Supply stays on: balance %s. The meter will cut it when the credit is used up.") % _amount(row)


def sure(wanted: Wish, row: BoardRow) -> str:
    """The button says what will happen."""
    if wanted is Wish.TRIP:
        return _("Cut the supply of %s") % row.room
    if wanted is Wish.KEEP_ON:
        return _("Keep %s on") % row.room
    if row.spent and row.relay != 0:
        return _("Back to automatic and cut")
    return _("Back to automatic")
