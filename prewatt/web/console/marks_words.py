"""What is thought of a reading, in words (数据质量)."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import pgettext_lazy

from prewatt.core.meters.judging import Mark
from prewatt.office.metering import doubts as standing
from prewatt.office.metering.doubts import Doubt
from prewatt.office.staff.roles import Act, may
from prewatt.web.console.views_base import Ask
from prewatt.web.ui import formats

MARKS: Final[dict[Mark, Promise]] = {
    Mark.BACKWARD: pgettext_lazy("reading", "backward"),
    Mark.JUMP: pgettext_lazy("reading", "jump"),
    Mark.REPEATED: pgettext_lazy("reading", "late or repeated"),
    Mark.CLOCK_OFF: pgettext_lazy("reading", "clock off"),
    Mark.ROLLOVER: pgettext_lazy("reading", "display began anew"),
    Mark.FROZEN: pgettext_lazy("reading", "stands still under load"),
    Mark.GAP: pgettext_lazy("reading", "after a gap"),
    Mark.GAP_FILLED: pgettext_lazy("reading", "after a gap, filled"),
}
BILLED: Final = frozenset({Mark.ROLLOVER, Mark.FROZEN, Mark.GAP, Mark.GAP_FILLED})


def said_of(ask: Ask, doubt: Doubt) -> str:
    """What is in doubt, in a sentence."""
    told = {
        "sure": formats.energy(doubt.sure_wh), "sure_at": formats.when(doubt.sure_at, ask.at, ask.zone),
        "wh": formats.energy(doubt.wh), "at": formats.when(doubt.at, ask.at, ask.zone),
        "more": formats.energy(abs(doubt.wh - doubt.sure_wh)),
    }  # fmt: skip
    if doubt.fell:
        return _("It stood at %(sure)s kWh (%(sure_at)s) and says %(wh)s kWh (%(at)s): %(more)s kWh less.") % told
    return _("It stood at %(sure)s kWh (%(sure_at)s) and says %(wh)s kWh (%(at)s): %(more)s kWh more.") % told


def doubt_of(ask: Ask, circuit_id: int) -> tuple[str, bool]:
    """For other pages: what is in doubt of a circuit (empty: nothing), and whether he may say what happened."""
    found = standing.of_circuits(ask.site.id, [circuit_id])
    return (said_of(ask, found[0]) if found else "", bool(found) and may(ask.operator.role, Act.SETTLE))
