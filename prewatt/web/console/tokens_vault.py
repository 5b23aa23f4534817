"""The key vault as the console shows it: which vaults are open, which keys there are, their limits and today's use.

Keys are named and compared by their check value; a value is on no page, and none is taken in here.
"""

from typing import Any

from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from prewatt.core.refusals import Refused
from prewatt.core.sts import parse_currency, show_currency
from prewatt.core.units import parse_energy
from prewatt.office.estate.models import Company, Site
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.roles import Act
from prewatt.office.tokens import listings
from prewatt.office.tokens.models import KeyDay, StoredKey
from prewatt.web.console.settings import told
from prewatt.web.console.settings_fields import Field, attempt, form_page, kept, roles_of, text, whole
from prewatt.web.console.tokens_parts import PATH, holds_company, may_
from prewatt.web.console.tokens_words import KEY_TYPES, PROVIDERS, key_words, tenths_words
from prewatt.web.console.views_base import Ask, console
from prewatt.web.ui import formats

TENTH_WH = 100
HERE = f"{PATH}/vault"


def _company(ask: Ask) -> Company:
    return Site.objects.select_related("company").get(pk=ask.site.id).company


def _vaults(ask: Ask) -> list[dict[str, Any]]:
    """Each kind of vault and whether this server has it open."""
    from prewatt.office.tokens import opened

    rack = opened.rack(at=ask.at)
    return [
        {"name": name, "open": provider in rack.vaults,
         "keys": StoredKey.objects.filter(provider=provider, ended_at=None).count()}
        for provider, name in PROVIDERS.items()
    ]  # fmt: skip


def _line(ask: Ask, row: StoredKey, used: KeyDay | None) -> dict[str, Any]:
    day = used or KeyDay(key=row)
    uses = [
        (_("tokens"), f"{day.tokens:,}", f"{row.tokens_a_day:,}" if row.tokens_a_day is not None else ""),
        (_("credit"), tenths_words(day.tenths), tenths_words(row.tenths_a_day) if row.tenths_a_day is not None else ""),
        (_("money"), show_currency(day.money_e5),
         show_currency(row.money_e5_a_day) if row.money_e5_a_day is not None else ""),
    ]  # fmt: skip
    return {
        "row": row, "provider": PROVIDERS[row.provider], "kt": KEY_TYPES.get(row.kt, ""), "uses": uses,
        "company": row.company.name if row.company is not None else _("all companies"),
        "holders": listings.holders(row), "added": formats.when(row.added_at, ask.at, ask.zone),
        "ended": formats.when(row.ended_at, ask.at, ask.zone) if row.ended_at else "",
        "may_limit": row.ended_at is None and may_(ask, Act.VAULT) and holds_company(ask, row.company_id),
    }  # fmt: skip


@require_safe
@console(roles=roles_of(Act.VAULT, Act.TOKENS))
def page(ask: Ask) -> HttpResponse:
    rows = listings.keys_of(_company(ask).pk, ended=True)
    used = listings.used_today([each.pk for each in rows], at=ask.at)
    lines = [_line(ask, each, used.get(each.pk)) for each in rows]
    context = {
        "vaults": _vaults(ask), "lines": [each for each in lines if not each["ended"]],
        "past": [each for each in lines if each["ended"]],
    }  # fmt: skip
    return ask.page("tokens/vault.html", context)


def _fields(row: StoredKey) -> list[Field]:
    tenths, money = row.tenths_a_day, row.money_e5_a_day
    return [
        Field(name="tokens", label=_("Tokens a day"), kind="number", most=10,
              value=str(row.tokens_a_day) if row.tokens_a_day is not None else "", hint=_("Empty: no limit.")),
        Field(name="kwh", label=_("Credit a day, kWh"), kind="decimal", most=16, hint=_("Empty: no limit."),
              value=f"{tenths // 10}.{tenths % 10}" if tenths is not None else ""),
        Field(name="money", label=_("Credit a day, money"), kind="decimal", most=16,
              value=show_currency(money) if money is not None else "", hint=_("Empty: no limit.")),
        Field(name="reason", label=_("Reason"), required=True, most=255),
    ]  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@console(roles=roles_of(Act.VAULT))
def limits(ask: Ask, key_id: int) -> HttpResponse:
    """How much may be made with a key on one day (UTC)."""
    row = next((each for each in listings.keys_of(_company(ask).pk) if each.pk == key_id), None)
    if row is None or not holds_company(ask, row.company_id):
        raise Http404
    fields, refused = _fields(row), {}
    if ask.request.method == "POST":
        refused = attempt(lambda: _limit(ask, row, ask.request.POST))
        if not refused:
            told(ask, _("The limits hold from now on."))
            return redirect(HERE)
        fields = kept(fields, ask.request.POST)
    return form_page(
        ask, title=_("Daily limits of %s") % key_words(row), fields=fields, submit=_("Save"), back=HERE,
        crumb=_("Key vault"), refused=refused or None,
        says=_("Counted by the day in UTC, over every site that vends with this key. What is above is refused before "
               "a sale is stored."),
    )  # fmt: skip


def _limit(ask: Ask, row: StoredKey, form: QueryDict) -> None:
    from prewatt.office.tokens import keys

    tokens, kwh, money = (text(form, name, 20) for name in ("tokens", "kwh", "money"))
    try:
        tenths = parse_energy(kwh) // TENTH_WH if kwh else None
        e5 = parse_currency(money) if money else None
    except Refused as malformed:
        raise Refused("vending_limit_malformed") from malformed
    keys.limit(
        row, tokens_a_day=whole(form, "tokens") if tokens else None, tenths_a_day=tenths, money_e5_a_day=e5,
        reason=text(form, "reason", 255), actor=of_operator(ask.operator), at=ask.at,
    )  # fmt: skip


urlpatterns = [
    path("tokens/vault", page, name="tokens-vault"),
    path("tokens/vault/<int:key_id>/limits", limits, name="tokens-key-limits"),
]
