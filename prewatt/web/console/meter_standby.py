"""Sets that a meter keeps two of, as pages: what its times of use and its prices have in common."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils.functional import Promise
from django.utils.translation import get_language, pgettext_lazy
from django.utils.translation import gettext as _

from prewatt.core.refusals import Refused, message, texts
from prewatt.office.estate.models import Meter
from prewatt.office.metering.models import WantedSet
from prewatt.office.metering.standby import Known, Table
from prewatt.office.staff.roles import Act, may
from prewatt.web.console.meters_parameters import STATES
from prewatt.web.console.meters_words import came_of, names_of
from prewatt.web.console.settings import told
from prewatt.web.console.settings_fields import Field, attempt, key_of, moment
from prewatt.web.console.views_base import Ask
from prewatt.web.ui import formats

RATES: Final[dict[int, Promise]] = {
    1: pgettext_lazy("rate", "sharp"),
    2: pgettext_lazy("rate", "peak"),
    3: pgettext_lazy("rate", "flat"),
    4: pgettext_lazy("rate", "valley"),
}
_Wanted = TypeVar("_Wanted", bound=WantedSet)


@dataclass(frozen=True, kw_only=True)
class Version:
    """One set that was wanted, and what came of it. `parts`: what it says, in words."""

    at: str
    swap: str
    who: str
    reason: str
    result: str
    why: str
    parts: Sequence[Any]


def versions_of(ask: Ask, wanted: Sequence[_Wanted], parts: Callable[[_Wanted], Sequence[Any]]) -> list[Version]:
    """What was wanted of a meter, newest first."""
    names, language = names_of([each.actor for each in wanted]), get_language() or "zh-hans"
    return [
        Version(
            at=formats.when(each.set_at, ask.at, ask.zone), who=names.get(each.actor) or _("by itself"),
            swap=f"{each.swap_at.astimezone(ask.zone):%Y-%m-%d %H:%M}", reason=each.reason, result=came_of(each.job)[0],
            why=message(each.job.code, language) if each.job.code in texts and each.job.verdict != "done" else "",
            parts=parts(each),
        )
        for each in wanted
    ]  # fmt: skip


def context_of(
    ask: Ask, meter: Meter, table: Table, now: Known[Any, Any], versions: Sequence[Version]
) -> dict[str, Any]:
    """What both pages show: how the sets stand, when the meter was read, when it swaps, who wanted what."""
    (word, css), read = STATES[now.state], now.read
    return {
        "meter": meter, "table": table, "known": read is not None, "state": str(word), "css": css,
        "said": now.state.value, "versions": versions,
        "read_at": formats.when(now.read_at, ask.at, ask.zone) if now.read_at else "",
        "swap": f"{datetime.fromtimestamp(read.swap_at, UTC):%Y-%m-%d %H:%M}" if read and read.swap_at else "",
        "differ": read is not None and read.swaps_differ,
        "can_read": meter.line_id is not None and may(ask.operator.role, Act.READ_NOW),
        "can_write": table.writable and meter.line_id is not None and may(ask.operator.role, Act.METER_SETTINGS),
    }  # fmt: skip


def asked(ask: Ask, act: Callable[[str], Any], back: str) -> HttpResponse:
    """Ask the meter, under a key of its own: what resolves an unknown."""
    refused = attempt(lambda: act(secrets.token_urlsafe(12)))
    done = _("Asked. The values and their time follow as soon as the meter has answered.")
    told(ask, refused["said"] if refused else done)
    return redirect(back)


def swap_field(*, value: str = "", hint: str = "", required: bool = True) -> Field:
    return Field(name="swap_at", label=_("Swap at"), kind="datetime-local", value=value, hint=hint, required=required)


def written(ask: Ask, act: Callable[[datetime, str], Any]) -> dict[str, str]:
    """Have what a form says written, with the time of the swap and the key of the form; {} when it is asked for, else
    what a notice says."""
    form = ask.request.POST

    def wanted() -> None:
        swap_at = moment(form, "swap_at", ask.zone)
        if swap_at is None:
            raise Refused("field_needed", field=_("Swap at"))
        act(swap_at, key_of(ask))

    refused = attempt(wanted)
    if not refused:
        told(ask, _("Asked. It holds once the meter has shown it; see its commands."))
    return refused
