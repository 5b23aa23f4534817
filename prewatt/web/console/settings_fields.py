"""Form fields read into values: what people type into the console's forms, refused where it cannot be meant."""

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.http import HttpResponse, QueryDict
from django.utils.translation import get_language

from prewatt.core.refusals import Refused, Text, register
from prewatt.core.units import parse_energy
from prewatt.office.staff.models import Role
from prewatt.office.staff.roles import Act, may
from prewatt.office.vending.acts import check_reason
from prewatt.web.console.views_base import Ask

NUMBER_MOST: Final = 12  # digits of a typed number

register(
    {
        "number_unreadable": Text(
            en="“{text}” is not a whole number. Nothing was saved.", zh="“{text}”不是整数。什么都没有保存。"
        ),
        "moment_unreadable": Text(
            en="“{text}” is not a date and time. Nothing was saved.", zh="“{text}”不是日期和时间。什么都没有保存。"
        ),
        "read_too_many": Text(
            en="At most {most} circuits are read at once. Nothing was asked. Choose a line or a building.",
            zh="一次最多抄 {most} 个回路。什么都没有问。请选择一条总线或一栋楼。",
        ),
        "field_needed": Text(
            en="“{field}” is still empty. Nothing was saved.", zh="“{field}”还没有填。什么都没有保存。"
        ),
        "choice_needed": Text(
            en="Something is still to be chosen. Nothing was saved.", zh="还有一项没有选择。什么都没有保存。"
        ),
    }
)


def say(refused: Refused) -> str:
    """The refusal in the reader's language."""
    return refused.message(get_language() or "zh-hans")


def roles_of(*acts: Act) -> frozenset[str]:
    """The roles that may do one of these acts: what a view lets in, by the one table."""
    return frozenset(role.value for role in Role if any(may(role, act) for act in acts))


def text(form: QueryDict, name: str, most: int = 120) -> str:
    return form.get(name, "").strip()[:most]


def whole(form: QueryDict, name: str, default: int | None = None) -> int:
    """A whole number, signed. Raises Refused number_unreadable."""
    typed = form.get(name, "").strip()
    if not typed and default is not None:
        return default
    digits = typed.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= NUMBER_MOST):
        raise Refused("number_unreadable", text=typed[:40])
    return int(typed)


def energy(form: QueryDict, name: str) -> int:
    """kWh as typed -> Wh; empty is 0. Raises Refused energy_malformed, energy_too_precise, energy_too_large."""
    typed = form.get(name, "").strip()
    return parse_energy(typed) if typed else 0


def moment(form: QueryDict, name: str, zone: ZoneInfo) -> datetime | None:
    """A `datetime-local` or `date` field in the site's zone; None when empty. Raises Refused moment_unreadable."""
    typed = form.get(name, "").strip()
    if not typed:
        return None
    try:
        return datetime.fromisoformat(typed).replace(tzinfo=zone)
    except ValueError:
        raise Refused("moment_unreadable", text=typed[:40]) from None


def reason(form: QueryDict) -> str:
    """Why. Raises Refused reason_needed, reason_too_long."""
    return check_reason(form.get("reason", ""))


def attempt(act: Callable[[], Any]) -> dict[str, str]:
    """Do something; {} when it is done, else what a notice says: `said` and `code`."""
    try:
        act()
    except Refused as refused:
        return {"said": say(refused), "code": refused.code}
    return {}


def key_of(ask: Ask) -> str:
    """The key of a form: sent twice, it asks once."""
    return f"{ask.operator.pk}:{text(ask.request.POST, 'request_key', 64) or secrets.token_urlsafe(12)}"


def pick(options: Iterable[Any], wanted: int | None) -> Any:
    """The option with this id. Raises Refused choice_needed."""
    for each in options:
        if each.pk == wanted:
            return each
    raise Refused("choice_needed")


@dataclass(frozen=True, kw_only=True)
class Field:
    """One field of a form. Kinds: text, number, decimal, password, datetime-local, date, select, radio, checkbox, area.
    A heading has a label alone.

    `options` for select and radio: (value, label, explanation).
    """

    name: str
    label: str
    kind: str = "text"
    value: str = ""
    hint: str = ""
    options: Sequence[tuple[str, str, str]] = ()
    required: bool = False
    wide: bool = True  # a line of its own
    most: int = 120
    listed: Sequence[str] = ()  # suggestions
    rows: int = 2  # of an area


def kept(fields: Iterable[Field], form: QueryDict) -> list[Field]:
    """The same fields with what was typed: a refusal takes nothing away."""
    return [replace(each, value="" if each.kind == "password" else form.get(each.name, "")) for each in fields]


def local(moment_: datetime, zone: ZoneInfo) -> str:
    """A moment as a datetime-local field holds it."""
    return moment_.astimezone(zone).strftime("%Y-%m-%dT%H:%M")


def form_page(
    ask: Ask,
    *,
    title: str,
    fields: Sequence[Field],
    submit: str,
    back: str,
    crumb: str,
    says: str = "",
    warn: str = "",
    refused: dict[str, str] | None = None,
    risk: bool = False,
    more: dict[str, Any] | None = None,
    template: str = "ui/form.html",
) -> HttpResponse:
    """A page with one form: what it is for, its fields, one button; above it what was refused."""
    told = {
        "title": title,
        "fields": fields,
        "submit": submit,
        "back": back,
        "crumb": crumb,
        "says": says,
        "warn": warn,
        "refused": refused,
        "risk": risk,
        "request_key": ask.request.POST.get("request_key") or secrets.token_urlsafe(24),
        **(more or {}),
    }
    return ask.page(template, told, status=422 if refused else 200)
