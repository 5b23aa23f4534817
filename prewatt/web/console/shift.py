"""Shifts: open one, see the drawer as it stands, hand it over, print the slip, look at past ones."""

from dataclasses import dataclass
from datetime import datetime

from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from prewatt.core.refusals import Refused
from prewatt.core.units import currency, parse_amount
from prewatt.core.words import amount_in_words
from prewatt.office.reports.shifts import LIST_MOST, ShiftRow, shift_rows
from prewatt.office.staff.actors import of_operator
from prewatt.office.staff.roles import Act, may
from prewatt.office.vending import shifts
from prewatt.office.vending.models import Shift, Till
from prewatt.web.console.sell_parts import money
from prewatt.web.console.views_base import Ask, console, safe_next
from prewatt.web.ui import formats
from prewatt.web.ui.words import TENDERS

NUMBER_MOST = 18  # digits of an id in a form


def sees_all(ask: Ask) -> bool:
    """Who keeps the books looks at everybody's shifts; a cashier at his own."""
    return may(ask.operator.role, Act.BOOKS)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A shift in words."""

    row: ShiftRow
    opened: str
    closed: str
    taken: str
    expected: str
    counted: str
    difference: str
    agrees: bool


def _line(ask: Ask, row: ShiftRow) -> Line:
    def sum_of(minor: int | None) -> str:
        return formats.DASH if minor is None else money(ask, minor)

    def time_of(at: datetime | None) -> str:
        return formats.DASH if at is None else formats.when(at, ask.at, ask.zone)

    return Line(
        row=row, opened=time_of(row.opened_at), closed=time_of(row.closed_at), taken=money(ask, row.taken_minor),
        expected=sum_of(row.expected_minor), counted=sum_of(row.counted_minor), agrees=not row.difference_minor,
        difference=sum_of(row.difference_minor),
    )  # fmt: skip


def _drawer(ask: Ask, shift: Shift) -> dict[str, object]:
    """The drawer as it stands, in words."""
    now = shifts.drawer(shift)
    totals = [
        (TENDERS.get(each.tender.value, each.tender.value), each.count,
         money(ask, each.in_minor), money(ask, each.out_minor))
        for each in now.totals if each.count
    ]  # fmt: skip
    return {
        "shift": shift, "opened": formats.when(shift.opened_at, ask.at, ask.zone), "float": money(ask, now.float_minor),
        "expected": money(ask, now.expected_minor), "sales": now.sales, "totals": totals,
    }  # fmt: skip


def _page(ask: Ask, status: int = 200, **more: object) -> HttpResponse:
    shift = shifts.open_shift_of(ask.operator.pk, ask.site.id)
    before = ask.request.GET.get("before", "")
    before_id = int(before) if before.isdecimal() and len(before) <= NUMBER_MOST else None
    rows = shift_rows(ask.operator.pk, ask.site.id, everybodys=sees_all(ask), before_id=before_id)
    context: dict[str, object] = {
        "shift": None, "lines": [_line(ask, row) for row in rows], "everybodys": sees_all(ask),
        "next_id": rows[-1].id if len(rows) == LIST_MOST else None, "counted": "", "note": "",
        "may_open": may(ask.operator.role, Act.SHIFT), "may_differ": may(ask.operator.role, Act.SHIFT_DIFFERENCE),
    }  # fmt: skip
    if shift is not None:
        context |= _drawer(ask, shift)
    else:
        context["tills"] = list(Till.objects.filter(site_id=ask.site.id, needs_shift=True).order_by("code"))
    return ask.page("ui/shift.html", {**context, **more}, status=status)


@require_safe
@console()
def shift(ask: Ask) -> HttpResponse:
    """His drawer as it stands, and past shifts."""
    return _page(ask)


@require_POST
@console()
def open_one(ask: Ask) -> HttpResponse:
    """Open a shift at a till of this site, then back to where he came from."""
    till, typed = ask.request.POST.get("till", ""), ask.request.POST.get("float", "")
    try:
        wanted = int(till) if till.isascii() and till.isdigit() and len(till) <= NUMBER_MOST else 0
        if not Till.objects.filter(pk=wanted, site_id=ask.site.id).exists():
            raise Refused("till_unknown")
        shifts.open_shift(
            till_id=wanted, float_minor=parse_amount(typed or "0", currency(ask.site.currency)),
            actor=of_operator(ask.operator), at=ask.at,
        )  # fmt: skip
    except Refused as refused:
        return _page(ask, status=422, refused=refused, said=_say(refused), typed=typed)
    return redirect(safe_next(ask.request, "/console/shift"))


@require_POST
@console()
def hand_over(ask: Ask) -> HttpResponse:
    """Close his shift: what was counted must agree; a manager may accept a difference with a reason."""
    post = ask.request.POST
    mine = shifts.open_shift_of(ask.operator.pk, ask.site.id)
    if mine is None:
        return redirect("/console/shift")
    counted, note = post.get("counted", ""), post.get("note", "")
    try:
        done = shifts.hand_over(
            mine, counted_minor=parse_amount(counted, currency(ask.site.currency)), actor=of_operator(ask.operator),
            at=ask.at, accept_difference="accept" in post, note=note,
        )  # fmt: skip
    except Refused as refused:
        told = _differs(ask, refused) if refused.code == "drawer_differs" else _say(refused)
        return _page(ask, status=422, refused=refused, said=told, counted=counted, note=note)
    return redirect(f"/console/shifts/{done.pk}")


@require_http_methods(["GET", "HEAD", "POST"])
@console()
def close(ask: Ask, shift_id: int) -> HttpResponse:
    """A manager closes a shift that was left open, by what he counted and with a reason."""
    rows = shift_rows(ask.operator.pk, ask.site.id, everybodys=True, shift_id=shift_id)
    if not rows or rows[0].closed_at is not None or not may(ask.operator.role, Act.SHIFT_DIFFERENCE):
        raise Http404
    left = Shift.objects.select_related("till").get(pk=shift_id)
    counted, note = ask.request.POST.get("counted", ""), ask.request.POST.get("note", "")
    context = {**_drawer(ask, left), "who": rows[0].operator, "counted": counted, "note": note}
    if ask.request.method != "POST":
        return ask.page("ui/shift_close.html", context)
    try:
        if not note.strip():
            raise Refused("reason_needed")
        shifts.hand_over(
            left, counted_minor=parse_amount(counted, currency(ask.site.currency)), actor=of_operator(ask.operator),
            at=ask.at, accept_difference=True, note=note,
        )  # fmt: skip
    except Refused as refused:
        return ask.page("ui/shift_close.html", {**context, "refused": refused, "said": _say(refused)}, status=422)
    return redirect(f"/console/shifts/{shift_id}")


def _differs(ask: Ask, refused: Refused) -> str:
    counted, expected = (int(str(refused.params.get(name) or 0)) for name in ("counted", "expected"))
    told = {
        "counted": money(ask, counted),
        "expected": money(ask, expected),
        "difference": money(ask, counted - expected),
    }
    return _("Counted %(counted)s, expected %(expected)s, difference %(difference)s. The shift stays open.") % told


@require_safe
@console()
def slip(ask: Ask, shift_id: int) -> HttpResponse:
    """The hand-over slip of a shift (交班单), to be signed by both."""
    rows = shift_rows(ask.operator.pk, ask.site.id, everybodys=sees_all(ask), shift_id=shift_id)
    if not rows:
        raise Http404
    line = _line(ask, rows[0])
    shift = Shift.objects.select_related("till").get(pk=shift_id)
    sum_minor = rows[0].counted_minor if rows[0].counted_minor is not None else 0
    context = {
        **_drawer(ask, shift), "line": line, "zone": ask.zone,
        "words": amount_in_words(sum_minor, currency(ask.site.currency), get_language() or "zh-hans"),
    }  # fmt: skip
    return ask.page("ui/shift_slip.html", context)


def _say(refused: Refused) -> str:
    return refused.message(get_language() or "zh-hans")


urlpatterns = [
    path("shift", shift, name="shift"),
    path("shift/open", open_one, name="shift-open"),
    path("shift/hand-over", hand_over, name="shift-hand-over"),
    path("shifts/<int:shift_id>", slip, name="shift-slip"),
    path("shifts/<int:shift_id>/close", close, name="shift-close"),
]
