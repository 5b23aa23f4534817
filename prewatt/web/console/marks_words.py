"""What is thought of a reading, in words (数据质量)."""

from typing import Final

from django.utils.functional import Promise
from django.utils.translation import pgettext_lazy

from prewatt.core.meters.judging import Mark

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
