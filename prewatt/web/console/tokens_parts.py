"""What the pages of tokens share: the door by scope and role, lines of lists, digits that are there to be shown."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.db.models import QuerySet
from django.http import Http404
from django.utils.translation import gettext as _

from prewatt.core.refusals import Refused
from prewatt.office.estate.models import Company, Meter, Site
from prewatt.office.estate.scope import visible_to, wholly_held
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.roles import Act, may
from prewatt.office.tokens import listings
from prewatt.office.tokens.models import StsMeter, TokenProposal, TokenRequest
from prewatt.web.console.lists import Cell
from prewatt.web.console.meters_words import names_of
from prewatt.web.console.tokens_words import (
    carried_words,
    code_words,
    content_words,
    key_change_words,
    kind_words,
    state_of,
)
from prewatt.web.console.views_base import Ask
from prewatt.web.ui import formats

PATH: Final = "/console/tokens"
REASON_MOST: Final = 255


def meters(ask: Ask) -> QuerySet[Meter]:
    """The meters of the site that the operator may see."""
    return visible_to(ask.operator, Meter).filter(site_id=ask.site.id)


def meter_or_404(ask: Ask, meter_id: int) -> Meter:
    found = meters(ask).filter(pk=meter_id).first()
    if found is None:
        raise Http404
    return found


def sts_or_404(ask: Ask, meter_id: int) -> tuple[Meter, StsMeter]:
    one = meter_or_404(ask, meter_id)
    sts = listings.meter(one.pk)
    if sts is None:
        raise Http404
    return one, sts


def token_or_404(ask: Ask, request_id: int) -> TokenRequest:
    found = listings.token(ask.site.id, meters(ask), request_id)
    if found is None:
        raise Http404
    return found


def whole_site_or_404(ask: Ask) -> Site:
    """A campaign is a matter of a whole site: who sees one building of it has none."""
    found = wholly_held(ask.operator, Site).select_related("company").filter(pk=ask.site.id).first()
    if found is None:
        raise Http404
    return found


def holds_company(ask: Ask, company_id: int | None) -> bool:
    """Whether a vending key is his to change: that of his company; one of all companies by who holds them all."""
    held = wholly_held(ask.operator, Company)
    if company_id is not None:
        return held.filter(pk=company_id).exists()
    return held.count() == Company.objects.count()


def may_(ask: Ask, act: Act) -> bool:
    return may(ask.operator.role, act)


def make_digits(request_id: int, ask: Ask) -> Refused | None:
    """Ask the vault for the digits of a stored request, after its transaction. None: they stand; else why not yet."""
    from prewatt.office.tokens import issuing, opened

    try:
        issuing.issue(request_id, rack=opened.rack(at=ask.at), at=ask.at)
    except Refused as refused:
        return refused
    return None


def stored_digits(request_id: int) -> tuple[str, ...]:
    """The digits that stand; none while there are none. Who may see them is the caller's question."""
    from prewatt.office.tokens import issuing

    return issuing.digits_of(request_id) or ()


def token_lines(ask: Ask, rows: Sequence[TokenRequest]) -> list[dict[str, Any]]:
    """Requests for a table, without digits."""
    names = names_of([each.actor for each in rows])
    return [
        {
            "row": each, "kind": kind_words(each), "time": formats.when(each.asked_at, ask.at, ask.zone),
            "carries": _carries(each, ask), "state": state_of(each)[0], "css": state_of(each)[1],
            "who": names.get(each.actor, "" if each.actor != "system" else _("the system")),
            "belongs": belongs_to(each.reference), "meter": each.sts_meter.meter,
            "why": code_words(each.code) if each.code and each.state in ("waiting", "refused") else "",
        }
        for each in rows
    ]  # fmt: skip


def _carries(row: TokenRequest, ask: Ask) -> str:
    if row.new_key is not None:
        return key_change_words(row.key, row.new_key)
    return carried_words(row, ask.site.currency)


def belongs_to(reference: str) -> tuple[str, str]:
    """(words, address) of what a request belongs to."""
    kind, _colon, text = reference.partition(":")
    if not text.isdecimal():
        return "", ""
    match kind:
        case "sale":
            return _("sale"), f"/console/sales/{text}"
        case "campaign":
            return _("key-change campaign"), f"{PATH}/campaigns/{text}"
        case "proposal":
            return _("proposal"), f"{PATH}/proposals/{text}"
    return "", ""


def token_cells(ask: Ask, rows: Sequence[TokenRequest]) -> Iterable[list[Cell]]:
    """The same for a sheet; never digits."""
    for each in token_lines(ask, rows):
        row: TokenRequest = each["row"]
        yield [
            row.asked_at, each["meter"].number, row.meter_pan, each["kind"], each["carries"], row.tid, each["state"],
            row.entered_at, each["who"], f"{each['belongs'][0]} {row.reference.partition(':')[2]}".strip(), row.reason,
        ]  # fmt: skip


def token_titles() -> list[str]:
    return [
        _("Asked"), _("Meter no."), _("Meter PAN"), _("Kind"), _("What it carries"), "TID", _("State"), _("Entered"),
        _("By"), _("Belongs to"), _("Reason"),
    ]  # fmt: skip


def proposal_lines(ask: Ask, rows: Sequence[TokenProposal]) -> list[dict[str, Any]]:
    """What waits for a second person, for a table."""
    names = names_of([f"operator:{each.asked_by}" for each in rows])
    return [
        {
            "row": each, "time": formats.when(each.asked_at, ask.at, ask.zone), "meter": each.sts_meter.meter,
            "what": content_words(each.content, None, ask.site.currency),
            "who": names.get(f"operator:{each.asked_by}", ""),
            "mine": each.asked_by == of_operator(ask.operator).operator_id,
        }
        for each in rows
    ]  # fmt: skip
